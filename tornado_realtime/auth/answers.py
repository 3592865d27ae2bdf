"""Answers of HTTP/1.1, read strictly and without any input or output (RFC 9112)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tornado.httputil import HTTPHeaders, HTTPInputError

from tornado_realtime.errors import AuthInvalidError, AuthUnavailableError

HEAD_BYTES = 64 * 1024
_STATUS = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: [^\r\n]*)?\r?\n")
_END = re.compile(rb"\r?\n\r?\n")
_DIGITS = re.compile(r"[0-9]{1,18}")
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]*)?\r?\n")
_LINE_BYTES = 1024
_BODILESS = frozenset({204, 304})


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said.

    Attributes:
        status: 200 and above.
        headers: Its header fields.
        body: At most as long as the reader allows.
        keeps: Whether another question may follow on this connection.
    """

    status: int
    headers: HTTPHeaders
    body: bytes
    keeps: bool = False


class AnswerReader:
    """Reads one answer to a GET.

    Args:
        most_bytes: Longest body.

    Attributes:
        begun: Whether a byte came.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._data = bytearray()
        self._status = 0
        self._keeps = False
        self._headers = HTTPHeaders()
        self._length: int | None = None  # of the body; None: until the end, or in chunks
        self._chunks: bytearray | None = None
        self.begun = False

    @property
    def rest(self) -> bool:
        """Whether something came behind the answer."""
        return bool(self._data)

    def feed(self, data: bytes) -> Answer | None:
        """Take bytes; the answer once it is whole.

        Raises:
            AuthUnavailableError: This is no HTTP.
            AuthInvalidError: The body makes no sense, or is too long.
        """
        self.begun = self.begun or bool(data)
        self._data += data
        while not self._status:
            if not self._read_head():
                return None
        return self._read_body()

    def end(self) -> Answer:
        """The connection ended: that is the end of a body of unknown length, and of nothing else.

        Raises:
            AuthUnavailableError: There is no answer.
            AuthInvalidError: It broke off.
        """
        if not self._status:
            raise AuthUnavailableError("no answer in HTTP")
        if self._length is not None or self._chunks is not None:
            raise AuthInvalidError("the answer broke off")
        return self._whole(bytes(self._data))

    def _read_head(self) -> bool:
        """Read one head, if it is there; informational ones count for nothing."""
        end = _END.search(self._data)
        if end is None or end.end() > HEAD_BYTES:
            if len(self._data) > HEAD_BYTES:
                raise AuthUnavailableError("no answer: its head is too long")
            return False
        line = _STATUS.match(self._data)
        if line is None:
            raise AuthUnavailableError("no answer in HTTP")
        status, version = int(line[2]), line[1]
        try:
            headers = HTTPHeaders.parse(bytes(self._data[line.end() : end.end()]).decode("latin-1"))
        except (HTTPInputError, ValueError) as error:
            raise AuthUnavailableError("no answer: its head makes no sense") from error
        del self._data[: end.end()]
        if status >= 200:
            self._status, self._headers = status, headers
            self._frame(version == b"1")
        return True

    def _frame(self, is_current: bool) -> None:
        """How the body ends (section 6.3), and whether the connection stays (section 9.3)."""
        headers, lengths = self._headers, self._headers.get_list("Content-Length")
        coding = headers.get("Transfer-Encoding", "").strip().lower()
        if coding and (coding != "chunked" or lengths or not is_current):
            raise AuthInvalidError("the answer's body is framed in no way that is understood")
        if self._status in _BODILESS:
            self._length = 0
        elif coding:
            self._chunks = bytearray()
        elif lengths:
            if len(set(lengths)) > 1 or not _DIGITS.fullmatch(lengths[0]):
                raise AuthInvalidError("the answer's length is no number")
            self._length = int(lengths[0])
        words = [word.strip().lower() for word in headers.get("Connection", "").split(",")]
        has_end = self._length is not None or self._chunks is not None
        self._keeps = has_end and "close" not in words and (is_current or "keep-alive" in words)

    def _read_body(self) -> Answer | None:
        if self._chunks is not None:
            return self._read_chunks(self._chunks)
        size = len(self._data) if self._length is None else self._length
        if size > self._most_bytes:
            raise self._too_long
        if self._length is None or len(self._data) < self._length:
            return None
        body = bytes(self._data[: self._length])
        del self._data[: self._length]
        return self._whole(body)

    def _read_chunks(self, body: bytearray) -> Answer | None:
        while True:
            line = _SIZE.match(self._data)
            if line is None:
                if b"\n" in self._data or len(self._data) > _LINE_BYTES:
                    raise AuthInvalidError("the answer's chunks make no sense")
                return None
            size = int(line[1], 16)
            if len(body) + size > self._most_bytes:
                raise self._too_long
            if size == 0:
                return self._read_trailers(line.end(), bytes(body))
            end = line.end() + size
            if len(self._data) < end + 2:
                return None
            if self._data[end : end + 2] != b"\r\n":
                raise AuthInvalidError("the answer's chunks make no sense")
            body += self._data[line.end() : end]
            del self._data[: end + 2]

    def _read_trailers(self, begin: int, body: bytes) -> Answer | None:
        """What may stand behind the last chunk is read, and means nothing."""
        if self._data[begin : begin + 2] == b"\r\n":
            del self._data[: begin + 2]
            return self._whole(body)
        end = self._data.find(b"\r\n\r\n", begin)
        if end >= 0:
            del self._data[: end + 4]
            return self._whole(body)
        if len(self._data) - begin > HEAD_BYTES:
            raise AuthInvalidError("the answer's trailers are too long")
        return None

    def _whole(self, body: bytes) -> Answer:
        return Answer(self._status, self._headers, body, self._keeps and not self._data)

    @property
    def _too_long(self) -> AuthInvalidError:
        return AuthInvalidError(f"the answer is above {self._most_bytes} bytes")
