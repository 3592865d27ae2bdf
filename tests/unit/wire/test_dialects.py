"""Which wire a client speaks: what it offers decides (docs/realtime-v1.md V1)."""

from __future__ import annotations

import pytest

from tornado_realtime.wire.dialects import negotiated
from tornado_realtime.wire.raw import RawWire
from tornado_realtime.wire.v1 import V1


class Offer:
    """Header fields with what a client offers."""

    def __init__(self, *lines: str) -> None:
        self._lines = list(lines)

    def get_list(self, name: str) -> list[str]:
        return self._lines if name == "Sec-WebSocket-Protocol" else []


@pytest.mark.parametrize(
    ("lines", "is_v1"),
    [
        ((), False),
        (("realtime.v1.json",), True),
        (("bearer.abc, realtime.v1.json",), True),
        (("chat", "x, realtime.v1.json,y"), True),
        (("Realtime.v1.json",), False),
        (("realtime.v2.json, bearer.abc",), False),
    ],
)
def test_who_offers_it_speaks_it(lines: tuple[str, ...], is_v1: bool) -> None:
    raw = RawWire()
    assert negotiated(Offer(*lines), raw) is (V1 if is_v1 else raw)
