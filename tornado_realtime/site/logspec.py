"""``log``: where log lines go and how they look, for the global option and for a site's access log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tornado_realtime.caddyfile.directive import Directive, Token
from tornado_realtime.errors import ConfigError
from tornado_realtime.site.arguments import (
    choice,
    expect,
    flag,
    integer,
    no_block,
    one_word,
    seconds,
    size_bytes,
    some_words,
    unknown,
    wrong_count,
)

Warn = Callable[[Token, str], None]

OUTPUTS = ("stderr", "stdout", "discard", "file")
FORMATS = ("console", "json")
LEVELS = ("DEBUG", "INFO", "WARN", "ERROR", "PANIC", "FATAL")
DEFAULT_NAME = "default"
_LACKING_OUTPUTS = ("net",)
_LACKING_FORMATS = ("filter", "append", "transform", "logfmt")
_USAGE = "log [NAME] { output stdout|stderr|discard|file PATH; format console|json; level LEVEL }"


@dataclass(frozen=True, slots=True)
class RollSpec:
    """When a log file is put aside and how many of those are kept.

    Attributes:
        size_bytes: Begin a new file above this size; 0 never rolls. Default 100 MiB.
        keep: Old files to keep. Default 10.
        keep_seconds: Age after which an old file goes. Default 90 days.
        compress: Whether old files are gzipped. Default True.
        local_time: Whether their names carry local time instead of UTC.
    """

    size_bytes: int = 100 * 1024 * 1024
    keep: int = 10
    keep_seconds: float = 90 * 86400.0
    compress: bool = True
    local_time: bool = False


@dataclass(frozen=True, slots=True)
class LogSpec:
    """One logger.

    Attributes:
        directive: Where it was written.
        name: Its name; ``default`` for the global one without a name, empty for an unnamed access log.
        output: One of :data:`OUTPUTS`.
        path: For ``file``: where.
        roll: For ``file``: when to begin a new one.
        mode: For ``file``: permission bits.
        format: One of :data:`FORMATS`; empty chooses console on a terminal and json elsewhere.
        level: One of :data:`LEVELS`, lowest level that is written; empty for the default, INFO.
        hostnames: Access logs: only these hosts instead of the site's.
        no_hostname: Access logs: used by ``log_name`` only.
        include: Global: only these logger names.
        exclude: Global: not these logger names.
    """

    directive: Directive
    name: str = ""
    output: str = "stderr"
    path: str = ""
    roll: RollSpec = field(default_factory=RollSpec)
    mode: int = 0o600
    format: str = ""
    level: str = ""
    hostnames: tuple[str, ...] = ()
    no_hostname: bool = False
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


def parse_log(segment: Directive, warn: Warn, *, is_global: bool = False) -> LogSpec:
    """Read one ``log`` segment.

    Args:
        segment: The whole segment.
        warn: Told of words that have no effect here.
        is_global: Whether it is the global option, which has ``include`` and ``exclude`` but no hosts.

    Raises:
        ConfigError: When something in it is wrong.
    """
    words = expect(segment, 0, 1, _USAGE)
    values: dict[str, object] = {"name": words[0] if words else DEFAULT_NAME if is_global else ""}
    lines = _GLOBAL_LINES if is_global else _SITE_LINES
    seen: set[str] = set()
    for line in segment.block or ():
        read = lines.get(line.word)
        if read is None:
            raise _unknown_line(line, lines, is_global)
        if line.word in seen and line.word not in _REPEATABLE:
            raise line.error(f"{line.word} is given twice in this log block")
        seen.add(line.word)
        _merge(values, read(line, warn))
    return LogSpec(segment, **values)  # type: ignore[arg-type]


def _merge(values: dict[str, object], more: dict[str, object]) -> None:
    for key, value in more.items():
        before = values.get(key)
        values[key] = (*before, *value) if isinstance(before, tuple) and isinstance(value, tuple) else value


def _unknown_line(line: Directive, lines: dict[str, _Reader], is_global: bool) -> ConfigError:
    if line.word in ("sampling", "core"):
        return line.error(f"log option {line.word} is known but not supported")
    if line.word in _SITE_LINES or line.word in _GLOBAL_LINES:
        return line.error(
            f"{line.word} is not allowed in {'the global log option' if is_global else 'a site log'}"
        )
    return unknown(line.name, "log option", lines)


def _output(line: Directive, warn: Warn) -> dict[str, object]:
    if not line.args:
        raise wrong_count(line, "output stdout|stderr|discard|file PATH")
    kind = _supported(line.args[0], "output", OUTPUTS, _LACKING_OUTPUTS)
    if kind == "file":
        return _file_output(line)
    no_block(line)
    expect(line, 1, 1, f"output {kind}")
    return {"output": kind}


def _supported(token: Token, what: str, known: tuple[str, ...], lacking: tuple[str, ...]) -> str:
    if token.text in lacking:
        raise token.error(
            f"log {what} {token.text} is known but not supported; use one of {', '.join(known)}"
        )
    return choice(token, f"log {what}", known)


def _file_output(line: Directive) -> dict[str, object]:
    path = expect(line, 2, 2, "output file PATH")[1]
    roll: dict[str, object] = {}
    values: dict[str, object] = {"output": "file", "path": path}
    for option in line.block or ():
        if option.word in _ROLL_LINES:
            roll.update(_ROLL_LINES[option.word](option))
        elif option.word == "mode":
            values["mode"] = _mode(option)
        elif option.word in _LACKING_ROLL:
            raise option.error(f"log file option {option.word} is known but not supported")
        else:
            raise unknown(option.name, "log file option", (*_ROLL_LINES, "mode"))
    values["roll"] = RollSpec(**roll)  # type: ignore[arg-type]
    return values


def _mode(option: Directive) -> int:
    word = one_word(option, "mode 0640")
    try:
        value = int(word, 8)
    except ValueError:
        value = -1
    if not 0 <= value <= 0o777:
        raise option.error(f"{word!r} is not a file mode: write an octal number such as 0640")
    return value


def _compression(option: Directive) -> dict[str, object]:
    one_word(option, "roll_compression none|gzip")
    return {"compress": choice(option.args[0], "roll_compression", ("none", "gzip")) == "gzip"}


def _roll_number(option: Directive) -> dict[str, object]:
    one_word(option, "roll_keep NUMBER")
    return {"keep": integer(option.args[0], 0)}


def _roll_size(option: Directive) -> dict[str, object]:
    one_word(option, "roll_size 100MiB")
    return {"size_bytes": size_bytes(option.args[0])}


def _roll_age(option: Directive) -> dict[str, object]:
    one_word(option, "roll_keep_for 2160h")
    return {"keep_seconds": seconds(option.args[0])}


_LACKING_ROLL = ("dir_mode", "roll_interval", "roll_minutes", "roll_at", "backup_time_format")
_ROLL_LINES: dict[str, Callable[[Directive], dict[str, object]]] = {
    "roll_disabled": lambda option: {"size_bytes": 0} if flag(option) else {},
    "roll_size": _roll_size,
    "roll_uncompressed": lambda option: {"compress": not flag(option)},
    "roll_compression": _compression,
    "roll_local_time": lambda option: {"local_time": flag(option)},
    "roll_keep": _roll_number,
    "roll_keep_for": _roll_age,
}


def _format(line: Directive, warn: Warn) -> dict[str, object]:
    expect(line, 1, 1, "format console|json")
    kind = _supported(line.args[0], "format", FORMATS, _LACKING_FORMATS)
    for option in line.block or ():
        warn(option.name, f"log format option {option.word} has no effect here")
    return {"format": kind}


def _level(line: Directive, warn: Warn) -> dict[str, object]:
    level = one_word(line, "level DEBUG|INFO|WARN|ERROR").upper()
    if level not in LEVELS:
        raise unknown(line.args[0], "log level", LEVELS, listed=True)
    return {"level": level}


def _many(key: str) -> _Reader:
    def read(line: Directive, warn: Warn) -> dict[str, object]:
        return {key: some_words(line, f"{line.word} NAME...")}

    return read


_Reader = Callable[[Directive, Warn], dict[str, object]]
_COMMON: dict[str, _Reader] = {"output": _output, "format": _format, "level": _level}
_SITE_LINES: dict[str, _Reader] = {
    **_COMMON,
    "hostnames": _many("hostnames"),
    "no_hostname": lambda line, warn: {"no_hostname": flag(line)},
}
_GLOBAL_LINES: dict[str, _Reader] = {**_COMMON, "include": _many("include"), "exclude": _many("exclude")}
_REPEATABLE = ("hostnames", "include", "exclude")
