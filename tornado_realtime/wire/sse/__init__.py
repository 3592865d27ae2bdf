"""Event streams (``text/event-stream``, WHATWG HTML section 9.2): v1 for networks without WebSocket.

::

    cursor      ids of events: where a client stands in the streams of its channels
    events      frames of v1 to events

docs/sse.md is what they keep to; S1 to S6 are its sections.
"""

from tornado_realtime.wire.sse.cursor import MOST_CHANNELS, NO_IDS, Ids, ids_of, key_of, read_cursor
from tornado_realtime.wire.sse.events import BARE_EVENTS, EVENTS, EventsWire, control, read_frames, text_of

__all__ = [
    "BARE_EVENTS",
    "EVENTS",
    "MOST_CHANNELS",
    "NO_IDS",
    "EventsWire",
    "Ids",
    "control",
    "ids_of",
    "key_of",
    "read_cursor",
    "read_frames",
    "text_of",
]
