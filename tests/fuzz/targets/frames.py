"""Client frames: the same events however they are cut, and nothing accepted that another library refuses."""

from __future__ import annotations

from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol, Side

from tests.fuzz.targets.pieces import ways_to_cut
from tests.unit.wire.client_frames import BINARY, CLOSE, PING, PONG, TEXT, client_frame
from tornado_realtime.wire.decoder import Close, Decoder, Event, Message, Ping, Pong

LIMIT = 300
CODES = {None, 1002, 1007, 1009}

Outcome = tuple[list[Event], int | None]


def run(data: bytes) -> None:
    """Decode."""
    whole, *others = [_outcome(pieces) for pieces in ways_to_cut(data)]
    assert all(other == whole for other in others), "it matters how the bytes are cut"
    events, failure = whole
    assert failure in CODES, failure
    assert _outcome([b"".join(map(_frame, events))]) == (events, None), "not what was encoded"
    if failure is None:
        _compare(data, events)


def _outcome(pieces: list[bytes]) -> Outcome:
    """The events, and the close code of the failure."""
    decoder = Decoder(LIMIT)
    events: list[Event] = []
    for piece in pieces:
        events += decoder.feed(piece)
        if decoder.failure is not None:
            return events, decoder.failure.code
    return events, None


def _frame(event: Event) -> bytes:
    match event:
        case Message(payload, is_text):
            return client_frame(payload, TEXT if is_text else BINARY)
        case Ping(payload):
            return client_frame(payload, PING)
        case Pong(payload):
            return client_frame(payload, PONG)
        case Close(code, reason):
            return client_frame(b"" if code is None else code.to_bytes(2) + reason.encode(), CLOSE)


def _compare(data: bytes, events: list[Event]) -> None:
    """Another library reads the same, but may refuse a frame before all of its head is there."""
    protocol = Protocol(Side.SERVER, max_size=LIMIT)
    protocol.receive_data(data)
    refusal = str(protocol.parser_exc or "")
    # RFC 6455 section 5.4 lets control frames come between fragments, and the close frame is one.
    if refusal == "incomplete fragmented message":
        return
    assert not refusal or _outcome([data + bytes(LIMIT)])[1] is not None, refusal
    assert _as_websockets_reads(protocol) == events, "another library reads something else"


def _as_websockets_reads(protocol: Protocol) -> list[Event]:
    events: list[Event] = []
    message, is_text = b"", False
    for frame in protocol.events_received():
        assert isinstance(frame, Frame)
        if frame.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            if frame.opcode is not Opcode.CONT:
                message, is_text = b"", frame.opcode is Opcode.TEXT
            message += frame.data
            if frame.fin:
                events.append(Message(message, is_text))
        elif frame.opcode is Opcode.PING:
            events.append(Ping(bytes(frame.data)))
        elif frame.opcode is Opcode.PONG:
            events.append(Pong(bytes(frame.data)))
        else:
            code = int.from_bytes(frame.data[:2]) if frame.data else None
            events.append(Close(code, bytes(frame.data[2:]).decode()))
    return events
