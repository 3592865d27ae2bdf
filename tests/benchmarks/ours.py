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
			{blocks}
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
_STREAM = "channel ch* {\n\t\t\t\thistory 1000 10m\n\t\t\t}"
_PRESENCE = "channel ch* {\n\t\t\t\tpresence on 10000\n\t\t\t}"
LOGIN_SECONDS = 24 * 3600
# Every client has a login of its own, so that no token is one that the server has seen already; one watches.
LOGINS = 10_001


def knows_jwt() -> bool:
    """Whether logins can be checked without asking an endpoint."""
    return any(option.name == "jwt" for option in OPTIONS)


def launch_ours(room: Room) -> Launch:
    """See ``Contender.launch``."""
    return _launch_program(room)


def _launch_program(room: Room, broker: str = "", blocks: str = "") -> Launch:
    return _launch(room, (sys.executable, "-m", "tornado_realtime"), {}, __version__, broker, blocks)


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
    return _v1(launch_ours(room))


def _v1(launch: Launch) -> Launch:
    offer = ("--header", f"Sec-WebSocket-Protocol: {V1.name}")
    return replace(launch, subscribe=(*launch.subscribe, *offer))


def launch_ours_stream(room: Room) -> Launch:
    """The same on channels with a history."""
    return _v1(_launch_program(room, blocks=_STREAM))


def launch_ours_presence(room: Room) -> Launch:
    """The same on channels with presence, where everybody is told by name."""
    return _v1(_launch_program(room, blocks=_PRESENCE))


def launch_one_node(room: Room, *, history: bool) -> Launch:
    """One node and its Redis."""
    program, version, redis = *_redis(), room.port()
    launch = _launch(room, (), {}, version, _on_redis(redis), _STREAM if history else "")
    script = str(SOURCES / "peers" / "ours_two_nodes.py")
    command = (sys.executable, script, program, str(redis), str(room.folder / "Caddyfile"))
    return replace(launch, command=command, processes=3)


def launch_ours_on_redis(room: Room, port: int) -> Launch:
    """One node on a Redis that listens on ``port``."""
    return _launch_program(room, _on_redis(port))


def launch_two_nodes(room: Room) -> Launch:
    """Two nodes and their Redis: half of the subscribers at each, publishers at the first."""
    program, version = _redis()
    second, redis = room.port(), room.port()
    first = _launch(room, (), {}, version, _on_redis(redis))
    broker, login = _on_redis(redis), _login(first.port)
    other = _SITE.format(port=second, origin=first.port, login=login, broker=broker, blocks="")
    script = str(SOURCES / "peers" / "ours_two_nodes.py")
    configs = (str(room.folder / "Caddyfile"), str(room.write("Caddyfile.second", other)))
    return replace(
        first,
        command=(sys.executable, script, program, str(redis), *configs),
        second_port=second,
        processes=4,
    )


def _redis() -> tuple[str, str]:
    """The program, and what is said of nodes on it."""
    program = shutil.which("redis-server")
    if program is None:
        raise install.MissingError("there is no redis-server here")
    version = install.version_of(lambda: install.program_version(Path(program), "--version"))
    return program, f"{__version__}, Redis {version}"


def _on_redis(port: int) -> str:
    return f"driver redis\n\t\t\tredis_address 127.0.0.1:{port}"


def _login(port: int) -> str:
    return _JWT if knows_jwt() else f"auth_endpoint http://127.0.0.1:{port}/who"


def _launch(
    room: Room,
    program: tuple[str, ...],
    variables: Mapping[str, str],
    version: str,
    broker: str = "",
    blocks: str = "",
) -> Launch:
    port, secret, key = room.port(), secrets.token_urlsafe(24), secrets.token_urlsafe(48)
    text = _SITE.format(port=port, origin=port, login=_login(port), broker=broker, blocks=blocks)
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
