"""A primary with replicas, and Sentinels that watch them: real processes on free ports, stopped by pid."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from tests.support.redis_server import START_TIMEOUT, RedisServer

NAME = "mymaster"
DOWN_AFTER_MS = 1000


class Sentinel(RedisServer):
    """One Sentinel; it writes its configuration file anew whenever it learns something.

    Args:
        folder: Its working directory.
        primary: Port of whom it watches at the beginning.
        quorum: How many Sentinels must agree that a primary is down.
        password: What the servers want.
        certificate: As for Sentinels.
    """

    def __init__(
        self,
        folder: Path,
        primary: int,
        quorum: int,
        password: str = "",
        certificate: tuple[Path, Path] | None = None,
    ) -> None:
        super().__init__(folder, certificate=certificate)
        lines = [
            *self._listen(),
            "bind 127.0.0.1",
            f"dir {folder}",
            f"sentinel monitor {NAME} 127.0.0.1 {primary} {quorum}",
            f"sentinel down-after-milliseconds {NAME} {DOWN_AFTER_MS}",
            f"sentinel failover-timeout {NAME} 5000",
            *([f"sentinel auth-pass {NAME} {password}"] if password else []),
        ]
        self._config = folder / "sentinel.conf"
        self._config.write_text("\n".join(lines) + "\n")

    def _options(self) -> list[str]:
        return [str(self._config), "--sentinel"]

    def _listen(self) -> list[str]:
        if self.certificate is None:
            return [f"port {self.port}"]
        cert, key = self.certificate
        files = [f"tls-cert-file {cert}", f"tls-key-file {key}", f"tls-ca-cert-file {cert}"]
        return ["port 0", f"tls-port {self.port}", "tls-auth-clients no", "tls-replication yes", *files]


class Sentinels:
    """Servers under Sentinels.

    Args:
        folder: Each process gets a folder in it.
        replicas: How many.
        sentinels: How many.
        password: What the servers want; the Sentinels themselves want none.
        front: A port by which everybody else knows the first primary; its own when left out.
        certificate: Certificate, which vouches for itself, and key; with them everything speaks TLS only.
    """

    def __init__(
        self,
        folder: Path,
        *,
        replicas: int = 1,
        sentinels: int = 3,
        password: str = "",
        front: int = 0,
        certificate: tuple[Path, Path] | None = None,
    ) -> None:
        self.password = password
        self._front = front
        self._certificate = certificate
        login = ["--masterauth", password] if password else []
        if certificate:
            login += ["--tls-replication", "yes", "--tls-ca-cert-file", str(certificate[0])]
        fast = ["--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1"]
        self.servers: list[RedisServer] = []
        for number in range(1 + replicas):
            home = folder / f"server-{number}"
            home.mkdir(parents=True)
            follow = ["--replicaof", "127.0.0.1", str(front or self.servers[0].port)] if number else []
            # One server must not be two replicas to the Sentinels.
            known = ["--replica-announce-port", str(front)] if front and not number else []
            options = [*follow, *login, *fast, *known]
            server = RedisServer(home, password=password, certificate=certificate, options=options)
            self.servers.append(server)
        self.sentinels: list[Sentinel] = []
        for number in range(sentinels):
            home = folder / f"sentinel-{number}"
            home.mkdir()
            watched, quorum = front or self.servers[0].port, sentinels // 2 + 1
            self.sentinels.append(Sentinel(home, watched, quorum, password, certificate))

    @property
    def address(self) -> str:
        """What goes into ``redis_address``."""
        login = f":{self.password}@" if self.password else ""
        places = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels)
        if self._certificate:
            return f"sentinels://{login}{places}/{NAME}?ssl_ca_certs={self._certificate[0]}"
        return f"sentinel://{login}{places}/{NAME}"

    def start(self) -> None:
        """Start everything; wait until each Sentinel knows all servers and all other Sentinels."""
        for server in (*self.servers, *self.sentinels):
            server.start()
        deadline = time.monotonic() + 3 * START_TIMEOUT
        while not all(self._knows_all(sentinel) for sentinel in self.sentinels):
            if time.monotonic() > deadline:
                self.stop()
                raise RuntimeError("the Sentinels did not find one another")
            time.sleep(0.05)

    def stop(self) -> None:
        """End everything."""
        for server in (*self.sentinels, *self.servers):
            server.stop()

    def primary(self) -> RedisServer:
        """Who is the primary, by its own word and that of most Sentinels; waits until that is somebody."""
        deadline = time.monotonic() + 3 * START_TIMEOUT
        while time.monotonic() < deadline:
            ports = [self._named(sentinel) for sentinel in self.sentinels]
            for server in self.servers:
                known = self._front if self._front and server is self.servers[0] else server.port
                if ports.count(known) > len(ports) // 2 and self.role(server) == "master":
                    return server
            time.sleep(0.05)
        raise RuntimeError("there is no primary")

    def role(self, server: RedisServer) -> str:
        """``master`` or ``slave``; empty when it does not answer."""
        try:
            with self._client(server, password=self.password or None) as client:
                return str(client.execute_command("ROLE")[0].decode())
        except RedisError:
            return ""

    def _client(self, server: RedisServer, **options: Any) -> Redis:
        if self._certificate:
            options |= {"ssl": True, "ssl_ca_certs": str(self._certificate[0])}
        return Redis(host="127.0.0.1", port=server.port, socket_timeout=0.5, **options)

    def _named(self, sentinel: Sentinel) -> int:
        try:
            with self._client(sentinel) as client:
                return int(client.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME)[1])
        except RedisError:
            return 0

    def _knows_all(self, sentinel: Sentinel) -> bool:
        try:
            with self._client(sentinel, decode_responses=True) as client:
                told = client.execute_command("SENTINEL", "MASTER", NAME)
        except RedisError:
            return False
        if isinstance(told, list):  # as older redis-py hands it on
            told = dict(zip(told[::2], told[1::2], strict=True))
        counts = int(told["num-slaves"]), int(told["num-other-sentinels"])
        return counts == (len(self.servers) - 1, len(self.sentinels) - 1)
