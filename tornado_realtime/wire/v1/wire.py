"""Publications to frames, messages to commands, and every frame of a v1 server (docs/realtime-v1.md)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from tornado_realtime.channels import is_good_name
from tornado_realtime.members import Listing, Member
from tornado_realtime.publication import History, Position, Publication
from tornado_realtime.wire.base import Farewell, Start, Wire
from tornado_realtime.wire.commands import (
    AskPresence,
    ChannelCommand,
    Command,
    Id,
    Ping,
    Pong,
    Publish,
    ReadHistory,
    Refresh,
    RefreshChannel,
    Reject,
    Subscribe,
    Unsubscribe,
)
from tornado_realtime.wire.denial import Denial
from tornado_realtime.wire.frames import Span, close_frame, text_frame
from tornado_realtime.wire.json_text import plain_compact, plain_quote
from tornado_realtime.wire.v1 import codes
from tornado_realtime.wire.v1.codes import CODES, DENIALS, Ending, Fault
from tornado_realtime.wire.v1.request import Asked, read_asked

MESSAGE_BYTES = 64 * 1024
"""Longest message of a client (V1); not an option, as client libraries are written against it."""
HISTORY_SIZE = 100
"""How many publications a client gets that asks for a history and does not say how many."""
MOST_HISTORY = 250
"""How many it may get at once."""


@dataclass(frozen=True, slots=True)
class Welcome:
    """What a client is told first (V3).

    Attributes:
        client: Its connection's public name.
        user: Its user's id; empty for nobody in particular, who is told nothing.
        ping: Seconds after which it is pinged.
        ttl: Seconds until its login runs out; None if that is not known.
        channels_size: Most channels it may be subscribed to.
        features: What this server can do beyond subscribing.
        ticket: With what it may come back; empty for none.
        session: With what it says something by other requests; empty if it says it here.
    """

    client: str
    user: str
    ping: float
    ttl: int | None
    channels_size: int
    features: Sequence[str]
    ticket: str = ""
    session: str = ""


@dataclass(frozen=True, slots=True)
class Past:
    """What is told of a stream (V4).

    Attributes:
        text: Members of a JSON object.
        last: Where the last of it stands, if there is more behind it.
    """

    text: bytes
    last: Position | None


class V1Wire(Wire):
    """JSON both ways; every request that has an id is answered, and every error has a code."""

    name = subprotocol = "realtime.v1.json"
    talks = recovers = True
    message_bytes = MESSAGE_BYTES
    ping = text_frame(b'{"type":"ping"}')

    # -- what clients say --------------------------------------------------------------------------

    def decode(self, message: bytes, is_text: bool) -> Command:
        """What ``message`` asks for; what cannot be done is a ``Reject`` that says why, with its id."""
        asked = read_asked(message, is_text)
        if not asked.is_valid:
            return _rejected(codes.INVALID, asked)
        about_connection = _ABOUT_CONNECTION.get(asked.action)
        if about_connection is not None:
            return about_connection(asked)
        if not asked.channel:
            return _rejected(codes.NO_CHANNEL, asked)
        about_channel = _ABOUT_CHANNELS.get(asked.action)
        if about_channel is None:
            return _rejected(codes.unknown_action(asked.action), asked)
        return about_channel(asked)

    # -- publications ------------------------------------------------------------------------------

    def encode(self, publication: Publication) -> bytes:
        """The message as ``payload``: as JSON where it is one JSON value, else as text with ``raw``."""
        channel, (payload, raw) = plain_quote(publication.channel), _payload(publication)
        more = raw + _offset(publication) + _from(publication)
        return text_frame(b'{"type":"message","channel":%b,"payload":%b%b}' % (channel, payload, more))

    def skipped(self, publication: Publication) -> bytes | None:
        """The news that its client does not get the publication that stands here (V5)."""
        where = _offset(publication)
        return _frame("skipped", None, publication.channel, where[1:]) if where else None

    def turned(self, channel: str, position: Position) -> bytes:
        """The news that a stream goes on in another epoch (V4)."""
        return _frame("epoch", None, channel, b'"epoch":%b,"offset":%d' % _position(position))

    def missed(self, channel: str) -> bytes:
        """The news that publications on ``channel`` may have been missed (V4)."""
        return _frame("gap", None, channel, b'"reason":"broker away"')

    def lost(self, channel: str, span: Span | None) -> bytes:
        """The news that a slow client does not get some publications (V4)."""
        reason = b'"reason":"slow consumer"'
        if span is None:
            return _frame("gap", None, channel, reason)
        epoch, first = _position(span[0])
        where = b'"epoch":%b,"from":%d,"to":%d' % (epoch, first, span[1].offset)
        return _frame("gap", None, channel, where, reason)

    # -- replies -----------------------------------------------------------------------------------

    def subscribed(self, command: Subscribe, listing: Listing | None = None) -> bytes:
        """The confirmation; who asks for what it missed learns that nothing is kept (V4)."""
        recovery = () if command.since is None else (b'"recovered":false,"replay":0',)
        more = (*recovery, *_listing(listing), *_ttl(command.ttl))
        return _frame("subscribed", command.id, command.channel, *more)

    def joined(self, command: Subscribe, start: Start, listing: Listing | None = None) -> bytes:
        """The confirmation on a stream: where it begins, and how much of the past comes first (V4)."""
        members = [b'"epoch":%b,"offset":%d' % _position(start.position)]
        if start.recovered is not None:
            members.append(b'"recovered":%b,"replay":%d' % (_bool(start.recovered), start.replay))
        more = (*members, *_listing(listing), *_ttl(command.ttl))
        return _frame("subscribed", command.id, command.channel, *more)

    def history(self, command: ReadHistory, found: History, size_bytes: int) -> bytes:
        """What is kept of a stream (V4).

        Args:
            command: What the client asked.
            found: The answer.
            size_bytes: See ``past``.
        """
        return _frame("history", command.id, command.channel, past(found, size_bytes).text)

    def unsubscribed(self, command: Unsubscribe) -> bytes:
        """The confirmation, sent even when the client had not subscribed."""
        return _frame("unsubscribed", command.id, command.channel)

    def revoked(self, channel: str) -> bytes:
        """The news that a subscription is over that the client did not end (V4)."""
        return _ended(channel, *codes.REVOKED)

    def lapsed(self, channel: str) -> bytes:
        """The news that a subscription is over because its token has run out (V4)."""
        return _ended(channel, *codes.LAPSED)

    def published(self, command: Publish, position: Position | None) -> bytes:
        """The confirmation that the broker took a publication."""
        where = b"" if position is None else b'"epoch":%b,"offset":%d' % _position(position)
        return _frame("published", command.id, command.channel, *filter(None, (where,)))

    def pong(self, command: Ping) -> bytes:
        """The answer to a client's ping."""
        return _frame("pong", command.id)

    def refreshed(self, command: Refresh | RefreshChannel, ttl: int | None) -> bytes:
        """The confirmation that a login, or a subscription, lasts longer now."""
        channel = command.channel if isinstance(command, RefreshChannel) else None
        return _frame("refreshed", command.id, channel, *_ttl(ttl))

    def denied(self, command: ChannelCommand, why: Denial) -> bytes:
        """The error that refuses a command."""
        return self.failed(command, DENIALS[why])

    def failed(self, command: ChannelCommand | Refresh, fault: Fault, after: int | None = None) -> bytes:
        """The error that answers a command.

        Args:
            command: Of the client.
            fault: What is wrong.
            after: Milliseconds after which it may be tried again.
        """
        channel = None if isinstance(command, Refresh) or fault is codes.BAD_NAME else command.channel
        return _error(fault, command.id, channel, after)

    # -- who is present ------------------------------------------------------------------------------

    def present(self, channel: str, listing: Listing, name: Id | None = None) -> bytes:
        """Who is present, or how many, for one client (V9)."""
        return _frame("presence", name, channel, *_listing(listing))

    def listed(self, channel: str, listing: Listing) -> bytes:
        """The news of who is present, for everybody who listens (V9)."""
        return self.present(channel, listing)

    def came(self, channel: str, member: Member, count: int) -> bytes:
        """The news that somebody came (V9)."""
        text = b'"user":%b,"info":%b,"count":%d' % (plain_quote(member.user), member.info, count)
        return _frame("join", None, channel, text)

    def went(self, channel: str, user: str, count: int) -> bytes:
        """The news that somebody went (V9)."""
        return _frame("leave", None, channel, b'"user":%b,"count":%d' % (plain_quote(user), count))

    # -- what the server begins ----------------------------------------------------------------------

    def welcome(self, welcome: Welcome) -> bytes:
        """The first frame of every connection."""
        members = [b'"v":1', b'"client":%b' % plain_quote(welcome.client)]
        if welcome.user:
            members.append(b'"user":%b' % plain_quote(welcome.user))
        members += [b'"ping":%d' % welcome.ping, *_ttl(welcome.ttl)]
        members.append(b'"limits":{"frame":%d,"channels":%d}' % (MESSAGE_BYTES, welcome.channels_size))
        members.append(b'"features":[%b]' % b",".join(map(plain_quote, welcome.features)))
        if welcome.ticket:
            members.append(b'"ticket":%b' % plain_quote(welcome.ticket))
        if welcome.session:
            members.append(b'"session":%b' % plain_quote(welcome.session))
        return _frame("welcome", None, None, *members)

    def expiring(self, seconds: int) -> bytes:
        """The warning that the login runs out."""
        return _frame("expiring", None, None, b'"in":%d' % seconds)

    def farewell(self, why: Farewell) -> bytes:
        """Advice for people and programs, and the close frame with the same code (V8)."""
        return _FAREWELLS[why]


# -- commands by action (V2) ---------------------------------------------------------------------------


def _subscribe(asked: Asked) -> Command:
    # What is neither is as false: clients of the older wires may mean anything by it.
    presence = asked.flag("presence", False) is True
    try:
        return Subscribe(asked.channel, _token(asked), asked.id, asked.since(), presence)
    except ValueError:
        return _rejected(codes.BAD_PLACE, asked)


def _ask_presence(asked: Asked) -> Command:
    after, limit = asked.text("after"), asked.number("limit", 0)
    if after is None or limit is None:
        return _rejected(codes.INVALID, asked)
    return AskPresence(asked.channel, asked.id, _token(asked), after, limit)


def _unsubscribe(asked: Asked) -> Command:
    return Unsubscribe(asked.channel, asked.id)


def _publish(asked: Asked) -> Command:
    echo = asked.flag("echo", True)
    if echo is None:
        return _rejected(codes.INVALID, asked)
    payload = asked.json("payload")
    if payload is None:
        return _rejected(codes.NO_PAYLOAD, asked)
    key = asked.text("key")
    if key is None or (key and not is_good_name(key)):
        return _rejected(codes.BAD_KEY, asked)
    return Publish(asked.channel, payload, asked.id, echo, _token(asked), key)


def _history(asked: Asked) -> Command:
    limit, reverse = asked.number("limit", HISTORY_SIZE), asked.flag("reverse", False)
    if limit is None or reverse is None:
        return _rejected(codes.INVALID, asked)
    try:
        since = asked.since()
    except ValueError:
        return _rejected(codes.BAD_PLACE, asked)
    return ReadHistory(asked.channel, since, min(limit, MOST_HISTORY), reverse, asked.id, _token(asked))


def _token(asked: Asked) -> str:
    """What is shown for a channel; what is no text is nothing, as on the older wires."""
    return asked.text("token") or ""


def _ping(asked: Asked) -> Command:
    return Ping(asked.id)


def _pong(asked: Asked) -> Command:
    # Whoever gives it an id wants an answer.
    return Pong() if asked.id is None else Ping(asked.id)


def _refresh(asked: Asked) -> Command:
    token = asked.text("token")
    if token is None:
        return _rejected(codes.INVALID, asked)
    if not token:
        return _rejected(codes.NO_TOKEN, asked)
    if asked.channel:
        return RefreshChannel(asked.channel, token, asked.id)
    return Refresh(token, asked.id)


_Reading = Callable[[Asked], Command]
_ABOUT_CONNECTION: Mapping[str, _Reading] = MappingProxyType(
    {"ping": _ping, "pong": _pong, "refresh": _refresh}
)
_ABOUT_CHANNELS: Mapping[str, _Reading] = MappingProxyType(
    {
        "subscribe": _subscribe,
        "unsubscribe": _unsubscribe,
        "publish": _publish,
        "presence": _ask_presence,
        "history": _history,
    }
)


# -- frames --------------------------------------------------------------------------------------------


def _frame(kind: str, name: Id | None = None, channel: str | None = None, *more: bytes) -> bytes:
    members = [b'"type":"%b"' % kind.encode()]
    if name is not None:
        members.append(b'"id":%b' % (plain_quote(name) if isinstance(name, str) else b"%d" % name))
    if channel is not None:
        members.append(b'"channel":%b' % plain_quote(channel))
    return text_frame(b"{%b}" % b",".join((*members, *more)))


def _ended(channel: str, code: int, reason: str) -> bytes:
    """The end of a subscription that the client did not end."""
    return _frame("unsubscribed", None, channel, b'"code":%d,"reason":%b' % (code, plain_quote(reason)))


def _error(fault: Fault, name: Id | None, channel: str | None, after: int | None = None) -> bytes:
    text = b'"error":%b,"code":%d,"retry":%b' % (plain_quote(fault.text), fault.code, _bool(fault.retry))
    return _frame("error", name, channel, text, *([] if after is None else [b'"after":%d' % after]))


def _rejected(fault: Fault, asked: Asked) -> Reject:
    channel = asked.channel if fault is codes.NOT_AVAILABLE else None
    return Reject(_error(fault, asked.id, channel))


def _payload(publication: Publication) -> tuple[bytes, bytes]:
    """A message as JSON, and what is said of it if it is none."""
    payload = plain_compact(publication.data)
    if payload is not None:
        return payload, b""
    return plain_quote(publication.data.decode("utf-8", "replace")), b',"raw":true'


def _offset(publication: Publication) -> bytes:
    return b"" if publication.position is None else b',"offset":%d' % publication.position.offset


def past(found: History, size_bytes: int) -> Past:
    """What is kept of a stream, as it is told.

    Args:
        found: What was read.
        size_bytes: How long it may be; of what is longer, whole items are left out at the end, but not the
            first.
    """
    items: list[bytes] = []
    for publication in found.items:
        item = _item(publication)
        size_bytes -= len(item) + 1
        if size_bytes < 0 and items:
            break
        items.append(item)
    has_more = found.more or len(items) < len(found.items)
    where = b'"epoch":%b,"offset":%d' % _position(found.position)
    text = b'%b,"items":[%b],"more":%b' % (where, b",".join(items), _bool(has_more))
    return Past(text, found.items[len(items) - 1].position if has_more and items else None)


def _item(publication: Publication) -> bytes:
    """One publication of a history."""
    payload, raw = _payload(publication)
    time = b"" if publication.time is None else b',"time":%d' % round(publication.time * 1000)
    where = _offset(publication)[1:]
    return b'{%b,"payload":%b%b%b%b}' % (where, payload, raw, time, _from(publication))


def _bool(value: bool) -> bytes:
    return b"true" if value else b"false"


def _from(publication: Publication) -> bytes:
    sender = publication.sender
    if sender is None:
        return b""
    user = b'"user":%b,' % plain_quote(sender.user) if sender.user else b""
    return b',"from":{%b"client":%b}' % (user, plain_quote(sender.client))


def _listing(listing: Listing | None) -> Iterator[bytes]:
    if listing is None:
        return
    yield b'"count":%d' % listing.count
    if listing.members is not None:
        yield b'"members":%b' % listing.members
    if listing.more:
        yield b'"more":true'
    if listing.next:
        yield b'"next":%b' % plain_quote(listing.next)


def _position(position: Position) -> tuple[bytes, int]:
    return plain_quote(position.epoch), position.offset


def _ttl(ttl: int | None) -> tuple[bytes, ...]:
    return () if ttl is None else (b'"ttl":%d' % ttl,)


def _farewell(ending: Ending) -> bytes:
    code, reason = ending.code, plain_quote(ending.reason)
    advice = b'"reconnect":false' if ending.after is None else b'"reconnect":true,"after":%d' % ending.after
    disconnect = _frame("disconnect", None, None, b'"code":%d,"reason":%b' % (code, reason), advice)
    return disconnect + close_frame(code, ending.reason)


_FAREWELLS: Mapping[Farewell, bytes] = MappingProxyType({why: _farewell(CODES[why]) for why in Farewell})

V1 = V1Wire()
"""One shared value: a wire holds no state of a connection."""
