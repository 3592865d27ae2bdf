// A server that says what a test makes it say, time that passes when a test lets it, and chance that does not play.

import { mock } from 'node:test';

import { Realtime } from '../../../browser/realtime.js';

export const WELCOME = {
  type: 'welcome', v: 1, client: 'c1', user: 'ada', ping: 25, limits: { frame: 65536, channels: 128 }, features: [],
};

class Socket {
  static all = [];
  sent = [];
  closedWith = null;

  constructor(url, protocols) {
    Object.assign(this, { url, protocols });
    Socket.all.push(this);
  }

  send(text) {
    this.sent.push(JSON.parse(text));
  }

  close(code) {
    this.closedWith = code;
  }

  /** The server says so. */
  say(...frames) {
    for (const frame of frames) this.onmessage({ data: JSON.stringify(frame) });
  }

  /** The connection ends. */
  end(code, reason = '') {
    this.onclose({ code, reason });
  }

  /** What the client said last of this kind. */
  last(action) {
    return this.sent.findLast((frame) => frame.action === action);
  }
}

/** Let promises settle. */
export const settle = () => new Promise((done) => setImmediate(done));

export async function pass(milliseconds) {
  mock.timers.tick(milliseconds);
  await settle();
}

/** What the server answers to a plain request: a status, or null for no answer. */
export const http = { status: null, asked: [] };

export function begin() {
  Socket.all = [];
  Object.assign(http, { status: null, asked: [] });
  mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  mock.method(Math, 'random', () => 0);
  mock.method(performance, 'now', () => Date.now());
  mock.method(AbortSignal, 'timeout', () => undefined);
  mock.method(globalThis, 'fetch', async (url, options) => {
    http.asked.push({ url, ...options });
    if (http.status === null) throw new TypeError('fetch failed');
    return { status: http.status };
  });
}

export function finish() {
  mock.timers.reset();
  mock.restoreAll();
}

/** A client, what it tells of its state, and its socket of the moment. */
export async function client(options = {}) {
  const rt = new Realtime('ws://server/ws', { WebSocket: Socket, ...options });
  const states = [];
  rt.on('state', ({ state, ...detail }) => states.push([state, detail]));
  await settle();
  return { rt, states, sockets: Socket.all, get socket() { return Socket.all.at(-1); } };
}

export async function ready(options, welcome = {}) {
  const found = await client(options);
  found.socket.say({ ...WELCOME, ...welcome });
  return found;
}

/** A subscription, what it tells, and the answer to what it asked last. */
export function subscribed(world, channel, options) {
  const heard = [];
  const sub = world.rt.subscribe(channel, (payload) => heard.push(payload), options);
  for (const type of ['recovered', 'reload', 'error', 'join', 'leave']) {
    sub.on(type, (detail) => heard.push([type, detail?.message ?? detail]));
  }
  const answer = (frame = {}) => {
    const { id } = world.socket.last('subscribe');
    world.socket.say({ type: 'subscribed', id, channel, ...frame });
  };
  return { sub, heard, answer };
}

export const message = (channel, offset, payload = offset) => ({ type: 'message', channel, payload, offset });
