"""The measurement: connect, prove that messages arrive, look for the limit, then run steadily below it."""

from __future__ import annotations

import asyncio
import os
import resource
import secrets
import ssl
import time
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass

from tornado_realtime.bench.message import Stamp
from tornado_realtime.bench.options import Options
from tornado_realtime.bench.publishers import Press
from tornado_realtime.bench.statistics import Durations
from tornado_realtime.bench.stretch import Rate, Stretch, Window
from tornado_realtime.bench.subscribers import Crowd
from tornado_realtime.bench.target import Target, address_of
from tornado_realtime.errors import BenchError

CONNECTING_SIZE = 32
STEADY_PART = 0.5
"""Of the limit that was found, for the steady part."""
_SPARE_DESCRIPTORS = 64

Say = Callable[[str, str], None]
"""Told what is being done, and how far that is."""


@dataclass(frozen=True, slots=True)
class Part:
    """What one part of the measurement came to.

    Attributes:
        name: ``limit`` or ``steady``.
        pace: As asked.
        seconds: How long it took, until the last message had arrived.
        messages: How many were published.
        deliveries: How many arrived.
        latency: Until they arrived, from when they were due; of a sample of the subscribers.
        cpu: Of this program, as a share of one core.
    """

    name: str
    pace: Window | Rate
    seconds: float
    messages: int
    deliveries: int
    latency: Durations
    cpu: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """All that was measured.

    Attributes:
        target: The server.
        options: As asked.
        connect_seconds: How long connecting and subscribing everybody took.
        parts: What followed.
        cores: Of this machine.
    """

    target: Target
    options: Options
    connect_seconds: float
    parts: tuple[Part, ...]
    cores: int


async def measure(target: Target, options: Options, say: Say) -> Outcome:
    """Measure.

    Args:
        target: The server.
        options: How much load.
        say: Called now and then with the step that is under way, and how far it is.

    Raises:
        BenchError: An option is out of bounds; or the server cannot be measured, refused something,
            lost a message, or hung up.
    """
    options.check()
    address = await asyncio.to_thread(address_of, target, options.anywhere)
    _make_room(options.subscribers + options.publishers + _SPARE_DESCRIPTORS)
    bench = _Bench(target, address, options, say)
    try:
        return await bench.run()
    finally:
        await bench.leave()


def _make_room(descriptors: int) -> None:
    """Raise the limit of open descriptors, as far as needed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= descriptors:
        return
    if hard != resource.RLIM_INFINITY and hard < descriptors:
        raise BenchError(
            f"that takes {descriptors:,} descriptors, and {hard:,} are allowed here (ulimit -Hn)"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, hard))


def _tls(target: Target, verify: bool) -> ssl.SSLContext | None:
    if not target.is_secure:
        return None
    context = ssl.create_default_context()
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


class _Bench:
    """One measurement under way."""

    def __init__(self, target: Target, address: str, options: Options, say: Say) -> None:
        self._target, self._options, self._say = target, options, say
        token, tls = secrets.token_hex(4), _tls(target, options.verify)
        self._channels = [f"bench-{token}-{number}" for number in range(options.channels)]
        stamp = Stamp(token, options.message_bytes)
        self._crowd = Crowd(target, address, stamp, options.headers, tls)
        self._press = Press(target, address, stamp, self._channels, options.listeners, options.secret, tls)

    async def run(self) -> Outcome:
        connect_seconds = await self._connect()
        window = Window(self._options.window)
        self._say("proving that messages arrive", "")
        await Stretch(self._press, self._crowd, window, 0, most=len(self._channels)).run()
        parts, rate = [], self._options.rate
        if not rate:
            limit = await self._part("limit", window)
            parts.append(limit)
            rate = max(1.0, limit.messages / limit.seconds * STEADY_PART)
        parts.append(await self._part("steady", Rate(rate)))
        return Outcome(self._target, self._options, connect_seconds, tuple(parts), os.cpu_count() or 1)

    async def leave(self) -> None:
        """Hang up, and let the loop carry it out."""
        self._press.leave()
        self._crowd.leave()
        await asyncio.sleep(0)

    async def _connect(self) -> float:
        """Connect everybody; seconds until all were subscribed."""
        total = self._options.subscribers
        channels = iter([self._channels[number % len(self._channels)] for number in range(total)])

        async def join_some() -> None:
            for channel in channels:
                await self._crowd.join(channel)
                self._say("connecting", f"{self._crowd.ready:,} of {total:,}")

        began = time.monotonic()
        await _all(join_some() for _ in range(min(CONNECTING_SIZE, total)))
        taken = time.monotonic() - began
        await _all(self._press.join() for _ in range(self._options.publishers))
        return taken

    async def _part(self, name: str, pace: Window | Rate) -> Part:
        seconds = self._options.seconds
        cpu = time.process_time()

        def tick(left: float) -> None:
            self._say(f"measuring {name}", f"{max(0.0, left):.0f} s left")

        taken = await Stretch(self._press, self._crowd, pace, seconds, tick=tick).run()
        share = (time.process_time() - cpu) / taken
        crowd = self._crowd
        return Part(name, pace, taken, self._press.published, crowd.delivered, crowd.latency, share)


async def _all(jobs: Iterable[Coroutine[None, None, None]]) -> None:
    """Run them together; the first error ends all."""
    try:
        async with asyncio.TaskGroup() as group:
            for job in jobs:
                group.create_task(job)
    except* BenchError as errors:
        raise errors.exceptions[0] from None
