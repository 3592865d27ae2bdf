"""Resume tickets: what was found out about a visitor, signed, for the visitor to bring along.

A ticket is ``KEY.PAYLOAD.MAC``: the name of the key, JSON in base64url, and an HMAC-SHA256 over both and over
a digest of the credential that the visitor showed. So it is worthless without that same credential: who logs
out has no use for it. Whoever has it can read it, and nobody can make one.
"""

from __future__ import annotations

import hmac
import json
import logging
import math
import secrets
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from urllib.parse import quote

from tornado_realtime.auth.credentials import TICKET_COOKIE, credential_digest, shown_tickets
from tornado_realtime.auth.user import User
from tornado_realtime.peers import HeaderLines, Network, is_within

logger = logging.getLogger(__name__)

# Browsers keep no cookie above 4096 bytes, attributes included.
TICKET_BYTES = 3500
_PURPOSE = b"tornado_realtime ticket 1\n"


@dataclass(frozen=True, slots=True)
class NewTicket:
    """A ticket as clients get it; empty where they get none.

    Attributes:
        value: To be shown again as the subprotocol ``ticket.<value>``.
        cookie: The Set-Cookie with which browsers show it again by themselves.
    """

    value: str = ""
    cookie: str = ""


NO_TICKET = NewTicket()


class Tickets:
    """Makes tickets, and reads them.

    Args:
        keys: Secrets: the first signs, all of them verify; none for one that nobody else has.
        seconds: How long a ticket is good for; never beyond the login's end.
        realm: What tickets are for; those of another realm are not good here, though the keys are the same.
        path: Of the WebSocket: where browsers send the cookie.
        trusted_proxies: Peers whose X-Forwarded-Proto is believed.
        now: Unix time.
    """

    def __init__(
        self,
        keys: Sequence[bytes],
        seconds: float,
        *,
        realm: str = "",
        path: str = "/ws",
        trusted_proxies: Sequence[Network] = (),
        now: Callable[[], float] = time.time,
    ) -> None:
        derived = [_derived(key, realm) for key in keys or (secrets.token_bytes(32),)]
        self._keys = {_name_of(key): key for key in derived}
        self._signing = derived[0]
        self._seconds = seconds
        self._path = quote(path)
        self._trusted = tuple(trusted_proxies)
        self._now = now

    def issue(self, headers: HeaderLines, user: User) -> str:
        """A ticket for ``user``, who showed what is in ``headers``; empty if there can be none."""
        digest = credential_digest(headers)
        if digest is None or user.is_anonymous:
            return ""
        payload = json.dumps(self._contents(user), separators=(",", ":")).encode()
        signed = f"{_name_of(self._signing)}.{_encoded(payload)}"
        ticket = f"{signed}.{_encoded(_mac(self._signing, signed, digest))}"
        if len(ticket) > TICKET_BYTES:
            logger.debug("no ticket: what is known of the user is too long")
            return ""
        return ticket

    def find(self, headers: HeaderLines) -> User | None:
        """The user of a good ticket, shown along with the credential it was made from; else None."""
        shown = shown_tickets(headers)
        if not shown:
            return None
        digest = credential_digest(headers)
        if digest is None:
            return None
        users = (self._read(ticket, digest) for ticket in shown)
        return next((user for user in users if user is not None), None)

    def answer(
        self, headers: HeaderLines, user: User, peer: str, *, is_tls: bool, path: str = ""
    ) -> NewTicket:
        """What a handshake is answered with; nothing if the client needs no new ticket.

        Args:
            headers: Of the request.
            user: Who it is.
            peer: Address of the socket's other end.
            is_tls: Whether it came over TLS.
            path: Where the browser sends the cookie, percent-encoded; empty for the WebSocket's path.
        """
        if self.find(headers) == user:
            return NO_TICKET  # it is not renewed, so that the application is asked now and then
        ticket = self.issue(headers, user)
        if not ticket:
            return NO_TICKET
        secure = "; Secure" if is_tls or self._is_secure(headers, peer) else ""
        age = math.ceil(self._end(user) - self._now())
        attributes = f"Path={path or self._path}; Max-Age={age}; HttpOnly; SameSite=Strict{secure}"
        return NewTicket(ticket, f"{TICKET_COOKIE}={ticket}; {attributes}")

    def _contents(self, user: User) -> dict[str, object]:
        """What a ticket says, under short names; what is not there is left out."""
        issued = self._now() if user.issued is None else user.issued
        found = {
            "u": user.id,
            "i": issued,
            "t": self._end(user),
            "x": user.expires,
            "f": user.info,
            "c": None if user.claims is None else dict(user.claims),
        }
        return {name: value for name, value in found.items() if value is not None}

    def _end(self, user: User) -> float:
        end = self._now() + self._seconds
        return end if user.expires is None else min(end, user.expires)

    def _read(self, ticket: str, digest: bytes) -> User | None:
        signed, _, mac = ticket.rpartition(".")
        name, _, payload = signed.partition(".")
        key = self._keys.get(name)
        if key is None or not hmac.compare_digest(mac.encode(), _encoded(_mac(key, signed, digest)).encode()):
            return None
        found = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        if found["t"] <= self._now():
            return None
        return User(found["u"], found.get("f"), found.get("x"), found["i"], found.get("c"))

    def _is_secure(self, headers: HeaderLines, peer: str) -> bool:
        """Whether the browser speaks TLS, with a proxy in front of us or by its page's own word."""
        if any(origin[:8].lower() == "https://" for origin in headers.get_list("Origin")[:1]):
            return True
        schemes = headers.get_list("X-Forwarded-Proto")
        return schemes[:1] == ["https"] and is_within(peer, self._trusted)


def _derived(key: bytes, realm: str) -> bytes:
    return hmac.digest(key, _PURPOSE + realm.encode("utf-8", "surrogatepass"), sha256)


def _name_of(key: bytes) -> str:
    """A name that tells nothing about the key."""
    return sha256(b"name\n" + key).hexdigest()[:8]


def _mac(key: bytes, signed: str, digest: bytes) -> bytes:
    return hmac.digest(key, signed.encode("utf-8", "replace") + b"\n" + digest, sha256)


def _encoded(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
