"""Messages of a server as Python values, whatever somebody has published.

A publication may be nested more deeply, or have longer numbers, than Python reads. It must not keep a client
from what comes behind it, so it comes as text, or with such numbers as floats.
"""

from __future__ import annotations

import json
import re
from typing import Any

Frame = dict[str, Any]

# Strings, and what opens and closes; everything else of JSON does not matter here.
_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]')
# Python refuses to make a number of much more.
_MOST_DIGITS = 4000
_PAYLOAD = '"payload":'


def read_frame(message: str | bytes) -> Frame:
    """The object that a server sent; empty if it is none."""
    try:
        found = json.loads(message)
    except RecursionError:
        return _with_text(message if isinstance(message, str) else message.decode("utf-8", "replace"))
    except ValueError:
        found = _with_floats(message)
    return found if isinstance(found, dict) else {}


def _with_floats(message: str | bytes) -> Any:
    try:
        return json.loads(message, parse_int=_number)
    except (ValueError, RecursionError):
        return None


def _number(digits: str) -> int | float:
    return int(digits) if len(digits) <= _MOST_DIGITS else float(digits)


def _with_text(text: str) -> Frame:
    """The same with the payload as text. Only in a payload is there anything deep."""
    # No string has this in it: quotes within strings have a backslash before them.
    start = text.find(_PAYLOAD) + len(_PAYLOAD)
    stop = _end_of_value(text, start)
    if start < len(_PAYLOAD) or stop <= start:
        return {}
    shallow = f'{text[:start]}"",{json.dumps("raw")}:true{text[stop:]}'
    try:
        found = json.loads(shallow)
    except (ValueError, RecursionError):
        return {}
    return found | {"payload": text[start:stop]} if isinstance(found, dict) else {}


def _end_of_value(text: str, start: int) -> int:
    """Where the array or object ends that begins at ``start``."""
    depth = 0
    for token in _TOKENS.finditer(text, start):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(token[0], 0)
        if depth <= 0:
            return token.end()
    return 0
