"""log: the access log of a site."""

from __future__ import annotations

from tornado_realtime.caddyfile.directive import Directive
from tornado_realtime.site.logspec import LogSpec, parse_log
from tornado_realtime.site.scope import Scope


def parse_site_log(segment: Directive, scope: Scope) -> LogSpec:
    """Read ``log [NAME] { ... }``; it takes no matcher."""
    return parse_log(segment, scope.warn)
