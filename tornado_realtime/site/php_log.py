"""What PHP writes to its error stream, as lines that are safe in a log."""

from __future__ import annotations

import logging
import re

MAX_LINE_BYTES = 2000

# "[23-Nov-2026 16:03:23] NOTICE: text", php-fpm's own lines; debug ones name a process after the level.
_MASTER_LINE = re.compile(r"\[\d\d-\w{3}-\d{4} [\d:.]+\] (DEBUG|NOTICE|WARNING|ERROR|ALERT): (.*)", re.DOTALL)
_LEVELS = {
    "DEBUG": logging.DEBUG,
    "NOTICE": logging.INFO,
    "WARNING": logging.WARNING,
    "ERROR": logging.ERROR,
    "ALERT": logging.ERROR,
}
_SCRIPT_PREFIX = "NOTICE: "
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")


class LineSplitter:
    """Bytes to lines of text; a longer line than 2000 bytes comes in pieces, so little is ever held.

    Control characters become ``?``: no text of a visitor that a script logs can fake a line of ours.
    """

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[str]:
        """The lines that ``data`` completes, without empty ones."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        while len(self._rest) > MAX_LINE_BYTES:
            lines.append(self._rest[:MAX_LINE_BYTES])
            self._rest = self._rest[MAX_LINE_BYTES:]
        return _texts(lines)

    def flush(self) -> list[str]:
        """What is left at the end of the stream."""
        rest, self._rest = self._rest, b""
        return _texts([rest])


def _texts(lines: list[bytes]) -> list[str]:
    return [text for line in lines for piece in _pieces(line) if (text := _clean(piece))]


def _pieces(line: bytes) -> list[bytes]:
    return [line[at : at + MAX_LINE_BYTES] for at in range(0, len(line), MAX_LINE_BYTES)]


def _clean(line: bytes) -> str:
    return _CONTROL.sub("?", line.decode("utf-8", "replace").rstrip())


def parse_master_line(line: str) -> tuple[int, str]:
    """Logging level and text of a line of php-fpm's master process.

    A line that is not its own comes from a script, by ``error_log`` or its standard error: a warning.
    """
    match = _MASTER_LINE.fullmatch(line)
    return (_LEVELS[match[1]], match[2]) if match else (logging.WARNING, line.removeprefix(_SCRIPT_PREFIX))
