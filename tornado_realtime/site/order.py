"""In which order directives are tried: the default, the ``order`` option, and the sorting of one block.

The comparison is Caddy's, and it is not transitive: ``/a*`` is equal to a named matcher, which is equal to
``/a/b*``, and yet ``/a/b*`` goes before ``/a*``. So the algorithm shows in the result; see
:mod:`tornado_realtime.site.stable_sort`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from tornado_realtime.caddyfile.directive import Directive
from tornado_realtime.caddyfile.names import KNOWN_DIRECTIVES, did_you_mean
from tornado_realtime.site.arguments import unknown, wrong_count
from tornado_realtime.site.stable_sort import stable_sort

T = TypeVar("T")

DEFAULT_ORDER = (
    "tracing",
    "map",
    "vars",
    "fs",
    "root",
    "log_append",
    "skip_log",
    "log_skip",
    "log_name",
    "log_level",
    "header",
    "copy_response_headers",
    "request_body",
    "timeouts",
    "redir",
    "method",
    "rewrite",
    "uri",
    "try_files",
    "basicauth",
    "basic_auth",
    "forward_auth",
    "request_header",
    "encode",
    "push",
    "intercept",
    "templates",
    "invoke",
    "handle",
    "handle_path",
    "route",
    "abort",
    "error",
    "copy_response",
    "respond",
    "metrics",
    "reverse_proxy",
    "php_fastcgi",
    "php",
    "php_server",
    "go_handler",
    "file_server",
    "acme_server",
)
"""Caddy's order, with FrankenPHP's directives and ours directly before ``file_server``."""

_USAGE = "order DIRECTIVE first|last|before OTHER|after OTHER"


def apply_order(line: Directive, order: Sequence[str]) -> tuple[str, ...]:
    """The order after one ``order`` line.

    Raises:
        ConfigError: When a directive is not known, the place is not, or there are too many words.
    """
    if line.block is not None or not 2 <= len(line.args) <= 3:
        raise wrong_count(line, _USAGE)
    name, place = line.words[0], line.words[1]
    if name not in KNOWN_DIRECTIVES:
        raise unknown(line.args[0], "directive", KNOWN_DIRECTIVES)
    rest = [directive for directive in order if directive != name]
    if place in ("first", "last"):
        _refuse_third_word(line)
        return (name, *rest) if place == "first" else (*rest, name)
    if place not in ("before", "after"):
        raise unknown(line.args[1], "place", ("first", "last", "before", "after"), listed=True)
    at = _anchor(line, rest) + (place == "after")
    return (*rest[:at], name, *rest[at:])


def _refuse_third_word(line: Directive) -> None:
    if len(line.args) == 3:
        raise wrong_count(line, _USAGE)


def _anchor(line: Directive, rest: list[str]) -> int:
    if len(line.args) != 3:
        raise wrong_count(line, _USAGE)
    anchor = line.words[2]
    if anchor not in rest:
        raise line.args[2].error(f"directive {anchor} is not in the order{did_you_mean(anchor, rest)}")
    return rest.index(anchor)


@dataclass(frozen=True, slots=True)
class SortKey:
    """What the order of one route depends on.

    Attributes:
        directive: Name that counts; ``handle`` also for ``handle_path``.
        has_matcher: Whether it is conditional at all.
        path: The path, when its matcher has exactly one; else empty.
        single: False for the fixed sequence of several routes that a directive without a matcher can stand
            for: such a one is equal to every other of its name.
    """

    directive: str
    has_matcher: bool = False
    path: str = ""
    single: bool = True


def sort_routes(items: Sequence[T], key: Callable[[T], SortKey], order: Sequence[str]) -> list[T]:
    """The items of one block in the order in which they are tried.

    Args:
        items: In file order.
        key: What to compare of an item; its directive must be in ``order``.
        order: Directive names, first to last.
    """
    positions = {name: position for position, name in enumerate(order)}
    keyed = [(key(item), item) for item in items]
    stable_sort(keyed, lambda left, right: _less(left[0], right[0], positions))
    return [item for _, item in keyed]


def _less(left: SortKey, right: SortKey, positions: Mapping[str, int]) -> bool:
    if left.directive != right.directive:
        return positions[left.directive] < positions[right.directive]
    if not (left.single and right.single):
        return False
    # A later vars overwrites an earlier one, so the most specific of them has to come last.
    if left.directive in ("vars", "log_level"):
        left, right = right, left
    if left.path and right.path:
        return _path_less(left.path.encode(), right.path.encode())
    return left.has_matcher and not right.has_matcher


def _path_less(left: bytes, right: bytes) -> bool:
    left_stem, right_stem = left.removesuffix(b"*"), right.removesuffix(b"*")
    if left_stem == right_stem:
        return len(left) < len(right)
    if len(left_stem) == len(right_stem):
        return left_stem < right_stem
    return len(left_stem) > len(right_stem)
