"""``tornado-realtime subscribe CHANNEL...``: what is published there, as it comes."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import stat
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable

from tornado_realtime.cli.access import access_arguments, client_of, explained, url_of
from tornado_realtime.cli.shown import Lines, harmless, has_colours, json_line
from tornado_realtime.client import Client, Message, Position, State
from tornado_realtime.errors import ConfigError, RealtimeError

_POSITION = re.compile(r"([^\s:]{1,64}):([0-9]{1,16})")
_MOST = 1_000_000_000


def subscribe_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("channels", nargs="+", metavar="CHANNEL", help="what to listen to")
    parser.add_argument(
        "--last", type=_count, metavar="N", default=0, help="the newest N messages of each channel first"
    )
    parser.add_argument(
        "--since",
        type=_position,
        metavar="EPOCH:OFFSET",
        help="what came after this position of the one channel first",
    )
    parser.add_argument("--presence", action="store_true", help="show who is there, and who comes and goes")
    parser.add_argument("--count", type=_count, metavar="N", default=0, help="end after N messages")
    parser.add_argument("--json", action="store_true", help="print JSON lines on a terminal, too")
    access_arguments(parser)


def run_subscribe(arguments: Namespace) -> int:
    """Print what comes until somebody interrupts it.

    Raises:
        RealtimeError: It cannot be had, or not any longer.
    """
    if arguments.since is not None and len(arguments.channels) != 1:
        raise ConfigError("--since is a position of one channel: name one only")
    try:
        asyncio.run(_listen(arguments))
    except RealtimeError as error:
        raise explained(error) from error
    return 0


async def _listen(arguments: Namespace) -> None:
    listening = asyncio.current_task()
    assert listening is not None
    # To interrupt it is the usual end, no failure.
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, listening.cancel)
    _end_with_reader(loop, listening.cancel)
    try:
        async with client_of(arguments, _StateLine(url_of(arguments))) as client:
            await _print(client, arguments)
    except asyncio.CancelledError:
        return


def _end_with_reader(loop: asyncio.AbstractEventLoop, end: Callable[[], object]) -> None:
    """Call ``end`` when whoever reads our pipe has seen enough: a quiet channel would not let us know."""
    try:
        out = sys.stdout.fileno()
        is_pipe = stat.S_ISFIFO(os.fstat(out).st_mode)
    except OSError:
        return

    def ended() -> None:
        loop.remove_reader(out)
        end()

    if is_pipe:
        # There is nothing to be read on this end, so only an error makes it "readable".
        loop.add_reader(out, ended)


async def _print(client: Client, arguments: Namespace) -> None:
    since = {arguments.channels[0]: arguments.since} if arguments.since is not None else {}
    line_of = json_line if arguments.json or not sys.stdout.isatty() else Lines(has_colours(sys.stdout)).line
    left = arguments.count or _MOST
    subscription = client.subscribe(
        *arguments.channels, last=arguments.last, since=since, presence=arguments.presence
    )
    async with subscription:
        async for event in subscription.events():
            _say(line_of(event))
            left -= isinstance(event, Message)
            if not left:
                return


def _say(line: str) -> None:
    if line:
        print(line, flush=True)


class _StateLine:
    """Tells on standard error how the connection is, in one line each.

    Args:
        url: Of the server.
    """

    def __init__(self, url: str) -> None:
        self._url = url

    def __call__(self, state: State, why: str) -> None:
        if state is State.CONNECTED:
            self._say(f"connected to {self._url}" + (f" {why}" if why else ""))
        elif state is State.WAITING:
            self._say(why)

    def _say(self, text: str) -> None:
        print(harmless(text), file=sys.stderr, flush=True)


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text[:20]) <= _MOST):
        raise ArgumentTypeError(f"needs a whole number from 1, not {text!r}")
    return int(text)


def _position(text: str) -> Position:
    found = _POSITION.fullmatch(text)
    if found is None:
        raise ArgumentTypeError(f"needs EPOCH:OFFSET, as in the JSON lines of a message, not {text!r}")
    return Position(found[1], int(found[2]))
