"""What PHP answers: the same events however it is cut, or a GatewayError; no head that could be smuggled."""

from __future__ import annotations

from tests.fuzz.targets.pieces import grown, ways_to_cut
from tornado_realtime.errors import GatewayError
from tornado_realtime.site.fastcgi import (
    CgiBody,
    CgiEnd,
    CgiEvent,
    CgiHead,
    CgiLogLine,
    CgiReader,
    parse_head,
)

Outcome = tuple[list[CgiEvent], int, bool]


def run(data: bytes) -> None:
    """Read one answer."""
    whole, *others = [_outcome(pieces) for pieces in ways_to_cut(data)]
    events, status, _ = whole
    assert status in (0, 502, 503), status
    for other in others:
        # Of several errors in one piece any may be told, and what stands before it may be or not.
        assert other == whole if not status else other[1], "it matters how the bytes are cut"
    _check_order(events)
    for event in events:
        if isinstance(event, CgiHead):
            _check_head(event)
        elif isinstance(event, CgiLogLine):
            assert event.text.isprintable() or "\t" in event.text or not event.text.isascii(), event
            assert not any(character in event.text for character in "\r\n\x1b\x00\x85\u2028"), event
    if (large := grown(data)) is not None:
        _outcome([large])


def _outcome(pieces: list[bytes]) -> Outcome:
    """The events, with neighbouring pieces of the body joined; the status of the error; whether it ended."""
    reader = CgiReader()
    events: list[CgiEvent] = []
    try:
        for piece in pieces:
            events += reader.feed(piece)
    except GatewayError as error:
        return events, error.status, reader.ended
    joined: list[CgiEvent] = []
    for event in events:
        if isinstance(event, CgiBody) and joined and isinstance(joined[-1], CgiBody):
            joined[-1] = CgiBody(joined[-1].data + event.data)
        else:
            joined.append(event)
    return joined, 0, reader.ended


def _check_order(events: list[CgiEvent]) -> None:
    kinds = [type(event) for event in events if not isinstance(event, CgiLogLine)]
    assert kinds.count(CgiHead) <= 1
    assert CgiHead not in kinds[1:]
    assert CgiEnd not in kinds[:-1]


def _check_head(head: CgiHead) -> None:
    assert 200 <= head.status <= 599
    for name, value in head.fields:
        assert name.isascii()
        assert not any(character in name + value for character in "\r\n\0"), head
        assert name.lower() not in ("transfer-encoding", "content-length", "connection", "status"), head
    lines = [f"Status: {head.status}", *(f"{name}: {value}" for name, value in head.fields)]
    if head.content_length is not None:
        lines.append(f"Content-Length: {head.content_length}")
    assert parse_head("\r\n".join(lines).encode("latin-1")) == head
