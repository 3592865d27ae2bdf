"""What a reverse proxy was told about its upstreams' health and about the way to speak with them."""

from __future__ import annotations

from dataclasses import dataclass

from tornado_realtime.site.regexps import Regexp


@dataclass(frozen=True, slots=True)
class HealthSpec:
    """When an upstream is asked how it is, and when it counts as ill.

    Attributes:
        uri: Asked regularly; empty: never.
        port: Instead of the upstream's; 0 for that.
        method: For asking. Default GET.
        interval: Seconds between two times. Default 30.
        timeout: Seconds to wait. Default 5.
        status: Expected: a number, or its first digit for a hundred; 0 for any 2xx.
        body: What the body must contain.
        headers: For asking, each name with its values.
        passes: So many good answers make a sick one well. Default 1.
        fails: So many bad ones make a well one sick. Default 1.
        max_fails: So many failed requests within ``fail_duration`` make it sick. Default 1.
        fail_duration: Seconds to remember a failed request; 0 forgets at once.
        unhealthy_statuses: Answers that count as failed, as in ``status``.
        unhealthy_latency: Seconds after which an answer counts as failed; None: never.
        unhealthy_request_count: So many requests at once make it count as busy; 0: none.
    """

    uri: str = ""
    port: int = 0
    method: str = "GET"
    interval: float = 30.0
    timeout: float = 5.0
    status: int = 0
    body: Regexp | None = None
    headers: tuple[tuple[str, tuple[str, ...]], ...] = ()
    passes: int = 1
    fails: int = 1
    max_fails: int = 1
    fail_duration: float = 0.0
    unhealthy_statuses: tuple[int, ...] = ()
    unhealthy_latency: float | None = None
    unhealthy_request_count: int = 0


@dataclass(frozen=True, slots=True)
class HttpTransport:
    """HTTP/1.1.

    Attributes:
        tls: Whether over TLS, whatever the scheme says.
        insecure: Whether to accept every certificate.
        server_name: Expected in the certificate, with placeholders; empty for the upstream's host.
        trusted_ca_files: PEM files to check certificates with; empty for the system's.
        dial_timeout: Seconds for connecting. Default 3.
        response_header_timeout: Seconds to wait for the answer's head; None without limit.
        read_timeout: Seconds between two pieces of an answer; None without limit.
        write_timeout: Seconds for sending a piece of the request; None without limit.
        keepalive: Seconds to keep an idle connection; 0 keeps none. Default 120.
        keepalive_count: Idle connections to keep for each upstream. Default 32.
        compression: Whether to ask for compressed answers where the client did not.
    """

    tls: bool = False
    insecure: bool = False
    server_name: str = ""
    trusted_ca_files: tuple[str, ...] = ()
    dial_timeout: float = 3.0
    response_header_timeout: float | None = None
    read_timeout: float | None = None
    write_timeout: float | None = None
    keepalive: float = 120.0
    keepalive_count: int = 32
    compression: bool = True
