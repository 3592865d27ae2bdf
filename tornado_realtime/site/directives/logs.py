"""log: the access log of a site."""

from __future__ import annotations

import posixpath

from tornado_realtime.caddyfile.directive import Directive
from tornado_realtime.site.accesslog import AccessLog, Applies
from tornado_realtime.site.chain import Observer
from tornado_realtime.site.logsink import FileSink, NoSink, Sink, StreamSink
from tornado_realtime.site.logspec import LogSpec, parse_log
from tornado_realtime.site.matchers import HostMatcher
from tornado_realtime.site.plan import Kit
from tornado_realtime.site.scope import Scope


def parse_site_log(segment: Directive, scope: Scope) -> LogSpec:
    """Read ``log [NAME] { ... }``; it takes no matcher."""
    return parse_log(segment, scope.warn)


def access_logs(kit: Kit) -> tuple[Observer, ...]:
    """What writes the access logs of the site that is being built."""
    return tuple(_access_log(kit, spec) for spec in kit.site.logs if not spec.no_hostname)


def _access_log(kit: Kit, spec: LogSpec) -> AccessLog:
    sink = _sink(kit, spec)
    return AccessLog(
        sink,
        name=f"http.log.access.{spec.name}" if spec.name else "http.log.access",
        as_json=spec.format == "json" or (not spec.format and not sink.is_terminal),
        level=spec.level or "INFO",
        applies=_only_hosts(spec.hostnames),
        log_credentials=kit.server.options.log_credentials,
    )


def _only_hosts(names: tuple[str, ...]) -> Applies | None:
    return HostMatcher(names).test() if names else None


def _sink(kit: Kit, spec: LogSpec) -> Sink:
    if spec.output == "discard":
        return NoSink()
    if spec.output != "file":
        return StreamSink(spec.output)
    path = posixpath.abspath(spec.path)
    return kit.resource(
        ("access log", path, spec.mode, spec.roll), lambda: FileSink(path, spec.mode, spec.roll)
    )
