/** Where a message stands in its channel: offsets count up by one within an epoch. */
export interface Position {
  epoch: string;
  offset: number;
}

/** A message as the server sent it. */
export interface Message<Payload = any> {
  channel: string;
  payload: Payload;
  /** The publisher's text was no JSON; `payload` is that text. */
  raw?: true;
  /** Only on channels with a history. */
  offset?: number;
  /** Which client of whose published it; what the application publishes has none. */
  from?: { user?: string; client: string };
}

/** A message as `history` gives it. */
export interface HistoryItem<Payload = any> {
  payload: Payload;
  offset: number;
  /** Milliseconds since 1970. */
  time: number;
  raw?: true;
  from?: { user?: string; client: string };
}

export interface History<Payload = any> {
  items: HistoryItem<Payload>[];
  /** There are more in this direction than `limit` let through. */
  more: boolean;
  /** Of the newest message in the channel. */
  position: Position;
}

/** Somebody who is subscribed: what the application said about them, and with how many connections. */
export interface Member<Info = any> {
  info: Info;
  conns: number;
}

export interface Presence<Info = any> {
  members: Map<string, Member<Info>>;
  /** How many users are subscribed. */
  count: number;
  /** Some are left out; with `next` as `after`, the next page has them. */
  more: boolean;
  next: string | null;
}

export interface Move<Info = any> {
  user: string;
  info: Info;
  /** How many users are subscribed now. */
  count: number;
}

export interface Welcome {
  client: string;
  user?: string;
  /** Seconds between the server's pings. */
  ping: number;
  /** Seconds until the login runs out. */
  ttl?: number;
  limits: { frame: number; channels: number };
  features: string[];
}

export type State = 'connecting' | 'ready' | 'waiting' | 'failed' | 'closed';
export type SubscriptionState = 'pending' | 'live' | 'failed' | 'closed';

export interface StateChange {
  state: State;
  /** The close code, or the HTTP status that a handshake got; 1006 where the network is the reason. */
  code?: number;
  reason?: string;
  /** Milliseconds until the next try; without it, what is waited for is the page: that it wakes. */
  delay?: number;
}

export interface Cancelable {
  signal?: AbortSignal;
}

export interface RealtimeOptions extends Cancelable {
  /** The login, where it is not in a cookie. The function is asked again when what it gave has run out. */
  token?: string | (() => string | null | Promise<string | null>);
  /** Where event streams are, for networks that block WebSocket; beside the WebSocket when left out. false: never. */
  sse?: string | false;
  /** Instead of the global one. */
  WebSocket?: new (url: string, protocols: string[]) => any;
}

export interface SubscribeOptions extends Cancelable {
  /** Begin with the newest so many messages; on channels with a history. */
  last?: number;
  /** Go on after this position, which a page kept. */
  since?: Position;
  /** Be told who is there. */
  presence?: boolean;
  /** For channels whose rule wants one. */
  token?: string | ((channel: string) => string | Promise<string>);
}

export interface PublishOptions extends Cancelable {
  /** With false this client does not get the message itself. */
  echo?: boolean;
  /** The same key within five minutes is the same publication. One is made where none is given. */
  key?: string;
  token?: string;
}

export interface Published {
  key: string;
  /** null on channels without a history. */
  position: Position | null;
}

export interface HistoryOptions extends Cancelable {
  since?: Position;
  /** Instead of `since`: the newest so many. */
  last?: number;
  limit?: number;
  /** Newest first; with `since`, those before it. */
  reverse?: boolean;
  token?: string;
}

export interface PresenceOptions extends Cancelable {
  /** Users whose id comes after this one: `next` of the page before. */
  after?: string;
  limit?: number;
  token?: string;
}

/** In a crowd only `count` is known, and `members` is null. */
export type PresenceListener<Info = any> = (members: Map<string, Member<Info>> | null, count: number) => void;

/** Ends what `on` began. */
export type Off = () => void;

export interface Subscription<Payload = any, Info = any> {
  readonly channel: string;
  readonly state: SubscriptionState;
  /** Of the last message that came; null on channels without a history. May be kept, for `since`. */
  readonly position: Position | null;
  /** With `presence`; null while only `count` is known, or nothing yet. */
  readonly members: Map<string, Member<Info>> | null;
  readonly count: number | null;
  /** When it is live for the first time. Rejected when it fails or is closed before. */
  readonly ready: Promise<Subscription<Payload, Info>>;

  on(type: 'message', listener: (payload: Payload, message: Message<Payload>) => void, options?: Cancelable): Off;
  on(type: 'state', listener: (state: SubscriptionState) => void, options?: Cancelable): Off;
  /** It is back, and `replay` messages that were missed come now: nothing is lost. */
  on(type: 'recovered', listener: (replay: number) => void, options?: Cancelable): Off;
  /** Messages are missing that can't be had: load the state anew. With `last` the newest ones come now. */
  on(type: 'reload', listener: (reason: string) => void, options?: Cancelable): Off;
  on(type: 'join' | 'leave', listener: (move: Move<Info>) => void, options?: Cancelable): Off;
  /** After each change of who is there. */
  on(type: 'presence', listener: PresenceListener<Info>, options?: Cancelable): Off;
  /** It has failed for good. */
  on(type: 'error', listener: (error: RealtimeError) => void, options?: Cancelable): Off;

  history(options?: HistoryOptions): Promise<History<Payload>>;
  presence(options?: PresenceOptions): Promise<Presence<Info>>;
  close(): void;
}

export class Realtime {
  /** @param url of the WebSocket, also relative and with http; `/ws` when left out */
  constructor(url?: string | URL, options?: RealtimeOptions);

  readonly state: State;
  /** null until the first connection. */
  readonly welcome: Welcome | null;

  /** @throws Error if the channel is subscribed to already */
  subscribe<Payload = any, Info = any>(
    channel: string,
    listener?: ((payload: Payload, message: Message<Payload>) => void) | null,
    options?: SubscribeOptions,
  ): Subscription<Payload, Info>;

  /** Waits for a connection where there is none, and is repeated where its answer was lost, under the same key. */
  publish(channel: string, payload: unknown, options?: PublishOptions): Promise<Published>;
  history<Payload = any>(channel: string, options?: HistoryOptions): Promise<History<Payload>>;
  presence<Info = any>(channel: string, options?: PresenceOptions): Promise<Presence<Info>>;
  refresh(token?: string): Promise<void>;

  on(type: 'state', listener: (change: StateChange) => void, options?: Cancelable): Off;
  /** The login runs out in so many seconds. With the option `token` it is prolonged by itself. */
  on(type: 'expiring', listener: (seconds: number) => void, options?: Cancelable): Off;
  /** What belongs to no request: the token could not be renewed, or the server complains. */
  on(type: 'error', listener: (error: unknown) => void, options?: Cancelable): Off;

  /** Try now instead of later, and again after a failure. */
  connect(): void;
  /** For good. */
  close(): void;
}

/** What the server, or the network, said instead of doing what was asked. */
export class RealtimeError extends Error {
  /** See the codes of realtime-v1.md, V7 and V8. */
  readonly code: number;
  /** The same may succeed later. */
  readonly retry: boolean;
  /** Milliseconds that should pass until then. */
  readonly after: number;
}
