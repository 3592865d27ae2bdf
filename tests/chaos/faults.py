"""What is done to whom: every fault, as a scenario."""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from redis.exceptions import OutOfMemoryError, RedisError

from tests.chaos.authors import Pace
from tests.chaos.checker import Finding, Limits, Verdict, judge
from tests.chaos.clients import FOREIGN
from tests.chaos.history import History
from tests.chaos.redis import Clustered, Single, Topology, Watched, command
from tests.chaos.world import AFTERMATH, Size, Tempo, World
from tests.support.redis_sentinels import Sentinels
from tests.support.redis_server import RedisServer

PASSWORD = "the-right-one"
SETTLED = 5.0  # a failover of Sentinels is marked once more when all nodes must have followed it
SLACK = 3.0  # seconds for machines that have other things to do
USUAL = Size()
CROWDED = Size(clients=1, authors=16, pace=Pace(0.0))


@dataclass(frozen=True, slots=True)
class Fault:
    """One scenario.

    Attributes:
        name: As on the command line.
        title: As in the report.
        act: Breaks something, holds it, and mends it.
        topology: Makes Redis in a folder, for a number of nodes.
        size: How much of everything.
        hold: Seconds that it lasts.
        recovery: Seconds in which everybody must hear everybody again.
        marks: Whether an interruption may be marked; where not, nothing at all may be lost.
        aftermath: Seconds of undisturbed publishing afterwards.
        alone: Whether it wants the machine for itself.
    """

    name: str
    title: str
    act: Callable[[World], Awaitable[None]]
    topology: Callable[[Path, int], Topology]
    size: Size = USUAL
    hold: float = 10.0
    recovery: float = 35.0
    marks: bool = True
    aftermath: float = AFTERMATH
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Run:
    """What one fault came to."""

    fault: Fault
    history: History
    verdict: Verdict


async def run(
    fault: Fault, folder: Path, seed: str, say: Callable[[str], None], hold: float = 0.0, canary: float = 5.0
) -> Run:
    """Let it happen, in a folder that must not exist; ``hold`` shortens it."""
    tempo = Tempo(hold or fault.hold, canary, fault.recovery, fault.aftermath)
    topology = fault.topology(folder / "redis", fault.size.nodes)
    try:
        await topology.start()
        world = World(folder, topology, fault.size, tempo, f"{seed}/{fault.name}", say)
        history = await world.run(fault.act)
    except Exception:  # the harness could not do it: the other runs go on
        return Run(fault, History(), Verdict(findings=[Finding("no run", traceback.format_exc())]))
    finally:
        await topology.stop()
    limits = Limits(
        answer=tempo.publish_timeout + SLACK,
        red=2 * canary + SLACK,
        recovery=fault.recovery,
        early=2 * canary + SLACK,
        marks=fault.marks,
    )
    return Run(fault, history, judge(history, limits))


# -- Redis ---------------------------------------------------------------------------------------------


def single(folder: Path, nodes: int) -> Single:
    """One server, reached directly."""
    return Single(folder, nodes)


def forgetful(folder: Path, nodes: int) -> Single:
    """One server that is empty when it is started again."""
    return Single(folder, nodes, keeps=False)


def proxied(folder: Path, nodes: int) -> Single:
    """One server, reached through proxies."""
    return Single(folder, nodes, proxied=True)


def locked(folder: Path, nodes: int) -> Single:
    """One server that asks for a password."""
    return Single(folder, nodes, password=PASSWORD)


def _redis(world: World) -> Single:
    assert isinstance(world.topology, Single)
    return world.topology


async def kill_redis(world: World) -> None:
    """``kill -9``, and a restart on the same port."""
    redis = _redis(world)
    redis.server.kill()
    with world.away("Redis was killed"):
        await world.hold()
    await redis.start()


async def stop_redis(world: World) -> None:
    """SIGSTOP: connections stay, nothing answers."""
    redis = _redis(world)
    redis.server.pause()
    with world.away("Redis was stopped"):
        await world.hold()
    redis.server.resume()


async def pause_clients(world: World) -> None:
    """CLIENT PAUSE: Redis takes commands and answers none."""
    await _redis(world).command("CLIENT", "PAUSE", round(world.tempo.hold * 1000), "ALL")
    with world.away("CLIENT PAUSE"):
        await world.hold(0.95)
    await world.hold(0.05)


async def half_open(world: World) -> None:
    """Both connections of a node stay open, and nothing comes through any more."""
    node = world.nodes[0]
    assert _redis(world).proxies[0].swallow() >= 3
    with world.deaf("its connections swallow everything", node):
        await world.hold()


async def half_deaf(world: World) -> None:
    """The same for the connection over which a node listens; it can still publish."""
    node = world.nodes[0]
    assert _redis(world).proxies[0].swallow(only_subscribing=True) == 1
    with world.deaf("its subscription swallows everything", node):
        await world.hold()


async def overflow(world: World) -> None:
    """Redis cuts every subscriber that it would have to buffer a message for."""
    redis = _redis(world)
    await redis.command("CONFIG", "SET", "client-output-buffer-limit", "pubsub 32kb 0 0")
    for _ in range(4):
        await redis.command("PUBLISH", "realtime:room-0", FOREIGN * 100_000)
        await world.hold(0.25)
    await redis.command("CONFIG", "SET", "client-output-buffer-limit", "pubsub 32mb 8mb 60")


async def change_password(world: World) -> None:
    """The password of the nodes becomes wrong, and right again."""
    redis = _redis(world)
    await redis.command("CONFIG", "SET", "requirepass", "another")
    await redis.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes", password="another")
    await redis.command("CLIENT", "KILL", "TYPE", "pubsub", password="another")
    with world.away("the password was changed"):
        await world.hold()
    await redis.command("CONFIG", "SET", "requirepass", PASSWORD, password="another")


async def revoke(world: World) -> None:
    """The nodes' user may use channels no longer, and then again."""
    redis = _redis(world)
    await redis.command("ACL", "SETUSER", "default", "resetchannels")
    with world.away("the right to channels was taken away"):
        await world.hold()
    await redis.command("ACL", "SETUSER", "default", "allchannels")


async def fill_memory(world: World) -> None:
    """``maxmemory`` is reached: Redis stores nothing more; publishing needs no memory that counts."""
    redis = _redis(world)
    await redis.command("CONFIG", "SET", "maxmemory", "1mb")
    with suppress(OutOfMemoryError):
        for number in range(10_000):
            await redis.command("SET", f"filling-{number}", "x" * 100_000)
        raise RuntimeError("maxmemory was not reached")
    await world.hold()
    await redis.command("CONFIG", "SET", "maxmemory", 0)


async def slow_redis(world: World) -> None:
    """Every answer of Redis is 50 ms late."""
    for proxy in _redis(world).proxies:
        proxy.delay = 0.05
    start = time.time()
    await world.hold()
    took = [one.answered - one.at for one in world.history.sendings if one.at > start]
    assert min(took) >= 0.05, f"an answer took {min(took):.3f} s"
    for proxy in _redis(world).proxies:
        proxy.delay = 0.0


# -- several Redis servers -----------------------------------------------------------------------------


def watched(folder: Path, _nodes: int) -> Watched:
    """Sentinels."""
    return Watched(folder)


def clustered(folder: Path, _nodes: int) -> Clustered:
    """A cluster."""
    return Clustered(folder)


async def kill_watched(world: World) -> None:
    """``kill -9`` of the primary; Sentinels promote the replica, and the old primary comes back as one."""
    assert isinstance(world.topology, Watched)
    group = world.topology.group
    old, new = group.servers
    old.kill()
    await world.away_until(lambda: group.role(new) == "master", "the primary was killed")
    await asyncio.to_thread(old.start)


async def freeze_watched(world: World) -> None:
    """The primary is frozen and replaced; when it goes on it still believes to be the primary."""
    await _freeze_and_replace(world, world.tempo.hold)


async def split_watched(world: World) -> None:
    """The same, and it goes on as soon as it was replaced: for a while there are two primaries."""
    await _freeze_and_replace(world, 0.0)


async def _freeze_and_replace(world: World, seconds: float) -> None:
    assert isinstance(world.topology, Watched)
    group = world.topology.group
    old, new = group.servers
    old.pause()
    await world.away_until(lambda: group.role(new) == "master", "the primary was frozen")
    await asyncio.sleep(seconds)
    old.resume()
    await _until_role(group, old, "slave")


async def cut_off_watched(world: World) -> None:
    """Sentinels lose the primary out of sight and replace it; the nodes still reach both."""
    assert isinstance(world.topology, Watched)
    group, proxy = world.topology.group, world.topology.proxy
    old, new = group.servers
    proxy.cut_off()
    await _until_role(group, new, "master")
    await world.hold()
    await proxy.mend()
    await _until_role(group, old, "slave")


async def _until_role(group: Sentinels, server: RedisServer, role: str) -> None:
    async with asyncio.timeout(60.0):
        while await asyncio.to_thread(group.role, server) != role:
            await asyncio.sleep(0.05)


async def switch_watched(world: World) -> None:
    """An operator has the replica promoted while the primary is well; there and back again."""
    assert isinstance(world.topology, Watched)
    group = world.topology.group
    for old, new in (group.servers, reversed(group.servers)):
        await _ask_for_a_switch(group.sentinels[0].port)
        await _until_role(group, new, "master")
        await _until_role(group, old, "slave")
        await world.hold()


async def _ask_for_a_switch(port: int) -> None:
    """Sentinel takes no such wish while the last one is still on its way."""
    for _ in range(60):
        try:
            await command(port, "SENTINEL", "FAILOVER", "mymaster")
            return
        except RedisError:
            await asyncio.sleep(0.5)
    raise RuntimeError("the Sentinel takes no wish for a failover")


async def move_slots(world: World) -> None:
    """Slots of two channels and a stream move to other primaries while messages flow."""
    assert isinstance(world.topology, Clustered)
    cluster = world.topology.cluster
    for channel in ("room-3", "log-0", "room-0"):
        slot = world.topology.slot(channel)
        source = cluster.owner(slot)
        target = cluster.nodes[(cluster.nodes.index(source) + 1) % 3]
        await asyncio.to_thread(cluster.move, [slot], source, target)
        await world.hold(0.3)


async def kill_clustered(world: World) -> None:
    """``kill -9`` of a primary; its replica takes over, and it comes back as a replica."""
    assert isinstance(world.topology, Clustered)
    cluster = world.topology.cluster
    old, new = cluster.nodes[0], cluster.nodes[3]
    slots = {channel: world.topology.slot(channel) for channel in (*world.channels, *world.history.streams)}
    hit = [channel for channel, slot in slots.items() if cluster.owner(slot) is old]
    assert hit, slots
    old.server.kill()
    await world.away_until(lambda: b"master" in cluster.ask(new, "ROLE"), "its primary was killed", hit)
    await asyncio.to_thread(old.server.start)
    await asyncio.to_thread(cluster.wait_until_up)


# -- nodes ---------------------------------------------------------------------------------------------


async def kill_node(world: World) -> None:
    """``kill -9`` of one of three; it comes back."""
    node = world.nodes[-1]
    with world.stopped(node, "it was killed"):
        node.kill()
        await world.hold()
        await node.start()


async def stop_node(world: World) -> None:
    """A node is stopped as a hung machine would be, and goes on."""
    node = world.nodes[-1]
    with world.stopped(node, "it was stopped"):
        node.pause()
        await world.hold()
        node.resume()
        await asyncio.sleep(1.0)


FAULTS: tuple[Fault, ...] = (
    Fault("redis-killed", "kill -9 and restart of Redis", kill_redis, single),
    Fault("redis-emptied", "kill -9 of Redis, which comes back empty", kill_redis, forgetful),
    Fault("redis-stopped", "Redis frozen by SIGSTOP", stop_redis, single),
    Fault("clients-paused", "Redis frozen by CLIENT PAUSE", pause_clients, single),
    Fault("half-open", "a node's connections half-open", half_open, proxied, hold=15.0),
    Fault("half-deaf", "a node's subscription half-open", half_deaf, proxied, hold=15.0),
    Fault("overflow", "subscriptions cut by client-output-buffer-limit", overflow, single, hold=4.0),
    Fault("password", "wrong password, then the right one", change_password, locked),
    Fault("revoked", "the right to channels revoked by ACL", revoke, single),
    Fault("memory-full", "maxmemory reached", fill_memory, single, hold=5.0, recovery=10.0, marks=False),
    Fault("sentinel-killed", "a primary under Sentinels killed", kill_watched, watched, aftermath=SETTLED),
    Fault(
        "sentinel-frozen",
        "a primary under Sentinels frozen",
        freeze_watched,
        watched,
        hold=15.0,
        aftermath=SETTLED,
    ),
    Fault(
        "sentinel-split",
        "two primaries under Sentinels for a while",
        split_watched,
        watched,
        aftermath=SETTLED,
    ),
    Fault(
        "sentinel-switched",
        "a primary under Sentinels switched",
        switch_watched,
        watched,
        hold=3.0,
        aftermath=SETTLED,
    ),
    Fault(
        "sentinel-cut-off",
        "a primary cut off from its Sentinels only",
        cut_off_watched,
        watched,
        aftermath=SETTLED,
    ),
    Fault("cluster-moved", "slots of a Redis Cluster moved", move_slots, clustered, hold=4.0),
    Fault("cluster-killed", "a primary of a Redis Cluster killed", kill_clustered, clustered),
    Fault("node-killed", "kill -9 of a node among three", kill_node, single, Size(nodes=3), hold=5.0),
    Fault("node-stopped", "a node among three stopped for 20 s", stop_node, single, Size(nodes=3), hold=20.0),
    Fault(
        "redis-slow",
        "Redis 50 ms late, under full publishing",
        slow_redis,
        proxied,
        CROWDED,
        recovery=10.0,
        marks=False,
        alone=True,
    ),
)
