// One channel as one page hears it.

import { Emitter, FIRST_DELAY, LONGEST_TIMER, nothing, pause, RealtimeError, whenAborted } from './values.js';

/** States: pending, live, failed, closed. */
export class Subscription extends Emitter {
  channel;
  state = 'pending';
  /** {epoch, offset} of the last message that came, on channels with a history. */
  position;
  /** With `presence`: user id to {info, conns}, or null while only their number is known. */
  members = null;
  count = null;
  ready;
  #realtime;
  #options;
  #settle;
  #forget = nothing;
  #timer = 0;
  #failures = 0;
  /** Answers to what was asked before this turn are not listened to any more. */
  #turn = 0;
  #wasLive = false;

  constructor(realtime, channel, listener, options) {
    super();
    this.channel = channel;
    this.position = options.since ?? null;
    this.#realtime = realtime;
    this.#options = options;
    this.ready = new Promise((resolve, reject) => { this.#settle = { resolve, reject }; });
    this.ready.catch(nothing);
    if (listener) this.on('message', listener);
    this.#forget = whenAborted(options.signal, () => this.close());
  }

  history(options) {
    return this.#realtime.history(this.channel, options);
  }

  presence(options) {
    return this.#realtime.presence(this.channel, options);
  }

  close() {
    this.#end('closed', new RealtimeError({ error: 'unsubscribed' }));
  }

  // The connection calls what follows.

  /** Ask for the channel, from the last position on. Until that is answered, messages are none of ours. */
  _join() {
    this._cut();
    const { last, presence, token } = this.#options;
    const since = this.position ?? (last ? { last } : undefined);
    const refused = this.#ours((error) => this.#refused(error));
    const ask = (shown) => this.#ask(
      { action: 'subscribe', since, presence, token: shown }, (frame) => this.#joined(frame), refused,
    );
    if (this.#canRenew) this.#renew(ask, refused);
    else ask(token);
  }

  _cut() {
    this.#turn += 1;
    clearTimeout(this.#timer);
    this.#set('pending');
  }

  _heard(frame) {
    if (this.state !== 'live') return;
    const { type, code } = frame;
    if (type === 'message') this.#message(frame);
    else if (type === 'skipped') this.#isNext(frame);
    else if (type === 'epoch') this.position = { epoch: frame.epoch, offset: frame.offset };
    else if (type === 'join' || type === 'leave') this.#moved(frame);
    else if (type === 'presence') this.#present(frame);
    else if (type === 'gap') this.#missed(frame);
    else if (type === 'unsubscribed' && code) this.#sentAway(new RealtimeError(frame));
  }

  _fail(error) {
    this.#end('failed', error);
  }

  get #canRenew() {
    return typeof this.#options.token === 'function';
  }

  /** What is done with an answer, unless something else was asked meanwhile. */
  #ours(then) {
    const turn = this.#turn;
    return (value) => turn === this.#turn && then(value);
  }

  #ask(message, resolve, reject = nothing) {
    const options = { resolve: this.#ours(resolve), reject, keep: false };
    this.#realtime._request({ channel: this.channel, ...message }, options);
  }

  #renew(then, failed) {
    Promise.resolve(this.channel).then(this.#options.token).then(this.#ours(then), failed);
  }

  /** A token of the channel is replaced in time (V6); where that fails, 2006 follows. */
  #lasts({ ttl }) {
    if (!ttl || !this.#canRenew) return;
    const refresh = (token) => this.#ask({ action: 'refresh', token }, (frame) => this.#lasts(frame));
    const delay = Math.min(Math.max(ttl - 60, ttl / 2) * 1000, LONGEST_TIMER);
    this.#timer = setTimeout(() => this.#renew(refresh, nothing), delay);
  }

  #joined(frame) {
    const { epoch, offset, recovered, replay = 0 } = frame;
    const since = this.position;
    const hasMissed = since ? recovered === false : this.#wasLive;
    this.#failures = 0;
    if (hasMissed && epoch && this.#options.last) {
      this.#beginAnew();
      return;
    }
    this.#wasLive = true;
    this.position = epoch ? { epoch, offset: offset - replay } : null;
    this.#set('live');
    this.#settle.resolve(this);
    if (hasMissed) this._emit('reload', epoch ? 'not recovered' : 'no history');
    else if (since) this._emit('recovered', replay);
    if (frame.count !== undefined) this.#present(frame);
    if (this.state === 'live') this.#lasts(frame);
  }

  /** As the first time: the newest ones, and no gap after them. */
  #beginAnew() {
    this.position = null;
    this.#wasLive = false;
    this._emit('reload', 'not recovered');
    if (this.state === 'pending') this._join();
  }

  #message(frame) {
    if (this.#isNext(frame)) this._emit('message', frame.payload, frame);
  }

  /** Any other offset shows that something is missing, or that the stream has begun anew: ask from the last one on. */
  #isNext({ offset }) {
    if (offset === undefined || !this.position) return true;
    if (offset !== this.position.offset + 1) {
      this._join();
      return false;
    }
    this.position = { ...this.position, offset };
    return true;
  }

  #moved({ type, user, info = null, count }) {
    if (type === 'join') this.members?.set(user, { info, conns: 1 });
    else this.members?.delete(user);
    this._emit(type, { user, info, count });
    this.#know(this.members, count);
  }

  #present({ members, count, more }) {
    this.#know(members && !more ? new Map(Object.entries(members)) : null, count);
  }

  #know(members, count) {
    Object.assign(this, { members, count });
    this._emit('presence', members, count);
  }

  /** A stream has what was missed, or says that it has not. On other channels all that can be had anew is who is there. */
  #missed({ reason }) {
    if (this.position) {
      this._join();
      return;
    }
    this._emit('reload', reason);
    if (this.#options.presence) this.#ask({ action: 'presence' }, (frame) => this.#present(frame));
  }

  #sentAway(error) {
    if (error.code < 2500 && !(error.code === 2006 && this.#canRenew)) this._fail(error);
    else this.#again(pause(FIRST_DELAY, 0));
  }

  #refused(error) {
    if (error.code === 109 && this.#canRenew && !this.#failures) this.#again(0);
    else if (error instanceof RealtimeError && !error.retry) this._fail(error);
    else this.#again(pause(error.after || FIRST_DELAY, this.#failures));
  }

  #again(delay) {
    this._cut();
    this.#failures += 1;
    this.#timer = setTimeout(() => this.#realtime.state === 'ready' && this._join(), delay);
  }

  #end(state, error) {
    if (this.state === 'failed' || this.state === 'closed') return;
    this._cut();
    this.#forget();
    this.#realtime._left(this, state === 'closed');
    this.#settle.reject(error);
    this.#set(state);
    if (state === 'failed') this._emit('error', error);
  }

  #set(state) {
    if (this.state === state) return;
    this.state = state;
    this._emit('state', state);
  }
}
