"""JSON as text: judged, squeezed and quoted the way Go's ``encoding/json`` does it, without rebuilding it.

A payload keeps the digits, the order of names, and the equal names it was published with. All of it takes
time in proportion to the text.
"""

from __future__ import annotations

import re
from json import JSONDecoder, JSONEncoder

_MOST_LEVELS = 10_000
_WHITE_SPACE = b" \t\r\n"
_SPACES = re.compile(r"[ \t\r\n]*")
_CLOSING = {"[": "]", "{": "}"}
_ESCAPED_PAIRS = ((b"\\\\", b"\0\1"), (b'\\"', b"\0\2"))
_UNSAFE_IN_PAGES = (
    (b"<", rb"\u003c"),
    (b">", rb"\u003e"),
    (b"&", rb"\u0026"),
    ("\N{LINE SEPARATOR}".encode(), rb"\u2028"),
    ("\N{PARAGRAPH SEPARATOR}".encode(), rb"\u2029"),
)


def refuse_constant(constant: str) -> None:
    """Refuse ``NaN`` and ``Infinity``, which Python reads and JSON does not have."""
    raise ValueError(f"{constant} is not JSON")


# Numbers are only ever skipped, so `len` stands in for int and float: it cannot fail on thousands of digits.
# Objects become tuples of pairs: no equal name is lost, and an object cannot be taken for an array.
DECODER = JSONDecoder(object_pairs_hook=tuple, parse_int=len, parse_float=len, parse_constant=refuse_constant)
"""Reads exactly what JSON allows, without making anything of numbers; arrays are lists, objects tuples."""

_ENCODER = JSONEncoder(ensure_ascii=False)


def quote(text: str) -> bytes:
    """``text`` as a JSON string, with what is unsafe inside HTML and JavaScript escaped."""
    return _safe_in_pages(plain_quote(text))


def plain_quote(text: str) -> bytes:
    """``text`` as a JSON string, with nothing escaped that need not be."""
    return _ENCODER.encode(text).encode("utf-8", "replace")


def compact(text: bytes) -> bytes | None:
    """As ``plain_compact``, with what is unsafe inside HTML escaped."""
    plain = plain_compact(text)
    return None if plain is None else _safe_in_pages(plain)


def plain_compact(text: bytes) -> bytes | None:
    """One JSON value without white space around its parts.

    Returns:
        None when ``text`` is not exactly one JSON value in UTF-8, or is nested more than 10,000 levels deep.
    """
    return without_white_space(text) if _is_json(text) else None


def _safe_in_pages(text: bytes) -> bytes:
    """JSON ``text`` with ``< > &`` and U+2028, U+2029 escaped; all of them can only stand in strings."""
    for character, escape in _UNSAFE_IN_PAGES:
        text = text.replace(character, escape)
    return text


def without_white_space(text: bytes) -> bytes:
    """Valid JSON ``text`` with the white space outside strings taken out."""
    bare = text.translate(None, _WHITE_SPACE)
    if len(bare) == len(text) or b'"' not in text:
        return bare
    # Quotes inside strings are hidden behind control characters, which valid JSON cannot contain. Then every
    # second part between quotes lies outside strings.
    for pair, hidden in _ESCAPED_PAIRS:
        text = text.replace(pair, hidden)
    parts = text.split(b'"')
    parts[::2] = b'"'.join(parts[::2]).translate(None, _WHITE_SPACE).split(b'"')
    text = b'"'.join(parts)
    for pair, hidden in reversed(_ESCAPED_PAIRS):
        text = text.replace(hidden, pair)
    return text


def members(text: str, place: int) -> tuple[dict[str, tuple[int, int]], int]:
    """Where each value of the object at ``place`` stands, and where the next thing behind the object is.

    Args:
        text: Valid JSON; of equal names the last one counts.
        place: Of the object's brace.
    """
    found: dict[str, tuple[int, int]] = {}
    place = after_spaces(text, place + 1)
    while text[place] != "}":
        name, place = DECODER.raw_decode(text, place)
        start = after_spaces(text, after_spaces(text, place) + 1)
        _, stop = DECODER.raw_decode(text, start)
        found[name] = (start, stop)
        place = after_spaces(text, stop)
        if text[place] == ",":
            place = after_spaces(text, place + 1)
    return found, after_spaces(text, place + 1)


def after_spaces(text: str, place: int) -> int:
    """The first place at or behind ``place`` where no white space stands."""
    if text[place : place + 1] > " ":
        return place
    spaces = _SPACES.match(text, place)
    return spaces.end() if spaces else place


def _is_json(text: bytes) -> bool:
    """Whether ``text`` is exactly one JSON value."""
    try:
        characters = text.decode()
        DECODER.decode(characters)
    except RecursionError:
        return _DeepReader(characters).is_one_value()
    except ValueError:
        return False
    return True


class _DeepReader:
    """Judges JSON that is nested deeper than the interpreter's own reader can follow."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._place = 0
        self._closings: list[str] = []

    def is_one_value(self) -> bool:
        """Whether the text is exactly one value, at most 10,000 levels deep."""
        try:
            while True:
                self._begin_value()
                if self._end_values():
                    return self._next() == ""
        except ValueError:
            return False

    def _next(self) -> str:
        """The next character that is not white space; empty at the end."""
        spaces = _SPACES.match(self._text, self._place)
        self._place = spaces.end() if spaces else self._place
        return self._text[self._place : self._place + 1]

    def _expect(self, character: str) -> None:
        if self._next() != character:
            raise ValueError(f"no {character}")
        self._place += 1

    def _simple_value(self) -> None:
        """Read a string, number, or keyword."""
        _, self._place = DECODER.raw_decode(self._text, self._place)

    def _name(self) -> None:
        """Read a name in an object, and its colon."""
        if self._next() != '"':
            raise ValueError("no name")
        self._simple_value()
        self._expect(":")

    def _begin_value(self) -> None:
        """Read up to the end of the first value that has no values inside."""
        while (opening := self._next()) in _CLOSING:
            self._place += 1
            closing = _CLOSING[opening]
            self._closings.append(closing)
            if len(self._closings) > _MOST_LEVELS:
                raise ValueError("too deep")
            if self._next() == closing:
                return
            if opening == "{":
                self._name()
        self._simple_value()

    def _end_values(self) -> bool:
        """Read what closes behind a value, up to the next value; True when there is none."""
        while self._closings:
            if self._next() != self._closings[-1]:
                self._expect(",")
                if self._closings[-1] == "}":
                    self._name()
                return False
            self._closings.pop()
            self._place += 1
        return True
