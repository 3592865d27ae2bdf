"""Regular expressions of RE2's syntax, as Caddyfiles use them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Regexp:
    """A compiled expression."""

    pattern: str
    _compiled: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        try:
            compiled = re.compile(self.pattern, re.ASCII)
        except re.error as exc:
            raise ValueError(f"{self.pattern!r} is no regular expression: {exc}") from exc
        object.__setattr__(self, "_compiled", compiled)

    def search(self, text: str) -> list[tuple[str, str]] | None:
        """The captures of the first match, each by number and by name; None when there is no match."""
        found = self._compiled.search(text)
        if found is None:
            return None
        captures = [(str(index), found[index] or "") for index in range(self._compiled.groups + 1)]
        return captures + [(name, value or "") for name, value in found.groupdict().items()]
