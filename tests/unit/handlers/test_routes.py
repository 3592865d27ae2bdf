"""Which path is served where: the table of routes, without a server."""

from __future__ import annotations

from typing import cast
from urllib.parse import unquote

import pytest
from tornado.httputil import HTTPServerRequest
from tornado.routing import Rule

from tornado_realtime import Realtime
from tornado_realtime.handlers.broadcast import BroadcastHandler, NotHereHandler
from tornado_realtime.handlers.directory import ChannelsHandler, UserHandler
from tornado_realtime.handlers.disconnect import DisconnectHandler
from tornado_realtime.handlers.health import HealthHandler
from tornado_realtime.handlers.metrics import MetricsHandler
from tornado_realtime.handlers.script import ScriptHandler
from tornado_realtime.handlers.sse import SseHandler
from tornado_realtime.handlers.websocket import SocketHandler

PATHS = {
    "/ws": SocketHandler,
    "/sse": SseHandler,
    "/realtime.js": ScriptHandler,
    "/internal/broadcast": BroadcastHandler,
    "/internal/metrics": MetricsHandler,
    "/internal/disconnect": DisconnectHandler,
    "/internal/channels": ChannelsHandler,
    "/live": HealthHandler,
    "/ready": HealthHandler,
}
CLIENTS = ("/ws", "/sse", "/realtime.js")


class Request:
    """As much of a request as routing looks at."""

    def __init__(self, path: str) -> None:
        self.path = path


def found(rules: list[Rule], path: str) -> object:
    request = cast(HTTPServerRequest, Request(path))
    return next((rule.target for rule in rules if rule.matcher.match(request) is not None), None)


@pytest.mark.parametrize("prefix", ["", "/rt"])
def test_one_listener_serves_every_path_and_nothing_else(prefix: str) -> None:
    instance = Realtime(prefix=prefix)
    for path, handler in PATHS.items():
        assert found(instance.routes, prefix + path) is handler
        assert instance.serves(prefix + path)
        below = path + "/" if path != "/internal/channels" else path + "s"
        for other in (prefix + below, prefix + path.upper(), "/x" + path):
            assert found(instance.routes, other) is None
            assert not instance.serves(other)


@pytest.mark.parametrize("prefix", ["", "/rt"])
def test_with_two_listeners_each_path_is_where_it_belongs(prefix: str) -> None:
    instance = Realtime(prefix=prefix, broadcast_listen="127.0.0.1:1")
    for path, handler in PATHS.items():
        is_internal = path.startswith("/internal/")
        assert found(instance.routes, prefix + path) is (NotHereHandler if is_internal else handler)
        assert found(instance.publish_routes, prefix + path) is (None if path in CLIENTS else handler)
        assert instance.serves(prefix + path)
    for path in ("/internal/", "/internal/anything/else"):
        assert found(instance.routes, prefix + path) is NotHereHandler
        assert instance.serves(prefix + path)
        assert found(instance.publish_routes, prefix + path) is None


def test_a_socket_below_what_is_hidden_stays_where_clients_come() -> None:
    instance = Realtime(socket_path="/internal/ws", publish_path="/send", broadcast_listen="127.0.0.1:1")
    assert found(instance.routes, "/internal/ws") is SocketHandler
    assert found(instance.routes, "/send") is NotHereHandler
    assert found(instance.publish_routes, "/send") is BroadcastHandler


@pytest.mark.parametrize(
    ("prefix", "target"), [("", "/internal/users/"), ("/ž", "/%c5%be/%69nternal/users%2F")]
)
def test_what_comes_below_a_path_is_given_on_as_it_was_sent(prefix: str, target: str) -> None:
    instance = Realtime(prefix=prefix)
    for rest in ("", "ada", "a%2Fb", "a/b", "%", "%25"):
        request = cast(HTTPServerRequest, Request(target + rest))
        found = [rule for rule in instance.routes if rule.matcher.match(request) is not None]
        assert [rule.target for rule in found] == [UserHandler]
        assert found[0].matcher.match(request) == {"path_args": [rest]}
        assert instance.serves(unquote(target + rest))
    assert not instance.serves(unquote(target).rstrip("/"))
