// Where WebSocket does not get through: the same messages over an event stream and posts (S1 to S5 of docs/sse.md).

import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';

import { begin, client, finish, http, pass, settle, WELCOME, write } from './world.mjs';

beforeEach(begin);
afterEach(finish);

const event = (frame) => `event: control\ndata: ${JSON.stringify(frame)}\n\n`;

/** A client whose WebSocket was swallowed, on its stream. */
async function streaming(options) {
  http.status = 400;
  http.streams = true;
  const world = await client(options);
  world.socket.end(1006);
  for (let turns = 0; turns < 5; turns += 1) await settle();
  await write(event({ ...WELCOME, session: 'S1' }));
  return world;
}

const gets = () => http.asked.filter(({ method }) => method === undefined);

test('a server that is there and saw no upgrade is asked for a stream', async () => {
  const { rt } = await streaming({ token: 'secret' });
  assert.equal(rt.state, 'ready');
  assert.equal(gets()[0].url, 'http://server/sse');
  assert.deepEqual(gets()[0].headers, { Authorization: 'Bearer secret' });
  assert.equal(gets()[0].credentials, 'include');
});

test('messages come in whatever pieces, and what is said is posted in order', async () => {
  const { rt } = await streaming();
  const heard = [];
  rt.subscribe('news', (payload) => heard.push(payload));
  const publishing = rt.publish('chat', 'é');
  await settle();
  rt.publish('chat', 2);
  await settle();
  const [[subscribe], ...rest] = http.posts;
  assert.equal(subscribe.action, 'subscribe');
  assert.deepEqual(rest.flat().map(({ payload }) => payload), ['é', 2]);
  assert.equal(http.asked.at(-1).headers['X-Realtime-Session'], 'S1');
  const subscribed = event({ type: 'subscribed', id: subscribe.id, channel: 'news' });
  const message = 'data: {"type":"message","channel":"news","payload":"é"}\n\n';
  const bytes = [...new TextEncoder().encode(subscribed + message)];
  for (const byte of bytes) http.stream.enqueue(new Uint8Array([byte]));
  await write(': nothing\n\n', event({ type: 'published', id: rest.flat()[0].id, channel: 'chat' }));
  for (let turns = 0; turns < bytes.length; turns += 1) await settle();
  assert.deepEqual(heard, ['é']);
  assert.equal((await publishing).position, null);
});

test('pings of the server need no answer', async () => {
  await streaming();
  await write(event({ type: 'ping' }));
  assert.deepEqual(http.posts, []);
});

test('a stream that is no more is opened again, and what got no answer is asked again', async () => {
  const { rt, states } = await streaming();
  http.taken = 404;
  rt.publish('chat', 1, { key: 'k' });
  await settle();
  assert.equal(rt.state, 'waiting');
  assert.equal(states.at(-1)[1].reason, 'status 404');
  http.taken = 202;
  await pass(1_000);
  await write(event({ ...WELCOME, session: 'S2' }));
  assert.deepEqual(http.posts.flat().map(({ key }) => key), ['k', 'k']);
  assert.equal(http.asked.at(-1).headers['X-Realtime-Session'], 'S2');
});

test('the end of a stream is as that of a WebSocket', async () => {
  const { rt, states } = await streaming();
  await write(event({ type: 'disconnect', code: 4009, reason: 'disconnected', reconnect: false }));
  http.stream.close();
  for (let turns = 0; turns < 5; turns += 1) await settle();
  assert.equal(rt.state, 'failed');
  assert.deepEqual(states.at(-1), ['failed', { code: 4009, reason: 'disconnected' }]);
});

test('close() ends the stream', async () => {
  const { rt } = await streaming();
  rt.close();
  assert.equal(gets()[0].signal.aborted, true);
});

test('a stream that is refused is what a handshake would be', async () => {
  http.status = 400;
  const world = await client();
  world.socket.end(1006);
  http.status = 401;
  for (let turns = 0; turns < 5; turns += 1) await settle();
  assert.equal(world.rt.state, 'failed');
});

test('where there are no streams, WebSocket is tried again', async () => {
  http.status = 400;
  const world = await client();
  world.socket.end(1006);
  http.status = 404;
  for (let turns = 0; turns < 5; turns += 1) await settle();
  assert.equal(world.rt.state, 'waiting');
  await pass(1_000);
  assert.equal(world.sockets.length, 2);
});

test('whoever wants none gets none, and nobody whose WebSocket got through', async () => {
  http.status = 400;
  http.streams = true;
  const none = await client({ sse: false });
  none.socket.end(1006);
  for (let turns = 0; turns < 5; turns += 1) await settle();
  assert.equal(none.rt.state, 'waiting');
  const through = await client();
  through.socket.say(WELCOME);
  through.socket.end(1006);
  await pass(500);
  through.socket.end(1006);
  for (let turns = 0; turns < 5; turns += 1) await settle();
  assert.equal(through.rt.state, 'waiting');
  assert.deepEqual(gets(), []);
});
