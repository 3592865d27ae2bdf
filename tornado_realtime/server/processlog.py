"""The log of the process itself: lines for people at a terminal, JSON for machines, where the file says."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tornado_realtime.site.logsink import FileSink, NoSink, Sink, StreamSink
from tornado_realtime.site.logspec import LogSpec
from tornado_realtime.site.options import GlobalOptions

_COLOURS = {"DEBUG": "\x1b[2m", "INFO": "\x1b[36m", "WARNING": "\x1b[33m", "ERROR": "\x1b[31m"}
_RESET = "\x1b[0m"
_LEVELS = {
    "DEBUG": logging.DEBUG,
    "INFO": logging.INFO,
    "WARN": logging.WARNING,
    "ERROR": logging.ERROR,
    "PANIC": logging.CRITICAL,
    "FATAL": logging.CRITICAL,
}
_OURS = "tornado_realtime"

MakeFile = Callable[[tuple[object, ...], Callable[[], FileSink]], FileSink]


class LineFormatter(logging.Formatter):
    """One line a record: time in UTC, level and message.

    Control characters are escaped, and the lines of a traceback indented, so that nobody's input can forge
    a line.

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
            level = f"{_COLOURS.get(record.levelname, '')}{level}{_RESET}"
        line = f"{when}.{int(record.msecs):03d}Z {level} {_printable(record.getMessage())}"
        if record.exc_info:
            traceback = self.formatException(record.exc_info).splitlines()
            line = "\n    ".join((line, *map(_printable, traceback)))
        return line


class JsonFormatter(logging.Formatter):
    """One JSON object a record, in ASCII, with Caddy's names: level, ts (Unix seconds), logger, msg."""

    def format(self, record: logging.LogRecord) -> str:
        """See logging.Formatter."""
        entry = {
            "level": record.levelname.lower().replace("warning", "warn"),
            "ts": round(record.created, 6),
            "logger": record.name,
            "msg": record.getMessage(),
        }
        if record.exc_info:
            entry["stacktrace"] = self.formatException(record.exc_info)
        return json.dumps(entry)


def _printable(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


class SinkHandler(logging.Handler):
    """Writes records to a sink.

    Args:
        sink: Where to.
        include: Only loggers of these names and below; empty for all.
        exclude: Not these.
    """

    def __init__(self, sink: Sink, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> None:
        super().__init__()
        self._sink = sink
        self._include = tuple(include)
        self._exclude = tuple(exclude)

    def filter(self, record: logging.LogRecord) -> bool:
        """Judge by the logger's name."""
        if self._include and not _is_below(record.name, self._include):
            return False
        return not _is_below(record.name, self._exclude)

    def emit(self, record: logging.LogRecord) -> None:
        """See logging.Handler."""
        self._sink.write(self.format(record))


def _is_below(name: str, above: Sequence[str]) -> bool:
    return any(name == one or name.startswith(one + ".") for one in above)


def default_handler() -> logging.Handler:
    """Lines on standard error."""
    sink = StreamSink("stderr")
    handler = SinkHandler(sink)
    handler.setFormatter(LineFormatter(colour=sink.is_terminal))
    return handler


def handlers(options: GlobalOptions, make_file: MakeFile) -> list[logging.Handler]:
    """What the global options ``log`` and ``debug`` ask for; the default handler without them.

    Args:
        options: The global options.
        make_file: Makes a file's sink, or hands out the one that is open already.
    """
    found = [_handler(spec, options.debug, make_file) for spec in options.logs]
    if not any(spec.name == "default" for spec in options.logs):
        default = default_handler()
        default.setLevel(logging.DEBUG if options.debug else logging.INFO)
        found.append(default)
    return found


def _handler(spec: LogSpec, debug: bool, make_file: MakeFile) -> logging.Handler:
    sink = _sink(spec, make_file)
    handler = SinkHandler(sink, spec.include, spec.exclude)
    is_json = spec.format == "json" or (not spec.format and not sink.is_terminal)
    handler.setFormatter(JsonFormatter() if is_json else LineFormatter(colour=sink.is_terminal))
    handler.setLevel(_LEVELS[spec.level] if spec.level else logging.DEBUG if debug else logging.INFO)
    return handler


def _sink(spec: LogSpec, make_file: MakeFile) -> Sink:
    if spec.output == "discard":
        return NoSink()
    if spec.output != "file":
        return StreamSink(spec.output)
    path = str(Path(spec.path).absolute())
    return make_file(
        ("process log", path, spec.mode, spec.roll), lambda: FileSink(path, spec.mode, spec.roll)
    )


def install(wanted: Sequence[logging.Handler]) -> None:
    """Send this program's log to these handlers, and the warnings of the libraries below it."""
    root = logging.getLogger()
    root.handlers[:] = wanted
    root.setLevel(logging.WARNING)
    logging.getLogger(_OURS).setLevel(
        min((handler.level for handler in wanted), default=logging.INFO) or logging.INFO
    )
