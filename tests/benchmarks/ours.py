"""This project's server as users start it: a Caddyfile, a login, an allowed origin, a secret, the limits."""

from __future__ import annotations

import secrets
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import jwt

from tests.benchmarks import install
from tests.benchmarks.places import ROOT, SOURCES
from tests.benchmarks.room import Launch, Room
from tornado_realtime.settings import OPTIONS
from tornado_realtime.version import __version__
from tornado_realtime.wire.v1 import V1

_SITE = """http://127.0.0.1:{port} {{
	@realtime path /ws /internal/*
	handle @realtime {{
		go_handler {{
			{login}
			wire raw
			allowed_origins http://127.0.0.1:{origin}
			broadcast_secret {{$BENCH_BROADCAST_SECRET}}
			{broker}
		}}
	}}
	handle /who {{
		respond `{{"id": "u1"}}`
	}}
	respond "ok"
}}
"""
_JWT = """jwt {
				secret {$BENCH_JWT_SECRET}
			}"""
LOGIN_SECONDS = 24 * 3600
# Every client has a login of its own, so that no token is one that the server has seen already.
LOGINS = 10_000


def knows_jwt() -> bool:
    """Whether logins can be checked without asking an endpoint."""
    return any(option.name == "jwt" for option in OPTIONS)


def launch_ours(room: Room) -> Launch:
    """See ``Contender.launch``."""
    return _launch(room, (sys.executable, "-m", "tornado_realtime"), {}, __version__)


def launch_ours_on_uvloop(room: Room) -> Launch:
    """The same on another event loop."""
    python = install.python_with("uvloop")
    version = install.version_of(lambda: install.python_package_version("uvloop"))
    return _launch(
        room,
        (sys.executable, str(SOURCES / "peers" / "ours_uvloop.py")),
        {"UVLOOP_FOLDER": install.packages_of(python), "PYTHONPATH": str(ROOT)},
        f"{__version__}, uvloop {version}",
    )


def launch_ours_v1(room: Room) -> Launch:
    """The same, with clients that speak realtime.v1.json."""
    launch = launch_ours(room)
    offer = ("--header", f"Sec-WebSocket-Protocol: {V1.name}")
    return replace(launch, subscribe=(*launch.subscribe, *offer))


def launch_ours_on_redis(room: Room, port: int) -> Launch:
    """One node on a Redis that listens on ``port``."""
    broker = _on_redis(port)
    return _launch(room, (sys.executable, "-m", "tornado_realtime"), {}, __version__, broker)


def launch_two_nodes(room: Room) -> Launch:
    """Two nodes and their Redis: half of the subscribers at each, publishers at the first."""
    program = shutil.which("redis-server")
    if program is None:
        raise install.MissingError("there is no redis-server here")
    second, redis = room.port(), room.port()
    version = install.version_of(lambda: install.program_version(Path(program), "--version"))
    first = _launch(room, (), {}, f"{__version__}, Redis {version}", _on_redis(redis))
    broker, login = _on_redis(redis), _login(first.port)
    other = _SITE.format(port=second, origin=first.port, login=login, broker=broker)
    script = str(SOURCES / "peers" / "ours_two_nodes.py")
    configs = (str(room.folder / "Caddyfile"), str(room.write("Caddyfile.second", other)))
    return replace(
        first,
        command=(sys.executable, script, program, str(redis), *configs),
        second_port=second,
        processes=4,
    )


def _on_redis(port: int) -> str:
    return f"driver redis\n\t\t\tredis_address 127.0.0.1:{port}"


def _login(port: int) -> str:
    return _JWT if knows_jwt() else f"auth_endpoint http://127.0.0.1:{port}/who"


def _launch(
    room: Room, program: tuple[str, ...], variables: Mapping[str, str], version: str, broker: str = ""
) -> Launch:
    port, secret, key = room.port(), secrets.token_urlsafe(24), secrets.token_urlsafe(48)
    text = _SITE.format(port=port, origin=port, login=_login(port), broker=broker)
    config = room.write("Caddyfile", text)
    logins = room.write("logins", "".join(f"Cookie: AUTH_TOKEN={token}\n" for token in _tokens(key)))
    secret_header = f"X-Broadcast-Secret: {secret}"
    return Launch(
        command=(
            *(*program, "run"),
            *("--config", str(config), "--bind", "127.0.0.1"),
        ),
        port=port,
        subscribe=(
            *("--subscribe", '{"action":"subscribe","channel":"ch%c"}'),
            *("--header", f"Origin: http://127.0.0.1:{port}"),
            *("--header-file", str(logins)),
        ),
        publish=(
            *("--publish-path", "/internal/broadcast", "--body", "channel=ch%c&message=%m"),
            *("--publish-header", secret_header),
        ),
        batch=(
            *("--publish-path", "/internal/broadcast", "--publish-type", "application/json"),
            *("--body-head", '{"batch":[', "--separator", ",", "--body-tail", "]}"),
            *("--body", '{"channel":"ch%c","message":"%m"}', "--publish-header", secret_header),
        ),
        variables={"BENCH_BROADCAST_SECRET": secret, "BENCH_JWT_SECRET": key, **variables},
        version=version,
        probe="/",
        metrics=("/internal/metrics", secret_header),
    )


def _tokens(key: str) -> Iterator[str]:
    expires = int(time.time()) + LOGIN_SECONDS
    return (jwt.encode({"sub": f"u{number}", "exp": expires}, key, "HS256") for number in range(LOGINS))
