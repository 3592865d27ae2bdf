"""The upstreams of one reverse proxy: which of them is asked, and which of them are well."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from tornado_realtime.errors import GatewayError, RealtimeError
from tornado_realtime.site.exchange import Exchange
from tornado_realtime.site.placeholders import expand
from tornado_realtime.site.proxy.health import is_healthy
from tornado_realtime.site.proxy.pool import Address, ConnectionPool
from tornado_realtime.site.proxy.spec import HealthSpec, HttpTransport
from tornado_realtime.site.request import split_host
from tornado_realtime.site.upstreams import Upstream

logger = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Member:
    """One upstream and how it does.

    Attributes:
        upstream: As configured.
        number: Its place in the configuration, from 0.
        running: Requests that it is working on.
        failures: When requests failed, as far as that is remembered.
        is_well: What regular asking said last.
        streak: How often in a row asking has said the opposite since.
    """

    upstream: Upstream
    number: int
    running: int = 0
    failures: deque[float] = field(default_factory=deque)
    is_well: bool = True
    streak: int = 0

    @property
    def name(self) -> str:
        """For hashes, logs and placeholders."""
        return str(self.upstream)


Policy = Callable[[Sequence[Member], Exchange], Member]


class UpstreamGroup:
    """The upstreams of one proxy, their connections, and the task that asks how they are.

    Args:
        upstreams: At least one, or every request fails.
        transport: How to speak with them.
        health: When one counts as ill.
        clock: Seconds that only grow.

    Raises:
        OSError: If a file with certificates cannot be read.
    """

    def __init__(
        self,
        upstreams: Sequence[Upstream],
        transport: HttpTransport,
        health: HealthSpec,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.members = tuple(Member(upstream, number) for number, upstream in enumerate(upstreams))
        self.transport = transport
        self.health = health
        self.pool = ConnectionPool(transport, clock)
        self._clock = clock
        self._asking: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to ask how they are, if that is wanted."""
        if self.health.uri and self.members:
            self._asking = asyncio.get_running_loop().create_task(self._ask_regularly())

    async def stop(self) -> None:
        """Stop asking and close what is idle."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)
        self.pool.close()

    def available(self, tried: set[Member]) -> list[Member]:
        """Those that are well, not too busy, and not in ``tried``."""
        return [member for member in self.members if member not in tried and self._is_available(member)]

    def failed(self, member: Member) -> None:
        """Remember that a request failed."""
        if self.health.fail_duration > 0:
            member.failures.append(self._clock())
            while len(member.failures) > self.health.max_fails:
                member.failures.popleft()

    def judge(self, member: Member, status: int, seconds: float) -> None:
        """Remember an answer that counts as failed, by its status or because it took too long to begin."""
        bad = status in self.health.unhealthy_statuses or status // 100 in self.health.unhealthy_statuses
        latency = self.health.unhealthy_latency
        if bad or (latency is not None and seconds > latency):
            self.failed(member)

    @contextmanager
    def using(self, member: Member) -> Iterator[None]:
        """Count a request while it runs."""
        member.running += 1
        try:
            yield
        finally:
            member.running -= 1

    def address(self, member: Member, exchange: Exchange) -> Address:
        """Where it listens for this request.

        Raises:
            GatewayError: 502 if the placeholders make no address.
        """
        upstream = member.upstream
        host = expand(upstream.host, exchange, "empty")
        if upstream.network == "unix":
            return Address(host, 0)
        port_text = expand(upstream.port, exchange, "empty")
        if not port_text:
            host, port = split_host(host)
            port_text = str(port or "")
        if not host or not (port_text.isascii() and port_text.isdecimal() and 0 < int(port_text) < 65536):
            raise GatewayError(502, f"upstream {member.name} is no address for this request")
        tls = self.transport.tls or upstream.scheme == "https"
        server_name = expand(self.transport.server_name, exchange, "empty") if tls else ""
        return Address(host, int(port_text), tls, server_name)

    def _is_available(self, member: Member) -> bool:
        limit = self.health.unhealthy_request_count
        if not member.is_well or (limit and member.running >= limit):
            return False
        recent = self._clock() - self.health.fail_duration
        while member.failures and member.failures[0] < recent:
            member.failures.popleft()
        return self.health.fail_duration <= 0 or len(member.failures) < self.health.max_fails

    async def _ask_regularly(self) -> None:
        while True:
            await asyncio.gather(*(self._ask(member) for member in self.members))
            await asyncio.sleep(self.health.interval)

    async def _ask(self, member: Member) -> None:
        if "{" in member.name:
            return
        try:
            well = await is_healthy(self.pool, self._static_address(member), self.health)
        except RealtimeError as exc:
            logger.debug("Upstream %s does not answer when asked: %s", member.name, exc)
            well = False
        except Exception:
            logger.exception("Unexpected error while asking upstream %s", member.name)
            well = False
        self.told(member, well)

    def told(self, member: Member, well: bool) -> None:
        """What asking said; so many in a row change what is believed."""
        if well == member.is_well:
            member.streak = 0
            return
        member.streak += 1
        if member.streak >= (self.health.passes if well else self.health.fails):
            member.is_well, member.streak = well, 0
            logger.warning("Upstream %s is %s", member.name, "well again" if well else "not well")

    def _static_address(self, member: Member) -> Address:
        upstream = member.upstream
        if upstream.network == "unix":
            return Address(upstream.host, 0)
        tls = self.transport.tls or upstream.scheme == "https"
        port = self.health.port or int(upstream.port)
        return Address(upstream.host, port, tls, self.transport.server_name)
