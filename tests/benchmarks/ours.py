"""This project's server as users start it: a Caddyfile, a login, an allowed origin, a secret, the limits."""

from __future__ import annotations

import secrets
import sys
import time

import jwt

from tests.benchmarks.room import Launch, Room
from tornado_realtime.settings import OPTIONS
from tornado_realtime.version import __version__

_SITE = """http://127.0.0.1:{port} {{
	@realtime path /ws /internal/*
	handle @realtime {{
		go_handler {{
			{login}
			wire raw
			allowed_origins http://127.0.0.1:{port}
			broadcast_secret {{$BENCH_BROADCAST_SECRET}}
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


def knows_jwt() -> bool:
    """Whether logins can be checked without asking an endpoint."""
    return any(option.name == "jwt" for option in OPTIONS)


def launch_ours(room: Room) -> Launch:
    """See ``Contender.launch``."""
    port, secret, key = room.port(), secrets.token_urlsafe(24), secrets.token_urlsafe(48)
    login = _JWT if knows_jwt() else f"auth_endpoint http://127.0.0.1:{port}/who"
    config = room.write("Caddyfile", _SITE.format(port=port, login=login))
    token = jwt.encode({"sub": "u1", "exp": int(time.time()) + LOGIN_SECONDS}, key, "HS256")
    secret_header = f"X-Broadcast-Secret: {secret}"
    return Launch(
        command=(
            *(sys.executable, "-m", "tornado_realtime", "run"),
            *("--config", str(config), "--bind", "127.0.0.1"),
        ),
        port=port,
        subscribe=(
            *("--subscribe", '{"action":"subscribe","channel":"ch%c"}'),
            *("--header", f"Origin: http://127.0.0.1:{port}"),
            *("--header", f"Cookie: AUTH_TOKEN={token}"),
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
        variables={"BENCH_BROADCAST_SECRET": secret, "BENCH_JWT_SECRET": key},
        version=__version__,
        probe="/",
        metrics=("/internal/metrics", secret_header),
    )
