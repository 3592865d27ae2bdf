"""Authors publish numbered messages over HTTP, each one after another, to whatever node chance picks."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from urllib.parse import urlencode

from tests.chaos.history import Message, Outcome, Sending

PATIENCE = 8.0  # far beyond publish_timeout: to be told of a hang, not to make one
PAUSE_AFTER_REFUSAL = 0.05
SHUN_SECONDS = 2.0  # as a load balancer does with a node that is dead


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; ``alive`` if it was from the node."""

    outcome: Outcome
    reason: str = ""
    alive: bool = True


class HttpLine:
    """One kept connection to a node."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def publish(self, channel: str, text: str) -> Answer:
        """Send one form, and read the answer. Never raises for what a network does."""
        try:
            reader, writer = await self._open()
        except OSError as error:
            return Answer("rejected", f"no connection: {error}", alive=False)
        body = urlencode({"channel": channel, "message": text}).encode()
        head = (
            f"POST /internal/broadcast HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\n"
            f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        try:
            async with asyncio.timeout(PATIENCE):
                writer.write(head.encode() + body)
                status, content = await read_answer(reader)
        except TimeoutError:
            self.close()
            return Answer("unknown", "no answer", alive=False)
        except (OSError, EOFError, ValueError) as error:
            self.close()
            return Answer("unknown", f"the connection ended: {type(error).__name__}", alive=False)
        return answer_of(status, content)

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._reader is None or self._writer is None or self._reader.at_eof():
            self.close()
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self._reader, self._writer

    def close(self) -> None:
        """Hang up."""
        if self._writer is not None:
            self._writer.transport.abort()
        self._reader = self._writer = None


async def read_answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Status and body of one HTTP answer that has a Content-Length.

    Raises:
        EOFError: It ended before that.
    """
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    status = int(head.split(None, 2)[1])
    lengths = [
        line.partition(":")[2] for line in head.lower().split("\r\n") if line.startswith("content-length:")
    ]
    return status, await reader.readexactly(int(lengths[0]) if lengths else 0)


def answer_of(status: int, content: bytes) -> Answer:
    """What a node's answer says about the publication."""
    if status == 202:
        return Answer("acknowledged")
    try:
        told = json.loads(content)
    except ValueError:
        told = {}
    reason = str(told.get("reason", content[:80].decode("utf-8", "replace")))
    return Answer("rejected" if told.get("outcome") == "rejected" else "unknown", f"{status}: {reason}")


@dataclass(frozen=True, slots=True)
class Pace:
    """How an author writes.

    Attributes:
        pause: Seconds between two messages, on average; 0 for as fast as answers come.
        padding: Most bytes of filling in a message.
    """

    pause: float
    padding: int = 200


class Author:
    """Writes to one channel until told to stop.

    Args:
        channel: Where to.
        number: Tells authors of a channel apart.
        ports: The nodes by name.
        random: Where its choices come from.
        pace: How fast.
        note: Takes every sending.
    """

    def __init__(
        self,
        channel: str,
        number: int,
        ports: dict[str, int],
        random: Random,
        pace: Pace,
        note: Callable[[Sending], None],
    ) -> None:
        self.channel = channel
        self.number = number
        self.acknowledged = -1  #: the newest number that was
        self.next = 0  #: the number of the next message
        self._names: Sequence[str] = sorted(ports)
        self._lines = {name: HttpLine(port) for name, port in ports.items()}
        self._random = random
        self._pace = pace
        self._note = note
        self._shunned: dict[str, float] = {}

    async def write(self, stop: asyncio.Event) -> None:
        """Publish until ``stop``."""
        try:
            while not stop.is_set():
                sending = await self._send()
                self._note(sending)
                if sending.outcome == "acknowledged":
                    self.acknowledged = sending.message.number
                else:
                    await asyncio.sleep(PAUSE_AFTER_REFUSAL)
                if self._pace.pause:
                    await asyncio.sleep(self._random.uniform(0.0, 2 * self._pace.pause))
        finally:
            for line in self._lines.values():
                line.close()

    async def _send(self) -> Sending:
        message = Message(self.channel, self.number, self.next)
        self.next += 1
        name = self._pick()
        text = message.text(self._random.randint(0, self._pace.padding))
        at = time.time()
        answer = await self._lines[name].publish(message.channel, text)
        if not answer.alive:
            self._shunned[name] = time.time() + SHUN_SECONDS
        return Sending(message, name, at, time.time(), answer.outcome, answer.reason)

    def _pick(self) -> str:
        now = time.time()
        return self._random.choice(
            [name for name in self._names if self._shunned.get(name, 0.0) < now] or self._names
        )
