"""All dialects, and which one a client speaks."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from tornado_realtime.wire.base import Wire
from tornado_realtime.wire.envelope import EnvelopeWire
from tornado_realtime.wire.handshake import Headers, offered_protocols
from tornado_realtime.wire.raw import RawWire
from tornado_realtime.wire.v1 import V1

DIALECTS: Mapping[str, Wire] = MappingProxyType({wire.name: wire for wire in (RawWire(), EnvelopeWire())})
"""By the names that the option ``wire`` gives them; one shared value each, as a wire holds no state."""

_NEGOTIATED = (V1,)
"""Those that clients offer, in the server's order of preference."""


def negotiated(headers: Headers, default: Wire) -> Wire:
    """What a client speaks: what it offers and the server knows, else what the configuration says."""
    offers = offered_protocols(headers)
    return next((wire for wire in _NEGOTIATED if wire.subprotocol in offers), default)
