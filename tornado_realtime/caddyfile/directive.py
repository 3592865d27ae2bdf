"""What the parser hands out: plain frozen values that remember where they were written."""

from __future__ import annotations

from dataclasses import dataclass, field

from tornado_realtime.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Token:
    """One word of a Caddyfile.

    Attributes:
        text: Its value, quotes and heredoc markers taken off.
        file: File as the user named it (absolute for imported files).
        line: 1-based line in that file, continuations counted.
        quoted: True when it was written in double quotes, backticks or as a heredoc.
        chain: The imports that brought it here, nearest first, each ``FILE:LINE (import NAME)``.
        hint: Added to errors about this word, for example which environment variable to look at.
    """

    text: str
    file: str
    line: int
    quoted: bool = False
    chain: tuple[str, ...] = ()
    hint: str = field(default="", compare=False, repr=False)

    def error(self, message: str) -> ConfigError:
        """A ConfigError at this word's place, with its hint."""
        message = f"{message} {self.hint}" if self.hint else message
        return ConfigError(message, self.file, self.line, self.chain)


@dataclass(frozen=True, slots=True)
class Directive:
    """One segment: a name, its arguments, and its block.

    Attributes:
        name: First word of the line.
        args: The words after it on the same logical line.
        block: The segments between its braces; None when it has no braces, () when they are empty.
    """

    name: Token
    args: tuple[Token, ...] = ()
    block: tuple[Directive, ...] | None = None

    @property
    def word(self) -> str:
        """The name as text."""
        return self.name.text

    @property
    def words(self) -> tuple[str, ...]:
        """The arguments as text."""
        return tuple(arg.text for arg in self.args)

    @property
    def file(self) -> str:
        """File of the name."""
        return self.name.file

    @property
    def line(self) -> int:
        """Line of the name."""
        return self.name.line

    def error(self, message: str) -> ConfigError:
        """A ConfigError at this directive's line."""
        return self.name.error(message)


@dataclass(frozen=True, slots=True)
class Site:
    """One site block.

    Attributes:
        addresses: As written, commas taken off; at least one.
        body: Its segments in file order: matcher definitions (``@name``) and directives, imports expanded.
    """

    addresses: tuple[Token, ...]
    body: tuple[Directive, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """A whole Caddyfile after imports.

    Attributes:
        options: Global options in file order; empty when there is no such block.
        sites: In file order.
        warnings: For the start-up log, each ``FILE:LINE: message``.
    """

    options: tuple[Directive, ...]
    sites: tuple[Site, ...]
    warnings: tuple[str, ...] = ()
