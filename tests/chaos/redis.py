"""The Redis servers of a world: one alone, a primary with a replica and Sentinels, or a cluster."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from pathlib import Path

from redis.asyncio import Redis

from tests.chaos.nodes import STREAMS
from tests.chaos.proxy import Proxy
from tests.support.redis_cluster import RedisCluster
from tests.support.redis_sentinels import Sentinels
from tests.support.redis_server import RedisServer, free_port
from tornado_realtime.brokers.redis.names import stream_topic, topic_of

# A server that is killed has everything that it acknowledged when it is started again.
LASTING = ("--appendonly", "yes", "--appendfsync", "always")


class Topology(ABC):
    """What carries publications between the nodes.

    Attributes:
        replicas: How many must have what is published on streams, so that nothing that was acknowledged is
            lost; None where it may be.
    """

    replicas: int | None = 0

    @abstractmethod
    async def start(self) -> None:
        """Start it; return when it works."""

    @abstractmethod
    def address(self, node: int) -> str:
        """What the ``node``-th node gets as ``redis_address``."""

    @abstractmethod
    async def stop(self) -> None:
        """End everything; also after a start that failed."""


async def command(port: int, *words: str | int, password: str = "") -> object:
    """One command to one server."""
    client = Redis(host="127.0.0.1", port=port, password=password or None)
    try:
        reply: object = await client.execute_command(*words)  # type: ignore[no-untyped-call]
        return reply
    finally:
        await client.aclose()


class Single(Topology):
    """One redis-server; nodes reach it through a proxy each, if there is something for a proxy to do.

    Args:
        folder: Its working folder.
        nodes: How many nodes there are.
        proxied: Whether they go through proxies.
        keeps: Whether it keeps what it acknowledged when it is killed.
        password: What it asks for.
    """

    def __init__(
        self, folder: Path, nodes: int, *, proxied: bool = False, password: str = "", keeps: bool = True
    ) -> None:
        folder.mkdir(parents=True)
        self.replicas = 0 if keeps else None
        self.server = RedisServer(folder, password=password, options=LASTING if keeps else ())
        self.proxies = [Proxy(self.server.port) for _ in range(nodes if proxied else 0)]
        self._password = password

    async def start(self) -> None:
        """See Topology."""
        await asyncio.to_thread(self.server.start)
        for proxy in self.proxies:
            await proxy.start()

    def address(self, node: int) -> str:
        """See Topology."""
        if not self.proxies:
            return self.server.address
        login = f":{self._password}@" if self._password else ""
        return f"redis://{login}127.0.0.1:{self.proxies[node].port}"

    async def command(self, *words: str | int, password: str = "") -> object:
        """One command, with the password of the beginning unless another one is given."""
        return await command(self.server.port, *words, password=password or self._password)

    async def stop(self) -> None:
        """See Topology."""
        for proxy in self.proxies:
            await proxy.close()
        self.server.stop()


class Watched(Topology):
    """A primary, which everybody reaches through a proxy, and a replica under three Sentinels."""

    replicas = 1

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        front = free_port()
        self.group = Sentinels(folder, front=front)
        self.proxy = Proxy(self.group.servers[0].port, front)

    async def start(self) -> None:
        """See Topology."""
        await self.proxy.start()
        await asyncio.to_thread(self.group.start)

    def address(self, node: int) -> str:
        """See Topology."""
        return self.group.address

    async def stop(self) -> None:
        """See Topology."""
        await self.proxy.close()
        self.group.stop()


class Clustered(Topology):
    """A cluster of three primaries, each of which has a replica."""

    replicas = 1

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.cluster = RedisCluster(folder, replicas=3)

    async def start(self) -> None:
        """See Topology."""
        await asyncio.to_thread(self.cluster.start)

    def address(self, node: int) -> str:
        """See Topology."""
        return self.cluster.address

    def slot(self, channel: str) -> int:
        """Where a channel lies."""
        topic = (stream_topic(channel) if channel.startswith(STREAMS) else topic_of(channel)).decode()
        return int(self.cluster.ask(self.cluster.nodes[0], "CLUSTER", "KEYSLOT", topic)[1:])

    async def stop(self) -> None:
        """See Topology."""
        self.cluster.stop()
