"""What many channels cost when Redis was restarted: how long, and how many commands, until all are back."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from redis import Redis

from tests.benchmarks.client import handshake, text_frame
from tests.benchmarks.load import LoadError, Run
from tests.benchmarks.ours import launch_ours_on_redis
from tests.benchmarks.room import Launch, Room, serving
from tests.support.redis_server import RedisServer

CHANNELS_OF_A_CLIENT = 100
PATIENCE_SECONDS = 30.0


def measure(room: Room, channels: int) -> Run:
    """Subscribe, restart Redis, and look at it until every channel is subscribed again.

    The clock runs from Redis' first answer; the wait before the node dials is part of it.

    Raises:
        LoadError: They never were.
    """
    folder = room.folder / "redis"
    folder.mkdir()
    redis = RedisServer(folder)
    redis.start()
    with ExitStack() as stack:
        stack.callback(redis.stop)
        launch = launch_ours_on_redis(room, redis.port)
        stack.enter_context(serving(room, launch))
        began = time.monotonic()
        clients = channels // CHANNELS_OF_A_CLIENT
        for number in range(clients):
            stack.enter_context(_client(launch, number))
        connected = time.monotonic() - began
        first, _ = _until_subscribed(redis.port, channels)
        redis.kill()
        redis.start()
        again, commands = _until_subscribed(redis.port, channels)
    return Run(
        {
            "phases": [],
            "failed": 0,
            "connected": clients,
            "connect_seconds": connected,
            "connect_waited": 0.0,
            "connect_generator_cpu": 0.0,
            "first_seconds": first,
            "again_seconds": again,
            "commands": commands,
        }
    )


def seconds(run: Run) -> float:
    """From Redis' first answer until the last channel."""
    return float(run.raw["again_seconds"])


def commands(run: Run) -> float:
    """What the node sent meanwhile."""
    return float(sum(run.raw["commands"].values()))


def say(run: Run) -> str:
    """In one line."""
    sent = ", ".join(f"{count} {name}" for name, count in sorted(run.raw["commands"].items()))
    return f"all back {seconds(run):.2f} s after Redis; {sent}"


def _until_subscribed(port: int, channels: int) -> tuple[float, dict[str, int]]:
    """Seconds until Redis has so many channels, and the commands that others sent it until then."""
    began = time.monotonic()
    with Redis(port=port) as client:
        while int(client.info("stats")["pubsub_channels"]) < channels:
            if time.monotonic() - began > PATIENCE_SECONDS:
                raise LoadError(f"not subscribed after {PATIENCE_SECONDS:.0f} s")
            time.sleep(0.005)
        took = time.monotonic() - began
        told = client.info("commandstats")
    calls = {name.removeprefix("cmdstat_").lower(): int(stats["calls"]) for name, stats in told.items()}
    return took, {name: count for name, count in calls.items() if name not in ("info", "client|setinfo")}


@contextmanager
def _client(launch: Launch, number: int) -> Iterator[None]:
    """A WebSocket client with its share of the channels."""
    with socket.create_connection(("127.0.0.1", launch.port), timeout=PATIENCE_SECONDS) as client:
        client.sendall(handshake(launch, number, protocol=""))
        answer = client.recv(4096)
        if not answer.startswith(b"HTTP/1.1 101"):
            raise LoadError(f"refused: {answer[:40]!r}")
        start = number * CHANNELS_OF_A_CLIENT
        for channel in range(start, start + CHANNELS_OF_A_CLIENT):
            text = b'{"action":"subscribe","channel":"ch%d"}' % channel
            client.sendall(text_frame(text))
        yield
