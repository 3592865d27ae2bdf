"""vars: variables for placeholders and matchers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tornado_realtime.caddyfile.directive import Directive, Token
from tornado_realtime.site.arguments import no_block, wrong_count
from tornado_realtime.site.plan import Kit, Step
from tornado_realtime.site.scope import Scope
from tornado_realtime.site.variables import SetVariables

if TYPE_CHECKING:
    from tornado_realtime.site.exchange import Handler


@dataclass(frozen=True, slots=True)
class VarsStep(Step):
    """``vars``: set variables; names and values have placeholders."""

    values: tuple[tuple[str, str], ...] = ()

    def modules(self) -> list[str]:
        """``vars``."""
        return ["vars"]

    def build(self, kit: Kit) -> Handler:
        """Sets them."""
        return SetVariables(self.values)


def parse_vars(segment: Directive, scope: Scope) -> Step:
    """Read ``vars [matcher] NAME VALUE`` or ``vars [matcher] { NAME VALUE ... }``."""
    pairs = [_pair(segment, segment.args)] if segment.args else []
    for line in segment.block or ():
        no_block(line)
        pairs.append(_pair(line, (line.name, *line.args)))
    return VarsStep(segment, tuple(dict(pairs).items()))


def _pair(line: Directive, tokens: Sequence[Token]) -> tuple[str, str]:
    if len(tokens) != 2:
        raise wrong_count(line, "vars [MATCHER] NAME VALUE")
    return tokens[0].text, tokens[1].text
