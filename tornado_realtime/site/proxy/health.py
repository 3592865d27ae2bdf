"""Asks an upstream how it is."""

from __future__ import annotations

import asyncio

from tornado.httputil import HTTPHeaders

from tornado_realtime.errors import GatewayError
from tornado_realtime.site.proxy.connection import UpstreamConnection
from tornado_realtime.site.proxy.pool import Address, ConnectionPool
from tornado_realtime.site.proxy.spec import HealthSpec
from tornado_realtime.site.proxy.wire import encode_request
from tornado_realtime.site.responder import clean_headers

_MOST_BODY_BYTES = 256 * 1024


async def is_healthy(pool: ConnectionPool, address: Address, spec: HealthSpec) -> bool:
    """Whether the upstream answers as it should.

    Raises:
        GatewayError: If it does not answer, or not in time.
    """
    try:
        async with asyncio.timeout(spec.timeout):
            connection = await pool.take(address, fresh=True)
            try:
                return await _answers_well(connection, address, spec)
            finally:
                connection.close()
    except TimeoutError as exc:
        raise GatewayError(504, "no answer in time") from exc


async def _answers_well(connection: UpstreamConnection, address: Address, spec: HealthSpec) -> bool:
    uri = spec.uri if spec.uri.startswith("/") else f"/{spec.uri}"
    await connection.send(encode_request(spec.method, uri, _headers(address, spec)), None, False)
    head = await connection.read_head(spec.method, None)
    if not _expected(head.status, spec.status):
        return False
    return spec.body is None or spec.body.search(await _text(connection)) is not None


def _headers(address: Address, spec: HealthSpec) -> HTTPHeaders:
    host = "localhost" if address.is_socket_path else address.host
    host = f"[{host}]" if ":" in host else host
    headers = HTTPHeaders({"Host": f"{host}:{address.port}" if address.port else host})
    headers["User-Agent"] = "tornado-realtime health check"
    headers["Connection"] = "close"
    for name, values in spec.headers:
        headers.pop(name, None)
        for value in values:
            headers.add(name, value)
    return clean_headers(headers)


def _expected(status: int, expected: int) -> bool:
    if not expected:
        return 200 <= status < 300
    return expected in (status, status // 100)


async def _text(connection: UpstreamConnection) -> str:
    body = b""
    async for piece in connection.body():
        body += piece
        if len(body) > _MOST_BODY_BYTES:
            break
    return body[:_MOST_BODY_BYTES].decode("utf-8", "replace")
