"""What of a request says who sent it: header, cookie, or an entry among the subprotocols offered.

Browsers cannot set headers of a WebSocket, hence the last: ``bearer.<token>`` (wire.md B1). It is never
echoed, as no subprotocol of an unknown name is.
"""

from __future__ import annotations

import binascii
import re
from base64 import urlsafe_b64decode
from hashlib import sha256

from tornado.httputil import parse_cookie

from tornado_realtime.peers import HeaderLines
from tornado_realtime.wire.handshake import offered_protocols

COOKIE = "AUTH_TOKEN"
"""The cookie that holds a token."""

TICKET_COOKIE = "REALTIME_TICKET"
"""The cookie that holds a resume ticket; it is ours, and no credential by itself."""

# One as a cookie, one as a subprotocol: nobody has us examine thousands in one request.
MOST_TICKETS = 2
_BEARER = "bearer "
_ENTRY = "bearer."
_TICKET_ENTRY = "ticket."
_TEXT = re.compile(r"[\x21-\x7e]+")


def shown_token(headers: HeaderLines) -> str:
    """The token that is shown: after ``Authorization: Bearer``, else as a subprotocol, else as a cookie.

    Empty if there is none.
    """
    return bearer_token(headers) or cookie(headers, COOKIE)


def shows_nothing(headers: HeaderLines) -> bool:
    """Whether there is nothing in a request that could say who sent it: no header, no cookie, no token."""
    return not (
        any(headers.get_list("Authorization"))
        or any(map(without_ticket, headers.get_list("Cookie")))
        or offered_token(headers)
    )


def shown_tickets(headers: HeaderLines) -> list[str]:
    """The tickets that are shown, as a cookie or as a subprotocol ``ticket.<value>``, up to two."""
    entries = [entry for entry in offered_protocols(headers) if entry.startswith(_TICKET_ENTRY)]
    found = [cookie(headers, TICKET_COOKIE), *(entry[len(_TICKET_ENTRY) :] for entry in entries)]
    return [ticket for ticket in found if ticket][:MOST_TICKETS]


def without_ticket(line: str) -> str:
    """A Cookie header without our own cookie, which is nobody else's business; else as it is."""
    if TICKET_COOKIE not in line:
        return line
    pairs = [pair.strip() for pair in line.split(";")]
    return "; ".join(pair for pair in pairs if pair.partition("=")[0].rstrip() != TICKET_COOKIE)


def credential_digest(headers: HeaderLines) -> bytes | None:
    """What stands for everything that is shown, in whatever order cookies come; None if that is nothing."""
    if shows_nothing(headers):
        return None
    lines = map(without_ticket, headers.get_list("Cookie"))
    cookies = sorted(pair for line in lines for each in line.split(";") if (pair := each.strip()))
    authorization = headers.get_list("Authorization")
    shown = [authorization[0] if authorization else "", offered_token(headers), *cookies]
    hashed = sha256()
    for text in shown:
        data = text.encode("utf-8", "surrogatepass")
        hashed.update(len(data).to_bytes(4) + data)
    return hashed.digest()


def bearer_token(headers: HeaderLines) -> str:
    """The token after ``Authorization: Bearer``, else among the subprotocols; empty if there is none."""
    authorization = headers.get_list("Authorization")
    if authorization and authorization[0][: len(_BEARER)].lower() == _BEARER:
        return authorization[0][len(_BEARER) :].strip()
    return offered_token(headers)


def offered_token(headers: HeaderLines) -> str:
    """The token of the first subprotocol entry ``bearer.<token>``; empty if there is none.

    The token is written in base64url without padding (RFC 4648 section 5). A JWT, which the dots in it tell,
    may also stand there as it is.
    """
    for entry in offered_protocols(headers):
        if entry.startswith(_ENTRY):
            return _decoded(entry[len(_ENTRY) :])
    return ""


def _decoded(written: str) -> str:
    """The token of an entry; what makes no sense stays as it is, and is a bad token."""
    if "." in written:
        return written
    try:
        token = urlsafe_b64decode(written + "=" * (-len(written) % 4)).decode("ascii")
    except (ValueError, binascii.Error):
        return written
    return token if _TEXT.fullmatch(token) else written


def cookie(headers: HeaderLines, name: str) -> str:
    """The value of a cookie; empty if there is none."""
    for line in headers.get_list("Cookie"):
        value = parse_cookie(line).get(name)
        if value:
            return value
    return ""
