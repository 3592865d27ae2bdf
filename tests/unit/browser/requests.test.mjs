// What is asked and answered: publications, history, presence (V2, V5).

import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';

import { begin, client, finish, pass, ready, settle, WELCOME } from './world.mjs';

beforeEach(begin);
afterEach(finish);

test('a publication is answered with where it stands', async () => {
  const { rt, socket } = await ready();
  const publishing = rt.publish('chat', { text: 'hi' }, { echo: false });
  const { id, key, ...sent } = socket.last('publish');
  assert.deepEqual(sent, { action: 'publish', channel: 'chat', payload: { text: 'hi' }, echo: false });
  assert.match(key, /^\d+-\d+-\d+-\d+$/);
  socket.say({ type: 'published', id, channel: 'chat', epoch: 'e1', offset: 45 });
  assert.deepEqual(await publishing, { key, position: { epoch: 'e1', offset: 45 } });
});

test('one that got no answer is sent again under the same key, and only that one', async () => {
  const world = await ready();
  const answered = world.rt.publish('chat', 1);
  const { id } = world.socket.last('publish');
  world.socket.say({ type: 'published', id, channel: 'chat' });
  await answered;
  const unanswered = world.rt.publish('chat', 2, { key: 'm-17' });
  const first = world.socket.last('publish');
  world.socket.end(1006);
  const late = world.rt.publish('chat', 3);
  await pass(1_000);
  assert.deepEqual(world.socket.sent, []);
  world.socket.say(WELCOME);
  const [again, third] = world.socket.sent;
  assert.deepEqual(again, first);
  assert.equal(third.payload, 3);
  for (const sent of [again, third]) world.socket.say({ type: 'published', id: sent.id, channel: 'chat' });
  assert.equal((await unanswered).key, 'm-17');
  assert.equal((await late).position, null);
});

test('a visitor without a login is told that nobody knows, and what was not sent is', async () => {
  const world = await ready({}, { user: undefined });
  const unanswered = world.rt.publish('chat', 1);
  const refused = assert.rejects(unanswered, { code: 100, message: 'perhaps not published', retry: false });
  const asking = world.rt.history('chat');
  world.socket.end(1006);
  await refused;
  const late = world.rt.publish('chat', 2);
  await pass(1_000);
  world.socket.say({ ...WELCOME, user: undefined });
  assert.deepEqual(world.socket.sent.map(({ action, payload }) => [action, payload]), [['history', undefined], ['publish', 2]]);
  world.rt.close();
  await Promise.allSettled([asking, late]);
});

test('for somebody else it would be another publication', async () => {
  const world = await ready();
  const unanswered = world.rt.publish('chat', 1);
  const refused = assert.rejects(unanswered, { code: 100, message: 'perhaps not published' });
  world.socket.end(1006);
  await pass(1_000);
  world.socket.say({ ...WELCOME, user: 'eve' });
  await refused;
  assert.deepEqual(world.socket.sent, []);
});

test('what has piled up does not come all at once, and in order', async () => {
  const world = await client();
  const numbers = [...Array(250).keys()];
  for (const number of numbers) world.rt.publish('chat', number).catch(() => {});
  world.rt.subscribe('chat');
  world.socket.say(WELCOME);
  const sent = () => world.socket.sent.filter(({ action }) => action === 'publish').map(({ payload }) => payload);
  assert.ok(world.socket.last('subscribe'));
  assert.equal(sent().length, 100);
  world.rt.publish('chat', 'late').catch(() => {});
  await pass(2_000);
  assert.equal(sent().length, 200);
  await pass(2_000);
  assert.deepEqual(sent(), [...numbers, 'late']);
  world.rt.publish('chat', 'at once').catch(() => {});
  assert.equal(sent().at(-1), 'at once');
  world.rt.close();
});

test('channels come back before what is asked about them', async () => {
  const world = await client();
  const asking = world.rt.presence('chat').catch(() => {});
  world.rt.subscribe('chat');
  world.socket.say(WELCOME);
  assert.deepEqual(world.socket.sent.map(({ action }) => action), ['subscribe', 'presence']);
  world.rt.close();
  await asking;
});

test('a refusal is an error that says whether trying again may help', async () => {
  const { rt, socket } = await ready();
  const publishing = rt.publish('news', 1);
  const { id } = socket.last('publish');
  socket.say({ type: 'error', id, channel: 'news', error: 'too many requests', code: 111, retry: true, after: 200 });
  await assert.rejects(publishing, { name: 'RealtimeError', code: 111, retry: true, after: 200, message: 'too many requests' });
});

test('what would end the connection is not sent', async () => {
  const { rt, socket } = await ready({}, { limits: { frame: 100, channels: 1 } });
  await assert.rejects(rt.publish('news', 'ä'.repeat(50)), { code: 106, message: 'limit exceeded' });
  assert.deepEqual(socket.sent, []);
});

test('what is no JSON is the page\'s mistake', async () => {
  const { rt } = await ready();
  await assert.rejects(rt.publish('news', 1n), TypeError);
});

test('a signal takes back what was not sent, and stops waiting for what was', async () => {
  const world = await client();
  const controller = new AbortController();
  const unsent = world.rt.publish('chat', 1, { signal: controller.signal });
  const refused = assert.rejects(unsent, { name: 'AbortError' });
  controller.abort();
  await refused;
  world.socket.say(WELCOME);
  assert.deepEqual(world.socket.sent, []);

  const later = new AbortController();
  const sent = world.rt.history('chat', { signal: later.signal });
  later.abort(new Error('enough'));
  await assert.rejects(sent, { message: 'enough' });
  world.socket.say({ type: 'history', id: world.socket.last('history').id, channel: 'chat', items: [] });
  await assert.rejects(world.rt.publish('chat', 1, { signal: AbortSignal.abort() }), { name: 'AbortError' });
});

test('history is read from a position, or from the end', async () => {
  const { rt, socket } = await ready();
  const since = { epoch: 'e1', offset: 10 };
  const reading = rt.history('news', { since, limit: 50, reverse: false });
  const { id, ...asked } = socket.last('history');
  assert.deepEqual(asked, { action: 'history', channel: 'news', since, limit: 50, reverse: false });
  const items = [{ offset: 11, payload: 1, time: 1763871600123 }];
  socket.say({ type: 'history', id, channel: 'news', epoch: 'e1', offset: 45, items, more: true });
  assert.deepEqual(await reading, { items, more: true, position: { epoch: 'e1', offset: 45 } });

  const sub = rt.subscribe('news');
  const newest = sub.history({ last: 3 });
  assert.deepEqual(socket.last('history').since, { last: 3 });
  socket.say({ type: 'history', id: socket.last('history').id, channel: 'news', epoch: 'e1', offset: 45, items: [] });
  assert.equal((await newest).more, false);
});

test('who is there can be asked without being there', async () => {
  const { rt, socket } = await ready();
  const asking = rt.presence('chat');
  const members = { ada: { info: null, conns: 2 } };
  socket.say({ type: 'presence', id: socket.last('presence').id, channel: 'chat', count: 1, members });
  const { count, members: found, more, next } = await asking;
  assert.deepEqual([more, next], [false, null]);
  assert.deepEqual([count, found.get('ada')], [1, { info: null, conns: 2 }]);
});

test('nothing is left unhandled by whoever does not wait for a subscription', async () => {
  const { rt, socket } = await ready();
  rt.subscribe('staff');
  const { id } = socket.last('subscribe');
  socket.say({ type: 'error', id, channel: 'staff', error: 'permission denied', code: 103 });
  rt.subscribe('other');
  rt.close();
  await settle();
});
