from __future__ import annotations

import gc
import sys
import weakref

import pytest

from tests.unit.wire.client_frames import BINARY, CLOSE, CONTINUATION, KEY, PING, PONG, TEXT, client_frame
from tornado_realtime.errors import ProtocolError
from tornado_realtime.wire.decoder import Close, Decoder, Event, Message, Ping, Pong

LIMIT = 512


def failure_of(data: bytes, before: list[Event] | None = None) -> int:
    """Close code that ``data`` ends in; the events before it must be ``before``."""
    decoder = Decoder(LIMIT)
    assert decoder.feed(data) == (before or [])
    assert decoder.failure is not None
    return decoder.failure.code


def fragment(payload: bytes, opcode: int = CONTINUATION) -> bytes:
    return client_frame(payload, opcode, fin=False)


@pytest.mark.parametrize(
    ("data", "events"),
    [
        (client_frame(b"hello"), [Message(b"hello", True)]),
        (client_frame(b""), [Message(b"", True)]),
        (client_frame("Zoé ☃ 😀".encode()), [Message("Zoé ☃ 😀".encode(), True)]),
        (client_frame(b"\xff\x00", BINARY), [Message(b"\xff\x00", False)]),
        (client_frame(b"x", key=bytes(4)), [Message(b"x", True)]),
        (client_frame(b"\0\0\0\0\0"), [Message(b"\0\0\0\0\0", True)]),
        (client_frame(b"", PING), [Ping(b"")]),
        (client_frame(b"p" * 125, PING), [Ping(b"p" * 125)]),
        (client_frame(b"q", PONG), [Pong(b"q")]),
        (client_frame(b"a") + client_frame(b"b", BINARY), [Message(b"a", True), Message(b"b", False)]),
        (client_frame(b"x" * LIMIT), [Message(b"x" * LIMIT, True)]),
        (b"", []),
    ],
)
def test_legal_frames(data: bytes, events: list[Event]) -> None:
    decoder = Decoder(LIMIT)
    assert decoder.feed(data) == events
    assert decoder.failure is None


@pytest.mark.parametrize("size", [0, 1, 3, 4, 5, 125, 126, 65535, 65536])
def test_every_size_is_unmasked(size: int) -> None:
    payload = bytes(number % 251 for number in range(size))
    assert Decoder(1 << 20).feed(client_frame(payload, BINARY)) == [Message(payload, False)]


def test_example_of_the_standard() -> None:
    """Section 5.7: a masked text message "Hello"."""
    data = bytes.fromhex("818537fa213d7f9f4d5158")
    assert Decoder(LIMIT).feed(data) == [Message(b"Hello", True)]


def test_fragments_are_put_together_with_control_frames_in_between() -> None:
    data = (
        fragment(b"Hel", TEXT) + client_frame(b"?", PING) + fragment(b"") + client_frame(b"lo", CONTINUATION)
    )
    assert Decoder(LIMIT).feed(data + client_frame(b"next")) == [
        Ping(b"?"),
        Message(b"Hello", True),
        Message(b"next", True),
    ]


def test_fragments_come_to_an_end_even_empty_ones() -> None:
    few = fragment(b"", TEXT) + fragment(b"") * (LIMIT - 2)
    assert Decoder(LIMIT).feed(few + client_frame(b"x", CONTINUATION)) == [Message(b"x", True)]
    assert failure_of(few + fragment(b"") * 2) == 1009


def test_a_character_may_be_cut_by_fragments() -> None:
    snow = "☃😀".encode()
    parts = [fragment(snow[:1], TEXT)] + [fragment(snow[at : at + 1]) for at in range(1, 7)]
    data = b"".join(parts) + client_frame(b"", CONTINUATION)
    assert Decoder(LIMIT).feed(data) == [Message(snow, True)]


def test_a_finished_message_cannot_be_continued() -> None:
    data = fragment(b"a", TEXT) + client_frame(b"b", CONTINUATION) + client_frame(b"c", CONTINUATION)
    assert failure_of(data, [Message(b"ab", True)]) == 1002


UNMASKED = b"\x81\x01a"
REFUSED_HEADS = {
    "unmasked": UNMASKED,
    "unmasked, empty": b"\x81\x00",
    "reserved bit 1": bytes((0xC1, 0x80)) + KEY,
    "reserved bit 2": bytes((0xA1, 0x80)) + KEY,
    "reserved bit 3": bytes((0x91, 0x80)) + KEY,
    **{f"opcode {code}": client_frame(b"", code) for code in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
    "fragmented ping": client_frame(b"", PING, fin=False),
    "fragmented pong": client_frame(b"", PONG, fin=False),
    "fragmented close": client_frame(b"", CLOSE, fin=False),
    "ping of 126 bytes": client_frame(b"p" * 126, PING),
    "close of 126 bytes": client_frame(b"\x03\xe8" + b"r" * 124, CLOSE),
    "continuation of nothing": client_frame(b"a", CONTINUATION),
    "unfinished continuation of nothing": fragment(b"a"),
    "text within fragments": fragment(b"a", TEXT) + client_frame(b"b"),
    "fragment within fragments": fragment(b"a", TEXT) + fragment(b"b", BINARY),
    "size 125 in 16 bits": b"\x81\xfe\x00\x7d" + KEY,
    "size 0 in 16 bits": b"\x81\xfe\x00\x00" + KEY,
    "size 65535 in 64 bits": b"\x81\xff" + (65535).to_bytes(8) + KEY,
    "size with the highest bit": b"\x81\xff\x80" + bytes(7) + KEY,
    "close with half a code": client_frame(b"\x03", CLOSE),
}


@pytest.mark.parametrize("data", REFUSED_HEADS.values(), ids=REFUSED_HEADS.keys())
def test_protocol_errors_are_1002(data: bytes) -> None:
    assert failure_of(data) == 1002


def test_a_size_is_judged_without_waiting_for_the_payload() -> None:
    assert failure_of(b"\x89\xfe") == 1002
    assert failure_of(b"\x81\xfe\x02\x01" + KEY) == 1009
    assert failure_of(b"\x81\xff" + (1 << 62).to_bytes(8) + KEY) == 1009


@pytest.mark.parametrize(
    "data",
    [
        client_frame(b"x" * (LIMIT + 1)),
        client_frame(b"\xff" * (LIMIT + 1), BINARY),
        fragment(b"x" * LIMIT, TEXT) + client_frame(b"y", CONTINUATION),
        fragment(b"x", TEXT) + fragment(b"x" * LIMIT),
    ],
)
def test_too_big_is_1009(data: bytes) -> None:
    assert failure_of(data) == 1009


def test_control_frames_do_not_count_for_the_limit() -> None:
    data = fragment(b"ab", TEXT) + client_frame(b"p" * 100, PING) + client_frame(b"c", CONTINUATION)
    assert Decoder(3).feed(data) == [Ping(b"p" * 100), Message(b"abc", True)]


@pytest.mark.parametrize(
    "text",
    [b"\xff", b"a\x80", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x98", b"\xf0\x9f\x98"],
)
def test_text_that_is_not_utf8_is_1007(text: bytes) -> None:
    assert failure_of(client_frame(text)) == 1007
    assert failure_of(fragment(text[:1], TEXT) + client_frame(text[1:], CONTINUATION)) == 1007


def test_bad_text_fails_before_its_last_fragment() -> None:
    assert failure_of(fragment(b"abc\xff", TEXT)) == 1007
    assert failure_of(fragment(b"\xf0", TEXT) + fragment(b"\x80")) == 1007


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, 1007, 1008, 1011, 1012, 1014, 3000, 4000, 4999])
def test_legal_close_codes(code: int) -> None:
    data = client_frame(code.to_bytes(2) + "tschüß".encode(), CLOSE)
    assert Decoder(LIMIT).feed(data) == [Close(code, "tschüß")]


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535])
def test_illegal_close_codes(code: int) -> None:
    assert failure_of(client_frame(code.to_bytes(2), CLOSE)) == 1002


def test_close_without_a_code() -> None:
    assert Decoder(LIMIT).feed(client_frame(b"", CLOSE)) == [Close(None, "")]


def test_close_reason_must_be_utf8() -> None:
    assert failure_of(client_frame(b"\x03\xe8\xff", CLOSE)) == 1007


def test_nothing_counts_after_a_close() -> None:
    decoder = Decoder(LIMIT)
    assert decoder.feed(client_frame(b"", CLOSE) + UNMASKED) == [Close(None, "")]
    assert decoder.feed(UNMASKED) == []
    assert decoder.failure is None


def test_a_close_may_come_between_fragments() -> None:
    assert Decoder(LIMIT).feed(fragment(b"a", TEXT) + client_frame(b"", CLOSE)) == [Close(None, "")]


def test_events_before_a_failure_are_returned_and_the_next_call_raises() -> None:
    decoder = Decoder(LIMIT)
    assert decoder.feed(client_frame(b"good") + UNMASKED) == [Message(b"good", True)]
    with pytest.raises(ProtocolError) as caught:
        decoder.feed(client_frame(b"more"))
    assert caught.value.code == 1002
    assert decoder.failure is not caught.value


def test_a_failed_decoder_is_freed_without_the_collector() -> None:
    class Watched(Decoder):
        __slots__ = ("__weakref__",)

    gc.disable()
    try:
        for data in (UNMASKED, client_frame(b"\xff"), fragment(b"\xff", TEXT)):
            decoder = Watched(LIMIT)
            decoder.feed(data)
            gone = weakref.ref(decoder)
            assert decoder.failure is not None
            del decoder
            assert gone() is None
    finally:
        gc.enable()


def test_dribbled_bytes_are_not_looked_at_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = 0
    read_frames = Decoder._read_frames

    def counted(self: Decoder, data: bytes, events: list[Event]) -> int:
        nonlocal looks
        looks += 1
        return read_frames(self, data, events)

    monkeypatch.setattr(Decoder, "_read_frames", counted)
    decoder = Decoder(1 << 20)
    data = client_frame(b"x" * 70_000)
    events = [event for at in range(len(data)) for event in decoder.feed(data[at : at + 1])]
    assert events == [Message(b"x" * 70_000, True)]
    assert looks <= 4


def test_an_idle_decoder_holds_no_buffer() -> None:
    decoder = Decoder(LIMIT)
    data = fragment(b"a" * 200, TEXT) + client_frame(b"b" * 200, CONTINUATION)
    for at in range(len(data)):
        decoder.feed(data[at : at + 1])
    assert not [held for held in gc.get_referents(decoder) if isinstance(held, (bytes, bytearray))]
    assert sys.getsizeof(decoder) <= 120
