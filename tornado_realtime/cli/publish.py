"""``tornado-realtime publish CHANNEL MESSAGE``: as the application does, or as a client who is logged in."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from typing import Any

from tornado_realtime.cli.access import (
    SECRET_VARIABLE,
    TOKEN_VARIABLE,
    access_arguments,
    client_of,
    explained,
    secret_from,
    tls_of,
    token_of,
    url_of,
)
from tornado_realtime.client import Position, Publisher
from tornado_realtime.client.publisher import PATH
from tornado_realtime.errors import ClientError, ConfigError, ConnectRefusedError, RealtimeError


def publish_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("channel", metavar="CHANNEL", help="where")
    parser.add_argument("message", metavar="MESSAGE", help="what, or - for all of standard input")
    parser.add_argument("--lines", action="store_true", help="with -: each line is a message")
    parser.add_argument(
        "--key",
        metavar="TEXT",
        default="",
        help="publish it once only, however often this is run in five minutes",
    )
    parser.add_argument(
        "--secret-file",
        metavar="FILE",
        help=f"a file with the server's broadcast_secret (default: ${SECRET_VARIABLE}, or none)",
    )
    parser.add_argument(
        "--publish-path",
        metavar="PATH",
        default=PATH,
        help="where the server takes messages (default: %(default)s)",
    )
    access_arguments(parser)


def run_publish(arguments: Namespace) -> int:
    """Publish; with a login as its user, else as the application.

    Raises:
        RealtimeError: It could not be published.
    """
    if arguments.lines and (arguments.message != "-" or arguments.key):
        raise ConfigError("--lines goes with - as the message, and without --key")
    is_client = bool(token_of(arguments) or arguments.cookie)
    if is_client and arguments.secret_file is not None:
        raise ConfigError("publish as the application, with a secret, or as a client, with a login: not both")
    try:
        asyncio.run(_as_client(arguments) if is_client else _as_application(arguments))
    except RealtimeError as error:
        raise _explained(error) from error
    return 0


async def _as_application(arguments: Namespace) -> None:
    try:
        publisher = Publisher(
            url_of(arguments), _secret(arguments), path=arguments.publish_path, tls=tls_of(arguments)
        )
    except ValueError as error:
        raise ConfigError(str(error)) from error
    async with publisher:
        for message in _messages(arguments):
            published = await publisher.publish(arguments.channel, message, key=arguments.key)
            _tell(published.position)


async def _as_client(arguments: Namespace) -> None:
    async with client_of(arguments) as client:
        for message in _messages(arguments):
            position = await client.publish(arguments.channel, _payload(message), key=arguments.key)
            _tell(position)


def _secret(arguments: Namespace) -> str:
    if arguments.secret_file is not None:
        return secret_from(arguments.secret_file)
    return os.environ.get(SECRET_VARIABLE, "")


def _messages(arguments: Namespace) -> Iterator[str]:
    """What is to be published, one after the other."""
    if arguments.message != "-":
        yield arguments.message
        return
    sys.stdin.reconfigure(encoding="utf-8", errors="strict")  # type: ignore[union-attr]
    try:
        if arguments.lines:
            yield from (line for each in sys.stdin if (line := each.rstrip("\r\n")))
        else:
            yield sys.stdin.read()
    except UnicodeDecodeError as error:
        raise ConfigError("is not UTF-8 text", "standard input") from error


def _payload(message: str) -> Any:
    """A client publishes JSON: the message itself if it is JSON, else a string."""
    try:
        return json.loads(message, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return message


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _tell(position: Position | None) -> None:
    """Programs are told where it stands, where anything is kept."""
    if position is not None and not sys.stdout.isatty():
        print(json.dumps({"epoch": position.epoch, "offset": position.offset}), flush=True)


def _explained(error: RealtimeError) -> RealtimeError:
    if isinstance(error, ConnectRefusedError) and error.status == 403:
        return ClientError(
            f"{error}\nGive the server's broadcast_secret with --secret-file FILE or ${SECRET_VARIABLE}, "
            f"or log in with --token-file FILE or ${TOKEN_VARIABLE} to publish as a client."
        )
    return explained(error)
