"""Log lines for people at a terminal and for files."""

from __future__ import annotations

import logging
import sys
import time

_LEVEL_COLOURS = {"DEBUG": "\x1b[2m", "INFO": "\x1b[36m", "WARNING": "\x1b[33m", "ERROR": "\x1b[31m"}
_RESET = "\x1b[0m"


class LineFormatter(logging.Formatter):
    """One line a record: time in UTC, level, message, and where it comes from.

    Control characters are escaped, so that nobody's input can forge a line.

    Args:
        colour: Mark the level for a terminal.
    """

    def __init__(self, colour: bool = False) -> None:
        super().__init__()
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        """See logging.Formatter."""
        when = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        level = f"{record.levelname:<7}"
        if self._colour:
            level = f"{_LEVEL_COLOURS.get(record.levelname, '')}{level}{_RESET}"
        line = f"{when}.{int(record.msecs):03d}Z {level} {_printable(record.getMessage())}"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


def _printable(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def set_up_logging(level: int = logging.INFO) -> None:
    """Send this program's log to standard error; Tornado's and asyncio's warnings with it."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter(colour=sys.stderr.isatty()))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("tornado_realtime").setLevel(level)
