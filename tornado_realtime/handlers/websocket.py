"""The handshake of ``/ws``: origin, then login, then RFC 6455, and the socket leaves Tornado's machinery."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar

from tornado.websocket import WebSocketHandler

from tornado_realtime.errors import HandshakeError
from tornado_realtime.handlers.entrance import EntranceHandler
from tornado_realtime.wire.dialects import negotiated
from tornado_realtime.wire.handshake import check_upgrade, response_101


class SocketHandler(EntranceHandler, WebSocketHandler):
    """One handshake. It is a handler only until the 101; then a Connection takes the bare socket over.

    Tornado knows it for what it is, a WebSocketHandler, but nothing of Tornado's own handshake is used.
    """

    # The seed's library adds this to every refusal that follows the login (wire.md A3.4).
    refusal_fields: ClassVar[Mapping[str, str]] = MappingProxyType({"Sec_WebSocket_Version": "13"})

    async def prepare(self) -> None:
        """Answer the whole request, whatever its method."""
        door, user, address = await self.admitted()
        newcomer = self.newcomer(door, user, address, negotiated(self.request.headers, door.wire))
        head = response_101(self._accept, newcomer.wire.subprotocol, newcomer.ticket.cookie)
        self.answer_and_leave(door, head, newcomer)

    def check_request(self) -> None:
        """See EntranceHandler."""
        request = self.request
        try:
            self._accept = check_upgrade(request.method or "", request.headers, request.version)
        except HandshakeError as error:
            self.refuse(error.status, **self.refusal_fields)
