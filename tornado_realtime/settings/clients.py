"""What clients speak, and what one of them may cost: the options of connections."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tornado_realtime.origins import parse_allowed
from tornado_realtime.settings.channels import SLOW
from tornado_realtime.settings.option import Option, one_of, size


def _origins(words: Sequence[str]) -> dict[str, Any]:
    return {"allowed_origins": tuple(map(parse_allowed, words))}


def _send_queue(words: Sequence[str]) -> dict[str, Any]:
    if not (words[0].isascii() and words[0].isdigit() and 0 < int(words[0][:10]) <= 1_000_000):
        raise ValueError(f"needs a number of frames from 1 to 1000000, not {words[0]!r}")
    found: dict[str, Any] = {"send_queue_frames": int(words[0])}
    if len(words) > 1:
        found |= size("send_queue_bytes", 1024)(words[1:])
    return found


CLIENT_OPTIONS: tuple[Option, ...] = (
    Option(
        "allowed_origins",
        _origins,
        "ORIGIN...",
        "",
        "Origins whose pages may connect, compared exactly; `https://*.example.com` stands for all hosts "
        "below a domain. Without it: pages of the same host and port.",
        most=0,
    ),
    Option(
        "cross_site_cookies",
        one_of("cross_site_cookies", "refuse", "allow"),
        "refuse|allow",
        "refuse",
        "With `allow`, `allowed_origins` may have `*` or `null`: then any page in the world may connect as "
        "whoever is logged in.",
    ),
    Option(
        "wire",
        one_of("wire", "raw", "envelope"),
        "raw|envelope",
        "raw",
        "What clients without a subprotocol speak: `raw`, as FrankenPHP Realtime's older version, or "
        "`envelope`, as its newer one.",
    ),
    Option(
        "max_message_size",
        size("max_message_size_bytes"),
        "SIZE",
        "512",
        "Longest message a client may send, over all its fragments; above it: close 1009.",
    ),
    Option(
        "send_queue",
        _send_queue,
        "FRAMES [SIZE]",
        "256 1MiB",
        "What may wait for one client's socket; who would exceed it is a slow consumer.",
        most=2,
    ),
    Option(
        "slow_consumer",
        one_of("slow_consumer", *SLOW),
        "|".join(SLOW),
        "disconnect",
        "What happens to a slow consumer: `disconnect` closes it, `drop_oldest` drops what waited longest, "
        "with `latest` only the newest publication of each channel waits.",
    ),
)
