// The connection: dialled, welcomed, watched, lost, and found again (V3, V8).

import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';

import { Realtime } from '../../../browser/realtime.js';
import { begin, client, finish, http, pass, ready, settle, WELCOME } from './world.mjs';

beforeEach(begin);
afterEach(finish);

const names = (states) => states.map(([state]) => state);

test('it speaks v1 at the address, and is ready when it is welcomed', async () => {
  const world = await client();
  assert.equal(world.socket.url, 'ws://server/ws');
  assert.deepEqual(world.socket.protocols, ['realtime.v1.json']);
  world.socket.say(WELCOME);
  assert.deepEqual(names(world.states), ['connecting', 'ready']);
  assert.equal(world.rt.welcome.client, 'c1');
});

test('it answers pings', async () => {
  const { socket } = await ready();
  socket.say({ type: 'ping' });
  assert.deepEqual(socket.sent, [{ action: 'pong' }]);
});

test('whoever hears nothing asks, and then takes the connection for dead', async () => {
  const world = await ready();
  const { socket } = world;
  await pass(29_999);
  socket.say({ type: 'ping' });
  await pass(29_999);
  assert.equal(socket.last('ping'), undefined);
  await pass(1);
  assert.deepEqual(socket.last('ping'), { action: 'ping' });
  socket.say({ type: 'pong' });
  await pass(30_000);
  await pass(5_000);
  assert.equal(world.rt.state, 'waiting');
  assert.equal(socket.closedWith, 1000);
  assert.equal(world.states.at(-1)[1].reason, 'no sign of life');
  socket.say(WELCOME);
  socket.end(1000);
  assert.equal(world.rt.state, 'waiting');
});

test('a handshake that is not answered is given up', async () => {
  const world = await client();
  await pass(10_000);
  assert.equal(world.rt.state, 'waiting');
  await pass(500);
  assert.equal(world.sockets.length, 2);
});

test('each failure doubles the pause, up to half a minute', async () => {
  const world = await client();
  for (let failures = 0; failures < 9; failures += 1) {
    world.socket.end(1006);
    assert.equal(world.states.at(-1)[1].delay, Math.min(30_000, 500 * 2 ** failures));
    await pass(30_000);
  }
});

test('up to as long again is added at random', async () => {
  const world = await ready();
  Math.random.mock.mockImplementation(() => 0.5);
  world.socket.end(1006);
  assert.equal(world.states.at(-1)[1].delay, 750);
});

test('failures are forgotten after a good connection, and not after a bad one', async () => {
  const world = await client();
  world.socket.end(1006);
  await pass(500);
  world.socket.say(WELCOME);
  await pass(1_000);
  world.socket.end(1006);
  assert.equal(world.states.at(-1)[1].delay, 1_000);
  await pass(1_000);
  world.socket.say(WELCOME);
  await pass(10_001);
  world.socket.end(1006);
  assert.equal(world.states.at(-1)[1].delay, 500);
});

test('the server says how long to wait', async () => {
  const world = await ready();
  world.socket.say({ type: 'disconnect', code: 4200, reason: 'shutdown', reconnect: true, after: 1500 });
  world.socket.end(4200, 'shutdown');
  assert.deepEqual(world.states.at(-1), ['waiting', { code: 4200, reason: 'shutdown', delay: 1500 }]);
});

for (const [code, delay] of [[4101, 1000], [4200, 500], [1001, 500], [1008, 500]]) {
  test(`without advice, ${code} means ${delay} ms`, async () => {
    const world = await ready();
    world.socket.end(code);
    assert.equal(world.states.at(-1)[1].delay, delay);
  });
}

test('from 4000 to 4099 it does not come back, until the page wants it', async () => {
  const world = await ready();
  const waiting = world.rt.publish('news', 1);
  world.socket.end(4009, 'disconnected');
  assert.deepEqual(world.states.at(-1), ['failed', { code: 4009, reason: 'disconnected' }]);
  await assert.rejects(waiting, { name: 'RealtimeError', code: 4009, message: 'disconnected' });
  await assert.rejects(world.rt.publish('news', 1), { code: 4009 });
  await pass(100_000);
  assert.equal(world.sockets.length, 1);
  world.rt.connect();
  await settle();
  assert.equal(world.sockets.length, 2);
});

test('it does not come back either where the server advises against it', async () => {
  const world = await ready();
  world.socket.say({ type: 'disconnect', code: 4500, reason: 'moved', reconnect: false });
  world.socket.end(4500, 'moved');
  assert.equal(world.rt.state, 'failed');
});

test('a login that is refused is a failure with its status', async () => {
  http.status = 401;
  const world = await client();
  world.socket.end(1006);
  await settle();
  assert.deepEqual(world.states.at(-1), ['failed', { code: 401, reason: 'unauthorized' }]);
  const [{ url, method, credentials }] = http.asked;
  assert.deepEqual([url, method, credentials], ['http://server/ws', 'POST', 'include']);
});

test('a server that is away is asked for its reason at the first failure and at each fourth', async () => {
  const world = await client();
  for (let failures = 0; failures < 6; failures += 1) {
    world.socket.end(1006);
    await pass(30_000);
  }
  assert.equal(http.asked.filter(({ method }) => method === 'POST').length, 2);
  assert.equal(world.rt.state, 'connecting');
});

test('connect() does not wait, and does nothing where there is a connection', async () => {
  const world = await ready();
  world.rt.connect();
  world.socket.end(1006);
  world.rt.connect();
  await settle();
  assert.equal(world.sockets.length, 2);
  await pass(60_000);
  assert.equal(world.rt.state, 'waiting');
});

test('close() ends everything, once', async () => {
  const world = await ready();
  const sub = world.rt.subscribe('news');
  const waiting = world.rt.publish('news', 1);
  world.rt.close();
  world.rt.close();
  assert.equal(world.socket.closedWith, 1000);
  assert.deepEqual(names(world.states), ['connecting', 'ready', 'closed']);
  assert.equal(sub.state, 'closed');
  await assert.rejects(waiting, { message: 'closed' });
  await assert.rejects(world.rt.history('news'), { message: 'closed' });
  assert.equal(world.rt.subscribe('more').state, 'failed');
  world.rt.connect();
  await pass(100_000);
  assert.equal(world.sockets.length, 1);
});

test('a signal closes it, also one that has aborted already', async () => {
  const controller = new AbortController();
  const world = await ready({ signal: controller.signal });
  controller.abort();
  assert.equal(world.rt.state, 'closed');
  const late = await client({ signal: AbortSignal.abort() });
  assert.equal(late.rt.state, 'closed');
  assert.equal(world.sockets.length, 1);
});

test('an address that can not be is told at once, and a socket that can not be is tried again', async () => {
  assert.throws(() => new Realtime('/ws'), TypeError); // there is no page that it could be relative to
  const world = await client({ WebSocket: class { constructor() { throw new Error('blocked'); } } });
  assert.deepEqual(world.states.at(-1), ['waiting', { code: 0, reason: 'blocked', delay: 500 }]);
});

test('a listener that throws keeps nobody else from listening', async () => {
  const caught = [];
  const keep = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  process.on('uncaughtException', (error) => caught.push(error.message));
  const world = await client();
  world.rt.on('state', () => { throw new Error('of the page'); });
  world.rt.on('state', ({ state }) => caught.push(state));
  world.socket.say(WELCOME);
  await settle();
  process.removeAllListeners('uncaughtException');
  for (const listener of keep) process.on('uncaughtException', listener);
  assert.deepEqual(caught, ['ready', 'of the page']);
});

test('what on() began ends by what it gave, or by a signal', async () => {
  const { rt, socket } = await ready();
  const seen = [];
  const controller = new AbortController();
  const off = rt.on('error', () => seen.push('off'));
  rt.on('error', () => seen.push('signal'), { signal: controller.signal });
  rt.on('error', () => seen.push('never'), { signal: AbortSignal.abort() });
  rt.on('error', (error) => seen.push(error.code));
  const error = { type: 'error', error: 'invalid JSON message', code: 107 };
  socket.say(error);
  off();
  controller.abort();
  socket.say(error);
  assert.deepEqual(seen, ['off', 'signal', 107, 107]);
});
