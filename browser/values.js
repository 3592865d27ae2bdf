// What all parts share: how long things may take, what went wrong, and who wants to be told.

export const PROTOCOL = 'realtime.v1.json';
export const PONG = '{"action":"pong"}';

/** Milliseconds: for a handshake up to its welcome; for the answer to a question whether anybody is there. */
export const DIAL_PATIENCE = 10_000;
export const PROBE_PATIENCE = 5_000;
/** A connection that was ready for so long was a good one: failures after it are counted anew. */
export const STEADY = 10_000;
export const FIRST_DELAY = 500;
const LONGEST_DELAY = 30_000;
/** So many requests at once, and as many again after so many ms: half of what servers take by default. */
export const BURST = 100;
export const BURST_PAUSE = 2_000;
/** What setTimeout can count. */
export const LONGEST_TIMER = 2 ** 31 - 1;

export const nothing = () => {};

/** Milliseconds before another try: doubled by each failure, and up to as long again at random (V8). */
export const pause = (base, failures) => Math.min(LONGEST_DELAY, base * 2 ** failures) * (1 + Math.random());

/** Call `then` when `signal` aborts, at once if it has; calling what is returned forgets that. */
export function whenAborted(signal, then) {
  if (signal?.aborted) then();
  else signal?.addEventListener('abort', then, { once: true });
  return () => signal?.removeEventListener('abort', then);
}

/** What the server, or the network, said instead of doing what was asked. */
export class RealtimeError extends Error {
  name = 'RealtimeError';

  constructor({ error, reason, code = 0, retry = false, after = 0 }) {
    super(error || reason || `closed with ${code}`);
    Object.assign(this, { code, retry, after });
  }
}

export class Emitter {
  #listeners = new Map();

  on(type, listener, { signal } = {}) {
    const entry = { listener };
    const listeners = this.#listeners.get(type) ?? new Set();
    this.#listeners.set(type, listeners.add(entry));
    let forget = nothing;
    const off = () => {
      forget();
      listeners.delete(entry);
    };
    forget = whenAborted(signal, off);
    return off;
  }

  /** A listener that throws is reported as the page's own mistake, and keeps nobody else from being told. */
  _emit(type, ...values) {
    for (const { listener } of [...(this.#listeners.get(type) ?? [])]) {
      try {
        listener(...values);
      } catch (error) {
        queueMicrotask(() => { throw error; });
      }
    }
  }
}
