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

/** What a close means to a person; codes from RFC 6455 section 7.4 and the server's own. */
export function closeReason(code) {
  const reasons = {
    1001: 'The server was stopped.',
    1006: 'The connection broke.',
    4008: 'This page said too much at once.',
    4009: 'The server ended your connections.',
    4101: 'Messages came faster than they could be taken.',
    4110: 'Your login has ended.',
    4200: 'The server was stopped.',
    4201: 'The connection broke.',
  };
  return reasons[code] ?? `The connection was closed (code ${code}).`;
}

/** The pill in the header: what the connection is doing, in words and in colour. */
export class StateView {
  #ticker = 0;

  show({ state, code = 0, delay }) {
    clearInterval(this.#ticker);
    const isWaiting = state === 'waiting';
    byId('state').dataset.state = state;
    byId('state').title = code ? closeReason(code) : '';
    byId('retry').hidden = !isWaiting && state !== 'failed';
    const words = { connecting: 'Connecting…', ready: 'Connected', waiting: navigator.onLine ? 'Offline' : 'No network' };
    byId('state-text').textContent = words[state] ?? 'Not connected';
    byId('state-text').dataset.seconds = '';
    if (isWaiting && delay !== undefined) this.#countDown(delay);
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
  #entries = new Map();
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

  /** @param {Map<string, {state: string, refusal: string, count: ?number}>} entries */
  show(entries) {
    const list = byId('channels');
    const focused = document.activeElement.closest('.channel')?.dataset.name;
    for (const name of this.#counts.keys()) {
      if (!entries.has(name)) this.#counts.delete(name);
    }
    this.#entries = entries;
    list.replaceChildren(...[...entries].map(([name, entry]) => this.#item(name, entry)));
    byId('no-channels').hidden = entries.size > 0;
    byId('known-channels').replaceChildren(...[...entries.keys()].map((name) => new Option(name, name)));
    if (focused !== undefined) this.#focus(focused);
  }

  /** The button that had the focus was drawn anew, or is gone with its channel. */
  #focus(name) {
    const buttons = [...byId('channels').querySelectorAll('button:enabled')];
    const same = buttons.find((button) => button.parentElement.dataset.name === name);
    (same ?? buttons[0] ?? byId('subscribe-channel')).focus();
  }

  #tally(channel) {
    const { state, refusal, count } = this.#entries.get(channel) ?? {};
    if (state === 'refused') return refusal;
    if (state === 'asked') return 'waiting for the server';
    const number = this.#counts.get(channel) ?? 0;
    const messages = number === 1 ? '1 message' : `${number} messages`;
    return count === null ? messages : `${count} here · ${messages}`;
  }

  #item(name, { state }) {
    const item = element('li', `channel ${hueClass(name)}`);
    item.dataset.name = name;
    item.dataset.state = state;
    const label = element('span', 'channel-name', name);
    label.title = name;
    const isRefused = state === 'refused';
    const button = element('button', 'button is-quiet', isRefused ? 'Dismiss' : 'Unsubscribe');
    button.type = 'button';
    button.setAttribute('aria-label', isRefused ? `Dismiss ${name}` : `Unsubscribe from ${name}`);
    button.onclick = () => this.#leave(name);
    item.append(element('span', 'dot'), label, element('span', 'tally', this.#tally(name)), button);
    return item;
  }
}

/** Everybody who listens to a channel of this page; who it is for comes first. */
export class PeopleView {
  /** @param {Map<string, {state: string, members: ?Map<string, object>}>} entries  @param {string} me */
  show(entries, me) {
    const known = new Map();
    for (const [channel, { state, members }] of entries) {
      for (const user of (state === 'live' && members?.keys()) || []) known.set(user, [...(known.get(user) ?? []), channel]);
    }
    const people = [...known].sort(([one], [other]) => (other === me) - (one === me) || one.localeCompare(other));
    byId('people').replaceChildren(...people.map(([user, channels]) => this.#chip(user, channels, user === me)));
    byId('here').hidden = people.length === 0;
  }

  #chip(user, channels, isMe) {
    const item = element('li', `chip person${isMe ? ' is-me' : ''}`, isMe ? `${user} (you)` : user);
    item.title = `${user}, in ${channels.join(', ')}`;
    return item;
  }
}

/** The messages, newest first. */
export class LogView {
  #total = 0;
  #keys = new Set();

  /**
   * @param {{channel: string, payload: any, key: string, time: number, from?: {user?: string}, offset?: number}} message
   * @returns {boolean} false if it is there already
   */
  add({ channel, payload, key, time, from, offset }) {
    const item = element('li', `message ${hueClass(channel)}`);
    if (offset !== undefined) {
      item.dataset.key = `${channel} ${key}`;
      if (this.#keys.has(item.dataset.key)) return false;
      this.#keys.add(item.dataset.key);
    }
    const at = new Date(time);
    const clock = element('time', 'time', at.toLocaleTimeString([], { hour12: false }));
    clock.dateTime = at.toISOString();
    clock.title = at.toLocaleString();
    item.append(clock, origin(channel, from), body(payload));
    this.#place(item, time);
    this.#count(this.#total + 1);
    return true;
  }

  /** A line between the messages, about what happened to the connection. */
  note(channel, text) {
    const item = element('li', 'message is-note');
    item.setAttribute('role', 'note');
    item.append(element('p', 'text', `${channel}: ${text}`));
    this.#place(item, Date.now());
  }

  clear() {
    byId('messages').replaceChildren();
    this.#keys.clear();
    this.#count(0);
  }

  /** Where its time puts it: what was said before the page came is below what came meanwhile. */
  #place(item, time) {
    item.dataset.time = time;
    const list = byId('messages');
    list.insertBefore(item, [...list.children].find((other) => Number(other.dataset.time) <= time) ?? null);
    while (list.children.length > MAX_MESSAGES) {
      this.#keys.delete(list.lastChild.dataset.key);
      list.lastChild.remove();
    }
  }

  #count(total) {
    this.#total = total;
    byId('count').textContent = String(total);
    byId('no-messages').hidden = total > 0;
    byId('log').hidden = total === 0;
    byId('clear').hidden = total === 0;
  }
}

/** Which channel, and who; what the application publishes has no author. */
function origin(channel, from) {
  const place = element('span', 'origin');
  const name = element('span', 'chip', channel);
  name.title = channel;
  place.append(name);
  if (from) place.append(element('span', 'author', from.user ?? 'a visitor'));
  return place;
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
