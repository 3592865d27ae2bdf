"""encode: compress answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tornado_realtime.caddyfile.directive import Directive, Token
from tornado_realtime.site.arguments import choice, expect, integer, one_word, unknown
from tornado_realtime.site.encode import ZSTD_LEVELS, Encode, EncodeOptions, usable_formats
from tornado_realtime.site.plan import Kit, Step
from tornado_realtime.site.response_match import ResponseMatcher, parse_response_matcher
from tornado_realtime.site.scope import Scope

if TYPE_CHECKING:
    from tornado_realtime.site.exchange import Handler

FORMATS = ("zstd", "gzip")


@dataclass(frozen=True, slots=True)
class EncodeStep(Step):
    """``encode``.

    Attributes:
        formats: ``zstd`` or ``gzip``, most wanted first.
        minimum_bytes: Shorter answers stay as they are. Default 512.
        gzip_level: 1 (fast) to 9 (small).
        zstd_level: ``fastest``, ``default``, ``better`` or ``best``.
        only_for: Which answers; None for the kinds of content that become smaller.
    """

    formats: tuple[str, ...] = FORMATS
    minimum_bytes: int = 512
    gzip_level: int = 5
    zstd_level: str = "default"
    only_for: ResponseMatcher | None = None

    def modules(self) -> list[str]:
        """``encode``."""
        return ["encode"]

    def build(self, kit: Kit) -> Handler:
        """Compresses answers; zstd without its module is gzip, and a line in the log."""
        options = EncodeOptions(
            formats=usable_formats(self.formats),
            minimum_bytes=self.minimum_bytes,
            gzip_level=self.gzip_level,
            zstd_level=ZSTD_LEVELS[self.zstd_level],
            only_for=self.only_for.matches if self.only_for is not None else None,
        )
        return Encode(options)


def parse_encode(segment: Directive, scope: Scope) -> Step:
    """Read ``encode [matcher] [gzip|zstd...] { ... }``."""
    formats: list[str] = []
    values: dict[str, object] = {}
    for line in segment.block or ():
        if line.word == "minimum_length":
            one_word(line, "minimum_length 512")
            values["minimum_bytes"] = integer(line.args[0], 0)
        elif line.word == "match":
            values["only_for"] = parse_response_matcher(line)
        elif line.word in (*FORMATS, "br"):
            formats += _format(line.name, scope)
            values.update(_level(line))
        else:
            raise unknown(line.name, "option of encode", ("minimum_length", "match", *FORMATS))
    for token in segment.args:
        choice(token, "encoding", (*FORMATS, "br"))
        formats += _format(token, scope)
    if formats or segment.args:
        values["formats"] = tuple(dict.fromkeys(formats))
    return EncodeStep(segment, **values)  # type: ignore[arg-type]


def _format(token: Token, scope: Scope) -> list[str]:
    if token.text == "br":
        scope.warn(token, "encode br is not supported and left out")
        return []
    return [token.text]


def _level(line: Directive) -> dict[str, object]:
    if line.word == "br":
        return {}
    if line.word == "gzip":
        expect(line, 0, 1, "gzip [LEVEL]")
        return {"gzip_level": integer(line.args[0], 1, 9)} if line.args else {}
    return _zstd_level(line)


def _zstd_level(line: Directive) -> dict[str, object]:
    expect(line, 0, 1, "zstd [LEVEL]")
    values: dict[str, object] = {}
    if line.args:
        values["zstd_level"] = choice(line.args[0], "zstd level", tuple(ZSTD_LEVELS))
    for option in line.block or ():
        if option.word == "level":
            one_word(option, "level LEVEL")
            values["zstd_level"] = choice(option.args[0], "zstd level", tuple(ZSTD_LEVELS))
        elif option.word != "disable_checksum":
            raise unknown(option.name, "option of zstd", ("level", "disable_checksum"))
    return values
