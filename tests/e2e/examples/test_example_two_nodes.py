"""Two nodes, Redis, and HAProxy in front, by the example's own files; a node goes and nobody else notices."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from tests.e2e.examples.conftest import EXAMPLES, Listen
from tests.support.haproxy import Balancer, haproxy
from tests.support.php_app import free_port
from tests.support.redis_server import RedisServer
from tests.support.running import RunningServer, get, running

FOLDER = EXAMPLES / "two-nodes"
SECRET = "a-secret-of-the-test"
CADDYFILE = (FOLDER / "Caddyfile").read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Node:
    """One of the nodes."""

    server: RunningServer
    site: int
    publishing: int

    @property
    def connections(self) -> int:
        """How many clients it has."""
        text = get(self.publishing, "/internal/metrics", X_Broadcast_Secret=SECRET)[1].decode()
        found = re.search(r"^tornado_realtime_connections (\d+)$", text, re.MULTILINE)
        assert found is not None, text
        return int(found[1])


@dataclass(frozen=True, slots=True)
class Place:
    """The example at work."""

    nodes: list[Node]
    redis: RedisServer
    balancer: Balancer
    site: int
    publishing: int


def balanced(site: int, publishing: int, nodes: list[Node]) -> str:
    """The example's file with other ports and addresses; the balancer is small and looks more often."""
    text = (FOLDER / "haproxy.cfg").read_text(encoding="utf-8")
    changes = {
        "bind :80\n": f"bind 127.0.0.1:{site}\n",
        "bind 127.0.0.1:8081\n": f"bind 127.0.0.1:{publishing}\n",
    }
    for number, node in enumerate(nodes, 1):
        changes[f"node{number}:8080"] = f"127.0.0.1:{node.site}"
        changes[f"node{number}:8081"] = f"127.0.0.1:{node.publishing}"
    for old, new in (changes | {"inter 1s": "inter 100ms", "maxconn 20000": "maxconn 64"}).items():
        assert old in text
        text = text.replace(old, new)
    return text


def everywhere(balancer: Balancer, state: str) -> None:
    """Wait until the balancer thinks so of the readiness of both nodes."""
    for name in ("ready/node1", "ready/node2", "publishing/node1", "publishing/node2"):
        balancer.wait_for(name, state)


@pytest.fixture
def place(php_folder: Path, tmp_path: Path) -> Iterator[Place]:
    """Everything of the example; node 1 takes its time when it is told to stop, node 2 does not."""
    site, publishing = free_port(), free_port()
    redis = RedisServer(tmp_path)
    with ExitStack() as stack:
        redis.start()
        stack.callback(redis.stop)
        nodes: list[Node] = []
        for delay in ("60s", "0s"):
            node_site, node_publishing = free_port(), free_port()
            folder = tmp_path / f"node{len(nodes) + 1}"
            shutil.copytree(php_folder, folder)
            settings = {
                "SITE_PORT": str(node_site),
                "PUBLISH_LISTEN": f"127.0.0.1:{node_publishing}",
                "REDIS_ADDRESS": redis.address,
                "ALLOWED_ORIGINS": f"http://localhost:{site}",
                "SHUTDOWN_DELAY": delay,
                "BROADCAST_SECRET_KEY": SECRET,
            }
            words = ("--config", str(FOLDER / "Caddyfile"))
            server = stack.enter_context(running(folder, None, *words, env=settings))
            nodes.append(Node(server, node_site, node_publishing))
        balancer = stack.enter_context(haproxy(balanced(site, publishing, nodes), site))
        everywhere(balancer, "UP")
        yield Place(nodes, redis, balancer, site, publishing)


def publish(port: int, message: int, wishes: str = "wait=delivered&timeout=10") -> tuple[int, Any]:
    """The status, and what the receipt says, of all nodes if nothing else is wished."""
    query = f"channel=news&message={message}&{wishes}"
    headers = {"X_Broadcast_Secret": SECRET, "Accept": "application/json"}
    status, body = get(port, f"/internal/broadcast?{query}", "POST", **headers)
    return status, json.loads(body)


def receipt(written: int, answered: int) -> dict[str, Any]:
    nodes = {"answered": answered, "missing": 0}
    return {"accepted": True, "written": written, "queued": 0, "skipped": 0, "nodes": nodes}


def subscribed(client: ClientConnection) -> ClientConnection:
    assert json.loads(client.recv(timeout=15)) == {"type": "subscribed", "channel": "news"}
    return client


def heard(client: ClientConnection, count: int) -> list[Any]:
    return [json.loads(client.recv(timeout=15))["payload"] for _ in range(count)]


def join(place: Place, listen: Listen) -> ClientConnection:
    """A new client by way of the balancer."""
    return subscribed(listen(place.site, origin=f"http://localhost:{place.site}"))


def test_clients_are_spread_and_hear_what_is_published_on_any_node(place: Place, listen: Listen) -> None:
    clients = [join(place, listen) for _ in range(4)]
    assert [node.connections for node in place.nodes] == [2, 2]
    for number, port in enumerate([node.publishing for node in place.nodes] + [place.publishing]):
        assert publish(port, number) == (202, receipt(4, 2))
    assert [heard(client, 3) for client in clients] == [[0, 1, 2]] * 4


def test_the_public_side_knows_the_site_and_its_health_but_no_publishing(place: Place) -> None:
    assert get(place.site, "/") == (200, b"Hello, 127.0.0.1")
    assert get(place.site, "/ready") == (200, b'{"ready":true}\n')
    for path in ("/internal/broadcast?channel=a&message=1", "/%69nternal/broadcast", "//internal/metrics"):
        assert get(place.site, path, "POST", X_Broadcast_Secret=SECRET)[0] == 404


def test_a_node_that_is_taken_out_is_noticed_by_its_own_clients_alone(place: Place, listen: Listen) -> None:
    leaving, staying = place.nodes
    own, other = subscribed(listen(leaving.site)), subscribed(listen(staying.site))
    assert publish(leaving.publishing, 0)[1]["written"] == 2
    leaving.server.signal(signal.SIGTERM)
    place.balancer.wait_for("ready/node1", "DOWN")
    place.balancer.wait_for("publishing/node1", "DOWN")
    # It is about to stop: it gets no new clients, and keeps those that it has.
    status, body = get(leaving.site, "/ready")
    assert (status, json.loads(body)["reason"]) == (503, "the server is stopping")
    late = [join(place, listen) for _ in range(3)]
    assert (leaving.connections, staying.connections) == (1, 4)
    assert publish(place.publishing, 1)[1]["written"] == 5
    assert heard(own, 2) == [0, 1]
    # It is gone, as a machine goes that loses power.
    leaving.server.process.kill()
    with pytest.raises(ConnectionClosed):
        own.recv(timeout=15)
    for number in (2, 3):
        assert publish(place.publishing, number, "timeout=10") == (202, receipt(4, 1))
    own = join(place, listen)
    assert publish(place.publishing, 4, "timeout=10") == (202, receipt(5, 1))
    assert heard(other, 5) == [0, 1, 2, 3, 4]
    assert [heard(client, 4) for client in late] == [[1, 2, 3, 4]] * 3
    assert heard(own, 1) == [4]
    assert staying.server.stop() == 0, staying.server.log


def test_without_redis_everything_is_red_and_clients_are_let_in_all_the_same(
    place: Place, listen: Listen
) -> None:
    first = join(place, listen)
    place.redis.kill()
    everywhere(place.balancer, "DOWN")
    assert get(place.site, "/ready") == (503, b'{"ready":false,"reason":"Redis is away"}\n')
    second = join(place, listen)
    for port in (place.nodes[0].publishing, place.publishing):
        status, answer = publish(port, 0)
        assert (status, answer["outcome"]) == (503, "rejected")
    place.redis.start()
    everywhere(place.balancer, "UP")
    assert publish(place.publishing, 1)[1]["written"] == 2
    assert heard(first, 1) == heard(second, 1) == [1]


# -- files that this machine cannot run ------------------------------------------------------------------


def names_in(caddyfile: str) -> set[str]:
    return set(re.findall(r"\{\$([A-Z_]+)", caddyfile))


def test_the_compose_file_sets_what_the_nodes_read() -> None:
    compose = yaml.safe_load((FOLDER / "compose.yaml").read_text(encoding="utf-8"))
    services = compose["services"]
    assert set(services) == {"redis", "node1", "node2", "balancer"}
    assert services["node1"] == services["node2"]
    environment = services["node1"]["environment"]
    demonstration = {"JWT_SECRET_KEY", "BROADCAST_URL"}
    assert set(environment) == names_in(CADDYFILE) | demonstration
    assert environment["REDIS_ADDRESS"] == "redis:6379"
    built = services["node1"]["build"]
    context = (FOLDER / built["context"]).resolve()
    image = (context / built["dockerfile"]).read_text(encoding="utf-8")
    copied = [words[1:-1] for line in image.splitlines() if (words := line.split())[:1] == ["COPY"]]
    assert len(copied) > 3 and all((context / path).exists() for paths in copied for path in paths)
    assert (FOLDER / services["balancer"]["volumes"][0].partition(":")[0]).is_file()
    balancer = (FOLDER / "haproxy.cfg").read_text(encoding="utf-8")
    for node, port in (("node1", 8080), ("node1", 8081), ("node2", 8080), ("node2", 8081)):
        assert f" {node} {node}:{port}\n" in balancer
    assert environment["SITE_PORT"] == "8080" and environment["PUBLISH_LISTEN"] == ":8081"


def test_the_unit_is_one_that_systemd_understands(tmp_path: Path) -> None:
    text = (FOLDER / "tornado-realtime@.service").read_text(encoding="utf-8")
    program = Path(sys.executable).parent / "tornado-realtime"
    assert "/opt/realtime/bin/tornado-realtime run " in text and program.is_file()
    unit = tmp_path / "tornado-realtime@1.service"
    unit.write_text(text.replace("/opt/realtime/bin/tornado-realtime", str(program)), encoding="utf-8")
    assert shutil.which("systemd-analyze"), "systemd-analyze is missing: install the package systemd"
    done = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    found = re.search(r"^Environment=(.*)$", text, re.MULTILINE)
    assert found is not None
    assert {word.partition("=")[0] for word in found[1].split()} <= names_in(CADDYFILE)


def test_what_the_caddyfile_reads_is_explained_in_it() -> None:
    comment = CADDYFILE.partition("\n{\n")[0]
    assert names_in(CADDYFILE) == set(re.findall(r"\b[A-Z]+_[A-Z_]+\b", comment))
