"""Who may publish, where and how much: the options of publishing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from tornado_realtime.settings.option import Option, size

_LISTEN = re.compile(r"(?:[^\s:/\[\]]*|\[[0-9A-Fa-f:.]+\]):(?P<port>[0-9]{1,5})")


def _secret(words: Sequence[str]) -> dict[str, Any]:
    if not words[0]:
        raise ValueError(
            "is empty; set the variable it comes from, or leave the option out to let only this host publish"
        )
    return {"broadcast_secret": words[0]}


def _listen(words: Sequence[str]) -> dict[str, Any]:
    found = _LISTEN.fullmatch(words[0])
    if found is None or not 0 < int(found["port"]) <= 65535:
        raise ValueError(f"needs an address like 127.0.0.1:8081, [::1]:8081 or :8081, not {words[0]!r}")
    return {"broadcast_listen": words[0]}


PUBLISHING_OPTIONS: tuple[Option, ...] = (
    Option(
        "broadcast_secret",
        _secret,
        "SECRET",
        "",
        "What publishers must send as `X-Broadcast-Secret`. Without it only this host may publish.",
    ),
    Option(
        "broadcast_listen",
        _listen,
        "ADDRESS",
        "",
        "Moves publishing to a listener of its own; every other one answers 404 for `/internal/*`.",
    ),
    Option(
        "max_publication_size",
        size("max_publication_size_bytes"),
        "SIZE",
        "1MiB",
        "Longest message that may be published; above it: 413.",
    ),
)
