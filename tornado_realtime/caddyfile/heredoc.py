"""The text of a heredoc, its indentation taken off."""

from __future__ import annotations

import re
from collections.abc import Callable

from tornado_realtime.caddyfile.names import shown
from tornado_realtime.caddyfile.scanner import BLANKS
from tornado_realtime.errors import ConfigError

Fail = Callable[[str, int], ConfigError]
"""Makes an error from a message and a line counted from the heredoc's first (0)."""

_BLANK = re.compile(rf"[{BLANKS}\r\n]*")


def heredoc_text(raw: str, after: str, fail: Fail) -> str:
    r"""What a heredoc stands for.

    Args:
        raw: From ``<<`` to the end of the closing marker, as written.
        after: The character behind it, empty at the end of the file.
        fail: See `Fail`.

    Returns:
        The lines between the markers without CR, without the white space that stands before the closing
        marker, and without the last LF.

    Raises:
        ConfigError: Made by ``fail``, if the marker is part of the text or a line is indented otherwise.
    """
    opening, _, rest = raw.partition("\n")
    marker = opening.replace("\r", "")[2:]
    *lines, last = rest.split("\n")
    indent = last[: -len(marker)]
    if not _BLANK.fullmatch(indent) or not _BLANK.fullmatch(after):
        message = f"the text of a heredoc must not contain its marker {shown(marker)}: choose another marker"
        raise fail(message, len(lines) + 1)
    kept = [_without(indent, line, number, fail) for number, line in enumerate(lines, 1)]
    return "\n".join(kept).replace("\r", "")


def _without(indent: str, line: str, number: int, fail: Fail) -> str:
    if line in ("", "\r"):
        return ""
    if not line.startswith(indent):
        raise fail("this line of a heredoc is not indented like the closing marker", number)
    return line[len(indent) :]
