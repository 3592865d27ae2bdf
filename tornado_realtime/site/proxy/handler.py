"""The step that hands a request to an upstream and its answer to the client."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import aclosing
from dataclasses import dataclass

from tornado.httputil import HTTPHeaders

from tornado_realtime.errors import GatewayError, RealtimeError
from tornado_realtime.peers import Network
from tornado_realtime.site.exchange import Exchange, Next, ResponseHead
from tornado_realtime.site.headers import FieldChange, FieldChanges, filler
from tornado_realtime.site.proxy.connection import SilentUpstreamError, UpstreamConnection
from tornado_realtime.site.proxy.outgoing import REPEATABLE, VIA, OutgoingRequest, RequestMaker
from tornado_realtime.site.proxy.pool import Address, DialError
from tornado_realtime.site.proxy.tunnel import splice
from tornado_realtime.site.proxy.upstreams import Member, Policy, UpstreamGroup
from tornado_realtime.site.proxy.wire import Framing, UpstreamHead, end_to_end
from tornado_realtime.site.responder import bodiless

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ProxyOptions:
    """What ``reverse_proxy`` was told beside its upstreams.

    Attributes:
        retries: How often another upstream is tried; 0 leaves it to ``try_duration``.
        try_duration: Seconds to go on trying; 0 tries each upstream once.
        try_interval: Seconds between two tries when none is available.
        header_up: Changes of the request's headers.
        header_down: Changes of the answer's headers.
        trusted_proxies: Peers whose X-Forwarded headers are passed on.
        method: Asked with instead; empty keeps it.
        rewrite: Asked for instead, with placeholders; empty keeps it.
    """

    retries: int = 0
    try_duration: float = 0.0
    try_interval: float = 0.25
    header_up: tuple[FieldChange, ...] = ()
    header_down: tuple[FieldChange, ...] = ()
    trusted_proxies: tuple[Network, ...] = ()
    method: str = ""
    rewrite: str = ""


class ReverseProxy:
    """Asks one of several upstreams, another one where that does no harm.

    Args:
        group: The upstreams; must be started before the first request.
        policy: Which one is asked.
        options: All else.

    Raises:
        ValueError: If an expression in a header change is none.
    """

    def __init__(self, group: UpstreamGroup, policy: Policy, options: ProxyOptions) -> None:
        self._group = group
        self._policy = policy
        self._options = options
        self._maker = RequestMaker(
            FieldChanges(options.header_up), options.trusted_proxies, options.method, options.rewrite
        )
        self._header_down = FieldChanges(options.header_down)

    async def __call__(self, exchange: Exchange, next_step: Next) -> None:
        """Answer with what an upstream answers.

        Raises:
            GatewayError: 502 when none can be reached or the answer is none, 503 when none is available, 504
                when it takes too long.
        """
        tries = _Tries(self._options, len(self._group.members))
        while True:
            member = await self._choose(exchange, tries)
            try:
                await self._ask(exchange, member)
                return
            except GatewayError as error:
                self._group.failed(member)
                logger.debug("Upstream %s failed: %s", member.name, error.reason)
                if not _is_harmless(error, exchange) or not tries.another(member, error):
                    raise

    async def _choose(self, exchange: Exchange, tries: _Tries) -> Member:
        while True:
            members = self._group.available(tries.tried)
            if members:
                return self._policy(members, exchange)
            if not tries.may_wait():
                raise tries.last or GatewayError(503, "no upstream is available")
            await asyncio.sleep(self._options.try_interval)
            tries.tried.clear()

    async def _ask(self, exchange: Exchange, member: Member) -> None:
        address = self._group.address(member, exchange)
        _name_upstream(exchange, member, address)
        request = self._maker.make(exchange)
        with self._group.using(member):
            connection = await self._group.pool.take(address, fresh=not request.repeatable)
            try:
                await self._exchange(exchange, member, connection, request)
            except SilentUpstreamError:
                if not connection.reused:
                    raise
                connection.close()
                connection = await self._group.pool.take(address, fresh=True)
                await self._exchange(exchange, member, connection, request)
            finally:
                self._group.pool.give_back(address, connection)

    async def _exchange(
        self, exchange: Exchange, member: Member, connection: UpstreamConnection, request: OutgoingRequest
    ) -> None:
        begun = time.monotonic()
        sending = _Sending(connection, request)
        try:
            head = await sending.head(self._group.transport.response_header_timeout)
            self._group.judge(member, head.status, time.monotonic() - begun)
            if head.status == 101:
                await self._upgrade(exchange, connection, head, request)
            else:
                await self._relay(exchange, connection, head)
        finally:
            await sending.stop()

    async def _relay(self, exchange: Exchange, connection: UpstreamConnection, head: UpstreamHead) -> None:
        headers = self._answer_headers(exchange, head)
        if head.framing is Framing.NONE and not bodiless(exchange.request.original_method, head.status):
            headers.pop("Content-Length", None)
        await exchange.start(head.status, headers)
        async with aclosing(connection.body()) as pieces:
            async for piece in pieces:
                await exchange.write(piece)
        await exchange.finish()

    async def _upgrade(
        self, exchange: Exchange, connection: UpstreamConnection, head: UpstreamHead, request: OutgoingRequest
    ) -> None:
        if not request.upgrades:
            raise GatewayError(502, "the upstream upgrades although nobody asked for it")
        headers = self._answer_headers(exchange, head)
        headers["Connection"], headers["Upgrade"] = "Upgrade", head.headers.get("Upgrade", "")
        await splice(await exchange.upgrade(headers), connection.stream)

    def _answer_headers(self, exchange: Exchange, head: UpstreamHead) -> HTTPHeaders:
        headers = end_to_end(head.headers)
        headers.add("Via", VIA)
        answer = ResponseHead(head.status, headers)
        self._header_down.apply(headers, filler(exchange, answer))
        return headers


class _Tries:
    """Whether yet another upstream may be asked."""

    def __init__(self, options: ProxyOptions, upstreams: int) -> None:
        self.tried: set[Member] = set()
        self.last: GatewayError | None = None
        self._end = time.monotonic() + options.try_duration if options.try_duration else None
        unlimited = options.try_duration > 0 and not options.retries
        self._left = None if unlimited else (options.retries or upstreams - 1)

    def another(self, member: Member, error: GatewayError) -> bool:
        """Count a failed try; whether there may be one more."""
        self.tried.add(member)
        self.last = error
        if self._left is not None:
            self._left -= 1
        return (self._left is None or self._left >= 0) and (self._end is None or self._has_time())

    def may_wait(self) -> bool:
        """Whether it is worth waiting for an upstream to become available."""
        return self._end is not None and self._has_time() and (self._left is None or self._left >= 0)

    def _has_time(self) -> bool:
        return self._end is not None and time.monotonic() < self._end


class _Sending:
    """A request on its way out while its answer may come in already."""

    def __init__(self, connection: UpstreamConnection, request: OutgoingRequest) -> None:
        self._connection = connection
        self._request = request
        self._task: asyncio.Task[None] | None = None

    async def head(self, timeout: float | None) -> UpstreamHead:
        """Send, and read the answer's head.

        Args:
            timeout: Seconds for the head, counted from the end of the request.

        Raises:
            GatewayError: See `UpstreamConnection`.
        """
        request = self._request
        if request.body is None:
            await self._connection.send(request.head, None, False)
            return await self._connection.read_head(request.method, timeout)
        self._task = asyncio.create_task(self._send())
        reading = asyncio.create_task(self._connection.read_head(request.method, None))
        try:
            await asyncio.wait((self._task, reading), return_when=asyncio.FIRST_COMPLETED)
            _raise_client_s_fault(self._task, reading)
            async with asyncio.timeout(timeout if not reading.done() else None):
                return await reading
        except TimeoutError as exc:
            raise GatewayError(504, "the upstream takes too long") from exc
        finally:
            await _end(reading)

    async def _send(self) -> None:
        request = self._request
        try:
            await self._connection.send(request.head, request.body, request.chunked)
        except GatewayError:
            raise
        except RealtimeError:
            # The rest of the request will never come: the upstream must not wait for it.
            self._connection.close()
            raise

    async def stop(self) -> None:
        """Stop sending: an upstream that has answered already need not have the whole request."""
        if self._task is not None:
            await _end(self._task)


async def _end(task: asyncio.Task[object] | asyncio.Task[None] | asyncio.Task[UpstreamHead]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _raise_client_s_fault(sending: asyncio.Task[None], reading: asyncio.Task[UpstreamHead]) -> None:
    """If sending failed, and not because of the upstream, that is the error to tell."""
    has_answer = reading.done() and reading.exception() is None
    failure = sending.exception() if sending.done() and not has_answer else None
    if failure is not None and not isinstance(failure, GatewayError):
        raise failure


def _is_harmless(error: GatewayError, exchange: Exchange) -> bool:
    """Whether asking again cannot do anything twice."""
    if exchange.answered:
        return False
    repeatable = exchange.request.method in REPEATABLE and exchange.content_length == 0
    return isinstance(error, DialError) or repeatable


def _name_upstream(exchange: Exchange, member: Member, address: Address) -> None:
    host = f"[{address.host}]" if ":" in address.host else address.host
    exchange.vars["rp.upstream.address"] = member.name
    exchange.vars["rp.upstream.hostport"] = f"{host}:{address.port}" if address.port else host
    exchange.vars["rp.upstream.host"] = address.host
    exchange.vars["rp.upstream.port"] = str(address.port or "")
