"""reverse_proxy: hand requests to other servers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tornado_realtime.caddyfile.directive import Directive, Token
from tornado_realtime.peers import Network
from tornado_realtime.site.arguments import (
    choice,
    converted,
    expect,
    flag,
    integer,
    one_word,
    seconds,
    some_words,
    unknown,
    wrong_count,
)
from tornado_realtime.site.directives.headers import HeaderOp, parse_header_op
from tornado_realtime.site.directives.transports import FastcgiTransport, HttpTransport, parse_transport
from tornado_realtime.site.plan import Kit, Step
from tornado_realtime.site.proxy.handler import ProxyOptions, ReverseProxy
from tornado_realtime.site.proxy.policies import make_policy
from tornado_realtime.site.proxy.spec import HealthSpec
from tornado_realtime.site.proxy.upstreams import UpstreamGroup
from tornado_realtime.site.regexps import Regexp
from tornado_realtime.site.scope import Scope
from tornado_realtime.site.server_options import parse_networks
from tornado_realtime.site.upstreams import Upstream, parse_upstream

if TYPE_CHECKING:
    from tornado_realtime.site.exchange import Handler

__all__ = ["HealthSpec", "ProxySpec", "ReverseProxyStep", "Upstream", "parse_proxy_options", "parse_upstream"]

POLICIES = (
    "random",
    "random_choose",
    "first",
    "round_robin",
    "weighted_round_robin",
    "least_conn",
    "ip_hash",
    "client_ip_hash",
    "uri_hash",
    "query",
    "header",
    "cookie",
)


@dataclass(frozen=True, slots=True)
class ProxySpec:
    """All that a reverse_proxy says.

    Attributes:
        upstreams: Where to; those on the line first.
        policy: How one is chosen: one of :data:`POLICIES`.
        policy_args: More words after the policy.
        retries: How often another one is tried; 0 leaves it to ``try_duration``.
        try_duration: Seconds to go on trying; 0 tries once.
        try_interval: Seconds between two tries. Default 0.25.
        health: See there.
        header_up: Changes of the request's headers.
        header_down: Changes of the answer's headers.
        flush_interval: Seconds to gather an answer before it is sent on; 0 chooses by its kind; -1: never.
        trusted_proxies: Peers whose X-Forwarded-* headers are passed on, beside the server's own.
        method: Asked with instead; empty keeps it.
        rewrite: Asked for instead, with placeholders; empty keeps it.
        transport: How to speak with them.
    """

    upstreams: tuple[Upstream, ...] = ()
    policy: str = "random"
    policy_args: tuple[str, ...] = ()
    retries: int = 0
    try_duration: float = 0.0
    try_interval: float = 0.25
    health: HealthSpec = field(default_factory=HealthSpec)
    header_up: tuple[HeaderOp, ...] = ()
    header_down: tuple[HeaderOp, ...] = ()
    flush_interval: float = 0.0
    trusted_proxies: tuple[Network, ...] = ()
    method: str = ""
    rewrite: str = ""
    transport: HttpTransport | FastcgiTransport = field(default_factory=HttpTransport)


@dataclass(frozen=True, slots=True)
class ReverseProxyStep(Step):
    """``reverse_proxy``; see :class:`ProxySpec`."""

    spec: ProxySpec = field(default_factory=ProxySpec)

    def modules(self) -> list[str]:
        """``reverse_proxy``."""
        return ["reverse_proxy"]

    def build(self, kit: Kit) -> Handler:
        """Asks the upstreams; equal proxies of one configuration share their connections and what they know.

        Raises:
            ConfigError: When the transport, the policy's words or a file of certificates cannot be used.
        """
        spec, transport = self.spec, self.spec.transport
        if not isinstance(transport, HttpTransport):
            raise self.directive.error(
                "transport fastcgi of reverse_proxy is known but not supported; use php_fastcgi"
            )
        try:
            policy = make_policy(spec.policy, spec.policy_args)
            group = kit.resource(
                ("upstreams", spec.upstreams, transport, spec.health),
                lambda: UpstreamGroup(spec.upstreams, transport, spec.health),
            )
        except ValueError as exc:
            raise self.directive.error(f"lb_policy {spec.policy}: {exc}") from exc
        except OSError as exc:
            raise self.directive.error(f"cannot read the trusted certificates: {exc}") from exc
        trusted = (*spec.trusted_proxies, *kit.server.options.trusted_proxies)
        return ReverseProxy(group, policy, _options(spec, trusted))


def _options(spec: ProxySpec, trusted: tuple[Network, ...]) -> ProxyOptions:
    return ProxyOptions(
        retries=spec.retries,
        try_duration=spec.try_duration,
        try_interval=spec.try_interval,
        header_up=tuple(op.change for op in spec.header_up),
        header_down=tuple(op.change for op in spec.header_down),
        trusted_proxies=trusted,
        method=spec.method,
        rewrite=spec.rewrite,
    )


def parse_reverse_proxy(segment: Directive, scope: Scope) -> Step:
    """Read ``reverse_proxy [matcher] UPSTREAM... { ... }``."""
    spec = parse_proxy_options(segment, segment.block or (), scope)
    upstreams = (*(parse_upstream(token) for token in segment.args), *spec.upstreams)
    if not upstreams:
        scope.warn(segment.name, "reverse_proxy without an upstream answers 502 to every request")
    _check_schemes(segment, upstreams)
    return ReverseProxyStep(segment, replace(spec, upstreams=upstreams))


def _check_schemes(segment: Directive, upstreams: tuple[Upstream, ...]) -> None:
    schemes = {upstream.scheme for upstream in upstreams}
    if len(schemes) > 1:
        named = " and ".join(sorted(f"{scheme or 'no scheme'}" for scheme in schemes))
        raise segment.error(f"all upstreams of {segment.word} must have the same scheme, not {named}")


def parse_proxy_options(
    segment: Directive, lines: Iterable[Directive], scope: Scope, more: tuple[str, ...] = ()
) -> ProxySpec:
    """Read the block of reverse_proxy.

    Args:
        segment: For messages.
        lines: Of the block.
        scope: Told of options without effect.
        more: Other options that the directive has, for the hint at misspelt ones.

    Raises:
        ConfigError: For the first line that is wrong.
    """
    spec = ProxySpec()
    for line in lines:
        read = _OPTIONS.get(line.word)
        if read is not None:
            spec = read(spec, line)
        elif line.word in _WITHOUT_EFFECT:
            scope.warn(line.name, f"option {line.word} of {segment.word} has no effect here")
        elif line.word in _LACKING or line.word.startswith("@"):
            raise line.error(f"option {line.word} of {segment.word} is known but not supported")
        else:
            raise unknown(line.name, f"option of {segment.word}", (*_OPTIONS, *_WITHOUT_EFFECT, *more))
    return spec


_Reader = Callable[[ProxySpec, Directive], ProxySpec]


def _to(spec: ProxySpec, line: Directive) -> ProxySpec:
    some_words(line, "to UPSTREAM...")
    return replace(spec, upstreams=(*spec.upstreams, *(parse_upstream(token) for token in line.args)))


def _lb_policy(spec: ProxySpec, line: Directive) -> ProxySpec:
    if not line.args:
        raise wrong_count(line, "lb_policy POLICY")
    policy = choice(line.args[0], "lb_policy", POLICIES)
    return replace(spec, policy=policy, policy_args=line.words[1:])


def _duration(line: Directive) -> float:
    one_word(line, f"{line.word} 10s")
    return seconds(line.args[0])


def _number(line: Directive) -> int:
    one_word(line, f"{line.word} NUMBER")
    return integer(line.args[0], 0)


def _word(line: Directive) -> str:
    return one_word(line, f"{line.word} VALUE")


def _statuses(line: Directive) -> tuple[int, ...]:
    some_words(line, f"{line.word} 5xx")
    return tuple(_status(token) for token in line.args)


def _status(token: Token) -> int:
    word = token.text.removesuffix("xx") if len(token.text) == 3 else token.text
    if not (word.isascii() and word.isdigit() and len(word) <= 3):
        raise token.error(f"{token.text} is no status: write 200 or 5xx")
    return int(word)


def _one_status(line: Directive) -> int:
    one_word(line, f"{line.word} 200")
    return _status(line.args[0])


def _regexp(line: Directive) -> Regexp:
    one_word(line, f"{line.word} EXPRESSION")
    return converted(line.args[0], Regexp)


def _headers(line: Directive) -> tuple[tuple[str, tuple[str, ...]], ...]:
    expect(line, 0, 0, f"{line.word} {{ FIELD VALUE... }}")
    return tuple((inner.word, inner.words or ("",)) for inner in line.block or ())


def _flush_interval(line: Directive) -> float:
    word = one_word(line, "flush_interval 100ms, or -1 to send at once")
    if word.startswith("-"):
        return -1.0
    return 0.0 if word == "0" else seconds(line.args[0])


def _spec(name: str, read: Callable[[Directive], object]) -> _Reader:
    """Set one field."""
    return lambda spec, line: replace(spec, **{name: read(line)})  # type: ignore[arg-type]


def _health(name: str, read: Callable[[Directive], object]) -> _Reader:
    """Set one field of the health checks."""
    return lambda spec, line: replace(spec, health=replace(spec.health, **{name: read(line)}))  # type: ignore[arg-type]


def _trusted(spec: ProxySpec, line: Directive) -> ProxySpec:
    networks = tuple(network for token in line.args for network in parse_networks(token))
    return replace(spec, trusted_proxies=(*spec.trusted_proxies, *networks))


def _header_change(line: Directive) -> HeaderOp:
    if not 1 <= len(line.args) <= 3 or line.block is not None:
        raise wrong_count(line, f"{line.word} [+-]FIELD [VALUE [REPLACEMENT]]")
    return parse_header_op(line.args, for_response=False)[0]


def _verbose_logs(spec: ProxySpec, line: Directive) -> ProxySpec:
    flag(line)
    return spec


_OPTIONS: dict[str, _Reader] = {
    "to": _to,
    "lb_policy": _lb_policy,
    "lb_retries": _spec("retries", _number),
    "lb_try_duration": _spec("try_duration", _duration),
    "lb_try_interval": _spec("try_interval", _duration),
    "health_uri": _health("uri", _word),
    "health_path": _health("uri", _word),
    "health_port": _health("port", _number),
    "health_method": _health("method", _word),
    "health_interval": _health("interval", _duration),
    "health_timeout": _health("timeout", _duration),
    "health_status": _health("status", _one_status),
    "health_body": _health("body", _regexp),
    "health_headers": _health("headers", _headers),
    "health_passes": _health("passes", _number),
    "health_fails": _health("fails", _number),
    "max_fails": _health("max_fails", _number),
    "fail_duration": _health("fail_duration", _duration),
    "unhealthy_status": _health("unhealthy_statuses", _statuses),
    "unhealthy_latency": _health("unhealthy_latency", _duration),
    "unhealthy_request_count": _health("unhealthy_request_count", _number),
    "flush_interval": _spec("flush_interval", _flush_interval),
    "trusted_proxies": _trusted,
    "header_up": lambda spec, line: replace(spec, header_up=(*spec.header_up, _header_change(line))),
    "header_down": lambda spec, line: replace(spec, header_down=(*spec.header_down, _header_change(line))),
    "method": _spec("method", _word),
    "rewrite": _spec("rewrite", _word),
    "transport": _spec("transport", parse_transport),
    "verbose_logs": _verbose_logs,
}
_WITHOUT_EFFECT = (
    "request_buffers",
    "response_buffers",
    "stream_buffer_size",
    "stream_timeout",
    "stream_close_delay",
    "proxy_status_name",
    "health_follow_redirects",
)
_LACKING = (
    "dynamic",
    "lb_retry_match",
    "health_upstream",
    "health_request_body",
    "replace_status",
    "handle_response",
)
