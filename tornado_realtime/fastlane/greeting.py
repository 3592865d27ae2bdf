"""Handshakes in the lane: who is greeted with a 101 at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tornado_realtime.errors import AuthError, BrokerClosedError, HandshakeError
from tornado_realtime.origins import origin_allowed
from tornado_realtime.wire.dialects import negotiated
from tornado_realtime.wire.handshake import check_upgrade

if TYPE_CHECKING:
    from tornado_realtime.auth import User
    from tornado_realtime.fastlane.head import Fields
    from tornado_realtime.fastlane.plan import LanePath, LanePlan
    from tornado_realtime.handlers.websocket import SocketDoor
    from tornado_realtime.wire.base import Wire


@dataclass(frozen=True, slots=True)
class Greeting:
    """A handshake that is let in.

    Attributes:
        door: Where the connection goes.
        user: Whose it is.
        accept: What proves that the handshake was understood.
        wire: What the client will speak.
        address: The visitor's, as far as it matters.
        cookie: The Set-Cookie of the answer; empty for none.
    """

    door: SocketDoor
    user: User
    accept: str
    wire: Wire
    address: str
    cookie: str = ""


def greet(fields: Fields, path: LanePath, plan: LanePlan, peer: str) -> Greeting | None:
    """Judge a handshake; None when Tornado has to see it.

    Args:
        fields: The header fields.
        path: What its request line asks for.
        plan: What the lane serves.
        peer: Address of the socket's other end.
    """
    realtime = plan.admits(path, fields, peer) if fields.has_plain_host else None
    if realtime is None:
        return None
    try:
        door = realtime.socket_door()
        accept = check_upgrade("GET", fields)
        origin = fields.get("origin") if "origin" in fields else None
        if not origin_allowed(origin, fields.get("host"), door.origins):
            return None
        address = door.address(peer, fields)
        admission = door.hub.admission
        if admission.before_login(address) is not None:
            return None
        user = door.authenticator.authenticate_now(fields, peer)
        if user is None or admission.after_login(address, user.id) is not None:
            return None
    except (AuthError, BrokerClosedError, HandshakeError):
        return None
    # Whatever goes to Tornado is counted there.
    admission.begun(address)
    cookie = door.ticket_cookie(fields, user, peer, is_tls=False)
    user = door.kept(user, peer, fields)
    return Greeting(door, user, accept, negotiated(fields, door.wire), address, cookie)
