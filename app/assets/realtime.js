// The WebSocket side: one connection that comes back by itself, and the channels it listens to.

const MAX_FRAME_BYTES = 512;
const FIRST_DELAY = 500;
const LONGEST_DELAY = 30_000;
const STEADY_AFTER = 10_000;
const NOTICEABLE_REFUSALS = 3;

/** Why a channel is not open to somebody, in the server's words and in a person's. */
const REFUSALS = {
  'permission denied': 'You may not listen to this channel.',
  'limit exceeded': 'You listen to as many channels as the server allows.',
  'internal error': 'The server could not find out whether you may. Try again later.',
};

/** Doubling delays in ms with jitter, so that many pages do not come back in the same instant. */
export class Backoff {
  #failures = 0;

  next(random = Math.random()) {
    const ceiling = Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** this.#failures);
    this.#failures += 1;
    return Math.round(ceiling * (0.5 + random / 2));
  }

  reset() {
    this.#failures = 0;
  }
}

/** What a close means to a person; codes from RFC 6455 section 7.4 and the server's own. */
export function closeReason(code) {
  const reasons = {
    1001: 'The server was stopped.',
    1002: 'The server did not understand this page.',
    1005: 'The server ended the connection; perhaps messages came faster than they could be taken.',
    1006: 'The connection broke.',
    1009: 'A request was too long for the server.',
    1011: 'The server had a problem.',
    1012: 'The server was given a new configuration.',
    4110: 'Your login has ended.',
  };
  return reasons[code] ?? `The connection was closed (code ${code}).`;
}

/**
 * Events: `state` {state, reason, delay}, `channels`, `message` {channel, payload}, `denied` {channel, text},
 * `problem` {text}, `loggedout`, and `refused` when the server, though it answers, keeps turning the connection away.
 * States: idle, connecting, open, waiting.
 */
export class Realtime extends EventTarget {
  #url;
  #ask;
  #socket = null;
  #timer = 0;
  #backoff = new Backoff();
  #refused = 0;
  /** Channel name to "asked", "live", "leaving" or "refused". */
  channels = new Map();
  /** Channel name to the reason, of those that are refused. */
  refusals = new Map();
  state = 'idle';

  /**
   * @param {() => Promise<?boolean>} ask am I still logged in? A browser hides why a handshake failed, so that
   *   somebody must ask; null if there is no answer
   */
  constructor(url, ask) {
    super();
    this.#url = url;
    this.#ask = ask;
  }

  connect() {
    if (this.#socket) return;
    clearTimeout(this.#timer);
    this.#setState('connecting');
    const socket = new WebSocket(this.#url);
    let openedAt = 0;
    this.#socket = socket;
    socket.onopen = () => {
      openedAt = performance.now();
      this.#opened();
    };
    socket.onmessage = (event) => this.#received(event.data);
    socket.onclose = (event) => this.#closed(socket, event.code, openedAt);
  }

  disconnect() {
    clearTimeout(this.#timer);
    const socket = this.#socket;
    this.#socket = null;
    socket?.close(1000);
    this.channels.clear();
    this.#backoff.reset();
    this.#setState('idle');
    this.#emit('channels');
  }

  /** Connect at once where a wait is on: the person asks, or the network is back. */
  hurry() {
    if (this.state === 'waiting') this.connect();
  }

  /** @returns {boolean} false if the name is too long for the server */
  subscribe(channel) {
    const frame = JSON.stringify({ action: 'subscribe', channel });
    if (new TextEncoder().encode(frame).length > MAX_FRAME_BYTES) return false;
    if (this.channels.get(channel) !== 'live') this.channels.set(channel, 'asked');
    this.#send(frame);
    this.#emit('channels');
    return true;
  }

  unsubscribe(channel) {
    if (this.state === 'open' && this.channels.get(channel) !== 'refused') {
      this.channels.set(channel, 'leaving');
      this.#send(JSON.stringify({ action: 'unsubscribe', channel }));
    } else {
      this.channels.delete(channel);
    }
    this.#emit('channels');
  }

  #opened() {
    this.#refused = 0;
    this.#setState('open');
    for (const channel of this.channels.keys()) this.subscribe(channel);
  }

  #send(frame) {
    if (this.state === 'open') this.#socket.send(frame);
  }

  #received(text) {
    const frame = JSON.parse(text);
    const known = this.channels.get(frame.channel);
    if (frame.type === 'message') {
      if (known) this.#emit('message', { channel: frame.channel, payload: frame.payload });
    } else if (frame.type === 'subscribed') {
      if (known === 'asked') this.channels.set(frame.channel, 'live');
      this.#emit('channels');
    } else if (frame.type === 'unsubscribed') {
      if (known === 'leaving') this.channels.delete(frame.channel);
      this.#emit('channels');
    } else if (frame.type === 'error' && known) {
      this.#denied(frame.channel, frame.error);
    } else if (frame.type === 'error') {
      this.#emit('problem', { text: `The server refused that: ${frame.error}.` });
    }
  }

  /** The channel stays in sight, with the reason beside it, until the person dismisses it or asks again. */
  #denied(channel, error) {
    const text = REFUSALS[error] ?? `The server refused that: ${error}.`;
    this.channels.set(channel, 'refused');
    this.refusals.set(channel, text);
    this.#emit('channels');
    this.#emit('denied', { channel, text });
  }

  #closed(socket, code, openedAt) {
    if (socket !== this.#socket) return;
    this.#socket = null;
    this.#loseAcknowledgements();
    if (openedAt && performance.now() - openedAt > STEADY_AFTER) this.#backoff.reset();
    const delay = this.#backoff.next();
    this.#timer = setTimeout(() => this.connect(), delay);
    this.#setState('waiting', { reason: openedAt ? closeReason(code) : '', delay });
    this.#wonder(openedAt);
  }

  async #wonder(openedAt) {
    const isLoggedIn = await this.#ask();
    if (isLoggedIn === false) this.#emit('loggedout');
    this.#refused = isLoggedIn && !openedAt ? this.#refused + 1 : 0;
    if (this.#refused === NOTICEABLE_REFUSALS) this.#emit('refused');
  }

  #loseAcknowledgements() {
    for (const [channel, state] of this.channels) {
      if (state === 'leaving') this.channels.delete(channel);
      else this.channels.set(channel, 'asked');
    }
    this.#emit('channels');
  }

  #setState(state, detail = {}) {
    this.state = state;
    this.#emit('state', { state, ...detail });
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
