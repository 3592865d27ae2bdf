"""POST /internal/broadcast with a JSON body: all or nothing, several at once, and honest when it breaks."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.rawhttp import Answered
from tests.support.realtime_world import TunedRealtime, World, realtime, serving
from tornado_realtime.brokers.base import Broker, Health, Sink
from tornado_realtime.brokers.memory import MemoryBroker
from tornado_realtime.errors import BrokerClosedError, BrokerError, BrokerUnavailableError
from tornado_realtime.handlers.batch import PART_BYTES, PART_SIZE
from tornado_realtime.publication import PLAIN, Publication, Taken
from tornado_realtime.realtime import Realtime
from tornado_realtime.traits import TraitsTable

PATH = "/internal/broadcast"
JSON = "Content-Type: application/json"


async def post(world: World, body: Any, *fields: str, path: str = PATH) -> Answered:
    """The answer to one request; ``body`` is JSON's value, or bytes as they are."""
    client = await world.connect()
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    try:
        return await client.request("POST", path, *(fields or (JSON,)), body=data)
    finally:
        client.close()


def accepted(answered: Answered) -> None:
    assert (answered.status, answered.body) == (202, b"")
    assert answered.header("Content-Length") == "0"
    assert answered.header("Content-Type") is None


def refused(answered: Answered, status: int, **reason: Any) -> None:
    assert answered.status == status, answered
    assert answered.header("Content-Type") == "application/json"
    assert answered.header("X-Content-Type-Options") == "nosniff"
    assert json.loads(answered.body) == {"accepted": False, **reason}


class NotingBroker(MemoryBroker):
    """Notes what it took, at once or, like a broker far away, later; takes so many and then nothing."""

    at_once = True
    most = 1 << 20
    error: BrokerError = BrokerUnavailableError("Redis is away", 2.6)

    def __init__(self, traits: TraitsTable) -> None:
        super().__init__(traits)
        self.taken: list[tuple[str, bytes]] = []
        self.handed_in = 0

    def _take(self, publication: Publication) -> Taken:
        self.handed_in += 1
        if len(self.taken) >= self.most:
            raise self.error
        self.taken.append((publication.channel, publication.data))
        super().publish_now(publication)
        return PLAIN

    def publish_now(self, publication: Publication, key: str = "") -> Taken | None:
        return self._take(publication) if self.at_once else None

    async def publish(self, publication: Publication, key: str = "") -> Taken:
        return self._take(publication)


def instance(**attributes: Any) -> tuple[Realtime, Callable[[], NotingBroker]]:
    kind = type("Noting", (NotingBroker,), attributes)
    tuned = type("Tuned", (TunedRealtime,), {"broker": kind})
    made: Realtime = tuned(authenticate=lambda request: "u1")
    return made, lambda: made.hub.broker  # type: ignore[return-value]


pytestmark = pytest.mark.gen_test
AT_ONCE = pytest.mark.parametrize("at_once", [True, False])


@AT_ONCE
@pytest.mark.parametrize(
    ("body", "taken"),
    [
        ({"channel": "a", "message": "hello"}, [("a", b"hello")]),
        ({"channels": ["a", "b"], "message": {"n": 1.5}}, [("a", b'{"n":1.5}'), ("b", b'{"n":1.5}')]),
        (
            {"batch": [{"channel": "a", "message": 1}, {"channels": ["b", "a"], "message": "zü"}]},
            [("a", b"1"), ("b", "zü".encode()), ("a", "zü".encode())],
        ),
    ],
)
async def test_accepted(body: Any, taken: list[tuple[str, bytes]], at_once: bool) -> None:
    made, broker = instance(at_once=at_once)
    async with serving(made) as world:
        accepted(await post(world, body))
        assert broker().taken == taken


@pytest.mark.parametrize(
    "kind", ["application/json; charset=utf-8", "Application/JSON", 'application/json;charset="latin-1"']
)
async def test_parameters_of_the_type_do_not_matter(kind: str) -> None:
    made, broker = instance()
    async with serving(made) as world:
        accepted(await post(world, '{"channel":"ü","message":"ä"}'.encode(), f"Content-Type: {kind}"))
        assert broker().taken == [("ü", "ä".encode())]


async def test_subscribers_get_a_batch_in_order() -> None:
    async with serving(realtime(wire="envelope")) as world:
        client = await world.open("news", "more")
        batch = [{"channel": "news", "message": {"n": n}} for n in range(1000)]
        accepted(await post(world, {"batch": [*batch, {"channels": ["news", "more"], "message": "[]"}]}))
        got = [await client.text() for _ in range(1002)]
        expected = [b'{"type":"message","channel":"news","payload":{"n":%d}}' % n for n in range(1000)]
        last = [b'{"type":"message","channel":"%b","payload":[]}' % name for name in (b"news", b"more")]
        assert [text for text in got if b"more" not in text] == [*expected, last[0]]
        assert [text for text in got if b"more" in text] == [last[1]]


async def test_the_address_is_not_looked_at_beside_a_body() -> None:
    made, broker = instance()
    async with serving(made) as world:
        query = "?channel=q&message=m"
        accepted(await post(world, {"channel": "a", "message": "b"}, path=PATH + query))
        refused(await post(world, b" ", path=PATH + query), 400, reason=NO_JSON % 1)
        accepted(await post(world, b"", path=PATH + query))
        assert broker().taken == [("a", b"b"), ("q", b"m")]


NO_JSON = "the body is not JSON: Expecting value at character %d"


# -- all or nothing --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("last", "status", "reason"),
    [
        ({"channel": "c", "mesage": 1}, 400, "batch[2]: unknown key 'mesage' (did you mean message?)"),
        ({"channel": "c"}, 400, "batch[2]: message is missing"),
        (
            {"channel": "c", "message": "x" * 21},
            413,
            "batch[2]: a message has at most 20 bytes",
        ),
        (
            {"channels": ["c"] * 9999, "message": 1},
            413,
            "batch[2]: a request makes at most 10000 publications",
        ),
    ],
)
async def test_all_or_nothing(last: Any, status: int, reason: str) -> None:
    made, broker = instance()
    made.settings = realtime(max_publication_size=20).settings
    async with serving(made) as world:
        first = [{"channel": "a", "message": 1}, {"channel": "b", "message": [2]}]
        refused(await post(world, {"batch": [*first, last]}), status, reason=reason)
        assert broker().taken == []
        accepted(await post(world, {"batch": first}))


async def test_the_secret_comes_first() -> None:
    async with serving(realtime(broadcast_secret="s3cret")) as world:
        answered = await post(world, b"{")
        assert (answered.status, answered.body) == (403, b"Forbidden\n")
        refused(
            await post(world, b"{}", JSON, "X-Broadcast-Secret: s3cret"), 400, reason="channel is missing"
        )


# -- sizes -----------------------------------------------------------------------------------------------

TOO_LONG = "the body has at most 10485760 bytes"


async def test_ten_mebibytes_and_no_more() -> None:
    made, broker = instance()
    body = b'{"channel":"c","message":"m"}'
    async with serving(made) as world:
        accepted(await post(world, body + b" " * (10 * 1024 * 1024 - len(body))))
        client = await world.connect()
        await client.send(f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\n{JSON}\r\n".encode())
        await client.send(b"Content-Length: 10485761\r\n\r\n{")
        refused(await client.answer(), 413, reason=TOO_LONG)
        assert broker().taken == [("c", b"m")]


async def test_too_long_without_a_length() -> None:
    made, broker = instance()
    async with serving(made) as world:
        client = await world.connect()
        head = f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\n{JSON}\r\nTransfer-Encoding: chunked\r\n\r\n"
        await client.send(head.encode())
        for _ in range(11):
            await client.send(b"100000\r\n" + b" " * (1 << 20) + b"\r\n")
        await client.send(b"0\r\n\r\n")
        refused(await client.answer(), 413, reason=TOO_LONG)
        # The connection is good for the next one.
        accepted(await client.request("POST", PATH, JSON, body=b'{"channel":"c","message":"m"}'))
        assert broker().taken == [("c", b"m")]


# -- a broker that cannot publish ------------------------------------------------------------------------


@AT_ONCE
@pytest.mark.parametrize(
    ("error", "reason", "after"),
    [
        (NotingBroker.error, "Redis is away", "3"),
        (BrokerClosedError("closed"), "the server is shutting down", "1"),
    ],
)
async def test_nothing_could_be_published(error: BrokerError, reason: str, after: str, at_once: bool) -> None:
    made, _ = instance(at_once=at_once, most=0, error=error)
    async with serving(made) as world:
        answered = await post(world, {"channel": "a", "message": 1})
        refused(answered, 503, outcome="rejected", published=0, reason=reason)
        assert answered.header("Retry-After") == after


@AT_ONCE
@pytest.mark.parametrize("most", [1, PART_SIZE - 1, PART_SIZE, PART_SIZE + 1, 3 * PART_SIZE])
async def test_halfway_is_told_and_no_further_part_is_tried(most: int, at_once: bool) -> None:
    made, broker = instance(at_once=at_once, most=most)
    async with serving(made) as world:
        batch = [{"channel": "c", "message": n} for n in range(5 * PART_SIZE)]
        refused(
            await post(world, {"batch": batch}),
            503,
            outcome="rejected",
            published=most,
            reason="Redis is away",
        )
        assert broker().taken == [("c", b"%d" % n) for n in range(most)]
        parts = most // PART_SIZE + 1
        assert broker().handed_in == (most + 1 if at_once else parts * PART_SIZE)


async def test_a_part_has_a_bound_in_bytes() -> None:
    made, broker = instance(at_once=False, most=3)
    async with serving(made) as world:
        message = "x" * (PART_BYTES // 2)
        batch = [{"channel": "c", "message": message} for _ in range(9)]
        answered = await post(world, {"batch": batch})
        refused(answered, 503, outcome="rejected", published=3, reason="Redis is away")
        assert broker().handed_in == 4


class OddBroker(Broker):
    """Refuses every third publication, and only when asked for the answer."""

    async def start(self, sink: Sink) -> None: ...

    async def close(self) -> None: ...

    async def publish(self, publication: Publication, key: str = "") -> Taken:
        if publication.data == b"bug":
            raise RuntimeError("a bug in a broker")
        if int(publication.data) % 3 == 0:
            raise BrokerUnavailableError(f"no room for {publication.data.decode()}")
        if int(publication.data) >= 20:
            raise BrokerUnavailableError("no answer", outcome="unknown")
        return PLAIN

    async def tell(self, message: bytes, to: str = "") -> int:
        return 1

    @property
    def health(self) -> Health:
        return Health(True)

    def subscribe(self, channel: str) -> None: ...

    def unsubscribe(self, channel: str) -> None: ...


class Odd(TunedRealtime):
    broker = OddBroker


async def test_what_was_taken_behind_a_refusal_is_counted() -> None:
    async with serving(Odd()) as world:
        batch = [{"channel": "c", "message": n} for n in range(1, 11)]
        answered = await post(world, {"batch": batch})
        refused(answered, 503, outcome="rejected", published=7, reason="no room for 3")


async def test_one_unknown_outcome_makes_that_of_all_unknown() -> None:
    async with serving(Odd()) as world:
        batch = [{"channel": "c", "message": n} for n in (1, 3, 20, 6)]
        answered = await post(world, {"batch": batch})
        reason = "no answer; the same request may publish it twice, as it has no Idempotency-Key"
        refused(answered, 503, outcome="unknown", published=1, reason=reason)


async def test_a_bug_in_a_broker_is_no_503(caplog: pytest.LogCaptureFixture) -> None:
    async with serving(Odd()) as world:
        answered = await post(world, {"batch": [{"channel": "c", "message": "bug"}] * 2})
        assert (answered.status, answered.body) == (500, b"Internal Server Error\n")
    assert "a bug in a broker" in caplog.text
