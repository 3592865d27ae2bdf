"""The variables that PHP gets with a request (RFC 3875 section 4.1).

What a visitor sends only ever becomes a variable that begins with ``HTTP_``, or the type of the body and the
query.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from tornado.httputil import HTTPHeaders

from tornado_realtime.site.request import SiteRequest
from tornado_realtime.version import __version__

SOFTWARE = f"tornado-realtime/{__version__}"

# Names with "_" or "." would become the same variable as another name with "-": who may not set
# X-Forwarded-For must not be able to send X_Forwarded_For. HTTP_PROXY is read as a setting by HTTP clients.
_FIELD_NAME = re.compile(r"[A-Za-z0-9-]+")
_DROPPED = frozenset(("proxy", "content-type", "content-length", "transfer-encoding", "expect"))


@dataclass(frozen=True, slots=True)
class Script:
    """What PHP shall execute.

    Attributes:
        filename: Absolute path of the file.
        name: Its path in URLs, decoded.
        path_info: What followed it in the URL: empty, or with a leading slash.
        document_root: Absolute path of the site's root.
    """

    filename: str
    name: str
    path_info: str
    document_root: str


def cgi_params(
    request: SiteRequest, script: Script, body_bytes: int, env: Mapping[str, str], *, translated: bool
) -> dict[str, str]:
    """All variables of one request.

    Args:
        request: The request after rewrites.
        script: What to execute.
        body_bytes: Size of the request body.
        env: More variables; they win over all others.
        translated: Whether to send PATH_TRANSLATED. PHP with ``cgi.fix_pathinfo=0`` would execute that file
            instead of the script, so only a PHP that we configured ourselves may get it.
    """
    params = _header_params(request.headers)
    params.update(_request_params(request))
    params.update(_script_params(script, translated))
    if body_bytes or "Content-Length" in request.headers:
        params["CONTENT_LENGTH"] = str(body_bytes)
    if "Content-Type" in request.headers:
        params["CONTENT_TYPE"] = _octets(request.headers.get_list("Content-Type")[0])
    params.update(env)
    return params


def _request_params(request: SiteRequest) -> dict[str, str]:
    query = f"?{request.original_query}" if request.original_query else ""
    params = {
        "GATEWAY_INTERFACE": "CGI/1.1",
        "SERVER_SOFTWARE": SOFTWARE,
        "SERVER_PROTOCOL": request.version,
        "SERVER_NAME": _octets(request.host_name) or "localhost",
        "SERVER_PORT": str(request.server_port),
        "REMOTE_ADDR": request.client_ip,
        "REMOTE_PORT": str(request.peer_port),
        "REQUEST_METHOD": request.method,
        "REQUEST_SCHEME": request.scheme,
        "REQUEST_URI": _octets(request.original_target + query),
        "QUERY_STRING": _octets(request.query),
        # php-fpm built with force-cgi-redirect refuses requests without it.
        "REDIRECT_STATUS": "200",
    }
    if request.scheme == "https":
        params["HTTPS"] = "on"
    return params


def _script_params(script: Script, translated: bool) -> dict[str, str]:
    params = {
        "DOCUMENT_ROOT": script.document_root,
        "SCRIPT_FILENAME": script.filename,
        "SCRIPT_NAME": script.name,
        "PATH_INFO": script.path_info,
    }
    if script.path_info and translated:
        params["PATH_TRANSLATED"] = script.document_root + script.path_info
    return params


def _header_params(headers: HTTPHeaders) -> dict[str, str]:
    params: dict[str, str] = {}
    for name in headers:
        if _FIELD_NAME.fullmatch(name) and name.lower() not in _DROPPED:
            # RFC 9110 section 5.3 for lists; RFC 6265 section 5.4 for cookies, which contain commas.
            glue = "; " if name.lower() == "cookie" else ", "
            params["HTTP_" + name.upper().replace("-", "_")] = _octets(glue.join(headers.get_list(name)))
    return params


def _octets(text: str) -> str:
    """Text that Tornado read as ISO 8859-1, as the UTF-8 (or other) bytes that were sent."""
    if text.isascii():
        return text
    try:
        return text.encode("latin-1").decode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text
