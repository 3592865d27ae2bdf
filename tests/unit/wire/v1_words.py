"""Words of realtime.v1.json for tests: any that may come, and what a frame says."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from tests.unit.wire.client_frames import server_payload
from tornado_realtime.wire.commands import Command, Reject

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
UTF8 = st.text(st.characters(codec="utf-8"))
CHANNELS = st.text(st.characters(categories=("L", "M", "N", "P", "S", "Z")), min_size=1, max_size=20)
IDS = st.integers(-(2**53) + 1, 2**53 - 1) | st.text(st.characters(codec="utf-8"), max_size=64)


def said(frame: bytes | None) -> bytes:
    """The text of one frame."""
    assert frame is not None
    first, payload = server_payload(frame)
    assert first == 0x81
    return payload


def error(command: Command) -> dict[str, Any]:
    """What is answered to a message that cannot be carried out."""
    assert isinstance(command, Reject)
    found = json.loads(said(command.reply))
    assert found.pop("type") == "error"
    assert isinstance(found, dict)
    return found
