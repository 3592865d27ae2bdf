"""Client frames to messages (RFC 6455 sections 5 and 7), without touching a socket.

One ``Decoder`` belongs to one connection and is all that connection keeps of half-received input; an idle one
holds no buffer. The rules are strict, because whoever breaks them is broken or hostile: see ``Decoder.feed``.
"""

from __future__ import annotations

from codecs import utf_8_decode
from dataclasses import dataclass

from tornado_realtime.errors import ProtocolError

_FIN = 0x80
_RESERVED = 0x70
_OPCODE = 0x0F
_MASKED = 0x80
_SIZE = 0x7F

_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
_KNOWN = frozenset((_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG))
_CONTROL = 0x8
"""The bit of an opcode that makes a frame a control frame (section 5.5)."""

_SHORT = 125
_SIZE_IN_16_BITS = 126
_KEY_BYTES = 4
_LEAST_HEAD_BYTES = 2
_CLOSE_CODE_BYTES = 2

_PROTOCOL_ERROR, _INVALID_DATA, _TOO_BIG = 1002, 1007, 1009
_CLOSE_CODES = (range(1000, 1004), range(1007, 1015), range(3000, 5000))
"""What a peer may send as a close code (section 7.4 and IANA's registry); 1004-1006 and 1015 are reserved."""


@dataclass(frozen=True, slots=True)
class Message:
    """A whole message, its fragments put together.

    Attributes:
        data: The payload; valid UTF-8 when ``is_text``.
        is_text: Whether it came as text or as binary.
    """

    data: bytes
    is_text: bool


@dataclass(frozen=True, slots=True)
class Ping:
    """A ping; it wants a pong with the same payload (at most 125 bytes)."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Pong:
    """An answer to a ping, or a sign of life on its own."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Close:
    """The peer's close frame; nothing after it counts.

    Attributes:
        code: What the peer said, to be echoed; None when it said nothing.
        reason: The peer's words, at most 123 bytes of UTF-8.
    """

    code: int | None
    reason: str


Event = Message | Ping | Pong | Close


class _Fragments:
    """A message of which the last fragment has not come yet."""

    __slots__ = ("checked", "count", "data", "is_text")

    def __init__(self, is_text: bool) -> None:
        self.is_text = is_text
        self.data = bytearray()
        self.checked = 0
        self.count = 0

    def add(self, payload: bytes, last: bool) -> None:
        """Take the next fragment; raises ProtocolError as soon as the text cannot become UTF-8 any more."""
        self.data += payload
        self.count += 1
        if self.is_text:
            self.checked += _utf8_prefix(bytes(self.data[self.checked :]), last)


class Decoder:
    """Turns what one client sends into events.

    Args:
        max_message_size: Most bytes of payload in one message, over all its fragments.

    Attributes:
        failure: Why the connection is beyond repair, None as long as it is not; its ``code`` is the close
            code to answer with.
    """

    __slots__ = ("_closed", "_fragments", "_limit", "_needed", "_pending", "failure")

    def __init__(self, max_message_size: int) -> None:
        self._limit = max_message_size
        self._pending: bytearray | None = None
        self._needed = 0
        self._fragments: _Fragments | None = None
        self._closed = False
        self.failure: ProtocolError | None = None

    def feed(self, data: bytes) -> list[Event]:
        """The events that ``data`` completes, in order.

        When the peer breaks a rule, the events before that point are still returned, and ``failure`` is set:
        look at it after each call. What comes after the failure, or after a ``Close``, is never read.

        At most one incomplete frame is kept, so no more than the message limit, a head, and one ``data``. Its
        size is judged by its head, before its payload is waited for.

        The codes of ``failure``: 1002 for frames that are unmasked, have reserved bits, an unknown opcode, a
        size written longer than needed, or come out of turn, for control frames that are fragmented or too
        long, and for close codes that may not be sent; 1007 for text that is not UTF-8; 1009 for a message
        above the limit, in bytes or in fragments.

        Raises:
            ProtocolError: If ``failure`` is set already.
        """
        if self.failure is not None:
            raise ProtocolError(self.failure.code, self.failure.reason)
        if self._closed:
            return []
        if self._pending is not None:
            self._pending += data
            if len(self._pending) < self._needed:
                return []
            data = bytes(self._pending)
        events: list[Event] = []
        try:
            used = self._read_frames(data, events)
        except ProtocolError as error:
            self._forget()
            # A new one: the tracebacks that hang on this one would hold the decoder in a cycle.
            self.failure = ProtocolError(error.code, error.reason)
            return events
        self._pending = bytearray(data[used:]) if used < len(data) and not self._closed else None
        return events

    def _forget(self) -> None:
        """Drop what was received in part."""
        self._pending = None
        self._fragments = None

    def _read_frames(self, data: bytes, events: list[Event]) -> int:
        """Append the events of all whole frames in ``data``; how many bytes those frames are.

        Sets ``_needed``: how many of the bytes that remain must be there before another look pays.
        """
        start, available = 0, len(data)
        while available - start >= _LEAST_HEAD_BYTES:
            first, size = data[start], data[start + 1] & _SIZE
            self._check_head(first, data[start + 1])
            body = start + _LEAST_HEAD_BYTES + _KEY_BYTES
            if size > _SHORT:
                body += 2 if size == _SIZE_IN_16_BITS else 8
                if available < body:
                    self._needed = body - start
                    return start
                size = _long_size(data[start + _LEAST_HEAD_BYTES : body - _KEY_BYTES])
            if not first & _CONTROL:
                self._check_size(size)
            end = body + size
            if available < end:
                self._needed = end - start
                return start
            self._take(first, _unmask(data, body, end), events)
            start = end
            if self._closed:
                return start
        self._needed = _LEAST_HEAD_BYTES
        return start

    def _check_head(self, first: int, second: int) -> None:
        """Judge the first two bytes of a frame (section 5.2)."""
        if not second & _MASKED:
            raise ProtocolError(_PROTOCOL_ERROR, "frame is not masked")
        if first & _RESERVED:
            raise ProtocolError(_PROTOCOL_ERROR, "reserved bits are set")
        opcode = first & _OPCODE
        if opcode not in _KNOWN:
            raise ProtocolError(_PROTOCOL_ERROR, f"unknown opcode {opcode}")
        if opcode & _CONTROL:
            if not first & _FIN:
                raise ProtocolError(_PROTOCOL_ERROR, "control frame is fragmented")
            if second & _SIZE > _SHORT:
                raise ProtocolError(_PROTOCOL_ERROR, "control frame is longer than 125 bytes")
        elif (opcode == _CONTINUATION) is (self._fragments is None):
            raise ProtocolError(_PROTOCOL_ERROR, "fragments out of turn")

    def _check_size(self, size: int) -> None:
        """Judge a data frame's size together with the fragments before it."""
        before = 0 if self._fragments is None else len(self._fragments.data)
        if before + size > self._limit:
            raise ProtocolError(_TOO_BIG, f"message is longer than {self._limit} bytes")

    def _take(self, first: int, payload: bytes, events: list[Event]) -> None:
        """Turn one whole frame into an event, if it completes one."""
        opcode = first & _OPCODE
        if opcode == _PONG:
            events.append(Pong(payload))
        elif opcode == _PING:
            events.append(Ping(payload))
        elif opcode == _CLOSE:
            events.append(_close_event(payload))
            self._closed = True
            self._forget()
        elif opcode != _CONTINUATION and first & _FIN:
            events.append(_whole_message(payload, opcode == _TEXT))
        else:
            self._take_fragment(first, payload, events)

    def _take_fragment(self, first: int, payload: bytes, events: list[Event]) -> None:
        """Add a fragment to its message (section 5.4); the head was judged before."""
        fragments = self._fragments
        if fragments is None:
            fragments = self._fragments = _Fragments(first & _OPCODE == _TEXT)
        last = bool(first & _FIN)
        fragments.add(payload, last)
        if fragments.count > self._limit:
            # Empty ones, most of them: they could go on for ever.
            raise ProtocolError(_TOO_BIG, f"message has more than {self._limit} fragments")
        if last:
            self._fragments = None
            events.append(Message(bytes(fragments.data), fragments.is_text))


def _whole_message(payload: bytes, is_text: bool) -> Message:
    """The message of a frame that is not fragmented."""
    if is_text and not payload.isascii():
        _utf8_prefix(payload, True)
    return Message(payload, is_text)


def _close_event(payload: bytes) -> Close:
    """The event of a close frame's payload (sections 5.5.1 and 7.4)."""
    if not payload:
        return Close(None, "")
    if len(payload) < _CLOSE_CODE_BYTES:
        raise ProtocolError(_PROTOCOL_ERROR, "close frame with half a code")
    code = int.from_bytes(payload[:_CLOSE_CODE_BYTES])
    if not any(code in codes for codes in _CLOSE_CODES):
        raise ProtocolError(_PROTOCOL_ERROR, f"close code {code} may not be sent")
    reason = payload[_CLOSE_CODE_BYTES:]
    _utf8_prefix(reason, True)
    return Close(code, reason.decode())


def _utf8_prefix(data: bytes, whole: bool) -> int:
    """How many bytes of ``data`` are whole characters; unless ``whole``, the last one may still be coming."""
    try:
        return utf_8_decode(data, "strict", whole)[1]
    except UnicodeDecodeError:
        raise ProtocolError(_INVALID_DATA, "text is not UTF-8") from None


def _long_size(digits: bytes) -> int:
    """The size in the 2 or 8 bytes after the head, which must be needed for it (section 5.2)."""
    size = int.from_bytes(digits)
    if size >> 63:
        raise ProtocolError(_PROTOCOL_ERROR, "frame size has its highest bit set")
    if size <= (_SHORT if len(digits) == 2 else 0xFFFF):
        raise ProtocolError(_PROTOCOL_ERROR, "frame size is written longer than needed")
    return size


def _unmask(data: bytes, start: int, end: int) -> bytes:
    """``data[start:end]`` with the key in the four bytes before it taken off (section 5.3)."""
    size = end - start
    if not size:
        return b""
    key = data[start - _KEY_BYTES : start]
    mask = (key * (-(-size // _KEY_BYTES)))[:size]
    return (int.from_bytes(data[start:end]) ^ int.from_bytes(mask)).to_bytes(size)
