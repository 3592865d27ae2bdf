"""Reads an expression of RE2's syntax; what other dialects have and RE2 lacks is refused by name."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from tornado_realtime.site.regex import charsets
from tornado_realtime.site.regex.nodes import Assertion, Capture, Chars, Choice, Empty, Node, Repeat, Sequence

MOST_REPEATS = 1000
_DEEPEST = 100
_LONGEST = 10_000

_COUNT = re.compile(r"\{([0-9]{1,6})(,([0-9]{1,6})?)?\}", re.ASCII)
_GROUP_NAME = re.compile(r"\(\?P?<(\w+)>", re.ASCII)
_GROUP_FLAGS = re.compile(r"\(\?([imsU]*)(?:-([imsU]+))?([:)])", re.ASCII)
_HEX = re.compile(r"\\x(?:([0-9A-Fa-f]{2})|\{([0-9A-Fa-f]{1,6})\})")
_OCTAL = re.compile(r"\\(0[0-7]{0,2}|[1-7][0-7]{1,2})")
_POSIX = re.compile(r"\[:(\^?)(\w+):\]")

_CONTROLS = {"a": 7, "f": 12, "t": 9, "n": 10, "r": 13, "v": 11}
_CLASSES = {"d": charsets.DIGITS, "s": charsets.SPACES, "w": charsets.WORDS}
_ASSERTIONS = {"A": "text_start", "z": "text_end", "b": "word_edge", "B": "no_word_edge"}


@dataclass(frozen=True, slots=True)
class Parsed:
    """An expression after reading.

    Attributes:
        node: Its top.
        groups: How many captures it has.
        names: Their numbers by name.
    """

    node: Node
    groups: int
    names: dict[str, int]


@dataclass(frozen=True, slots=True)
class _Flags:
    """What ``(?ims)`` and ``(?U)`` have switched on."""

    i: bool = False
    m: bool = False
    s: bool = False
    U: bool = False


def parse(pattern: str) -> Parsed:
    """Read an expression.

    Raises:
        ValueError: When it is none, with what is wrong and where.
    """
    if len(pattern) > _LONGEST:
        raise ValueError(f"the expression is longer than {_LONGEST} characters")
    reader = _Reader(pattern)
    node = reader.choice(_Flags(), 0)
    if reader.at < len(pattern):
        raise reader.error("a closing parenthesis without an opening one")
    return Parsed(node, reader.groups, reader.names)


class _Reader:
    """Walks through the pattern once."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0
        self.groups = 0
        self.names: dict[str, int] = {}

    def error(self, what: str) -> ValueError:
        return ValueError(f"{self.pattern!r} is no regular expression: {what} (character {self.at + 1})")

    def peek(self) -> str:
        return self.pattern[self.at : self.at + 1]

    def starts(self, text: str) -> bool:
        return self.pattern.startswith(text, self.at)

    def match(self, expression: re.Pattern[str]) -> re.Match[str] | None:
        """Consume what the expression finds here."""
        found = expression.match(self.pattern, self.at)
        if found:
            self.at = found.end()
        return found

    # -- structure ---------------------------------------------------------------------------------

    def choice(self, flags: _Flags, depth: int) -> Node:
        """Options up to the end of the group; flags set in one hold in those after it."""
        if depth > _DEEPEST:
            raise self.error("parentheses are nested too deeply")
        options: list[Node] = []
        while True:
            node, flags = self.sequence(flags, depth)
            options.append(node)
            if self.peek() != "|":
                return options[0] if len(options) == 1 else Choice(tuple(options))
            self.at += 1

    def sequence(self, flags: _Flags, depth: int) -> tuple[Node, _Flags]:
        parts: list[Node] = []
        while self.peek() not in ("", "|", ")"):
            found = self.match(_GROUP_FLAGS) if self.starts("(?") else None
            if found and found[3] == ")":
                flags = self.changed(flags, found)
                if self.peek() in ("*", "+", "?"):
                    raise self.error("nothing to repeat")
                continue
            parts += self.repeated(self.inner_flags(flags, found), depth, in_flag_group=found is not None)
        return (parts[0] if len(parts) == 1 else Sequence(tuple(parts)) if parts else Empty()), flags

    def inner_flags(self, flags: _Flags, found: re.Match[str] | None) -> _Flags:
        return self.changed(flags, found) if found else flags

    def changed(self, flags: _Flags, found: re.Match[str]) -> _Flags:
        on = dict.fromkeys(found[1], True)
        return replace(flags, **on, **dict.fromkeys(found[2] or "", False))

    def repeated(self, flags: _Flags, depth: int, *, in_flag_group: bool) -> list[Node]:
        """One atom with its quantifier; several atoms for a quoted text."""
        atoms = [self.group_rest(flags, depth)] if in_flag_group else self.atoms(flags, depth)
        start = self.at
        count = self.quantifier()
        if count is None:
            return atoms
        if not atoms:
            raise self.error("nothing to repeat")
        low, high = count
        greedy = (self.peek() != "?") != flags.U
        self.at += self.peek() == "?"
        again = self.at
        if self.quantifier() is not None:
            both = self.pattern[start : self.at]
            self.at = again
            raise self.error(f"{both} repeats a repetition")
        return [*atoms[:-1], Repeat(atoms[-1], low, high, greedy)]

    def quantifier(self) -> tuple[int, int | None] | None:
        simple: dict[str, tuple[int, int | None]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}
        if self.peek() in simple:
            self.at += 1
            return simple[self.pattern[self.at - 1]]
        found = self.match(_COUNT)
        if found is None:
            return None
        low = int(found[1])
        high = low if found[2] is None else int(found[3]) if found[3] else None
        if max(low, high or 0) > MOST_REPEATS or (high is not None and high < low):
            raise self.error(f"invalid repeat count {found[0]}; the most is {MOST_REPEATS}")
        return low, high

    # -- atoms -------------------------------------------------------------------------------------

    def atoms(self, flags: _Flags, depth: int) -> list[Node]:
        char = self.peek()
        if char in ("*", "+", "?"):
            raise self.error("nothing to repeat")
        if char == "(":
            return [self.group(flags, depth)]
        if char == "[":
            return [self.chars(self.char_class(flags), flags)]
        if self.starts("\\Q"):
            return self.quoted(flags)
        if char == "\\":
            return [self.escape(flags)]
        self.at += 1
        if char == ".":
            return [Chars(charsets.EVERYTHING if flags.s else charsets.complement(charsets.NEWLINE))]
        if char in ("^", "$"):
            return [_anchor(char, flags)]
        return [self.chars(((ord(char), ord(char)),), flags)]

    def chars(self, ranges: charsets.Ranges, flags: _Flags) -> Node:
        return Chars(charsets.fold(ranges) if flags.i else ranges)

    def quoted(self, flags: _Flags) -> list[Node]:
        end = self.pattern.find("\\E", self.at)
        text = self.pattern[self.at + 2 : end if end >= 0 else None]
        self.at = end + 2 if end >= 0 else len(self.pattern)
        return [self.chars(((ord(char), ord(char)),), flags) for char in text]

    def group(self, flags: _Flags, depth: int) -> Node:
        found = self.match(_GROUP_NAME)
        if found is None and self.starts("(?"):
            raise self.error(_foreign(self.pattern[self.at : self.at + 4]))
        if found is None:
            self.at += 1
        self.groups += 1
        number, name = self.groups, found[1] if found else ""
        if name:
            if name in self.names:
                raise self.error(f"group name {name} is given twice")
            self.names[name] = number
        return Capture(self.group_rest(flags, depth), number, name)

    def group_rest(self, flags: _Flags, depth: int) -> Node:
        node = self.choice(flags, depth + 1)
        if self.peek() != ")":
            raise self.error("a parenthesis that is not closed")
        self.at += 1
        return node

    def escape(self, flags: _Flags) -> Node:
        letter = self.pattern[self.at + 1 : self.at + 2]
        if letter in _ASSERTIONS:
            self.at += 2
            return Assertion(_ASSERTIONS[letter])
        if letter.lower() in _CLASSES:
            self.at += 2
            return Chars(_perl_class(letter))
        code = self.escaped_code()
        return self.chars(((code, code),), flags)

    def escaped_code(self) -> int:
        """The character that an escape stands for."""
        found = self.match(_HEX)
        if found:
            code = int(found[1] or found[2], 16)
            if code > charsets.LAST:
                raise self.error(f"there is no character {found[0]}")
            return code
        found = self.match(_OCTAL)
        if found:
            return int(found[1], 8)
        letter = self.pattern[self.at + 1 : self.at + 2]
        if letter == "":
            raise self.error("a backslash at the end")
        if letter in _CONTROLS or not (letter.isascii() and (letter.isalnum() or letter == "_")):
            self.at += 2
            return _CONTROLS.get(letter, ord(letter))
        raise self.error(_no_escape(letter))

    # -- classes -----------------------------------------------------------------------------------

    def char_class(self, flags: _Flags) -> charsets.Ranges:
        start = self.at
        self.at += 1
        negated = self.peek() == "^"
        self.at += negated
        parts: list[tuple[int, int]] = []
        first = True
        while self.peek() != "]" or first:
            if not self.peek():
                self.at = start
                raise self.error("a class [...] that is not closed")
            first = False
            parts += self.class_item()
        self.at += 1
        ranges = charsets.union(parts)
        ranges = charsets.fold(ranges) if flags.i else ranges
        return charsets.complement(ranges) if negated else ranges

    def class_item(self) -> charsets.Ranges:
        found = self.match(_POSIX)
        if found:
            if found[2] not in charsets.POSIX:
                raise self.error(f"there is no class {found[0]}")
            named = charsets.POSIX[found[2]]
            return charsets.complement(named) if found[1] else named
        letter = self.pattern[self.at + 1 : self.at + 2]
        if self.peek() == "\\" and letter and letter.lower() in _CLASSES:
            self.at += 2
            return _perl_class(letter)
        low = self.class_char()
        if self.peek() != "-" or self.pattern[self.at + 1 : self.at + 2] in ("]", ""):
            return ((low, low),)
        self.at += 1
        high = self.class_char()
        if high < low:
            raise self.error(f"an empty range {chr(low)}-{chr(high)}")
        return ((low, high),)

    def class_char(self) -> int:
        if self.peek() == "\\":
            return self.escaped_code()
        self.at += 1
        return ord(self.pattern[self.at - 1])


def _anchor(char: str, flags: _Flags) -> Node:
    side = "start" if char == "^" else "end"
    return Assertion(f"{'line' if flags.m else 'text'}_{side}")


def _perl_class(letter: str) -> charsets.Ranges:
    ranges = _CLASSES[letter.lower()]
    return charsets.complement(ranges) if letter.isupper() else ranges


def _foreign(start: str) -> str:
    if start.startswith(("(?=", "(?!", "(?<=", "(?<!")):
        return "lookahead and lookbehind are not part of RE2's syntax"
    if start.startswith("(?>"):
        return "atomic groups are not part of RE2's syntax"
    if start.startswith("(?P="):
        return "backreferences are not part of RE2's syntax"
    return f"unknown kind of group {start[:3]}"


def _no_escape(letter: str) -> str:
    if letter.isdigit():
        return "backreferences are not part of RE2's syntax"
    if letter in "pP":
        return "Unicode classes such as \\pL are not supported"
    return f"there is no escape \\{letter}"
