"""``{$NAME}`` and ``{$NAME:default}``: environment variables put into the text before it is read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from tornado_realtime.caddyfile.names import shown
from tornado_realtime.errors import ConfigError

MAX_TEXT = 4 * 1024 * 1024
"""Characters that one file may have, before and after its variables are put in."""

_NAME = re.compile(r"[\w.-]{1,64}")


@dataclass(frozen=True, slots=True)
class Substitution:
    """One variable that was put in.

    Attributes:
        name: Name of the variable.
        start: Where its value begins in the resulting text.
        end: Where its value ends; equal to ``start`` when the value is empty.
        given: True when the environment has it, False when the default (or nothing) was used.
    """

    name: str
    start: int
    end: int
    given: bool

    @property
    def hint(self) -> str:
        """What an error message on its line should ask; empty for a default that was used."""
        name = self.name if _NAME.fullmatch(self.name) else shown(self.name)
        if self.start == self.end:
            return f"(is {{${name}}} empty?)"
        return f"(see the value of {{${name}}})" if self.given else ""


@dataclass(frozen=True, slots=True)
class Source:
    """The text of one file with its variables put in, ready for the lexer."""

    text: str
    file: str
    substitutions: tuple[Substitution, ...] = ()


def substitute(text: str, file: str, env: Mapping[str, str]) -> Source:
    """Put the variables into a file's text, once: values are not searched again.

    A span goes from ``{$`` to the first ``}``, over line ends too. The name ends at the first colon; what
    follows is the default, used only when the variable is absent from ``env`` (not when it is empty).
    ``{$}`` and a ``{$`` that is never closed stay as they are.

    Raises:
        ConfigError: If the result is longer than `MAX_TEXT` characters, or a value is not text.
    """
    pieces: list[str] = []
    done: list[Substitution] = []
    length = kept = 0
    begin = text.find("{$")
    while begin >= 0 and (end := text.find("}", begin + 2)) >= 0:
        if end > begin + 2:
            name, _, default = text[begin + 2 : end].partition(":")
            given = name in env
            value = env[name] if given else default
            _check_value(value, name, text, begin, file)
            pieces += (text[kept:begin], value)
            start = length + begin - kept
            length = start + len(value)
            kept = end + 1
            done.append(Substitution(name, start, length, given))
            _check_length(length, file)
        begin = text.find("{$", end + 1)
    pieces.append(text[kept:])
    _check_length(length + len(text) - kept, file)
    return Source("".join(pieces), file, tuple(done))


def _check_value(value: str, name: str, text: str, begin: int, file: str) -> None:
    """Refuse bytes that the system could not decode (they arrive as lone surrogates)."""
    if value.isascii():
        return
    try:
        value.encode()
    except UnicodeEncodeError:
        line = text.count("\n", 0, begin) + 1
        raise ConfigError(f"the value of {{${name}}} is not UTF-8 text", file, line) from None


def _check_length(length: int, file: str) -> None:
    if length > MAX_TEXT:
        raise ConfigError(f"too long with its variables put in: more than {MAX_TEXT} characters", file)
