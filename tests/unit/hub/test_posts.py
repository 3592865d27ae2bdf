"""What clients of event streams say by POST: whose stream it is, and where (docs/sse.md S5)."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.support.connections import NotingOwner
from tests.unit.connection.test_events import Scripted as ScriptedEvents
from tornado_realtime.connection import Connection
from tornado_realtime.errors import BrokerUnavailableError
from tornado_realtime.hub.nodes import Answers, Nodes
from tornado_realtime.hub.posts import KIND, SLICE_SIZE, Posts, Sessions, Verdict


class OtherNodes:
    """The other nodes, as a question finds them."""

    def __init__(self, answer: Answers | Exception | None = None) -> None:
        self.answer = answer
        self.asked: list[tuple[str, dict[str, Any], str]] = []
        self.handlers: dict[str, Any] = {}

    def on(self, kind: str, handler: Any) -> None:
        self.handlers[kind] = handler

    async def ask(self, kind: str, body: dict[str, Any], timeout: float, to: str = "") -> Answers:
        self.asked.append((kind, body, to))
        if isinstance(self.answer, Exception):
            raise self.answer
        assert self.answer is not None
        return self.answer


def posts(nodes: OtherNodes) -> tuple[Posts, Sessions]:
    sessions = Sessions("n1")
    return Posts(NotingOwner(), lambda name: None, sessions, cast(Nodes, nodes)), sessions


def test_a_session_is_known_again_by_the_node_that_made_it_only() -> None:
    sessions, other = Sessions("n1"), Sessions("n1")
    session = sessions.of("c1")
    assert session.startswith("n1.c1.")
    assert sessions.of("c1") == session != sessions.of("c2")
    assert sessions.client(session) == "c1"
    assert other.client(session) == ""
    assert sessions.is_of_this_node(session)
    assert not sessions.is_of_this_node("n2" + session[2:])


@pytest.mark.parametrize("session", ["", "n1", "n1.c1", "n1.c1.x", "n1.c1.x.y", "..", "n1..", "n1.c1.é"])
def test_what_is_no_session_is_nobodys(session: str) -> None:
    assert Sessions("n1").client(session) == ""


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (Answers([{"verdict": 202}], 0), Verdict.TAKEN),
        (Answers([{"verdict": 403}], 0), Verdict.FOREIGN),
        (Answers([], 0), Verdict.GONE),
        (Answers([], 1), Verdict.UNKNOWN),
        (BrokerUnavailableError("away"), Verdict.UNKNOWN),
    ],
)
def test_the_node_of_the_stream_is_asked(answer: Answers | Exception, verdict: Verdict) -> None:
    nodes = OtherNodes(answer)
    here, _ = posts(nodes)
    assert not here.is_hopeless("n2.c1.x")
    assert asyncio.run(here.take("n2.c1.x", "u1", "{}")) is verdict
    assert nodes.asked == [(KIND, {"session": "n2.c1.x", "user": "u1", "messages": "{}"}, "n2")]


def test_nobody_is_asked_about_a_stream_of_this_node() -> None:
    nodes = OtherNodes()
    here, sessions = posts(nodes)
    assert here.is_hopeless(sessions.of("c1"))
    assert asyncio.run(here.take(sessions.of("c1"), "u1", "{}")) is Verdict.GONE
    body = {"session": sessions.of("c1"), "user": "u1", "messages": ""}
    assert asyncio.run(nodes.handlers[KIND](body)) == {"verdict": 404}


def test_a_websocket_has_no_session() -> None:
    sessions = Sessions("n1")
    socket = cast(Connection, SimpleNamespace(user=SimpleNamespace(id="u1")))
    here = Posts(NotingOwner(), lambda name: socket, sessions, cast(Nodes, OtherNodes()))
    assert here.is_hopeless(sessions.of("c1"))


def test_a_request_with_many_messages_does_not_hold_the_loop() -> None:
    async def main() -> None:
        owner, sessions = NotingOwner(), Sessions("n1")
        stream = ScriptedEvents(owner, user=SimpleNamespace(id="u1"))
        here = Posts(owner, lambda name: stream, sessions, cast(Nodes, OtherNodes()))
        lines = "\n".join(map(str, range(3 * SLICE_SIZE)))
        taking = asyncio.create_task(here.take(sessions.of("c1"), "u1", lines))
        seen = []
        while not taking.done():
            await asyncio.sleep(0)
            seen.append(len(owner.messages))
        assert await taking is Verdict.TAKEN
        assert [message for message, _ in owner.messages] == [b"%d" % n for n in range(3 * SLICE_SIZE)]
        assert {SLICE_SIZE, 2 * SLICE_SIZE} <= set(seen)

    asyncio.run(main())
