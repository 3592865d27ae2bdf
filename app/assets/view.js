// What is drawn: small pieces of the page that know their own elements and nothing of the network.

const MAX_MESSAGES = 200;
const HUES = 8;

export const byId = (id) => document.getElementById(id);

/** An element with a class and text; text never becomes HTML. */
export function element(name, className, text = '') {
  const made = document.createElement(name);
  made.className = className;
  made.textContent = text;
  return made;
}

const hues = new Map();

/** A channel keeps its colour; neighbours differ, because colours are dealt in the order of appearance. */
export function hueClass(channel) {
  if (!hues.has(channel)) hues.set(channel, hues.size % HUES);
  return `hue-${hues.get(channel)}`;
}

/** A sentence at a form, tied to the field that is to blame. */
export function showProblem(place, text, field = null) {
  place.textContent = text;
  if (field) {
    field.setAttribute('aria-invalid', 'true');
    field.focus();
    field.addEventListener('input', () => clearProblem(place, field), { once: true });
  }
}

export function clearProblem(place, field = null) {
  place.textContent = '';
  field?.removeAttribute('aria-invalid');
}

/** Tell a screen reader what others see at its place. */
export function announce(text) {
  byId('announcement').textContent = text;
}

/** A note above the page that can be dismissed; the same text is shown once. */
export function notify(text, kind = 'bad') {
  const place = byId('notices');
  for (const old of place.children) {
    if (old.dataset.text === text) old.remove();
  }
  const note = element('div', `notice is-${kind}`);
  note.dataset.text = text;
  note.setAttribute('role', kind === 'bad' ? 'alert' : 'status');
  const close = element('button', 'close', '×');
  close.type = 'button';
  close.setAttribute('aria-label', 'Dismiss');
  close.onclick = () => note.remove();
  note.append(element('span', '', text), close);
  place.append(note);
  while (place.children.length > 3) place.firstChild.remove();
}

export function forgetNotices() {
  byId('notices').replaceChildren();
}

/** The pill in the header: what the connection is doing, in words and in colour. */
export class StateView {
  #ticker = 0;

  show({ state, reason = '', delay = 0 }) {
    clearInterval(this.#ticker);
    byId('state').dataset.state = state;
    byId('state').title = reason;
    byId('retry').hidden = state !== 'waiting';
    const words = { idle: 'Not connected', connecting: 'Connecting…', open: 'Connected' };
    byId('state-text').textContent = words[state] ?? 'Offline';
    if (state === 'waiting') this.#countDown(delay);
  }

  /** The countdown is drawn by the style sheet from an attribute, so that no screen reader reads every second. */
  #countDown(delay) {
    const end = performance.now() + delay;
    const tick = () => {
      const seconds = Math.max(0, Math.ceil((end - performance.now()) / 1000));
      byId('state-text').dataset.seconds = `${seconds} s`;
    };
    tick();
    this.#ticker = setInterval(tick, 250);
  }
}

/** The channels with their state, their count and a way out. */
export class ChannelView {
  #counts = new Map();
  #leave;

  /** @param {(channel: string) => void} leave */
  constructor(leave) {
    this.#leave = leave;
  }

  count(channel) {
    this.#counts.set(channel, (this.#counts.get(channel) ?? 0) + 1);
    const place = byId('channels').querySelector(`[data-name="${CSS.escape(channel)}"] .tally`);
    if (place) place.textContent = this.#tally(channel);
  }

  /** @param {Map<string, string>} channels states  @param {Map<string, string>} refusals reasons */
  show(channels, refusals) {
    const list = byId('channels');
    const focused = document.activeElement.closest('.channel')?.dataset.name;
    list.replaceChildren(...[...channels].map(([name, state]) => this.#item(name, state, refusals.get(name))));
    byId('no-channels').hidden = channels.size > 0;
    byId('known-channels').replaceChildren(...[...channels.keys()].map((name) => new Option(name, name)));
    for (const name of this.#counts.keys()) {
      if (!channels.has(name)) this.#counts.delete(name);
    }
    if (focused !== undefined) this.#focus(focused);
  }

  /** The button that had the focus was drawn anew, or is gone with its channel. */
  #focus(name) {
    const buttons = [...byId('channels').querySelectorAll('button:enabled')];
    const same = buttons.find((button) => button.parentElement.dataset.name === name);
    (same ?? buttons[0] ?? byId('subscribe-channel')).focus();
  }

  #tally(channel) {
    const number = this.#counts.get(channel) ?? 0;
    return number === 1 ? '1 message' : `${number} messages`;
  }

  #item(name, state, refusal) {
    const item = element('li', `channel ${hueClass(name)}`);
    item.dataset.name = name;
    item.dataset.state = state;
    const label = element('span', 'channel-name', name);
    label.title = name;
    const words = { asked: 'waiting for the server', leaving: 'leaving…', refused: refusal };
    const tally = element('span', 'tally', words[state] ?? this.#tally(name));
    const isRefused = state === 'refused';
    const button = element('button', 'button is-quiet', isRefused ? 'Dismiss' : 'Unsubscribe');
    button.type = 'button';
    button.disabled = state === 'leaving';
    button.setAttribute('aria-label', isRefused ? `Dismiss ${name}` : `Unsubscribe from ${name}`);
    button.onclick = () => this.#leave(name);
    item.append(element('span', 'dot'), label, tally, button);
    return item;
  }
}

/** The messages, newest first. */
export class LogView {
  #total = 0;

  add(channel, payload, at = new Date()) {
    const item = element('li', `message ${hueClass(channel)}`);
    const time = element('time', 'time', at.toLocaleTimeString([], { hour12: false }));
    time.dateTime = at.toISOString();
    const name = element('span', 'chip', channel);
    name.title = channel;
    item.append(time, name, body(payload));
    const list = byId('messages');
    list.prepend(item);
    while (list.children.length > MAX_MESSAGES) list.lastChild.remove();
    this.#count(this.#total + 1);
  }

  clear() {
    byId('messages').replaceChildren();
    this.#count(0);
  }

  #count(total) {
    this.#total = total;
    byId('count').textContent = String(total);
    byId('no-messages').hidden = total > 0;
    byId('log').hidden = total === 0;
    byId('clear').hidden = total === 0;
  }
}

function body(payload) {
  if (typeof payload === 'string') return element('p', 'text', payload);
  const block = element('pre', 'text json');
  const text = JSON.stringify(payload, null, 2);
  block.append(...colored(text));
  if (text.split('\n').length > 12) block.tabIndex = 0;
  return block;
}

const TOKEN = /("(?:[^"\\]|\\.)*")(\s*:)?|\b(?:true|false|null)\b|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

/** JSON text as spans: keys, strings and other values each in a colour. */
function colored(text) {
  const parts = [];
  let end = 0;
  for (const match of text.matchAll(TOKEN)) {
    const kind = match[2] ? 'key' : match[1] ? 'string' : 'value';
    parts.push(text.slice(end, match.index), element('span', `json-${kind}`, match[1] ?? match[0]), match[2] ?? '');
    end = match.index + match[0].length;
  }
  return [...parts, text.slice(end)];
}
