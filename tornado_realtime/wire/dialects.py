"""All dialects by the name that the option ``wire`` gives them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from tornado_realtime.wire.base import Wire
from tornado_realtime.wire.envelope import EnvelopeWire
from tornado_realtime.wire.raw import RawWire

DIALECTS: Mapping[str, Wire] = MappingProxyType({wire.name: wire for wire in (RawWire(), EnvelopeWire())})
"""One shared value each: a wire holds no state of a connection."""
