"""The ``websockets`` library with its ``broadcast``: ``websockets_server.py PORT PUBLISH_PORT``.

The library answers no POST, so publishing has a port of its own, with as little HTTP as there can be.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import defaultdict

from websockets.asyncio.server import ServerConnection, broadcast, serve
from websockets.exceptions import ConnectionClosed

CHANNELS: defaultdict[str, set[ServerConnection]] = defaultdict(set)


async def client(connection: ServerConnection) -> None:
    """Subscribe to what is asked for, until the client leaves."""
    mine = set()
    try:
        async for message in connection:
            channel = json.loads(message)["channel"]
            CHANNELS[channel].add(connection)
            mine.add(channel)
    except ConnectionClosed:
        pass
    finally:
        for channel in mine:
            CHANNELS[channel].discard(connection)


class Publishing(asyncio.Protocol):
    """One publisher: ``POST /publish?channel=NAME``, the body is the message."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._held = b""

    def data_received(self, data: bytes) -> None:
        self._held += data
        while b"\r\n\r\n" in self._held and self._take():
            pass

    def _take(self) -> bool:
        head, _, rest = self._held.partition(b"\r\n\r\n")
        size = int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0])
        if len(rest) < size:
            return False
        channel = head.partition(b"channel=")[2].partition(b" ")[0].decode()
        broadcast(CHANNELS[channel], rest[:size].decode())
        self._transport.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
        self._held = rest[size:]
        return True


async def main() -> None:
    """Serve until killed."""
    port, publish_port = int(sys.argv[1]), int(sys.argv[2])
    await asyncio.get_running_loop().create_server(Publishing, "127.0.0.1", publish_port)
    async with serve(
        client,
        "127.0.0.1",
        port,
        compression=None,
        ping_interval=None,
        open_timeout=None,
        write_limit=64 * 1024 * 1024,
        backlog=4096,
    ):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
