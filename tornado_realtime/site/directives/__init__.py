"""The directives: each is read into a frozen step that knows how to become a handler. One module a family."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn

from tornado_realtime.caddyfile.directive import Directive
from tornado_realtime.site.addresses import BindSpec
from tornado_realtime.site.directives.access import parse_basic_auth
from tornado_realtime.site.directives.encode import parse_encode
from tornado_realtime.site.directives.flow import (
    parse_abort,
    parse_error,
    parse_handle,
    parse_handle_errors,
    parse_handle_path,
    parse_route,
)
from tornado_realtime.site.directives.go_handler import parse_go_handler
from tornado_realtime.site.directives.headers import parse_header, parse_request_header
from tornado_realtime.site.directives.logs import parse_site_log
from tornado_realtime.site.directives.php import parse_php, parse_php_fastcgi, parse_php_server
from tornado_realtime.site.directives.proxy import parse_reverse_proxy
from tornado_realtime.site.directives.respond import parse_redir, parse_respond
from tornado_realtime.site.directives.rewrites import parse_method, parse_rewrite, parse_try_files, parse_uri
from tornado_realtime.site.directives.static import parse_file_server, parse_root
from tornado_realtime.site.directives.tls import parse_tls
from tornado_realtime.site.directives.vars import parse_vars
from tornado_realtime.site.options import parse_bind
from tornado_realtime.site.plan import unsupported
from tornado_realtime.site.scope import Parser, Scope, handler

__all__ = ["DIRECTIVES"]


def _bind(segment: Directive, scope: Scope) -> BindSpec:
    return parse_bind(segment, scope.warn)


def _lacking(segment: Directive, scope: Scope) -> NoReturn:
    raise unsupported(segment)


_LACKING = (
    "acme_server",
    "copy_response",
    "copy_response_headers",
    "forward_auth",
    "fs",
    "intercept",
    "invoke",
    "log_append",
    "log_level",
    "log_name",
    "log_skip",
    "map",
    "metrics",
    "push",
    "request_body",
    "skip_log",
    "templates",
    "timeouts",
    "tracing",
)

DIRECTIVES: Mapping[str, Parser] = {
    "abort": handler(parse_abort),
    "basic_auth": handler(parse_basic_auth),
    "basicauth": handler(parse_basic_auth),
    "bind": _bind,
    "encode": handler(parse_encode),
    "error": handler(parse_error),
    "file_server": handler(parse_file_server),
    "go_handler": handler(parse_go_handler),
    "handle": handler(parse_handle),
    "handle_errors": parse_handle_errors,
    "handle_path": parse_handle_path,
    "header": handler(parse_header),
    "log": parse_site_log,
    "method": handler(parse_method),
    "php": handler(parse_php),
    "php_fastcgi": handler(parse_php_fastcgi),
    "php_server": handler(parse_php_server),
    "redir": handler(parse_redir),
    "request_header": handler(parse_request_header),
    "respond": handler(parse_respond),
    "reverse_proxy": handler(parse_reverse_proxy),
    "rewrite": parse_rewrite,
    "root": parse_root,
    "route": handler(parse_route),
    "tls": parse_tls,
    "try_files": parse_try_files,
    "uri": handler(parse_uri),
    "vars": handler(parse_vars),
    **dict.fromkeys(_LACKING, _lacking),
}
"""How to read each directive; those that this server lacks are read into an error that says so."""
