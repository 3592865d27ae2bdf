"""A request without a connection, for what only looks at requests."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tornado.httputil import HTTPHeaders

from tornado_realtime.errors import HandlerError
from tornado_realtime.site.request import SiteRequest


@dataclass
class FakeSubject:
    """What matchers and placeholders need of an exchange."""

    request: SiteRequest
    vars: dict[str, Any] = field(default_factory=dict)
    error: HandlerError | None = None


def make_subject(
    uri: str = "/",
    *,
    method: str = "GET",
    host: str = "example.com",
    headers: list[tuple[str, str]] | None = None,
    peer: str = "192.0.2.7",
    client_ip: str = "",
    scheme: str = "http",
    version: str = "HTTP/1.1",
    variables: dict[str, Any] | None = None,
) -> FakeSubject:
    target, _, query = uri.partition("?")
    fields = HTTPHeaders()
    for name, value in headers or []:
        fields.add(name, value)
    request = SiteRequest(
        method=method,
        target=target,
        query=query,
        headers=fields,
        version=version,
        scheme=scheme,
        host=host,
        peer=peer,
        peer_port=4321,
        client_ip=client_ip or peer,
        server_port=8080,
        original_method=method,
        original_target=target,
        original_query=query,
    )
    return FakeSubject(request, dict(variables or {}))
