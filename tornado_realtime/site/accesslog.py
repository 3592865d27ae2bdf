"""Access logs: one line for each exchange, in the shape that Caddy's have."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime

from tornado.httputil import HTTPHeaders

from tornado_realtime.site.exchange import Exchange
from tornado_realtime.site.logsink import Sink
from tornado_realtime.site.request import decode_path

Record = dict[str, object]
Applies = Callable[[Exchange], bool]

_CREDENTIALS = frozenset(("Authorization", "Cookie", "Proxy-Authorization", "Set-Cookie"))
_ALWAYS_SECRET = frozenset(("X-Broadcast-Secret", "X-Realtime-Session"))
# Where browsers cannot set headers, a login travels among the subprotocols.
_PROTOCOLS = "Sec-Websocket-Protocol"
_PROTOCOL_LOGIN = re.compile(r"\b(bearer|ticket)\.[^,\s]+", re.IGNORECASE)
# Paths whose queries may have logins or messages in them.
_PRIVATE_PATHS = frozenset(("/ws", "/sse"))
_LEVELS = {"DEBUG": 0, "INFO": 1, "WARN": 2, "ERROR": 3, "PANIC": 4, "FATAL": 5}


class AccessLog:
    """Writes one line for each exchange; give it to `ServedSite.observers`.

    Args:
        sink: Where to.
        name: Logger name in the lines.
        as_json: Whether lines are JSON; else time, level, name and message stand before the JSON of the rest.
        level: Lowest level that is written: an answer of 500 and more is ERROR, everything else INFO.
        applies: Which exchanges; None for all.
        log_credentials: Whether Cookie, Authorization and the like are shown.
        clock: Unix seconds.
    """

    def __init__(
        self,
        sink: Sink,
        name: str = "http.log.access",
        as_json: bool = True,
        level: str = "INFO",
        applies: Applies | None = None,
        log_credentials: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._sink = sink
        self._name = name
        self._as_json = as_json
        self._lowest = _LEVELS[level]
        self._applies = applies
        self._log_credentials = log_credentials
        self._clock = clock

    def __call__(self, exchange: Exchange) -> None:
        """Write the line of an exchange that is over."""
        level = "ERROR" if (exchange.status or 0) >= 500 else "INFO"
        if _LEVELS[level] < self._lowest or not (self._applies is None or self._applies(exchange)):
            return
        details = describe(exchange, self._log_credentials)
        render = render_json if self._as_json else render_console
        self._sink.write(render(level, self._clock(), self._name, details))


def render_json(level: str, moment: float, name: str, details: Record) -> str:
    """A line that is one JSON object, in ASCII."""
    head = {"level": level.lower(), "ts": round(moment, 6), "logger": name, "msg": "handled request"}
    return json.dumps(head | details, separators=(",", ":"))


def render_console(level: str, moment: float, name: str, details: Record) -> str:
    """A line for people: time in UTC, level, logger, message, and the rest as JSON in ASCII."""
    stamp = datetime.fromtimestamp(moment, UTC).strftime("%Y/%m/%d %H:%M:%S.%f")[:-3]
    return "\t".join((stamp, level, name, "handled request", json.dumps(details)))


def describe(exchange: Exchange, log_credentials: bool) -> Record:
    """What a line says about an exchange."""
    request = exchange.request
    return {
        "request": {
            "remote_ip": request.peer,
            "remote_port": str(request.peer_port),
            "client_ip": request.client_ip,
            "proto": request.version,
            "method": request.original_method,
            "host": request.host,
            "uri": _uri(exchange),
            "headers": _fields(request.headers, log_credentials),
        },
        "bytes_read": exchange.read_bytes,
        "user_id": str(exchange.vars.get("http.auth.user.id", "")),
        "duration": round(time.monotonic() - exchange.started, 6),
        "size": exchange.sent_bytes,
        "status": exchange.status or 0,
        "resp_headers": _fields(exchange.responder.sent_headers, log_credentials),
    }


def _uri(exchange: Exchange) -> str:
    """What was asked for; without the query where tokens and messages travel in it."""
    request = exchange.request
    path = decode_path(request.original_target)
    private = path in _PRIVATE_PATHS or "/internal/" in path or "Upgrade" in request.headers
    if private or exchange.responder.detached or not request.original_query:
        return request.original_target
    return f"{request.original_target}?{request.original_query}"


def _fields(headers: HTTPHeaders, log_credentials: bool) -> dict[str, list[str]]:
    hidden = _ALWAYS_SECRET if log_credentials else _ALWAYS_SECRET | _CREDENTIALS
    shown = {name: ["REDACTED"] if name in hidden else headers.get_list(name) for name in headers}
    if _PROTOCOLS in shown and not log_credentials:
        shown[_PROTOCOLS] = [_PROTOCOL_LOGIN.sub(r"\1.REDACTED", value) for value in shown[_PROTOCOLS]]
    return shown
