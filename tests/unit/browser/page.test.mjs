// A page that wakes, sleeps, or loses its network.

import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';

import { begin, finish, pass, ready, settle, WELCOME } from './world.mjs';

let events;

beforeEach(() => {
  begin();
  const [self, page] = [new EventTarget(), Object.assign(new EventTarget(), { visibilityState: 'visible' })];
  events = { self, page };
  globalThis.document = page;
  globalThis.addEventListener = self.addEventListener.bind(self);
});
afterEach(() => {
  finish();
  delete globalThis.document;
  delete globalThis.addEventListener;
});

const happens = (where, type) => events[where].dispatchEvent(new Event(type));

for (const [where, type] of [['self', 'online'], ['self', 'offline'], ['self', 'pageshow'], ['page', 'resume'], ['page', 'visibilitychange']]) {
  test(`after ${type} it asks at once whether anybody is there`, async () => {
    const { rt, socket } = await ready();
    happens(where, type);
    assert.deepEqual(socket.sent, [{ action: 'ping' }]);
    await pass(5_000);
    assert.equal(rt.state, 'waiting');
  });
}

for (const [where, type] of [['self', 'online'], ['self', 'pageshow'], ['page', 'resume'], ['page', 'visibilitychange']]) {
  test(`after ${type} it does not wait any longer`, async () => {
    const world = await ready();
    world.socket.end(1006);
    happens(where, type);
    await settle();
    assert.equal(world.rt.state, 'connecting');
    assert.equal(world.sockets.length, 2);
  });
}

test('a page that is hidden does nothing', async () => {
  const { socket } = await ready();
  events.page.visibilityState = 'hidden';
  happens('page', 'visibilitychange');
  assert.deepEqual(socket.sent, []);
});

for (const [where, type, wakes] of [['self', 'pagehide', 'pageshow'], ['page', 'freeze', 'resume']]) {
  test(`at ${type} it leaves in order, and sleeps until ${wakes}`, async () => {
    const world = await ready();
    happens(where, type);
    assert.equal(world.socket.closedWith, 1000);
    assert.deepEqual(world.states.at(-1), ['waiting', { reason: 'the page sleeps' }]);
    await pass(100_000);
    assert.equal(world.sockets.length, 1);
    happens(where, wakes);
    await settle();
    world.socket.say(WELCOME);
    assert.equal(world.rt.state, 'ready');
  });
}

test('a page that was asleep already, or waits, is only kept from trying', async () => {
  const world = await ready();
  world.socket.end(1006);
  for (const [where, type] of [['self', 'pagehide'], ['page', 'freeze']]) happens(where, type);
  assert.equal(world.states.at(-1)[1].code, 1006);
  await pass(100_000);
  assert.equal(world.sockets.length, 1);
});

test('a handshake that began without a network is begun anew with one', async () => {
  const world = await ready();
  world.socket.end(1006);
  await pass(500);
  happens('self', 'online');
  await settle();
  assert.equal(world.sockets.length, 3);
  assert.equal(world.sockets[1].closedWith, 1000);
});

test('nothing wakes one that is closed, or was sent away', async () => {
  const closed = await ready();
  closed.rt.close();
  const away = await ready();
  away.socket.end(4009);
  for (const type of ['online', 'pageshow', 'pagehide']) happens('self', type);
  for (const type of ['freeze', 'resume', 'visibilitychange']) happens('page', type);
  await settle();
  assert.deepEqual([closed.rt.state, away.rt.state], ['closed', 'failed']);
  assert.equal(away.sockets.length, 2);
});
