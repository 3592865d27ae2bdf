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

/**
 * What the server answers to a plain request: a status, or null for no answer. A stream is opened where one may be:
 * `stream` is what writes to it, `posts` what was posted to it, answered with `taken`.
 */
export const http = {};
const QUIET = { status: null, asked: [], streams: false, stream: null, posts: [], taken: 202 };

function openStream(signal) {
  const body = new ReadableStream({
    start(controller) {
      http.stream = controller;
      signal.addEventListener('abort', () => controller.error(signal.reason));
    },
  });
  return { ok: true, status: 200, body };
}

async function answer(url, options) {
  http.asked.push({ url, ...options });
  if (url.endsWith('/sse') && options.method === 'POST') {
    http.posts.push(options.body.split('\n').map((line) => JSON.parse(line)));
    return { status: http.taken };
  }
  if (url.endsWith('/sse') && http.streams) return openStream(options.signal);
  if (http.status === null) throw new TypeError('fetch failed');
  return { ok: false, status: http.status };
}

/** Let the server write to its stream, in pieces as a network makes them. */
export async function write(...pieces) {
  for (const piece of pieces) http.stream.enqueue(new TextEncoder().encode(piece));
  for (let turns = 0; turns < 5; turns += 1) await settle();
}

export function begin() {
  Socket.all = [];
  Object.assign(http, structuredClone(QUIET));
  mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  mock.method(Math, 'random', () => 0);
  mock.method(performance, 'now', () => Date.now());
  mock.method(AbortSignal, 'timeout', () => undefined);
  mock.method(globalThis, 'fetch', answer);
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
