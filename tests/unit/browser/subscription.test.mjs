// A channel: nothing twice, nothing missed without being told, and back from where it was (V4).

import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';

import { begin, client, finish, message, pass, ready, settle, subscribed, WELCOME } from './world.mjs';

beforeEach(begin);
afterEach(finish);

const again = async (world, code = 1006) => {
  world.socket.end(code);
  await pass(30_000);
  world.socket.say(WELCOME);
};

test('it is asked for as soon as there is a connection', async () => {
  const world = await client();
  const { sub, heard, answer } = subscribed(world, 'news');
  assert.equal(sub.state, 'pending');
  world.socket.say(WELCOME);
  const { id, ...asked } = world.socket.last('subscribe');
  assert.deepEqual(asked, { action: 'subscribe', channel: 'news' });
  answer();
  assert.equal(await sub.ready, sub);
  world.socket.say({ type: 'message', channel: 'news', payload: { a: 1 } });
  world.socket.say({ type: 'message', channel: 'other', payload: 2 });
  assert.deepEqual(heard, [{ a: 1 }]);
});

test('a listener gets the payload, and the message around it', async () => {
  const world = await ready();
  const seen = [];
  const sub = world.rt.subscribe('news');
  sub.on('message', (payload, { from, raw }) => seen.push([payload, from.user, raw]));
  world.socket.say({ type: 'subscribed', id: world.socket.last('subscribe').id, channel: 'news' });
  world.socket.say({ type: 'message', channel: 'news', payload: 'text', raw: true, from: { user: 'ada' } });
  assert.deepEqual(seen, [['text', 'ada', true]]);
});

test('a plain channel comes back with the word to load the state anew', async () => {
  const world = await ready();
  const { sub, heard, answer } = subscribed(world, 'news');
  answer();
  await again(world);
  assert.equal(sub.state, 'pending');
  assert.equal(world.socket.last('subscribe').since, undefined);
  answer();
  assert.deepEqual(heard, [['reload', 'no history']]);
});

test('a stream comes back from where it was, and says so before what was missed', async () => {
  const world = await ready();
  const { sub, heard, answer } = subscribed(world, 'chat');
  answer({ epoch: 'e1', offset: 40 });
  world.socket.say(message('chat', 41));
  await again(world);
  assert.deepEqual(world.socket.last('subscribe').since, { epoch: 'e1', offset: 41 });
  answer({ epoch: 'e1', offset: 43, recovered: true, replay: 2 });
  world.socket.say(message('chat', 42), message('chat', 43), message('chat', 44));
  assert.deepEqual(heard, [41, ['recovered', 2], 42, 43, 44]);
  assert.deepEqual(sub.position, { epoch: 'e1', offset: 44 });
});

test('a replay that is cut is gone on with', async () => {
  const world = await ready();
  const { answer } = subscribed(world, 'chat', { last: 5 });
  assert.deepEqual(world.socket.last('subscribe').since, { last: 5 });
  answer({ epoch: 'e1', offset: 9, replay: 5 });
  world.socket.say(message('chat', 5), message('chat', 6));
  await again(world);
  assert.deepEqual(world.socket.last('subscribe').since, { epoch: 'e1', offset: 6 });
});

test('a stream that was lost is told of, and goes on', async () => {
  const world = await ready();
  const { sub, heard, answer } = subscribed(world, 'chat');
  answer({ epoch: 'e1', offset: 40 });
  await again(world);
  answer({ epoch: 'e2', offset: 3, recovered: false, replay: 0 });
  world.socket.say(message('chat', 4));
  assert.deepEqual(heard, [['reload', 'not recovered'], 4]);
  assert.deepEqual(sub.position, { epoch: 'e2', offset: 4 });
});

test('with last the newest ones come again after that, without a gap', async () => {
  const world = await ready();
  const { sub, heard, answer } = subscribed(world, 'chat', { last: 2 });
  answer({ epoch: 'e1', offset: 2, replay: 2 });
  world.socket.say(message('chat', 1), message('chat', 2));
  await again(world);
  answer({ epoch: 'e2', offset: 7, recovered: false, replay: 0 });
  assert.deepEqual(world.socket.last('subscribe').since, { last: 2 });
  world.socket.say(message('chat', 8));
  answer({ epoch: 'e2', offset: 8, replay: 2 });
  world.socket.say(message('chat', 7), message('chat', 8), message('chat', 9));
  assert.deepEqual(heard, [1, 2, ['reload', 'not recovered'], 7, 8, 9]);
  assert.equal(sub.state, 'live');
});

test('a page that kept a position goes on from there', async () => {
  const world = await ready();
  const { heard, answer } = subscribed(world, 'chat', { since: { epoch: 'e1', offset: 4 } });
  assert.deepEqual(world.socket.last('subscribe').since, { epoch: 'e1', offset: 4 });
  answer({ epoch: 'e1', offset: 5, recovered: true, replay: 1 });
  world.socket.say(message('chat', 5));
  assert.deepEqual(heard, [['recovered', 1], 5]);
});

test('what came already does not come again', async () => {
  const world = await ready();
  const { heard, answer } = subscribed(world, 'chat');
  answer({ epoch: 'e1', offset: 1 });
  world.socket.say(message('chat', 2), message('chat', 2));
  assert.deepEqual(world.socket.last('subscribe').since, { epoch: 'e1', offset: 2 });
  answer({ epoch: 'e1', offset: 2, recovered: true, replay: 0 });
  world.socket.say(message('chat', 3));
  assert.deepEqual(heard, [2, ['recovered', 0], 3]);
});

test('a stream that begins anew unseen is noticed by its offsets', async () => {
  const world = await ready();
  const { heard, answer } = subscribed(world, 'chat');
  answer({ epoch: 'e1', offset: 40 });
  world.socket.say(message('chat', 1));
  answer({ epoch: 'e2', offset: 1, recovered: false, replay: 0 });
  world.socket.say(message('chat', 2));
  assert.deepEqual(heard, [['reload', 'not recovered'], 2]);
});

test('a stream that goes on in another epoch is gone on with', async () => {
  const world = await ready();
  const { sub, heard, answer } = subscribed(world, 'chat');
  answer({ epoch: 'e1', offset: 40 });
  world.socket.say({ type: 'epoch', channel: 'chat', epoch: 'e2', offset: 0 }, message('chat', 1));
  assert.deepEqual(heard, [1]);
  assert.deepEqual(sub.position, { epoch: 'e2', offset: 1 });
});

test('what the server leaves out has its place', async () => {
  const world = await ready();
  const { sub, heard, answer } = subscribed(world, 'chat');
  answer({ epoch: 'e1', offset: 1 });
  world.socket.say({ type: 'skipped', channel: 'chat', offset: 2 }, message('chat', 3));
  assert.deepEqual(heard, [3]);
  assert.equal(sub.position.offset, 3);
});

test('an offset that is jumped over is fetched', async () => {
  const world = await ready();
  const { heard, answer } = subscribed(world, 'chat');
  answer({ epoch: 'e1', offset: 1 });
  world.socket.say(message('chat', 2), message('chat', 4), message('chat', 5));
  assert.deepEqual(world.socket.last('subscribe').since, { epoch: 'e1', offset: 2 });
  answer({ epoch: 'e1', offset: 5, recovered: true, replay: 3 });
  world.socket.say(message('chat', 3), message('chat', 4), message('chat', 5));
  assert.deepEqual(heard, [2, ['recovered', 3], 3, 4, 5]);
});

test('a foreign message has no offset, and stands between the others', async () => {
  const world = await ready();
  const { heard, answer } = subscribed(world, 'chat');
  answer({ epoch: 'e1', offset: 1 });
  world.socket.say(message('chat', 2), { type: 'message', channel: 'chat', payload: 'foreign' }, message('chat', 3));
  assert.deepEqual(heard, [2, 'foreign', 3]);
});

test('a gap is fetched from a stream, and told of on a plain channel', async () => {
  const world = await ready();
  const stream = subscribed(world, 'chat');
  stream.answer({ epoch: 'e1', offset: 1 });
  const plain = subscribed(world, 'news', { presence: true });
  plain.answer();
  world.socket.say({ type: 'gap', channel: 'news', reason: 'broker away' });
  assert.deepEqual(plain.heard, [['reload', 'broker away']]);
  const { id } = world.socket.last('presence');
  world.socket.say({ type: 'presence', id, channel: 'news', count: 1, members: { ada: { info: null, conns: 1 } } });
  assert.equal(plain.sub.members.size, 1);
  world.socket.say({ type: 'gap', channel: 'chat', reason: 'slow consumer' });
  assert.deepEqual(world.socket.last('subscribe').since, { epoch: 'e1', offset: 1 });
});

test('a subscription that is over for good fails, another one is made again', async () => {
  const world = await ready();
  const { sub, heard, answer } = subscribed(world, 'chat');
  answer({ epoch: 'e1', offset: 1 });
  world.socket.say({ type: 'unsubscribed', channel: 'chat', code: 2500, reason: 'insufficient state' });
  assert.equal(sub.state, 'pending');
  await pass(500);
  assert.deepEqual(world.socket.last('subscribe').since, { epoch: 'e1', offset: 1 });
  answer({ epoch: 'e1', offset: 1, recovered: true, replay: 0 });
  world.socket.say({ type: 'unsubscribed', channel: 'chat', code: 2003, reason: 'permission revoked' });
  assert.equal(sub.state, 'failed');
  assert.deepEqual(heard, [['recovered', 0], ['error', 'permission revoked']]);
  await again(world);
  assert.equal(world.socket.last('subscribe'), undefined);
  world.rt.subscribe('chat');
  assert.ok(world.socket.last('subscribe'));
});

test('a refusal is final, unless trying again may help', async () => {
  const world = await ready();
  const refused = (channel, error) => {
    const { id } = world.socket.last('subscribe');
    world.socket.say({ type: 'error', id, channel, ...error });
  };
  const staff = subscribed(world, 'staff');
  refused('staff', { error: 'permission denied', code: 103, retry: false });
  assert.equal(staff.sub.state, 'failed');
  await assert.rejects(staff.sub.ready, { code: 103, message: 'permission denied' });

  const busy = subscribed(world, 'busy');
  const frames = () => world.socket.sent.filter(({ channel }) => channel === 'busy').length;
  refused('busy', { error: 'internal error', code: 100, retry: true });
  await pass(499);
  assert.equal(frames(), 1);
  await pass(1);
  assert.equal(frames(), 2);
  refused('busy', { error: 'too many requests', code: 111, retry: true, after: 3000 });
  await pass(5_999);
  assert.equal(frames(), 2);
  await pass(1);
  busy.answer();
  assert.equal(busy.sub.state, 'live');
});

test('a token of the channel is asked for, and once more where it has run out', async () => {
  const world = await ready();
  const tokens = ['old', 'new'];
  const { sub, answer } = subscribed(world, 'club', { token: async (channel) => `${channel} ${tokens.shift()}` });
  await settle();
  const { id, token } = world.socket.last('subscribe');
  assert.equal(token, 'club old');
  world.socket.say({ type: 'error', id, channel: 'club', error: 'token expired', code: 109, retry: true });
  await pass(0);
  assert.equal(world.socket.last('subscribe').token, 'club new');
  answer();
  assert.equal(sub.state, 'live');
});

test('a token of the channel is replaced in time, and again', async () => {
  const world = await ready();
  let count = 0;
  const { sub, heard, answer } = subscribed(world, 'seats', { token: () => { count += 1; return `t${count}`; } });
  await settle();
  answer({ ttl: 600 });
  for (const [ttl, delay] of [[10, 540_000], [600, 5_000]]) {
    for (let passed = 0; passed < delay; passed += 5_000) {
      assert.equal(count, ttl === 10 ? 1 : 2);
      await pass(5_000);
      world.socket.say({ type: 'ping' });
    }
    const { id, channel, token } = world.socket.last('refresh');
    assert.deepEqual([channel, token], ['seats', `t${count}`]);
    world.socket.say({ type: 'refreshed', id, channel, ttl });
  }
  assert.deepEqual([count, sub.state, heard], [3, 'live', []]);
});

test('one that runs out all the same is replaced, where there may be another', async () => {
  const world = await ready();
  const over = (channel) => ({ type: 'unsubscribed', channel, code: 2006, reason: 'token expired' });
  const renewing = subscribed(world, 'seats', { token: () => 't' });
  await settle();
  renewing.answer({ ttl: 1 });
  world.socket.say(over('seats'));
  await pass(500);
  renewing.answer({ ttl: 600 });
  assert.equal(renewing.sub.state, 'live');
  const fixed = subscribed(world, 'stalls', { token: 't' });
  fixed.answer({ ttl: 1 });
  world.socket.say(over('stalls'));
  assert.equal(fixed.sub.state, 'failed');
});

test('a token that can not be had is asked for again later', async () => {
  const world = await ready();
  let tries = 0;
  world.rt.subscribe('club', null, { token: () => { tries += 1; throw new Error('no'); } });
  await settle();
  await pass(500);
  assert.equal(tries, 2);
});

test('close() tells the server, and what still comes is nobody\'s', async () => {
  const world = await ready();
  const { sub, heard, answer } = subscribed(world, 'news');
  answer();
  sub.close();
  assert.deepEqual(world.socket.last('unsubscribe'), { action: 'unsubscribe', channel: 'news' });
  world.socket.say({ type: 'message', channel: 'news', payload: 1 });
  const next = subscribed(world, 'news');
  world.socket.say({ type: 'message', channel: 'news', payload: 2 }, { type: 'unsubscribed', channel: 'news' });
  next.answer();
  world.socket.say({ type: 'message', channel: 'news', payload: 3 });
  assert.deepEqual([heard, next.heard], [[], [3]]);
});

test('a signal closes it, also one that has aborted already', async () => {
  const world = await ready();
  const controller = new AbortController();
  const { sub } = subscribed(world, 'news', { signal: controller.signal });
  controller.abort();
  assert.equal(sub.state, 'closed');
  assert.ok(world.socket.last('unsubscribe'));
  assert.equal(subscribed(world, 'late', { signal: AbortSignal.abort() }).sub.state, 'closed');
  assert.equal(world.socket.last('subscribe').channel, 'news');
});

test('an answer to an older question means nothing', async () => {
  const world = await ready();
  const first = subscribed(world, 'news');
  const { id } = world.socket.last('subscribe');
  first.sub.close();
  const second = subscribed(world, 'news');
  world.socket.say({ type: 'subscribed', id, channel: 'news' });
  assert.equal(second.sub.state, 'pending');
  second.answer();
  assert.equal(second.sub.state, 'live');
});

test('the same channel twice is the page\'s mistake', async () => {
  const world = await ready();
  world.rt.subscribe('news');
  assert.throws(() => world.rt.subscribe('news'), /already subscribed to news/);
});

test('who is there is kept up to date', async () => {
  const world = await ready();
  const { sub, heard, answer } = subscribed(world, 'chat', { presence: true });
  const seen = [];
  sub.on('presence', (members, count) => seen.push(members ? [...members.keys()].join() : count));
  assert.equal(world.socket.last('subscribe').presence, true);
  answer({ count: 1, members: { ada: { info: null, conns: 2 } } });
  world.socket.say({ type: 'join', channel: 'chat', user: 'al', info: { name: 'Al' }, count: 2 });
  assert.deepEqual(sub.members.get('al'), { info: { name: 'Al' }, conns: 1 });
  world.socket.say({ type: 'leave', channel: 'chat', user: 'ada', count: 1 });
  world.socket.say({ type: 'presence', channel: 'chat', count: 300, more: true });
  assert.deepEqual([sub.members, sub.count], [null, 300]);
  world.socket.say({ type: 'presence', channel: 'chat', count: 1, members: { eve: { info: null, conns: 1 } } });
  assert.deepEqual(seen, ['ada', 'ada,al', 'al', 300, 'eve']);
  assert.deepEqual(heard, [
    ['join', { user: 'al', info: { name: 'Al' }, count: 2 }], ['leave', { user: 'ada', info: null, count: 1 }],
  ]);
});
