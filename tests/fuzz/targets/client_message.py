"""What clients say, and what publications become, on both older wires: never an error, always good frames."""

from __future__ import annotations

import json

from tests.fuzz.targets.pieces import grown
from tests.fuzz.targets.publish_json import as_json
from tests.unit.wire.client_frames import server_payload
from tornado_realtime.publication import Publication
from tornado_realtime.wire.base import Wire
from tornado_realtime.wire.commands import Command, Reject, Subscribe, Unsubscribe
from tornado_realtime.wire.envelope import EnvelopeWire
from tornado_realtime.wire.raw import RawWire


def run(data: bytes) -> None:
    """Decode it as a client's message, and encode it as a publication."""
    for wire in (RawWire(), EnvelopeWire()):
        for message in filter(None, (data, grown(data))):
            _check_decoding(wire, message)
    _check_encoding(data)


def _check_decoding(wire: Wire, message: bytes) -> None:
    command = wire.decode(message, is_text=False)
    _check_command(wire, command)
    if _is_utf8(message):
        assert wire.decode(message, is_text=True) == command


def _check_command(wire: Wire, command: Command) -> None:
    if isinstance(command, Reject):
        replies = [command.reply]
    else:
        assert isinstance(command, Subscribe | Unsubscribe)
        assert command.channel
        command.channel.encode()
        both = Subscribe(command.channel), Unsubscribe(command.channel)
        replies = [wire.subscribed(both[0]), wire.unsubscribed(both[1])]
    for reply in replies:
        if reply is not None:
            _json_of(reply)


def _json_of(frame: bytes) -> dict[str, object]:
    """What a text frame of this wire carries: one JSON object that is safe inside of HTML."""
    first, payload = server_payload(frame)
    assert first == 0x81
    assert not any(character in payload for character in (b"<", b">", b"&", b"\xe2\x80\xa8", b"\xe2\x80\xa9"))
    value = json.loads(payload, parse_int=str, parse_float=str)
    assert isinstance(value, dict)
    return value


def _check_encoding(data: bytes) -> None:
    frame = EnvelopeWire().encode(Publication("c", data))
    if frame is None:
        return
    try:
        sent, published = as_json(server_payload(frame)[1]), as_json(data)
    except RecursionError:
        return
    assert sent == {"type": "message", "channel": "c", "payload": published}


def _is_utf8(message: bytes) -> bool:
    try:
        message.decode()
    except UnicodeDecodeError:
        return False
    return True
