"""A real Redis Cluster for tests: redis-server processes on free ports, stopped by pid.

The nodes are born knowing one another: each finds the whole cluster in its ``nodes.conf``. So there is no
meeting to wait for, only the two seconds that Redis itself waits before a cluster that starts is up.
"""

from __future__ import annotations

import random
import socket
import ssl
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.support.redis_server import START_TIMEOUT, RedisServer

SLOTS = 16384
NODE_TIMEOUT_MS = 600
RENAMED = [
    word
    for command in ("SSUBSCRIBE", "SUNSUBSCRIBE", "SPUBLISH")
    for word in ("--rename-command", command, "")
]


@dataclass(slots=True)
class Node:
    """One redis-server of the cluster.

    Attributes:
        server: Its process.
        name: Its node id.
        bus: The port on which the nodes talk to one another.
        master: Node id of its primary; empty when it is one.
        first, last: The slots it is born with.
    """

    server: RedisServer
    name: str
    bus: int
    master: str = ""
    first: int = 0
    last: int = -1

    @property
    def place(self) -> str:
        """``HOST:PORT``."""
        return f"127.0.0.1:{self.server.port}"

    def line(self, number: int, *, myself: bool) -> str:
        """How ``nodes.conf`` says who it is."""
        flags = ("myself," if myself else "") + ("slave" if self.master else "master")
        slots = f" {self.first}-{self.last}" if self.last >= self.first else ""
        place = f"{self.place}@{self.bus}"
        return f"{self.name} {place} {flags} {self.master or '-'} 0 0 {number} connected{slots}"


class RedisCluster:
    """Some primaries with equal shares of the slots, and replicas of them.

    Args:
        folder: Each node gets a folder in it.
        primaries, replicas, idle: How many; replicas follow the primaries in turn, an idle node is a primary
            without slots.
        sharded: Whether the servers know ``SSUBSCRIBE``, as Redis does from version 7 on.
        password: What all of them want.
        certificate: Certificate and key files; with them all speak TLS only, among themselves, too.
    """

    def __init__(
        self,
        folder: Path,
        *,
        primaries: int = 3,
        replicas: int = 0,
        idle: int = 0,
        sharded: bool = True,
        password: str = "",
        certificate: tuple[Path, Path] | None = None,
    ) -> None:
        self.nodes: list[Node] = []
        self.password = password
        self.certificate = certificate
        for number in range(primaries):
            first, last = SLOTS * number // primaries, SLOTS * (number + 1) // primaries - 1
            self._add(folder, sharded).first, self.nodes[-1].last = first, last
        for number in range(replicas):
            self._add(folder, sharded).master = self.nodes[number % primaries].name
        for _ in range(idle):
            self._add(folder, sharded)
        for node in self.nodes:
            self._introduce(node)

    @property
    def address(self) -> str:
        """What goes into ``redis_address``: the first two primaries."""
        login = f":{self.password}@" if self.password else ""
        scheme = "rediss-cluster" if self.certificate else "redis-cluster"
        return f"{scheme}://{login}" + ",".join(node.place for node in self.nodes[:2])

    def start(self) -> None:
        """Start all nodes and wait until each says that the cluster is up."""
        for node in self.nodes:
            node.server.start()
        self.wait_until_up()

    def stop(self) -> None:
        """End all nodes."""
        for node in self.nodes:
            node.server.stop()

    def update(self) -> None:
        """Stop all nodes, and start them as servers that know ``SSUBSCRIBE``."""
        self.stop()
        for node in self.nodes:
            node.server.options = [word for word in node.server.options if word not in RENAMED]
        self.start()

    def wait_until_up(self) -> None:
        """Wait until every node that runs says ``cluster_state:ok``."""
        deadline = time.monotonic() + START_TIMEOUT
        running = [node for node in self.nodes if node.server.running]
        while not all(b"cluster_state:ok" in self.ask(node, "CLUSTER", "INFO") for node in running):
            if time.monotonic() > deadline:
                self.stop()
                raise RuntimeError("the Redis cluster did not come up")
            time.sleep(0.02)

    def is_down(self, node: Node) -> bool:
        """Whether ``node`` misses somebody who serves slots."""
        return b"cluster_state:fail" in self.ask(node, "CLUSTER", "INFO")

    def in_step(self, replica: Node) -> bool:
        """Whether ``replica`` is one, and has what its primary has."""
        return b"master_link_status:up" in self.ask(replica, "INFO", "replication")

    def owner(self, slot: int) -> Node:
        """Which node was born with ``slot``."""
        return next(node for node in self.nodes if node.first <= slot <= node.last)

    def move(self, slots: Iterable[int], source: Node, target: Node) -> None:
        """Give ``slots`` from one primary to another, as ``redis-cli --cluster reshard`` does."""
        for slot in slots:
            number = str(slot)
            self.ask(target, "CLUSTER", "SETSLOT", number, "IMPORTING", source.name)
            self.ask(source, "CLUSTER", "SETSLOT", number, "MIGRATING", target.name)
            while keys := self._keys(source, number):
                place = ("127.0.0.1", str(target.server.port), "", "0", "5000")
                login = ("AUTH", self.password) if self.password else ()
                self.ask(source, "MIGRATE", *place, *login, "KEYS", *keys)
            self.ask(target, "CLUSTER", "SETSLOT", number, "NODE", target.name)
            self.ask(source, "CLUSTER", "SETSLOT", number, "NODE", target.name)

    def _keys(self, node: Node, slot: str) -> list[str]:
        answer = self.ask(node, "CLUSTER", "GETKEYSINSLOT", slot, "100").decode().split("\r\n")
        return answer[2::2]

    def ask(self, node: Node, *words: str) -> bytes:
        """Send one command to one node.

        Raises:
            RuntimeError: The node answered with an error.
        """
        with self._dial(node) as client:
            login = [["AUTH", self.password]] if self.password else []
            client.sendall(b"".join(map(_packed, [*login, words, ["QUIT"]])))
            answer = b""
            while part := client.recv(65536):
                answer += part
        answer = answer.removeprefix(b"+OK\r\n") if login else answer
        if answer.startswith(b"-"):
            raise RuntimeError(f"{node.place} answered {answer.decode()}")
        return answer.removesuffix(b"+OK\r\n")

    def _dial(self, node: Node) -> socket.socket:
        client = socket.create_connection(("127.0.0.1", node.server.port), timeout=START_TIMEOUT)
        if self.certificate is None:
            return client
        context = ssl.create_default_context(cafile=self.certificate[0])
        return context.wrap_socket(client, server_hostname="127.0.0.1")

    def _add(self, folder: Path, sharded: bool) -> Node:
        number = len(self.nodes)
        home = folder / f"node-{number}"
        home.mkdir()
        bus = quiet_port()
        options = ["--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf"]
        options += ["--cluster-port", str(bus), "--cluster-node-timeout", str(NODE_TIMEOUT_MS)]
        options += ["--cluster-allow-replica-migration", "no", "--repl-diskless-sync-delay", "0"]
        if not sharded:
            options += RENAMED
        if self.password:
            options += ["--masterauth", self.password]
        if self.certificate:
            options += ["--tls-cluster", "yes", "--tls-ca-cert-file", str(self.certificate[0])]
        server = RedisServer(home, password=self.password, certificate=self.certificate, options=options)
        server.port = quiet_port()
        self.nodes.append(Node(server, f"{number + 1:040x}", bus))
        return self.nodes[-1]

    def _introduce(self, node: Node) -> None:
        lines = [other.line(number, myself=other is node) for number, other in enumerate(self.nodes, 1)]
        lines.append(f"vars currentEpoch {len(self.nodes)} lastVoteEpoch 0")
        (node.server.folder / "nodes.conf").write_text("\n".join(lines) + "\n")


def quiet_port() -> int:
    """A TCP port that nobody listens on, from below those that the kernel hands out.

    A cluster must know all its ports before its first node starts; meanwhile the kernel would give one
    of its own to somebody else.
    """
    while True:
        port = random.randrange(20000, 32000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def _packed(words: Sequence[str]) -> bytes:
    parts = [f"*{len(words)}\r\n".encode()]
    for word in words:
        data = word.encode()
        parts.append(b"$%d\r\n%s\r\n" % (len(data), data))
    return b"".join(parts)
