"""Steps that set variables for later steps: ``root`` and ``vars``."""

from __future__ import annotations

from dataclasses import dataclass

from tornado_realtime.site.exchange import Exchange, Next
from tornado_realtime.site.placeholders import expand


@dataclass(frozen=True, slots=True)
class SetVariables:
    """Sets variables; values may hold placeholders, which are filled in now.

    Attributes:
        pairs: Names and values.
    """

    pairs: tuple[tuple[str, str], ...]

    async def __call__(self, exchange: Exchange, next_step: Next) -> None:
        """Set them and go on."""
        for name, value in self.pairs:
            exchange.vars[expand(name, exchange, "empty")] = expand(value, exchange, "empty")
        await next_step()


def set_root(folder: str) -> SetVariables:
    """The step for ``root``: the folder that file servers and PHP serve."""
    return SetVariables((("root", folder),))
