"""The one message that clients of the older dialects send: ``{"action": "...", "channel": "..."}``.

A ``token`` may stand there, too, which the dialects did not know: so nothing that stands there is a mistake.

It is read as Go's ``encoding/json`` reads it into a struct of two strings, because the pages in the field
were written against that: names in any case, the last of two equal names wins, null changes nothing, unknown
names are skipped whatever they hold, and a wrong type under a known name spoils the whole message.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from tornado_realtime.wire.json_text import DECODER

_SURROGATE = re.compile("[\ud800-\udfff]")
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


class Request(NamedTuple):
    """What the message says; a name that is missing is an empty string."""

    action: str = ""
    channel: str = ""
    token: str = ""


def read_request(message: bytes, is_text: bool) -> Request | None:
    """The request in ``message``; None when it is not JSON, no object (or null), or has a wrong type.

    Args:
        message: A whole message.
        is_text: Whether it is known to be UTF-8; otherwise each byte that is not becomes U+FFFD.
    """
    text = message.decode("utf-8", "strict" if is_text else "surrogateescape")
    try:
        value = DECODER.decode(text)
    except (ValueError, RecursionError):
        return None
    if value is None:
        return Request()
    return _from_pairs(value) if isinstance(value, tuple) else None


def _from_pairs(pairs: tuple[tuple[str, object], ...]) -> Request | None:
    """The fields out of all pairs, the last of each."""
    found = {"action": "", "channel": "", "token": ""}
    for key, value in pairs:
        name = key.lower()
        if name not in found or value is None:
            continue
        if isinstance(value, str):
            found[name] = value
        elif name != "token":
            return None
    return Request(*map(_without_surrogates, found.values()))


def _without_surrogates(text: str) -> str:
    """``text`` with half pairs, and bytes that were no UTF-8, as U+FFFD, one for each."""
    return text if text.isascii() else _SURROGATE.sub(_REPLACEMENT, text)
