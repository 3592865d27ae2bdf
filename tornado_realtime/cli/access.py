"""What ``subscribe`` and ``publish`` have in common: where the server is, who asks, what a refusal means."""

from __future__ import annotations

import os
import ssl
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path

from tornado_realtime.client import Client, State
from tornado_realtime.errors import (
    ClientError,
    ConfigError,
    ConnectError,
    ConnectRefusedError,
    RealtimeError,
    RequestError,
)
from tornado_realtime.keyfiles import check_mode

StateTeller = Callable[[State, str], None]

DEFAULT_URL = "http://localhost:8080"
URL_VARIABLE = "REALTIME_URL"
TOKEN_VARIABLE = "REALTIME_TOKEN"  # noqa: S105 - a name, not the token
SECRET_VARIABLE = "BROADCAST_SECRET_KEY"  # noqa: S105 - a name, not the secret
_FORBIDDEN = 103
_NOT_KEPT = 108


def access_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--url", metavar="URL", help=f"the server (default: ${URL_VARIABLE}, or {DEFAULT_URL})"
    )
    parser.add_argument(
        "--token-file",
        metavar="FILE",
        help=f"a file with the token to log in with (default: ${TOKEN_VARIABLE})",
    )
    parser.add_argument(
        "--token", metavar="TEXT", help="the token itself, which other users of this machine can see"
    )
    parser.add_argument(
        "--cookie", metavar="NAME=VALUE", action="append", default=[], help="a cookie to log in with"
    )
    parser.add_argument(
        "--header", metavar="NAME: VALUE", action="append", default=[], help="one more header field"
    )
    parser.add_argument("--insecure", action="store_true", help="do not check the server's certificate")


def url_of(arguments: Namespace) -> str:
    """The URL of the server."""
    return arguments.url or os.environ.get(URL_VARIABLE, "") or DEFAULT_URL


def token_of(arguments: Namespace) -> str:
    """The token to log in with; empty for none.

    Raises:
        ConfigError: The file cannot be read, or everybody may read it.
    """
    if arguments.token is not None and arguments.token_file is not None:
        raise ConfigError("give --token or --token-file, not both")
    if arguments.token_file is not None:
        return secret_from(arguments.token_file)
    return arguments.token if arguments.token is not None else os.environ.get(TOKEN_VARIABLE, "")


def secret_from(path: str) -> str:
    """What a file says that not everybody may read, without white space around it.

    Raises:
        ConfigError: It cannot be read, everybody may read it, or there is nothing in it.
    """
    try:
        with Path(path).open("rb") as file:
            mode, content = os.fstat(file.fileno()).st_mode, file.read()
        check_mode(path, mode, is_secret=True)
        text = content.decode("ascii").strip()
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", path) from error
    except UnicodeDecodeError as error:
        raise ConfigError("has something else than ASCII in it", path) from error
    except ValueError as error:
        raise ConfigError(str(error)) from error
    if not text:
        raise ConfigError("is empty", path)
    return text


def tls_of(arguments: Namespace) -> ssl.SSLContext | None:
    """What is trusted; None for what the system trusts."""
    if not arguments.insecure:
        return None
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def client_of(arguments: Namespace, on_state: StateTeller | None = None) -> Client:
    """A client as the arguments say, not connected yet.

    Raises:
        ConfigError: They make no sense.
    """
    try:
        return Client(
            url_of(arguments),
            token=token_of(arguments),
            cookie="; ".join(arguments.cookie),
            headers=dict(map(_field, arguments.header)),
            tls=tls_of(arguments),
            on_state=on_state,
        )
    except ValueError as error:
        raise ConfigError(str(error)) from error


def explained(error: RealtimeError) -> RealtimeError:
    """An error with the way out."""
    hint = _hint(error)
    return ClientError(f"{error}\n{hint}") if hint else error


def _hint(error: RealtimeError) -> str:
    match error:
        case ConnectRefusedError(status=401):
            return (
                f"The server does not know this login: give one with --token-file FILE, ${TOKEN_VARIABLE}, "
                "or --cookie NAME=VALUE."
            )
        case ConnectRefusedError(status=200 | 404 | 405):
            return "Is the server there? Its paths may have a prefix: --url URL/PATH, --publish-path PATH."
        case ConnectRefusedError(status=429 | 503, retry_after=seconds):
            return f"Try again in {seconds:g} s." if seconds else ""
        case ConnectError():
            return f"Is it running? Name another server with --url URL or ${URL_VARIABLE}."
        case RequestError(code=code) if code == _FORBIDDEN:
            return "Who may do that is said by channel blocks, or by authorize, of the server."
        case RequestError(code=code) if code == _NOT_KEPT:
            return "What is known of a channel is said by `history` and `presence` of its channel block."
    return ""


def _field(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip() or not text.isprintable():
        raise ValueError("a header field is written NAME: VALUE")
    return name.strip(), value.strip()
