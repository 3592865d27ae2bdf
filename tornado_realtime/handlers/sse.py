"""Event streams at ``/sse``: opened by GET, as a handshake of ``/ws``, and talked to by POST (S1, S5)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http.client import responses
from typing import Any, NoReturn

from tornado.web import Finish

from tornado_realtime.channels import BAD_NAME, is_good_name
from tornado_realtime.connection import EventConnection, Phase, spread
from tornado_realtime.handlers.entrance import EntranceHandler, SocketDoor
from tornado_realtime.hub.posts import Verdict
from tornado_realtime.publication import Position
from tornado_realtime.wire.sse import BARE_EVENTS, EVENTS, MOST_CHANNELS, control, ids_of, key_of, read_cursor
from tornado_realtime.wire.v1 import MESSAGE_BYTES

SESSION_HEADER = "X-Realtime-Session"
_MEDIA_TYPE = "text/event-stream"
_METHODS = ("GET", "POST", "OPTIONS")
_CROSS_SITE = frozenset({"cross-site", "same-site"})
# Seconds that a browser may remember what a page of another origin may ask.
_PREFLIGHT_SECONDS = "7200"
_HEAD = (
    "HTTP/1.1 200 OK\r\n"
    "Content-Type: text/event-stream\r\n"
    "Cache-Control: private, no-cache, no-store, must-revalidate, max-age=0, no-transform\r\n"
    "X-Accel-Buffering: no\r\n"
    "X-Content-Type-Options: nosniff\r\n"
    "Connection: close\r\n"
)
# Why a stream ends that could not be opened now, and after how many seconds to come back if nobody says it.
_OVER_CAPACITY, _AFTER_SECONDS = 4100, "5"
# For whoever stood somewhere that cannot be read: it is told that it has to load its state anew.
_NOWHERE = Position("-", 0)
_MOST_LAST_DIGITS = 6
_REASONS = {
    Verdict.FOREIGN: "the stream is another user's",
    Verdict.GONE: "there is no such stream",
    Verdict.UNKNOWN: "the node of the stream did not answer",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a stream is opened for.

    Attributes:
        channels: In the order in which they are to be subscribed.
        since: Where the client stood, by the channels' short names; None if that cannot be read.
        last: How many of the newest publications it wants where it stood nowhere; 0 for none.
        presence: Whether it wants to know who is there.
    """

    channels: tuple[str, ...]
    since: dict[str, Position] | None
    last: int = 0
    presence: bool = False

    def command(self, channel: str) -> bytes:
        """The message of v1 that subscribes to one of the channels."""
        members: dict[str, Any] = {"action": "subscribe", "channel": channel}
        position = _NOWHERE if self.since is None else self.since.get(key_of(channel))
        if position is not None:
            members["since"] = {"epoch": position.epoch, "offset": position.offset}
        elif self.last:
            members["since"] = {"last": self.last}
        if self.presence:
            members["presence"] = True
        return json.dumps(members, ensure_ascii=False).encode()


class SseHandler(EntranceHandler):
    """One request to open an event stream, or from the client of one."""

    async def prepare(self) -> None:
        """Refuse what is neither."""
        if self.request.method not in _METHODS:
            self.refuse(405, Allow=", ".join(_METHODS))

    async def options(self) -> None:
        """What a page of another origin may ask."""
        door = self.enter(self._open_door)
        self.judge_origin(door)
        self.set_header("Access-Control-Allow-Methods", ", ".join(_METHODS))
        names = f"Authorization, Content-Type, Last-Event-ID, {SESSION_HEADER}"
        self.set_header("Access-Control-Allow-Headers", names)
        self.set_header("Access-Control-Max-Age", _PREFLIGHT_SECONDS)
        self.set_status(204)

    def judge_origin(self, door: SocketDoor) -> None:
        """As for a WebSocket; but a GET of a page need not name its origin, so that its site counts, too."""
        super().judge_origin(door)
        headers = self.request.headers
        origin = headers.get("Origin")
        if origin is not None:
            self.set_header("Access-Control-Allow-Origin", origin)
            self.set_header("Access-Control-Allow-Credentials", "true")
            self.set_header("Vary", "Origin")
        elif headers.get("Sec-Fetch-Site") in _CROSS_SITE:
            self.refuse_origin(door)

    def refuse(self, status: int, text: str = "", **headers: str) -> NoReturn:
        """See PlainHandler; but EventSource never comes back after an answer that is not a stream (S1)."""
        is_event_source = self.request.headers.get("Accept") == _MEDIA_TYPE
        if self.request.method != "GET" or not is_event_source or not _is_for_a_while(status):
            super().refuse(status, text, **headers)
        after = 1000 * int(headers.get("Retry_After", _AFTER_SECONDS))
        reason = text or responses[status]
        disconnect = {"type": "disconnect", "code": _OVER_CAPACITY, "reason": reason, "reconnect": True}
        event = json.dumps(disconnect | {"after": after}, separators=(",", ":")).encode()
        self.set_header("Content-Type", _MEDIA_TYPE)
        self.set_header("Cache-Control", "no-store")
        self.finish(control(event, retry=spread(after)))
        raise Finish

    # -- the stream --------------------------------------------------------------------------------

    async def get(self) -> None:
        """Open a stream."""
        door, user, address = await self.admitted()
        wanted = self._wanted(door)
        newcomer = self.newcomer(door, user, address, EVENTS if wanted.channels else BARE_EVENTS)
        connection = self.answer_and_leave(door, self._head(newcomer.ticket.cookie), newcomer)
        if isinstance(connection, EventConnection):
            connection.take(ids_of(wanted.channels, wanted.since))
            for channel in wanted.channels:
                if connection.phase is Phase.OPEN:
                    door.hub.received(connection, wanted.command(channel), is_text=True)

    def _wanted(self, door: SocketDoor) -> Wanted:
        """What the query asks for; refused with 400 when it makes no sense."""
        channels = tuple(dict.fromkeys(self._texts("channel")))
        if not all(map(is_good_name, channels)):
            self.refuse(400, BAD_NAME)
        most = min(MOST_CHANNELS, door.hub.limits.channels_size)
        if len(channels) > most:
            self.refuse(400, f"a stream is opened for at most {most} channels")
        last = (self._texts("last") or ["0"])[0]
        if not (last.isascii() and last.isdigit() and len(last) <= _MOST_LAST_DIGITS):
            self.refuse(400, "last must be a number")
        cursor = self.request.headers.get("Last-Event-ID") or "".join(self._texts("last_event_id")[:1])
        since = read_cursor(cursor) if cursor else {}
        return Wanted(channels, since, int(last), self._texts("presence")[:1] == ["true"])

    def _texts(self, name: str) -> list[str]:
        """The values of a parameter in the query."""
        try:
            return [value.decode() for value in self.request.query_arguments.get(name, ())]
        except UnicodeDecodeError:
            self.refuse(400, f"{name} must be UTF-8")

    def _head(self, cookie: str) -> bytes:
        """The head of an answer that ends with its connection, which HTTP/1.0 knows, too."""
        fields = [_HEAD]
        for name in ("Access-Control-Allow-Origin", "Access-Control-Allow-Credentials", "Vary"):
            value = self._headers.get(name)
            if value is not None:
                fields.append(f"{name}: {value}\r\n")
        if cookie:
            fields.append(f"Set-Cookie: {cookie}\r\n")
        return "".join([*fields, "\r\n"]).encode("latin-1")

    # -- what its client says ------------------------------------------------------------------------

    async def post(self) -> None:
        """Take messages for a stream."""
        door = self.enter(self._open_door)
        self.judge_origin(door)
        session = self.request.headers.get(SESSION_HEADER, "")
        if not session:
            self.refuse(400, f"{SESSION_HEADER} is missing: the welcome of a stream says its session")
        if len(self.request.body) > MESSAGE_BYTES:
            self.refuse(413, f"at most {MESSAGE_BYTES} bytes")
        if door.hub.posts.is_hopeless(session):
            self._answer(Verdict.GONE)
        user = await self.authenticate(door)
        door = self.enter(self._open_door)
        if door.revocations.refuses(user):
            self.refuse(401)
        messages = self.request.body.decode("utf-8", "replace")
        self._answer(await door.hub.posts.take(session, user.id, messages))

    def _answer(self, verdict: Verdict) -> NoReturn:
        if verdict is not Verdict.TAKEN:
            self.refuse(verdict, _REASONS[verdict])
        self.set_status(verdict)
        self.finish()
        raise Finish


def _is_for_a_while(status: int) -> bool:
    """Whether the same request may be answered otherwise later."""
    return status == 429 or status >= 500
