// The browser's side of a tornado_realtime server. MIT licence.
//
//   import { Realtime } from '/realtime.js';
//   new Realtime('/ws').subscribe('news', (payload) => console.log(payload));
//
// realtime.d.ts says what each part takes and gives. V1 to V8 are sections of docs/realtime-v1.md, the wire.
// This file is put together by tools/browser.py, of the parts in browser/.

// What all parts share: how long things may take, what went wrong, and who wants to be told.

const PROTOCOL = 'realtime.v1.json';
const PONG = '{"action":"pong"}';

/** Milliseconds: for a handshake up to its welcome; for the answer to a question whether anybody is there. */
const DIAL_PATIENCE = 10_000;
const PROBE_PATIENCE = 5_000;
/** A connection that was ready for so long was a good one: failures after it are counted anew. */
const STEADY = 10_000;
const FIRST_DELAY = 500;
const LONGEST_DELAY = 30_000;
/** So many requests at once, and as many again after so many ms: half of what servers take by default. */
const BURST = 100;
const BURST_PAUSE = 2_000;
/** What setTimeout can count. */
const LONGEST_TIMER = 2 ** 31 - 1;

const nothing = () => {};

/** Milliseconds before another try: doubled by each failure, and up to as long again at random (V8). */
const pause = (base, failures) => Math.min(LONGEST_DELAY, base * 2 ** failures) * (1 + Math.random());

/** Call `then` when `signal` aborts, at once if it has; calling what is returned forgets that. */
function whenAborted(signal, then) {
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

class Emitter {
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

// The token that this page shows, where it shows one; cookies need nothing of this.

const base64url = (text) =>
  btoa(String.fromCharCode(...new TextEncoder().encode(text)))
    .replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');

class Login {
  token = null;
  /** Whether the server has not let this token in yet. */
  isNew = true;
  #give;
  #end = Infinity;
  #ticket = '';

  /** @param give the token, a function that gets one, or nothing */
  constructor(give) {
    this.#give = give;
  }

  get canRenew() {
    return typeof this.#give === 'function';
  }

  /** What to show. The application is asked only where there is nothing, or when that has run out. */
  async get() {
    if (Date.now() > this.#end) this.token = null;
    if (!this.token && this.#give) this.keep(this.canRenew ? await this.#give() : this.#give);
    return this.token;
  }

  keep(token) {
    this.token = token;
    this.isNew = true;
    this.#end = Infinity;
    this.#ticket = '';
  }

  /** It was good: for `ttl` seconds, and the way back is open to whoever has the ticket. */
  accepted({ ttl = Infinity, ticket = this.#ticket }) {
    this.isNew = false;
    this.#end = Date.now() + ttl * 1000;
    this.#ticket = ticket;
  }

  /** How it travels where no header can be set: among the subprotocols. */
  get protocols() {
    return [
      ...(this.token ? [`bearer.${base64url(this.token)}`] : []),
      ...(this.#ticket ? [`ticket.${this.#ticket}`] : []),
    ];
  }

  get headers() {
    return this.token ? { Authorization: `Bearer ${this.token}` } : {};
  }
}

// What was asked and is not answered yet (V2).


class Requests {
  /** By id, in the order in which they were asked. */
  #waiting = new Map();
  #lastId = 0;

  /**
   * `resolve` and `reject` are called in the turn of the answer, so before what comes after it. `keep` says whether it
   * may be asked again on another connection: always, never, or, with 'login', only by somebody who has one.
   */
  add(message, { resolve, reject, keep = true, signal }) {
    const id = ++this.#lastId;
    const request = { text: JSON.stringify({ ...message, id }), resolve, reject, keep, forget: nothing };
    this.#waiting.set(id, request);
    request.forget = whenAborted(signal, () => {
      this.#waiting.delete(id);
      reject(signal.reason);
    });
    return id;
  }

  get ids() {
    return [...this.#waiting.keys()];
  }

  /** Send it, unless it is over. What is too long would end the connection, and the next one, too. */
  send(id, socket, limit) {
    const request = this.#waiting.get(id);
    if (!request) return;
    if (new TextEncoder().encode(request.text).length > limit) this.fail(id, { error: 'limit exceeded', code: 106 });
    else {
      request.wasSent = true;
      socket.send(request.text);
    }
  }

  answer(frame) {
    if (frame.type === 'error') this.fail(frame.id, frame);
    else this.#take(frame.id)?.resolve(frame);
  }

  fail(id, frame) {
    this.#take(id)?.reject(new RealtimeError(frame));
  }

  /** The connection is gone, and with it what was asked of it alone. Keys of visitors end with it (V5). */
  cut(hasLogin) {
    for (const [id, { keep, wasSent }] of [...this.#waiting]) {
      if (!keep) this.fail(id, { error: 'connection lost', retry: true });
      else if (keep === 'login' && wasSent && !hasLogin) this.fail(id, { error: 'perhaps not published', code: 100 });
    }
  }

  #take(id) {
    const request = this.#waiting.get(id);
    request?.forget();
    this.#waiting.delete(id);
    return request;
  }
}

// What happens to the page itself, where there is one: it goes offline, it is frozen, it wakes.

/** Tell until `signal` aborts. Node and workers have some of these events, or none. */
function watchPage(signal, { network, doubt, sleep, wake }) {
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

// As much of a WebSocket as is needed, over an event stream and posts: for networks that let nothing else through.


/** Most characters of one post: the server takes 65,536 bytes (S5), of which a character may need three. */
const POST_SIZE = 20_000;

class EventStream {
  /** What the stream's welcome says; posts show it. */
  session = '';
  #url;
  #headers;
  #waiting = [];
  #isPosting = false;
  #stop = new AbortController();

  constructor(url, headers) {
    this.#url = url;
    this.#headers = headers;
    const ended = (status) => this.onclose({ code: 1006, reason: '', status });
    this.#read().then(ended, () => ended());
  }

  send(text) {
    if (text === PONG) return; // a stream's pings need no answer (S3)
    this.#waiting.push(text);
    if (!this.#isPosting) this.#post();
  }

  close() {
    this.#stop.abort();
  }

  /** One after the other, so that the order is kept; what comes meanwhile goes together. */
  async #post() {
    this.#isPosting = true;
    try {
      while (this.#waiting.length) {
        let body = this.#waiting.shift();
        while (this.#waiting.length && body.length + this.#waiting[0].length < POST_SIZE) {
          body += `\n${this.#waiting.shift()}`;
        }
        const { status } = await this.#fetch({ method: 'POST', body, headers: { 'X-Realtime-Session': this.session } });
        if (status !== 202) throw new Error(`status ${status}`);
      }
      this.#isPosting = false;
    } catch ({ message }) {
      // What was taken is not known. Over another connection all of it is asked again.
      this.onclose({ code: 1006, reason: message });
    }
  }

  /** Each event is one line of data (S2). */
  async #read() {
    const { ok, status, body } = await this.#fetch({ cache: 'no-store' });
    if (!ok) return status;
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    for (let text = ''; ;) {
      const { done, value } = await reader.read();
      if (done) return undefined;
      const lines = (text + value).split('\n');
      text = lines.pop();
      for (const line of lines) if (line.startsWith('data: ')) this.onmessage({ data: line.slice(6) });
    }
  }

  #fetch({ headers, ...options }) {
    const { signal } = this.#stop;
    return fetch(this.#url, { credentials: 'include', headers: { ...this.#headers, ...headers }, signal, ...options });
  }
}

// One channel as one page hears it.


/** States: pending, live, failed, closed. */
class Subscription extends Emitter {
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

// One connection that comes back by itself, and what a page asks over it.


/** A name for one publication, so that sending it again does not publish it again. Plain http has this, too. */
const freshKey = () => crypto.getRandomValues(new Uint32Array(4)).join('-');

/** States: connecting, ready, waiting, failed, closed. */
export class Realtime extends Emitter {
  state = 'waiting';
  /** What the server said of the connection (V3). */
  welcome = null;
  #url;
  #options;
  #login;
  #subscriptions = new Map();
  #requests = new Requests();
  /** Ids of requests that are still to be sent over this connection. */
  #queue = [];
  #pace = 0;
  #socket = null;
  /** A number for each try; what belongs to an older one is over. */
  #dial = 0;
  #timer = 0;
  #watchdog = 0;
  #failures = 0;
  /** How many handshakes in a row came to nothing. */
  #misses = 0;
  /** Whether WebSocket got through here, and whether to try an event stream instead. */
  #hasWebSocket = false;
  #isBlocked = false;
  #readyAt = 0;
  /** The server's `disconnect`, which precedes its close. */
  #advice = null;
  /** Why it failed or was closed: what is asked then is answered with it. */
  #verdict = null;
  #life = new AbortController();

  constructor(url = '/ws', options = {}) {
    super();
    this.#url = new URL(url, globalThis.location?.href);
    this.#url.protocol = this.#url.protocol.replace('http', 'ws');
    this.#options = options;
    this.#login = new Login(options.token);
    this.#watchPage();
    this.#life.signal.addEventListener('abort', whenAborted(options.signal, () => this.close()));
    // Not before whoever makes it has said what else they want: listeners, and the first channels.
    queueMicrotask(() => this.connect());
  }

  subscribe(channel, listener, options = {}) {
    if (this.#subscriptions.has(channel)) throw new Error(`already subscribed to ${channel}: use its on()`);
    const subscription = new Subscription(this, channel, listener, options);
    if (this.state === 'closed') subscription._fail(new RealtimeError(this.#verdict));
    if (subscription.state !== 'pending') return subscription;
    this.#subscriptions.set(channel, subscription);
    if (this.state === 'ready') subscription._join();
    return subscription;
  }

  async publish(channel, payload, { echo, token, key = freshKey(), signal } = {}) {
    const message = { action: 'publish', channel, payload, echo, token, key };
    const { epoch, offset } = await this.#ask(message, { signal, keep: 'login' });
    return { key, position: epoch ? { epoch, offset } : null };
  }

  async history(channel, { since, last, limit, reverse, token, signal } = {}) {
    const from = last ? { last } : since;
    const answer = await this.#ask({ action: 'history', channel, since: from, limit, reverse, token }, { signal });
    const { items, more = false, epoch, offset } = answer;
    return { items, more, position: { epoch, offset } };
  }

  async presence(channel, { after, limit, token, signal } = {}) {
    const answer = await this.#ask({ action: 'presence', channel, after, limit, token }, { signal });
    const { members = {}, count, more = false, next = null } = answer;
    return { members: new Map(Object.entries(members)), count, more, next };
  }

  /** Show the server a login that lasts longer: `token`, or what the option `token` gives now. */
  async refresh(token = null) {
    this.#login.keep(token);
    const shown = await this.#login.get() ?? undefined;
    this.#login.accepted(await this.#ask({ action: 'refresh', token: shown }, { keep: false }));
  }

  /** Try now instead of later; also after a failure, when there is reason to hope. */
  connect() {
    if (this.state !== 'waiting' && this.state !== 'failed') return;
    this.#hangUp();
    this.#watch(DIAL_PATIENCE, () => this.#lost(1006, 'no answer'));
    this.#set('connecting');
    const dial = this.#dial;
    const ours = (then) => (value) => dial === this.#dial && then(value);
    this.#login.get().then(ours(() => this.#open())).catch(ours((error) => this.#lost(0, `${error?.message ?? error}`)));
  }

  close() {
    if (this.state !== 'closed') this.#end('closed', { error: 'closed' });
    this.#life.abort();
    for (const subscription of [...this.#subscriptions.values()]) subscription.close();
  }

  // Subscriptions call what follows.

  _request(message, options) {
    const id = this.#requests.add(message, options);
    if (this.#verdict) this.#requests.fail(id, this.#verdict);
    else if (this.#queue.push(id) === 1 && this.state === 'ready') this.#flush();
  }

  _left(subscription, tell) {
    const { channel } = subscription;
    if (this.#subscriptions.get(channel) !== subscription) return;
    this.#subscriptions.delete(channel);
    if (tell && this.state === 'ready') this.#socket.send(JSON.stringify({ action: 'unsubscribe', channel }));
  }

  #ask(message, options) {
    return new Promise((resolve, reject) => this._request(message, { resolve, reject, ...options }));
  }

  /** What has piled up goes out in order, and not all at once: a server ends connections that say too much (4008). */
  #flush() {
    for (const id of this.#queue.splice(0, BURST)) {
      this.#requests.send(id, this.#socket, this.welcome.limits.frame);
    }
    if (this.#queue.length) this.#pace = setTimeout(() => this.#flush(), BURST_PAUSE);
  }

  // A connection: dialled, welcomed, heard, lost.

  #open() {
    const { WebSocket = globalThis.WebSocket } = this.#options;
    const socket = this.#isBlocked
      ? new EventStream(this.#plainUrl(this.#options.sse ?? 'sse'), this.#login.headers)
      : new WebSocket(this.#url.href, [PROTOCOL, ...this.#login.protocols]);
    this.#socket = socket;
    socket.onmessage = ({ data }) => socket === this.#socket && this.#heard(JSON.parse(data));
    socket.onclose = ({ code, reason, status }) => socket === this.#socket && this.#lost(code, reason, status);
  }

  #heard(frame) {
    const { type } = frame;
    if (type === 'welcome') this.#welcomed(frame);
    if (this.state !== 'ready') return;
    this.#expectLife();
    if (frame.id !== undefined) this.#requests.answer(frame);
    else if (type === 'ping') this.#socket.send(PONG);
    else if (type === 'disconnect') this.#advice = frame;
    else if (type === 'expiring') this.#expiring(frame);
    else if (type === 'error') this._emit('error', new RealtimeError(frame));
    else this.#subscriptions.get(frame.channel)?._heard(frame);
  }

  #welcomed(frame) {
    // Keys are a user's own: for somebody else a publication would be another one.
    if (this.welcome?.user !== frame.user) this.#requests.cut(false);
    this.welcome = frame;
    this.#login.accepted(frame);
    this.#socket.session = frame.session;
    this.#hasWebSocket ||= !this.#isBlocked;
    this.#misses = 0;
    this.#readyAt = performance.now();
    this.state = 'ready';
    // What was asked on the last connection, or while there was none, comes after the channels.
    const asked = this.#queue.splice(0);
    for (const subscription of [...this.#subscriptions.values()]) subscription._join();
    this.#queue.push(...asked);
    this.#flush();
    this.#set('ready');
  }

  /** The login is about to run out. Where that can't be helped, a close with 4110 follows (V6). */
  #expiring(frame) {
    this._emit('expiring', frame.in);
    if (this.#login.canRenew) this.refresh().catch((error) => this._emit('error', error));
  }

  #lost(closeCode, reason, status) {
    const advice = this.#advice ?? {};
    const code = advice.code ?? closeCode;
    const wasReady = this.state === 'ready';
    if (wasReady && performance.now() - this.#readyAt > STEADY) this.#failures = 0;
    if (code === 4110) this.#login.keep(null);
    if (advice.reconnect === false || (code >= 4000 && code < 4100)) {
      this.#end('failed', { reason, ...advice, code });
      return;
    }
    this.#rest({ code, reason: advice.reason ?? reason, delay: this.#delay(code, advice.after) });
    if (wasReady || !code) return;
    this.#misses += 1;
    if (this.#isBlocked) this.#judge(status);
    else if (this.#misses % 4 === 1 || (this.#login.token && this.#login.isNew)) this.#wonder();
  }

  #delay(code, after) {
    const usual = code >= 4100 && code < 4200 ? 2 * FIRST_DELAY : FIRST_DELAY;
    const first = after ?? usual;
    return pause(this.#failures ? first || usual : first, this.#failures++);
  }

  /**
   * Browsers hide why a handshake failed, but a plain request to the same address is told, if it is of this origin.
   * Not after each failure: the server judges that request as it judges handshakes.
   */
  async #wonder() {
    const { headers } = this.#login;
    const dial = this.#dial;
    const signal = AbortSignal.timeout(DIAL_PATIENCE);
    const asked = fetch(this.#plainUrl(''), { method: 'POST', credentials: 'include', headers, signal });
    const { status } = await asked.catch(() => ({}));
    if (dial === this.#dial) this.#judge(status);
  }

  /** What a handshake met: an HTTP status, or undefined where nobody knows, as on a page of another origin. */
  #judge(status) {
    const { isNew, canRenew } = this.#login;
    const isUnclear = !status && this.#misses > 4;
    const isRefused = status === 401 || status === 403;
    const mayHaveRunOut = canRenew && !isNew && (status === 401 || isUnclear);
    // 400: the server is there, and saw no upgrade. Then something between swallows it.
    const mayBeBlocked = !this.#hasWebSocket && this.#options.sse !== false && (status === 400 || isUnclear);
    this.#isBlocked = mayBeBlocked && !this.#isBlocked;
    if (mayHaveRunOut) this.#login.keep(null);
    if (isRefused && !mayHaveRunOut) {
      this.#end('failed', { code: status, error: status === 401 ? 'unauthorized' : 'forbidden' });
    } else if (isRefused || (this.#isBlocked && status)) {
      this.connect();
    }
  }

  /** An address beside the WebSocket's, for plain requests; '' is its own. */
  #plainUrl(path) {
    return new URL(path, this.#url.href.replace('ws', 'http')).href;
  }

  /** Wait for another try, or, without `delay`, for a reason to make one. */
  #rest(detail) {
    this.#hangUp();
    if (detail.delay !== undefined) this.#timer = setTimeout(() => this.connect(), detail.delay);
    this.#set('waiting', detail);
  }

  #end(state, verdict) {
    this.#hangUp();
    this.#verdict = verdict;
    this.#set(state, { code: verdict.code, reason: verdict.error ?? verdict.reason });
    for (const id of this.#requests.ids) this.#requests.fail(id, verdict);
  }

  /** Forget the socket, whatever it says hereafter. What is kept is asked again on the next one. */
  #hangUp() {
    const socket = this.#socket;
    this.#dial += 1;
    this.#socket = this.#advice = this.#verdict = null;
    clearTimeout(this.#timer);
    clearTimeout(this.#watchdog);
    clearTimeout(this.#pace);
    socket?.close(1000);
    for (const subscription of this.#subscriptions.values()) subscription._cut();
    this.#requests.cut(this.welcome?.user);
    this.#queue = this.#requests.ids;
  }

  #set(state, detail = {}) {
    this.state = state;
    this._emit('state', { state, ...detail });
  }

  // Signs of life

  #watch(delay, then) {
    clearTimeout(this.#watchdog);
    this.#watchdog = setTimeout(then, delay);
  }

  /** The server pings every `ping` seconds (V3). Whoever hears nothing for longer asks, and then takes it for dead. */
  #expectLife() {
    this.#watch(this.welcome.ping * 1000 + PROBE_PATIENCE, () => this.#probe());
  }

  #probe() {
    if (this.state !== 'ready') return;
    this.#socket.send('{"action":"ping"}');
    this.#watch(PROBE_PATIENCE, () => this.#lost(1006, 'no sign of life'));
  }

  #watchPage() {
    const wake = () => (this.state === 'waiting' ? this.connect() : this.#probe());
    watchPage(this.#life.signal, {
      wake,
      doubt: () => this.#probe(),
      network: () => {
        // In this one WebSocket may get through, or not; and a handshake that began without a network may hang.
        this.#isBlocked = this.#hasWebSocket = false;
        if (this.state === 'connecting') this.#rest({});
        wake();
      },
      // A frozen page can't answer. It leaves, so that the browser may keep it, and comes back when it wakes.
      sleep: () => {
        clearTimeout(this.#timer);
        if (this.state === 'connecting' || this.state === 'ready') this.#rest({ reason: 'the page sleeps' });
      },
    });
  }
}
