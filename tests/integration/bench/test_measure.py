"""A measurement of a server that loses, doubles, refuses or hangs up does not count, and says why."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from tests.support.bench_server import ACCEPTED, Deliver, closing, faithful, fake_server
from tornado_realtime.bench import Options, Outcome, measure, parse_target
from tornado_realtime.errors import BenchError
from tornado_realtime.wire.frames import text_frame

SMALL = Options(subscribers=20, window=4, seconds=0.15, publishers=2)


async def _measured(
    deliver: Deliver = faithful, answer: bytes = ACCEPTED, upgrade: bytes = b"", options: Options = SMALL
) -> Outcome:
    async with fake_server(deliver, answer, upgrade) as url:
        return await measure(parse_target(url), options, lambda _step, _detail: None)


def _refused(deliver: Deliver = faithful, answer: bytes = ACCEPTED, upgrade: bytes = b"") -> str:
    with pytest.raises(BenchError) as caught:
        asyncio.run(_measured(deliver, answer, upgrade))
    return str(caught.value)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tornado_realtime.bench.stretch.PATIENCE_SECONDS", 0.3)


def test_an_honest_server_is_measured() -> None:
    outcome = asyncio.run(_measured())
    limit, steady = outcome.parts
    assert limit.deliveries == limit.messages * 20 > 0
    assert steady.deliveries == steady.messages * 20 > 0
    assert limit.latency.count > 0
    assert limit.seconds >= 0.15


def test_progress_is_told() -> None:
    steps: list[tuple[str, str]] = []

    async def measured() -> None:
        async with fake_server() as url:
            await measure(parse_target(url), SMALL, lambda step, detail: steps.append((step, detail)))

    asyncio.run(measured())
    assert steps[0][0] == "connecting"
    assert ("connecting", "20 of 20") in steps
    assert list(dict.fromkeys(step for step, _ in steps)) == [
        "connecting",
        "proving that messages arrive",
        "measuring limit",
        "measuring steady",
    ]


def test_a_given_rate_is_kept() -> None:
    outcome = asyncio.run(_measured(options=replace(SMALL, rate=100.0)))
    (steady,) = outcome.parts
    assert 13 <= steady.messages <= 16


def test_frames_that_come_in_one_piece_or_split_are_all_counted() -> None:
    def split(_number: int, message: bytes) -> list[bytes]:
        frame = text_frame(message)
        return [frame[:40], frame[40:]]

    outcome = asyncio.run(_measured(split))
    assert all(part.deliveries == part.messages * 20 for part in outcome.parts)


def test_other_frames_in_between_do_not_count() -> None:
    outcome = asyncio.run(_measured(lambda _n, message: [text_frame(b"news"), text_frame(message)]))
    assert all(part.deliveries == part.messages * 20 for part in outcome.parts)


def test_a_lost_message_is_noticed() -> None:
    said = _refused(lambda number, message: [] if number == 7 else [text_frame(message)])
    assert said.startswith("20 of ")
    assert "deliveries did not arrive" in said


def test_a_doubled_message_is_noticed() -> None:
    assert "arrived twice" in _refused(lambda _n, message: [text_frame(message)] * 2)


def test_silence_is_noticed_before_anything_is_measured() -> None:
    assert "nothing that is published arrives" in _refused(lambda _n, _message: [])


def test_an_unanswered_publish_is_noticed() -> None:
    assert "was not answered" in _refused(answer=b"HTTP/1.1 ")


def test_a_closed_subscriber_is_noticed() -> None:
    assert _refused(closing) == "the server closed a subscriber: 1011 out of luck"


def test_a_refused_publish_is_told_with_the_way_out() -> None:
    said = _refused(answer=b"HTTP/1.1 403 Forbidden\r\nContent-Length: 5\r\n\r\nnever")
    assert said.startswith("publishing was refused with 403: never - ")
    assert "--secret" in said


@pytest.mark.parametrize(
    ("upgrade", "says"),
    [
        (b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", "--cookie"),
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", "origin"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "--socket-path"),
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 5\r\n\r\nlater", "503: later"),
        (b"HTTP/1.1 101 OK\r\nSec-WebSocket-Accept: wrong\r\n\r\n", "wrong Sec-WebSocket-Accept"),
        (b"220 mail.example ESMTP\r\n\r\n", "no HTTP server"),
    ],
)
def test_a_refused_handshake_is_told_with_the_way_out(upgrade: bytes, says: str) -> None:
    assert says in _refused(upgrade=upgrade)


def test_nobody_there() -> None:
    async def nobody() -> None:
        async with fake_server() as url:
            pass
        await measure(parse_target(url), SMALL, lambda _step, _detail: None)

    with pytest.raises(BenchError, match="nobody answers at"):
        asyncio.run(nobody())
