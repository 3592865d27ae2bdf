"""Messages that are recognised again, and answers that are read to their end."""

from __future__ import annotations

import json
from urllib.parse import parse_qs

import pytest

from tornado_realtime.bench.http import MOST_ANSWER_BYTES, read_answer
from tornado_realtime.bench.message import Stamp
from tornado_realtime.bench.options import LEAST_MESSAGE_BYTES
from tornado_realtime.errors import BenchError
from tornado_realtime.publication import Publication
from tornado_realtime.wire.envelope import EnvelopeWire
from tornado_realtime.wire.raw import RawWire


@pytest.mark.parametrize("size", [LEAST_MESSAGE_BYTES, 128, 4096])
def test_a_message_is_json_of_its_size_and_keeps_its_time(size: int) -> None:
    stamp = Stamp("c0ffee12", size)
    form = parse_qs(stamp.form("bench-c0ffee12-0", 1234.000000567).decode("ascii"))
    (message,) = form["message"]
    assert form["channel"] == ["bench-c0ffee12-0"]
    assert len(message) == size
    assert isinstance(json.loads(message), str)
    due = stamp.due(message.encode())
    assert due == pytest.approx(1234.000000567, abs=1e-8)


@pytest.mark.parametrize("wire", [RawWire(), EnvelopeWire()])
def test_it_is_recognised_on_every_wire_and_others_are_not(wire: RawWire | EnvelopeWire) -> None:
    stamp, other = Stamp("c0ffee12", 128), Stamp("deadbeef", 128)
    message = parse_qs(stamp.form("c", 5.0).decode())["message"][0].encode()
    frame = wire.encode(Publication("c", message))
    assert frame is not None
    assert frame.count(stamp.mark) == 1
    assert stamp.due(frame) == 5.0
    assert other.due(frame) is None


def test_an_answer_is_read_to_the_end_of_its_body() -> None:
    whole = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 7\r\nX-A:  b \r\n\r\nno\x1b way"
    for end in range(len(whole)):
        assert read_answer(whole[:end]) is None
    answer = read_answer(whole + b"HTTP/1.1")
    assert answer is not None
    assert (answer.status, answer.body, answer.size_bytes) == (403, b"no\x1b way", len(whole))
    assert answer.fields["x-a"] == "b"
    assert answer.first_line == "no way"


def test_an_upgrade_ends_with_its_head() -> None:
    answer = read_answer(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x00")
    assert answer is not None
    assert (answer.status, answer.size_bytes) == (101, 56)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"SSH-2.0-x\r\n\r\n", "no HTTP server"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "without Content-Length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "without Content-Length"),
        (b"x" * (MOST_ANSWER_BYTES + 1), "too long"),
    ],
)
def test_what_is_no_usable_answer(data: bytes, says: str) -> None:
    with pytest.raises(BenchError, match=says):
        read_answer(data)
