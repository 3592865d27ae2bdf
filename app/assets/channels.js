// The channels of this page: whether each is heard, who is there, and what was said before the page came.

const EARLIER = 50;
const MAX_NAME_BYTES = 255;

/** Why a channel is not open to somebody, in the server's words and in a person's. */
const REFUSALS = {
  'permission denied': 'You may not listen to this channel.',
  'limit exceeded': 'You listen to as many channels as the server allows.',
  'permission revoked': 'You may not listen to this channel any more.',
};

export const isGoodName = (name) => new TextEncoder().encode(name).length <= MAX_NAME_BYTES;

export class Channels {
  #realtime;
  #page;
  /** Name to {state, refusal, members, count, sub}; states are asked, live and refused. */
  #entries = new Map();

  /**
   * @param realtime the connection
   * @param page what it tells: changed(entries), denied(name, text), message(message), interrupted(name, text)
   */
  constructor(realtime, page) {
    this.#realtime = realtime;
    this.#page = page;
  }

  get names() {
    return [...this.#entries.keys()].filter((name) => this.isHeard(name));
  }

  isHeard(name) {
    return this.#entries.has(name) && this.#entries.get(name).state !== 'refused';
  }

  listen(name) {
    if (this.isHeard(name)) return;
    const entry = { state: 'asked', refusal: '', members: null, count: null };
    this.#entries.delete(name);
    this.#entries.set(name, entry);
    const sub = this.#realtime.subscribe(name, (payload, message) => {
      this.#page.message({ ...message, key: `${sub.position?.epoch} ${message.offset}`, time: Date.now() });
    }, { presence: true });
    entry.sub = sub;
    sub.on('state', (state) => this.#moved(name, entry, state));
    sub.on('presence', (members, count) => this.#met(entry, members, count));
    sub.on('error', (error) => this.#denied(name, entry, error));
    sub.on('recovered', (missed) => missed && this.#page.interrupted(name, caughtUp(missed)));
    sub.on('reload', () => this.#reload(name, sub));
    sub.ready.then(() => this.#loadEarlier(name, sub), () => {});
    this.#changed();
  }

  leave(name) {
    const entry = this.#entries.get(name);
    this.#entries.delete(name);
    entry?.sub.close();
    this.#changed();
  }

  #moved(name, entry, state) {
    if (this.#entries.get(name) !== entry || state === 'failed' || state === 'closed') return;
    entry.state = state === 'live' ? 'live' : 'asked';
    this.#changed();
  }

  #met(entry, members, count) {
    Object.assign(entry, { members, count });
    this.#changed();
  }

  /** The channel stays in sight, with the reason beside it, until the person dismisses it or asks again. */
  #denied(name, entry, { message }) {
    if (this.#entries.get(name) !== entry) return;
    const refusal = REFUSALS[message] ?? `The server refused that: ${message}.`;
    Object.assign(entry, { state: 'refused', refusal, members: null, count: null });
    this.#changed();
    this.#page.denied(name, refusal);
  }

  #reload(name, sub) {
    this.#page.interrupted(name, 'The connection was interrupted. What is kept of the time before is shown.');
    this.#loadEarlier(name, sub);
  }

  /** What live messages bring too is known by its key. Channels without a history have nothing to show. */
  async #loadEarlier(name, sub) {
    try {
      const { items, position } = await sub.history({ last: EARLIER });
      for (const item of items) this.#page.message({ ...item, channel: name, key: `${position.epoch} ${item.offset}` });
    } catch {
      // Nothing is kept, or the connection is gone: then the next one asks again, if something was missed.
    }
  }

  #changed() {
    this.#page.changed(this.#entries);
  }
}

function caughtUp(missed) {
  return missed === 1 ? 'Back again, with the message that was missed.' : `Back again, with ${missed} messages that were missed.`;
}
