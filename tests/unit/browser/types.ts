// Read by the TypeScript compiler, never run: the API as people use it, and mistakes that it has to find.

import { Realtime, RealtimeError } from '../../../tornado_realtime/browser/realtime.js';
import type { HistoryItem, Member, Position, Subscription } from '../../../tornado_realtime/browser/realtime.js';

interface Line { text: string }

export async function uses(): Promise<void> {
  const controller = new AbortController();
  const rt = new Realtime('/ws', { token: async () => 'token', signal: controller.signal });
  new Realtime();
  new Realtime(new URL('wss://example.com/ws'), { token: 'token', WebSocket });
  const sub: Subscription<Line> = rt.subscribe<Line>('chat', ({ text }, { offset, from }) => {
    console.log(text.length, offset, from?.user);
  }, { last: 50, presence: true, token: (channel) => channel, signal: controller.signal });
  rt.subscribe('news', (payload) => console.log(payload), { since: sub.position ?? { epoch: 'e', offset: 1 } });
  rt.subscribe('silent', null, {});
  const off = sub.on('recovered', (replay) => replay + 1);
  off();
  sub.on('reload', (reason) => reason.length, { signal: controller.signal });
  sub.on('join', ({ user, count }) => user.repeat(count));
  sub.on('presence', (members, count) => members ? [...members].length : count);
  sub.on('presence', (members) => [...members ?? []].map(([user, { conns }]: [string, Member]) => user + conns));
  sub.on('error', (error) => error.code + error.after);
  await sub.ready;
  const { items, more, position } = await sub.history({ limit: 50, reverse: true });
  const texts: string[] = items.map((item: HistoryItem<Line>) => item.payload.text);
  const next = more ? await sub.history({ since: position }) : null;
  const { count, members } = await rt.presence('chat', { signal: AbortSignal.timeout(1000) });
  const place: Position | null = (await rt.publish('chat', { text: 'hi' }, { echo: false, key: 'k' })).position;
  rt.on('state', ({ state, code, delay }) => console.log(state === 'failed' && code, delay));
  rt.on('expiring', (seconds) => seconds.toFixed());
  await rt.refresh('token');
  try {
    await rt.publish('chat', 1);
  } catch (error) {
    if (error instanceof RealtimeError && error.retry) rt.connect();
  }
  sub.close();
  rt.close();
  console.log(texts, next, count, members, place, rt.welcome?.limits.frame);
}

export function mistakes(rt: Realtime): void {
  // @ts-expect-error: there is no such event
  rt.on('message', () => {});
  // @ts-expect-error: a misspelt option
  rt.subscribe('chat', null, { presense: true });
  // @ts-expect-error: a position is an object
  rt.subscribe('chat', null, { since: 5 });
  // @ts-expect-error: the state is the connection's own
  rt.state = 'ready';
  // @ts-expect-error: no payload
  void rt.publish('chat');
}
