"""Answers of HTTP, however they are cut into pieces."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tornado_realtime.auth.answers import Answer, AnswerReader
from tornado_realtime.errors import AuthError, AuthInvalidError, AuthUnavailableError

LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n2;x=y\r\nhe\r\n3\r\nllo\r\n0\r\nX-T: 1\r\n\r\n"
)
CLOSE = b"HTTP/1.1 200 OK\r\n\r\nhello"


def read(data: bytes, cuts: list[int] | None = None, most: int = 100) -> Answer:
    reader = AnswerReader(most)
    edges = sorted({min(cut, len(data)) for cut in cuts or ()} | {0, len(data)})
    for begin, end in itertools.pairwise(edges):
        answer = reader.feed(data[begin:end])
        if answer is not None:
            assert end == len(data)
            return answer
    return reader.end()


@settings(max_examples=80)
@given(
    st.sampled_from([LENGTH, CHUNKED, CLOSE, b"HTTP/1.1 100 Go on\r\n\r\n" + LENGTH]),
    st.lists(st.integers(0, 120)),
)
def test_pieces_make_no_difference(data: bytes, cuts: list[int]) -> None:
    answer = read(data, cuts)
    assert (answer.status, answer.body) == (200, b"hello")


@pytest.mark.parametrize(
    ("data", "keeps"),
    [
        (LENGTH, True),
        (CHUNKED, True),
        (CLOSE, False),
        (LENGTH.replace(b"OK\r\n", b"OK\r\nConnection: Close\r\n"), False),
        (LENGTH.replace(b"OK\r\n", b"OK\r\nConnection: x, close\r\n"), False),
        (LENGTH.replace(b"1.1", b"1.0"), False),
        (LENGTH.replace(b"1.1 200 OK\r\n", b"1.0 200 OK\r\nConnection: keep-alive\r\n"), True),
        (LENGTH + b"H", False),  # the next answer has nobody who asked
        (CHUNKED + b"\r\n", False),
        (b"HTTP/1.1 204 None\r\n\r\n", True),
        (b"HTTP/1.1 304\r\n\r\n", True),
    ],
)
def test_whether_another_question_may_follow(data: bytes, keeps: bool) -> None:
    assert read(data).keeps is keeps


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", AuthUnavailableError),
        (b"HTTP/1.1 200 OK\r\n", AuthUnavailableError),
        (b"HTTP/2 200 OK\r\n\r\n", AuthUnavailableError),
        (b"HTTP/1.1 0200 OK\r\n\r\n", AuthUnavailableError),
        (b"HTTP/1.1 099 OK\r\n\r\n", AuthUnavailableError),
        (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", AuthUnavailableError),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000, AuthUnavailableError),
        (LENGTH[:-1], AuthInvalidError),
        (LENGTH.replace(b"5", b"500"), AuthInvalidError),
        (LENGTH.replace(b"5", b"+5"), AuthInvalidError),
        (LENGTH.replace(b"5", b"5\r\nContent-Length: 6"), AuthInvalidError),
        (LENGTH.replace(b"5", b"5\r\nTransfer-Encoding: chunked"), AuthInvalidError),
        (CHUNKED.replace(b"Chunked", b"gzip, chunked"), AuthInvalidError),
        (CHUNKED.replace(b"1.1", b"1.0"), AuthInvalidError),
        (CHUNKED.replace(b"\r\nllo\r\n", b"\r\nlloo\r\n"), AuthInvalidError),
        (CHUNKED.replace(b"3\r\n", b"-3\r\n"), AuthInvalidError),
        (CHUNKED.replace(b"3\r\n", b"ffff\r\n"), AuthInvalidError),
        (CHUNKED[:-2], AuthInvalidError),
        (CHUNKED[:-4] + b"x" * 70_000, AuthInvalidError),
        (CLOSE + b"x" * 100, AuthInvalidError),
    ],
)
def test_what_is_no_answer(data: bytes, error: type[AuthError]) -> None:
    with pytest.raises(error):
        read(data)
