// What happens to the page itself, where there is one: it goes offline, it is frozen, it wakes.

/** Tell until `signal` aborts. Node and workers have some of these events, or none. */
export function watchPage(signal, { network, doubt, sleep, wake }) {
  const page = globalThis.document;
  const watch = (target, type, then) => target?.addEventListener?.(type, then, { signal });
  watch(globalThis, 'online', network);
  watch(globalThis, 'offline', doubt);
  watch(globalThis, 'pagehide', sleep);
  watch(globalThis, 'pageshow', wake);
  watch(page, 'freeze', sleep);
  watch(page, 'resume', wake);
  watch(page, 'visibilitychange', () => page.visibilityState === 'visible' && wake());
}
