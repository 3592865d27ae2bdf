"""``tornado-realtime bench URL``: what can my server carry, on my machine?"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import replace
from typing import TextIO

from tornado_realtime.bench import Options, as_json, as_text, measure, parse_target
from tornado_realtime.bench.options import MOST_SUBSCRIBERS
from tornado_realtime.errors import BenchError
from tornado_realtime.units import parse_duration, parse_size

SECRET_VARIABLE = "BROADCAST_SECRET_KEY"  # noqa: S105 - a name, not the secret
STATUS_SECONDS = 0.1
_DEFAULTS = Options()


def bench_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("url", metavar="URL", help="the server, such as http://localhost:8080")
    load = parser.add_argument_group("load")
    load.add_argument(
        "--subscribers",
        type=int,
        metavar="N",
        default=_DEFAULTS.subscribers,
        help=f"connections that listen, at most {MOST_SUBSCRIBERS:,} (default: %(default)s)",
    )
    load.add_argument(
        "--channels",
        type=int,
        metavar="N",
        default=_DEFAULTS.channels,
        help="channels they are spread over (default: %(default)s)",
    )
    load.add_argument(
        "--window",
        type=int,
        metavar="N",
        default=_DEFAULTS.window,
        help="messages under way at most while the limit is looked for (default: %(default)s)",
    )
    load.add_argument(
        "--rate",
        type=float,
        metavar="N",
        default=0.0,
        help="messages a second instead of looking for the limit (default: half of the limit, after it)",
    )
    load.add_argument(
        "--duration",
        type=_duration,
        metavar="TIME",
        default=_DEFAULTS.seconds,
        help="of each part, such as 10s (default: 5s)",
    )
    load.add_argument(
        "--size",
        type=_size,
        metavar="SIZE",
        default=_DEFAULTS.message_bytes,
        help="of a message, such as 1KiB (default: 128)",
    )
    load.add_argument(
        "--publishers",
        type=int,
        metavar="N",
        default=_DEFAULTS.publishers,
        help="connections that publish (default: %(default)s)",
    )
    _access_arguments(parser)


def _access_arguments(parser: ArgumentParser) -> None:
    access = parser.add_argument_group("access")
    access.add_argument(
        "--secret", metavar="TEXT", help=f"the server's broadcast_secret (default: ${SECRET_VARIABLE})"
    )
    access.add_argument(
        "--cookie", metavar="NAME=VALUE", action="append", default=[], help="sent with every handshake"
    )
    access.add_argument(
        "--header", metavar="NAME: VALUE", action="append", default=[], help="sent with every handshake"
    )
    access.add_argument(
        "--socket-path", metavar="PATH", default="/ws", help="where clients connect (default: %(default)s)"
    )
    access.add_argument(
        "--publish-path",
        metavar="PATH",
        default="/internal/broadcast",
        help="where messages are published (default: %(default)s)",
    )
    access.add_argument(
        "--publish-port",
        type=int,
        metavar="PORT",
        default=0,
        help="the port of broadcast_listen (default: the URL's)",
    )
    access.add_argument("--insecure", action="store_true", help="do not check the server's certificate")
    access.add_argument(
        "--i-own-this-server", action="store_true", help="the server may be on another machine"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def _duration(text: str) -> float:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _size(text: str) -> int:
    try:
        return parse_size(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def run_bench(arguments: Namespace) -> int:
    """Measure, and print what was found.

    Raises:
        BenchError: See ``measure``.
    """
    target = replace(
        parse_target(arguments.url),
        socket_path=_path(arguments.socket_path),
        publish_path=_path(arguments.publish_path),
        publish_port=arguments.publish_port,
    )
    line = StatusLine(sys.stderr)
    try:
        outcome = asyncio.run(measure(target, _options(arguments), line.say))
    finally:
        line.clear()
    if arguments.json:
        print(json.dumps(as_json(outcome), indent=2))
    else:
        print(as_text(outcome), end="")
    return 0


def _options(arguments: Namespace) -> Options:
    cookies = [f"Cookie: {'; '.join(arguments.cookie)}"] if arguments.cookie else []
    secret = arguments.secret if arguments.secret is not None else os.environ.get(SECRET_VARIABLE, "")
    return Options(
        subscribers=arguments.subscribers,
        channels=arguments.channels,
        publishers=arguments.publishers,
        window=arguments.window,
        rate=arguments.rate,
        seconds=arguments.duration,
        message_bytes=arguments.size,
        secret=secret,
        headers=(*cookies, *arguments.header),
        anywhere=arguments.i_own_this_server,
        verify=not arguments.insecure,
    )


def _path(path: str) -> str:
    if not path.startswith("/") or not path.isascii() or not path.isprintable() or " " in path:
        raise BenchError(f"a path begins with a slash and has no spaces, unlike {path!r}")
    return path


class StatusLine:
    """What is going on: one line of a terminal, written over; elsewhere each step once.

    Args:
        out: Where to.
        clock: Seconds; a terminal's line changes ten times a second at most.
    """

    def __init__(self, out: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._out = out
        self._clock = clock
        self._step = ""
        self._shown_at = float("-inf")

    def say(self, step: str, detail: str) -> None:
        """Show it."""
        is_new = step != self._step
        self._step = step
        if self._out.isatty():
            if is_new or self._clock() - self._shown_at >= STATUS_SECONDS:
                self._shown_at = self._clock()
                self._write(f"\r\x1b[K{step} {detail}")
        elif is_new:
            self._write(f"{step}\n")

    def clear(self) -> None:
        """Make room for the result."""
        if self._out.isatty() and self._step:
            self._write("\r\x1b[K")

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()
