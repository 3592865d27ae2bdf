"""What is fuzzed: each target takes any bytes, and raises AssertionError where a promise is broken.

No target needs atheris: ``make test`` replays ``tests/fuzz/corpus`` through the same functions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from tests.fuzz.targets import (
    caddyfile,
    client_message,
    cursor,
    fastcgi,
    form,
    frames,
    head,
    jwt_login,
    publish_json,
    ticket,
    v1_message,
)

Target = Callable[[bytes], None]

TARGETS: Mapping[str, Target] = MappingProxyType(
    {
        "caddyfile": caddyfile.run,
        "client_message": client_message.run,
        "cursor": cursor.run,
        "fastcgi": fastcgi.run,
        "form": form.run,
        "frames": frames.run,
        "head": head.run,
        "jwt_login": jwt_login.run,
        "publish_json": publish_json.run,
        "ticket": ticket.run,
        "v1_message": v1_message.run,
    }
)
