"""The global option ``frankenphp``: accepted so that FrankenPHP's files load; php-fpm runs the PHP here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tornado_realtime.caddyfile.directive import Directive
from tornado_realtime.site.arguments import expect, integer, no_block, one_word, seconds, unknown
from tornado_realtime.site.logspec import Warn

_LINES = ("num_threads", "max_threads", "max_wait_time", "php_ini", "worker")


@dataclass(frozen=True, slots=True)
class FrankenphpOptions:
    """Settings for PHP.

    Attributes:
        num_threads: Threads that FrankenPHP would start, 0 when not given; read as php-fpm workers.
        php_ini: Directives of php.ini, in file order.
    """

    num_threads: int = 0
    php_ini: tuple[tuple[str, str], ...] = ()


def parse_frankenphp(line: Directive, warn: Warn) -> FrankenphpOptions:
    """Read ``frankenphp { ... }``.

    Raises:
        ConfigError: For an option that FrankenPHP does not have, or a wrong value.
    """
    expect(line, 0, 0, "frankenphp { num_threads N; php_ini KEY VALUE }")
    threads, ini = 0, list[tuple[str, str]]()
    for option in line.block or ():
        if option.word == "num_threads":
            threads = _count(option)
        elif option.word == "php_ini":
            ini += _php_ini(option)
        elif option.word in _CHECKS:
            _CHECKS[option.word](option)
            warn(option.name, f"frankenphp option {option.word} has no effect here: php-fpm runs the PHP")
        else:
            raise unknown(option.name, "frankenphp option", _LINES)
    return FrankenphpOptions(threads, tuple(ini))


def _count(option: Directive) -> int:
    one_word(option, f"{option.word} NUMBER")
    return integer(option.args[0], 1)


def _max_threads(option: Directive) -> None:
    if one_word(option, "max_threads NUMBER|auto") != "auto":
        integer(option.args[0], 1)


def _max_wait_time(option: Directive) -> None:
    one_word(option, "max_wait_time 10s")
    seconds(option.args[0])


def _php_ini(option: Directive) -> list[tuple[str, str]]:
    if option.block is None:
        key, value = expect(option, 2, 2, "php_ini KEY VALUE")
        return [(key, value)]
    expect(option, 0, 0, "php_ini { KEY VALUE }")
    return [_pair(pair) for pair in option.block]


def _pair(pair: Directive) -> tuple[str, str]:
    no_block(pair)
    return pair.word, expect(pair, 1, 1, "KEY VALUE")[0]


_CHECKS: dict[str, Callable[[Directive], None]] = {
    "max_threads": _max_threads,
    "max_wait_time": _max_wait_time,
    "worker": lambda option: None,
}
