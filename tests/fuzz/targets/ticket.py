"""Resume tickets: whatever is shown, nobody comes in but with the one that was issued, and its credential.

The input is the header lines of a request.
"""

from __future__ import annotations

import re

from tornado.httputil import HTTPHeaders, parse_cookie

from tornado_realtime.auth.tickets import Tickets
from tornado_realtime.auth.user import User

NOW = 1_700_000_000.0
TICKETS = Tickets([b"a key of at least thirty-two bytes, too"], 600.0, realm="fuzz", now=lambda: NOW)
USER = User("ada", {"name": "Ada"}, NOW + 60, NOW)
CREDENTIAL = HTTPHeaders({"Cookie": "AUTH_TOKEN=of-ada"})
TICKET = TICKETS.issue(CREDENTIAL, USER)
_NAMES = ("cookie", "authorization", "sec-websocket-protocol")


def run(data: bytes) -> None:
    """Show it."""
    headers = HTTPHeaders()
    for line in data.decode("latin-1").split("\n"):
        name, _, value = line.partition(":")
        if name.lower() in _NAMES and not re.search(r"[\x00-\x08\x0a-\x1f\x7f]", value):
            headers.add(name, value.strip())
    user = TICKETS.find(headers)
    if user is None:
        return
    assert user == USER, "another user than the ticket was for"
    shown = " ".join(
        (*map(_unquoted, headers.get_list("Cookie")), *headers.get_list("Sec-WebSocket-Protocol"))
    )
    assert TICKET in shown, "nobody issued this"
    assert "of-ada" in shown, "this is not the credential that it was made from"


def _unquoted(line: str) -> str:
    """The values of cookies, which may be written in several ways."""
    return " ".join(parse_cookie(line).values())
