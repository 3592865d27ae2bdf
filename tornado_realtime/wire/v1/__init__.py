"""The dialect ``realtime.v1.json``: acknowledgements, publishing, pings that pages see, errors with codes.

::

    codes       errors and close codes by name
    request     what a client says: one JSON object
    wire        publications to frames, messages to commands, and every frame of the server

docs/realtime-v1.md is what they keep to; V1 to V8 are its sections.
"""

from tornado_realtime.wire.v1.codes import Fault
from tornado_realtime.wire.v1.wire import MESSAGE_BYTES, V1, V1Wire, Welcome, past

__all__ = ["MESSAGE_BYTES", "V1", "Fault", "V1Wire", "Welcome", "past"]
