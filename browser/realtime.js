// One connection that comes back by itself, and what a page asks over it.

import { Login } from './login.js';
import { watchPage } from './page.js';
import { Requests } from './requests.js';
import { EventStream } from './stream.js';
import { Subscription } from './subscription.js';
import {
  BURST, BURST_PAUSE, DIAL_PATIENCE, Emitter, FIRST_DELAY, pause, PONG, PROBE_PATIENCE, PROTOCOL, RealtimeError, STEADY, whenAborted,
} from './values.js';

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
