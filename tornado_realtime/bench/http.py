"""Just enough HTTP/1.1 for a client: the head of an answer, and where its body ends."""

from __future__ import annotations

from dataclasses import dataclass

from tornado_realtime.errors import BenchError

MOST_ANSWER_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """One complete answer.

    Attributes:
        status: Its status.
        fields: Its header by lower-case names.
        body: Its body; empty for a 101.
        size_bytes: How many bytes it took, body included.
    """

    status: int
    fields: dict[str, str]
    body: bytes
    size_bytes: int

    @property
    def first_line(self) -> str:
        """What the body says first, for an error message; printable."""
        line = self.body.decode("utf-8", "replace").strip().partition("\n")[0][:200]
        return "".join(character for character in line if character.isprintable())


def read_answer(data: bytes) -> Answer | None:
    """The answer at the beginning of ``data``; None while it is incomplete.

    Raises:
        BenchError: It is no HTTP, or has no Content-Length, or is too long.
    """
    if len(data) > MOST_ANSWER_BYTES:
        raise BenchError("an answer is too long")
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    first, *lines = data[:end].decode("latin-1").split("\r\n")
    words = first.split(" ", 2)
    if len(words) < 2 or not words[0].startswith("HTTP/1.") or not words[1].isdigit():
        raise BenchError(f"that is no HTTP server: it said {first[:60]!r}")
    fields = {name.strip().lower(): value.strip() for name, _, value in (s.partition(":") for s in lines)}
    status, start = int(words[1]), end + 4
    size = 0 if status in (101, 204) else _body_bytes(fields)
    if len(data) < start + size:
        return None
    return Answer(status, fields, data[start : start + size], start + size)


def _body_bytes(fields: dict[str, str]) -> int:
    size = fields.get("content-length", "")
    if not size.isdigit():
        raise BenchError("an answer came without Content-Length")
    return int(size)
