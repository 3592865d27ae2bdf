// Tokens and tickets: shown in the handshake, prolonged in time, replaced when they have run out (V6).

import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';

import { begin, client, finish, http, pass, ready, settle, WELCOME } from './world.mjs';

beforeEach(begin);
afterEach(finish);

const shown = (socket) => socket.protocols
  .filter((name) => name.startsWith('bearer.'))
  .map((name) => Buffer.from(name.slice(7), 'base64url').toString())
  .at(0);

/** A function that gives t1, t2, ... */
function counting() {
  const give = () => { give.calls += 1; return `t${give.calls}`; };
  give.calls = 0;
  return give;
}

test('a token travels among the subprotocols, in base64url', async () => {
  const { socket } = await client({ token: 'ÿ?>~ token/+=' });
  assert.match(socket.protocols[1], /^bearer\.[\w-]+$/);
  assert.equal(shown(socket), 'ÿ?>~ token/+=');
});

test('a token that is still good is not asked for again', async () => {
  const token = counting();
  const world = await ready({ token }, { ttl: 3600 });
  world.socket.end(1006);
  await pass(500);
  assert.deepEqual([shown(world.socket), token.calls], ['t1', 1]);
  world.socket.say({ ...WELCOME, ttl: 20 });
  await pass(20_001);
  world.socket.end(1006);
  await pass(500);
  assert.equal(shown(world.socket), 't2');
});

test('a ticket is offered with the login that it was given for', async () => {
  const token = counting();
  const world = await ready({ token }, { ttl: 3600, ticket: 'T.1' });
  world.socket.end(1006);
  await pass(500);
  assert.ok(world.socket.protocols.includes('ticket.T.1'));
  world.socket.say({ ...WELCOME, ttl: 3600 });
  world.socket.end(1006);
  await pass(1_000);
  assert.ok(world.socket.protocols.includes('ticket.T.1'));
  world.socket.say(WELCOME);
  world.socket.end(4110, 'login expired');
  await pass(4_000);
  assert.deepEqual(world.socket.protocols.length, 2);
  assert.equal(shown(world.socket), 't2');
});

test('a token that does not come is waited for as long as a handshake', async () => {
  const world = await client({ token: () => new Promise(() => {}) });
  await pass(10_000);
  assert.deepEqual(world.states.at(-1), ['waiting', { code: 1006, reason: 'no answer', delay: 500 }]);
});

test('so it is where the login is a cookie', async () => {
  const world = await ready({}, { ticket: 'T.1' });
  world.socket.end(1006);
  await pass(500);
  assert.deepEqual(world.socket.protocols, ['realtime.v1.json', 'ticket.T.1']);
});

test('a login that is about to run out is prolonged, and the new one counts', async () => {
  const token = counting();
  const world = await ready({ token }, { ttl: 60 });
  const told = [];
  world.rt.on('expiring', (seconds) => told.push(seconds));
  world.socket.say({ type: 'expiring', in: 60 });
  await settle();
  const { id, token: sent } = world.socket.last('refresh');
  assert.equal(sent, 't2');
  world.socket.say({ type: 'refreshed', id, ttl: 3600 });
  await settle();
  assert.deepEqual(told, [60]);
  await pass(1_000);
  world.socket.end(1006);
  await pass(500);
  assert.deepEqual([shown(world.socket), token.calls], ['t2', 2]);
});

test('a login that can not be prolonged is told of, and nothing more', async () => {
  let fails = false;
  const token = () => { if (fails) throw new Error('logged out'); return 't1'; };
  const world = await ready({ token });
  const errors = [];
  world.rt.on('error', (error) => errors.push(error.message));
  fails = true;
  world.socket.say({ type: 'expiring', in: 60 });
  await settle();
  assert.deepEqual(errors, ['logged out']);
  assert.equal(world.rt.state, 'ready');
  world.socket.end(4110, 'login expired');
  await pass(1_000);
  assert.deepEqual(world.states.at(-1), ['waiting', { code: 0, reason: 'logged out', delay: 1000 }]);
});

test('a page may prolong it by itself', async () => {
  const world = await ready();
  const refreshing = world.rt.refresh('mine');
  await settle();
  const { id, token } = world.socket.last('refresh');
  assert.equal(token, 'mine');
  world.socket.say({ type: 'error', id, error: 'unauthorized', code: 101 });
  await assert.rejects(refreshing, { code: 101 });
  const lost = world.rt.refresh('mine');
  await settle();
  world.socket.end(1006);
  await assert.rejects(lost, { message: 'connection lost', retry: true });
});

test('a token that has run out unseen is replaced at once, and a new one that is refused is the end', async () => {
  const token = counting();
  const world = await ready({ token });
  world.socket.end(1006);
  await pass(500);
  http.status = 401;
  world.socket.end(1006);
  await settle();
  assert.equal(shown(world.socket), 't2');
  assert.equal(http.asked.at(-1).headers.Authorization, 'Bearer t1');
  world.socket.end(1006);
  await settle();
  assert.deepEqual(world.states.at(-1), ['failed', { code: 401, reason: 'unauthorized' }]);
});

test('where nobody says why, a new token is tried after some failures', async () => {
  const token = counting();
  const world = await ready({ token });
  for (let failures = 0; failures < 9; failures += 1) {
    world.socket.end(1006);
    await settle();
    await pass(60_000);
  }
  assert.equal(shown(world.socket), 't2');
});
