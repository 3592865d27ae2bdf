from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tornado_realtime.errors import GatewayError, HandlerError
from tornado_realtime.site.fastcgi_wire import (
    MAX_CONTENT_BYTES,
    Record,
    RecordDecoder,
    RecordKind,
    decode_end,
    encode_abort,
    encode_begin,
    encode_params,
    encode_stdin,
    encode_stdin_end,
)


def raw(kind: int, content: bytes = b"", *, request: int = 1, version: int = 1, padding: int = 0) -> bytes:
    return struct.pack(">BBHHBx", version, kind, request, len(content), padding) + content + b"\0" * padding


def split_records(data: bytes) -> list[tuple[int, bytes]]:
    """What a FastCGI responder would read; an implementation of its own."""
    records = []
    while data:
        _, kind, request, length, padding = struct.unpack(">BBHHBx", data[:8])
        assert request == 1
        records.append((kind, data[8 : 8 + length]))
        data = data[8 + length + padding :]
    return records


def read_pairs(content: bytes) -> dict[bytes, bytes]:
    pairs, at = {}, 0
    while at < len(content):
        lengths = []
        for _ in range(2):
            if content[at] < 128:
                lengths.append(content[at])
                at += 1
            else:
                lengths.append(struct.unpack(">I", content[at : at + 4])[0] & 0x7FFFFFFF)
                at += 4
        name = content[at : at + lengths[0]]
        at += lengths[0]
        pairs[name] = content[at : at + lengths[1]]
        at += lengths[1]
    assert at == len(content)
    return pairs


def test_begin_asks_for_a_responder_that_closes_the_connection() -> None:
    assert encode_begin() == b"\x01\x01\x00\x01\x00\x08\x00\x00" + b"\x00\x01\x00\x00\x00\x00\x00\x00"


def test_abort_and_the_end_of_the_body_are_empty_records() -> None:
    assert split_records(encode_abort() + encode_stdin_end()) == [(2, b""), (5, b"")]


def test_stdin_is_cut_into_records_and_never_ends_the_stream_by_accident() -> None:
    assert encode_stdin(b"") == b""
    pieces = split_records(encode_stdin(b"x" * 150_000))
    assert [len(content) for _, content in pieces] == [MAX_CONTENT_BYTES, MAX_CONTENT_BYTES, 18_930]


def test_params_of_every_length_form() -> None:
    params = {"A": "", "B" * 127: "x" * 127, "C" * 128: "x" * 128, "Ü": "\udcff"}
    *records, end = split_records(encode_params(params))
    assert end == (4, b"")
    assert read_pairs(b"".join(content for _, content in records)) == {
        name.encode(): value.encode("utf-8", "surrogateescape") for name, value in params.items()
    }


def test_no_pair_is_split_over_two_records() -> None:
    params = {f"N{number}": "x" * 30_000 for number in range(5)}
    *records, end = split_records(encode_params(params))
    assert end == (4, b"")
    assert [len(read_pairs(content)) for _, content in records] == [2, 2, 1]


def test_a_pair_that_fits_into_no_record_is_the_visitors_fault() -> None:
    encode_params({"A": "x" * (MAX_CONTENT_BYTES - 6)})
    with pytest.raises(HandlerError) as caught:
        encode_params({"A": "x" * (MAX_CONTENT_BYTES - 5)})
    assert caught.value.status == 431


@settings(deadline=None, max_examples=100)
@given(st.dictionaries(st.text(min_size=1, max_size=200), st.text(max_size=300), max_size=20))
def test_params_come_back(params: dict[str, str]) -> None:
    *records, end = split_records(encode_params(params))
    assert end == (4, b"")
    assert read_pairs(b"".join(content for _, content in records)) == {
        name.encode(): value.encode() for name, value in params.items()
    }


def test_decoder_takes_records_apart_whatever_the_pieces() -> None:
    data = raw(6, b"head", padding=3) + raw(7, b"log") + raw(6) + raw(3, b"\0" * 8, padding=255)
    wanted = [
        Record(RecordKind.STDOUT, b"head"),
        Record(RecordKind.STDERR, b"log"),
        Record(RecordKind.STDOUT, b""),
        Record(RecordKind.END_REQUEST, b"\0" * 8),
    ]
    for size in (1, 7, 8, 9, len(data)):
        decoder = RecordDecoder()
        got = [record for at in range(0, len(data), size) for record in decoder.feed(data[at : at + size])]
        assert got == wanted
        assert not decoder.pending


def test_decoder_drops_management_records() -> None:
    decoder = RecordDecoder()
    assert decoder.feed(raw(11, b"\0" * 8, request=0) + raw(6, b"x")) == [Record(RecordKind.STDOUT, b"x")]


@pytest.mark.parametrize(
    "data",
    [raw(6, b"x", version=2), raw(6, b"x", request=2), raw(5, b"x"), raw(1, b"x"), raw(11), raw(200)],
)
def test_decoder_refuses_what_is_no_answer(data: bytes) -> None:
    with pytest.raises(GatewayError) as caught:
        RecordDecoder().feed(data)
    assert caught.value.status == 502


def test_end_record() -> None:
    assert decode_end(b"\x00\x00\x01\x00\x02\x00\x00\x00") == (256, 2)
    with pytest.raises(GatewayError):
        decode_end(b"\0" * 7)


@settings(deadline=None, max_examples=300)
@given(st.lists(st.binary(max_size=64), max_size=20))
def test_decoder_meets_rubbish_with_nothing_but_gateway_errors(pieces: list[bytes]) -> None:
    decoder = RecordDecoder()
    try:
        for piece in pieces:
            decoder.feed(piece)
    except GatewayError as error:
        assert error.status == 502


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(st.sampled_from([6, 7]), st.binary(max_size=300), st.integers(0, 255))), st.data())
def test_decoder_does_not_depend_on_how_bytes_arrive(
    records: list[tuple[int, bytes, int]], data: st.DataObject
) -> None:
    stream = b"".join(raw(kind, content, padding=padding) for kind, content, padding in records)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    decoder, got = RecordDecoder(), list[Record]()
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        got += decoder.feed(stream[start:end])
    assert got == [Record(RecordKind(kind), content) for kind, content, _ in records]
