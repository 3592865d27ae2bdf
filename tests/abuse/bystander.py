"""Healthy publishers and subscribers, on plain HTTP and on TLS, in a process of their own beside an attack.

``python -m tests.abuse.bystander PLAIN_PORT TLS_PORT CERTIFICATE TOKEN SECRET``. It says ``ready`` when all
of them are connected. A line on standard input is a number: when each has published that much, and what is
under way has arrived, it answers with a line of JSON: what happened since the last one. At the end of its
input it goes.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import websockets
from websockets.asyncio.client import ClientConnection

CHANNEL = "steady"
# Seconds between two publications, and for which everybody waits for the last one before it counts as lost.
PACE = 0.01
PATIENCE = 20.0


@dataclass
class Account:
    """What happened to a healthy client.

    Attributes:
        published: Publications that were accepted.
        troubles: What a healthy client must never see: a refusal, a loss, a disorder, a broken connection.
        delays: Seconds from publishing to hearing.
    """

    published: int = 0
    troubles: list[str] = field(default_factory=list)
    delays: list[float] = field(default_factory=list)

    @staticmethod
    def summary(*accounts: Account) -> str:
        """All of them as one line of JSON."""
        delays = [delay for account in accounts for delay in account.delays]
        return json.dumps(
            {
                "published": sum(account.published for account in accounts),
                "heard": len(delays),
                "troubles": [trouble for account in accounts for trouble in account.troubles],
                "median": statistics.median(delays or [0.0]),
                "longest": max(delays, default=0.0),
            }
        )


class Pair:
    """One publisher, and one subscriber who hears it."""

    def __init__(self, port: int, context: ssl.SSLContext | None, token: str, secret: str) -> None:
        self._port = port
        self._context = context
        self._cookie = {"Cookie": f"AUTH_TOKEN={token}"}
        self._secret = secret
        self._published = 0
        self._heard = 0
        self.ready = asyncio.get_running_loop().create_future()
        self.account = Account()

    async def run(self, paused: asyncio.Lock) -> None:
        """Until cancelled."""
        try:
            await self._run(paused)
        except Exception as error:
            if self.ready.done():
                raise
            self.ready.set_exception(error)

    async def _run(self, paused: asyncio.Lock) -> None:
        scheme, host = ("ws", "127.0.0.1") if self._context is None else ("wss", "localhost")
        async with websockets.connect(
            f"{scheme}://{host}:{self._port}/ws",
            ssl=self._context,
            additional_headers=self._cookie,
            compression=None,
            ping_interval=None,
        ) as client:
            await client.send(json.dumps({"action": "subscribe", "channel": CHANNEL}))
            assert json.loads(await client.recv()) == {"type": "subscribed", "channel": CHANNEL}
            reader, writer = await asyncio.open_connection(host, self._port, ssl=self._context)
            self.ready.set_result(None)
            try:
                await asyncio.gather(self._listen(client), self._publish(reader, writer, paused))
            finally:
                writer.close()

    async def _publish(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, paused: asyncio.Lock
    ) -> None:
        while not self.account.troubles:
            async with paused:
                try:
                    await self._publish_one(reader, writer)
                except (OSError, EOFError) as error:
                    self.account.troubles.append(f"the publisher's connection broke: {error!r}")
            await asyncio.sleep(PACE)

    async def _publish_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        message = {"number": self._published + 1, "at": time.monotonic()}
        body = json.dumps({"channel": CHANNEL, "message": message}).encode()
        writer.write(
            b"POST /internal/broadcast HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"X-Broadcast-Secret: %b\r\nContent-Length: %d\r\n\r\n%b"
            % (self._secret.encode(), len(body), body)
        )
        async with asyncio.timeout(PATIENCE):
            head = await reader.readuntil(b"\r\n\r\n")
        if head.startswith(b"HTTP/1.1 202 "):
            self._published += 1
            self.account.published += 1
        else:
            self.account.troubles.append(f"a publication was refused: {head!r}")

    async def _listen(self, client: ClientConnection) -> None:
        try:
            async for text in client:
                message = json.loads(text)["payload"]
                if message["number"] != self._heard + 1:
                    self.account.troubles.append(f"heard {message['number']} after {self._heard}")
                self._heard = message["number"]
                self.account.delays.append(time.monotonic() - message["at"])
            self.account.troubles.append(f"the subscriber was told goodbye: {client.close_code}")
        except (OSError, websockets.ConnectionClosed) as error:
            self.account.troubles.append(f"the subscriber was cut off: {error!r}")

    async def all_heard(self) -> None:
        """Wait for what is under way; it is a trouble if that takes too long."""
        deadline = time.monotonic() + PATIENCE
        while self._heard != self._published and not self.account.troubles:
            if time.monotonic() > deadline:
                self.account.troubles.append(f"published {self._published}, heard {self._heard}")
            await asyncio.sleep(PACE)


async def main(plain_port: int, tls_port: int, certificate: str, token: str, secret: str) -> None:
    """Run both pairs until standard input ends."""
    paused = asyncio.Lock()
    context = ssl.create_default_context(cafile=certificate)
    pairs = [Pair(plain_port, None, token, secret), Pair(tls_port, context, token, secret)]
    running = [asyncio.create_task(pair.run(paused)) for pair in pairs]
    await asyncio.gather(*(pair.ready for pair in pairs))
    _say("ready")
    while line := await asyncio.to_thread(sys.stdin.readline):
        while _is_well(pairs) and min(pair.account.published for pair in pairs) < int(line):
            await asyncio.sleep(PACE)
        async with paused:
            for pair in pairs:
                await pair.all_heard()
            _say(Account.summary(*(pair.account for pair in pairs)))
            for pair in pairs:
                pair.account = Account()
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


def _is_well(pairs: Sequence[Pair]) -> bool:
    return not any(pair.account.troubles for pair in pairs)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    plain, tls, *rest = sys.argv[1:]
    asyncio.run(main(int(plain), int(tls), *rest))
