"""Handshakes in the lane: who is greeted with a 101 at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tornado_realtime.errors import AuthError, BrokerClosedError, HandshakeError
from tornado_realtime.handlers.entrance import Newcomer
from tornado_realtime.origins import origin_allowed
from tornado_realtime.wire.dialects import negotiated
from tornado_realtime.wire.handshake import check_upgrade

if TYPE_CHECKING:
    from tornado_realtime.fastlane.head import Fields
    from tornado_realtime.fastlane.plan import LanePath, LanePlan
    from tornado_realtime.hub import Hub


@dataclass(frozen=True, slots=True)
class Greeting:
    """A handshake that is let in.

    Attributes:
        hub: Where the connection goes.
        accept: What proves that the handshake was understood.
        newcomer: Who comes.
    """

    hub: Hub
    accept: str
    newcomer: Newcomer


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
    ticket, wire = door.ticket(fields, user, peer, is_tls=False), negotiated(fields, door.wire)
    return Greeting(door.hub, accept, Newcomer(door.kept(user, peer, fields), wire, address, ticket))
