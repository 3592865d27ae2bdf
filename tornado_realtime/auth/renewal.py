"""A login that a client prolongs long after its handshake: all that there is to ask about is its token."""

from __future__ import annotations

import re
from types import SimpleNamespace

from tornado.httputil import HTTPConnection, HTTPHeaders, HTTPServerRequest, RequestStartLine

from tornado_realtime.errors import AuthRefusedError

_TEXT = re.compile(r"[\x21-\x7e]+")


class _Far(HTTPConnection):
    """Of a request that nobody sent: it tells from where it would have come, and answers nothing."""

    def __init__(self, address: str) -> None:
        place = (address, 0) if address else None
        self.context = SimpleNamespace(address=place, remote_ip=address, protocol="http")


def renewal_request(token: str, address: str, path: str) -> HTTPServerRequest:
    """A handshake that shows this token and nothing else, for whoever tells who somebody is.

    Args:
        token: As ``Authorization: Bearer``.
        address: The visitor's; empty if it is not known.
        path: Where clients connect.

    Raises:
        AuthRefusedError: Such a token can stand in no request.
    """
    if not _TEXT.fullmatch(token):
        raise AuthRefusedError("the token is no visible ASCII", "token")
    headers = HTTPHeaders({"Host": "localhost", "Authorization": f"Bearer {token}"})
    line = RequestStartLine("GET", path, "HTTP/1.1")
    return HTTPServerRequest(start_line=line, headers=headers, connection=_Far(address))
