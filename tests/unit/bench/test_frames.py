"""The client's end of the wire."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tornado_realtime.bench.frames import CLOSE, PING, TEXT, FrameReader, client_frame
from tornado_realtime.errors import BenchError
from tornado_realtime.wire import frames as server
from tornado_realtime.wire.decoder import Decoder, Message, Ping


def test_what_a_client_sends_is_what_the_server_reads() -> None:
    decoder = Decoder(100_000)
    sent = [b"", b"short", b"x" * 125, b"y" * 126, b"z" * 60_000]
    found = decoder.feed(b"".join(client_frame(TEXT, payload) for payload in sent) + client_frame(PING, b"p"))
    assert list(found) == [*(Message(payload, True) for payload in sent), Ping(b"p")]


@settings(deadline=None, max_examples=50)
@given(st.lists(st.sampled_from([b"", b"a" * 125, b"b" * 126, b"c" * 70_000]), max_size=5), st.data())
def test_frames_are_cut_wherever_the_bytes_are_split(payloads: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(server.text_frame(payload) for payload in payloads) + server.close_frame(1001, "bye")
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    reader, found = FrameReader(), []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += reader.feed(stream[start:end])
    assert [(opcode, payload) for opcode, payload, _ in found] == [
        *((TEXT, payload) for payload in payloads),
        (CLOSE, b"\x03\xe9bye"),
    ]
    assert sum(size for _, _, size in found) == len(stream)
    assert reader.is_between


@pytest.mark.parametrize("odd", [b"\x81\x81mask!", b"\x01\x01a", b"\x80\x01a", b"\xc1\x01a"])
def test_what_no_server_of_ours_sends_is_refused(odd: bytes) -> None:
    with pytest.raises(BenchError, match="masked, fragmented or compressed"):
        FrameReader().feed(odd)
