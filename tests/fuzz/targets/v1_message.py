"""What clients of v1 say, and what publications become there: never an error, one JSON object a frame."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from tests.fuzz.targets.pieces import grown
from tests.unit.wire.client_frames import server_payload
from tornado_realtime.members import Listing
from tornado_realtime.publication import History, Position, Publication, Sender
from tornado_realtime.wire.base import Start
from tornado_realtime.wire.commands import (
    AskPresence,
    Command,
    Ping,
    Pong,
    Publish,
    ReadHistory,
    Refresh,
    Reject,
    Subscribe,
    Unsubscribe,
)
from tornado_realtime.wire.envelope import EnvelopeWire
from tornado_realtime.wire.v1 import V1

HERE = Position("k3f", 44)


def run(data: bytes) -> None:
    """Decode it as a client's message, answer that, and encode it as a publication."""
    for message in filter(None, (data, grown(data))):
        command = V1.decode(message, is_text=False)
        for frame in _answers(command):
            _check_answer(_json_of(frame), command)
        _check_superset(message, command)
    _check_encoding(data)


def _answers(command: Command) -> Iterable[bytes]:
    match command:
        case Reject(reply):
            assert reply is not None
            yield reply
        case Subscribe():
            yield V1.subscribed(command)
            yield V1.joined(command, Start(HERE, recovered=True, replay=1))
        case ReadHistory():
            yield V1.history(command, History(HERE, (Publication(command.channel, b"1", HERE),)), 1)
        case Unsubscribe():
            yield V1.unsubscribed(command)
        case AskPresence():
            yield V1.present(command.channel, Listing(1, b"{}"), command.id)
        case Publish():
            yield V1.published(command, None)
            yield V1.encode(Publication(command.channel, command.data))
        case Ping():
            yield V1.pong(command)
        case Refresh():
            yield V1.refreshed(command, 1)
        case Pong():
            pass


def _check_answer(answer: dict[str, Any], command: Command) -> None:
    wanted = getattr(command, "id", None)
    if answer["type"] != "message" and not isinstance(command, Reject):
        assert answer.get("id") == (str(wanted) if isinstance(wanted, int) else wanted)
    if isinstance(command, Subscribe | Unsubscribe | Publish | ReadHistory | AskPresence):
        assert command.channel
        assert answer["channel"] == command.channel
    if answer["type"] == "message":
        assert "raw" not in answer


def _check_superset(message: bytes, command: Command) -> None:
    """An envelope client's command means the same, if it has no id that v1 could stumble over."""
    older = EnvelopeWire().decode(message, is_text=False)
    if isinstance(older, Subscribe | Unsubscribe) and b'"' in message and b"id" not in message.lower():
        if isinstance(command, Reject) and b"since" in message.lower():
            return
        assert type(command) is type(older)
        assert isinstance(command, Subscribe | Unsubscribe)
        assert command.channel == older.channel


def _check_encoding(data: bytes) -> None:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return  # brokers carry UTF-8 only
    message = _json_of(V1.encode(Publication("c", data, sender=Sender("u", "n"))))
    assert message["from"] == {"user": "u", "client": "n"}
    if message.get("raw"):
        assert message["payload"] == text


def _json_of(frame: bytes) -> dict[str, Any]:
    first, payload = server_payload(frame)
    assert first == 0x81
    payload.decode()
    try:
        value = json.loads(payload, parse_int=str, parse_float=str)
    except RecursionError:
        return {"type": "message", "from": {"user": "u", "client": "n"}}
    assert isinstance(value, dict)
    return value
