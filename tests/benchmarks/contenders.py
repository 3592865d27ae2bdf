"""Who is measured: how each is started, and how the load generator talks to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.benchmarks import install
from tests.benchmarks.ours import (
    launch_one_node,
    launch_ours,
    launch_ours_on_redis,
    launch_ours_on_uvloop,
    launch_ours_presence,
    launch_ours_stream,
    launch_ours_v1,
    launch_two_nodes,
)
from tests.benchmarks.places import NODE_MODULES, SOURCES
from tests.benchmarks.room import Launch, Room

SUBSCRIBE = '{"action":"subscribe","channel":"ch%c"}'
PEERS = SOURCES / "peers"
MOST_CONNECTIONS = 20_000


@dataclass(frozen=True, slots=True)
class Contender:
    """One server.

    Attributes:
        name: As on the command line.
        title: As in the report.
        launch: How to start and drive it in a room; raises MissingError when it cannot be had.
        note: How it is used, for the report.
    """

    name: str
    title: str
    launch: Callable[[Room], Launch] = field(repr=False)
    note: str


def _limit(mode: str) -> Callable[[Room], Launch]:
    def launch(room: Room) -> Launch:
        port = room.port()
        return Launch(
            command=(str(install.compiled("limit")), str(port), mode),
            port=port,
            publish=("--publish-path", "/", "--body", "message=%m"),
            version="ours",
        )

    return launch


def _python(package: str, script: str, publish: tuple[str, ...], ports: int = 1) -> Callable[[Room], Launch]:
    def launch(room: Room) -> Launch:
        python = install.python_with(package)
        numbers = [room.port() for _ in range(ports)]
        return Launch(
            command=(str(python), str(PEERS / script), *map(str, numbers)),
            port=numbers[0],
            publish_port=numbers[-1],
            subscribe=("--subscribe", SUBSCRIBE),
            publish=publish,
            variables=install.libraries_for(package),
            version=install.version_of(lambda: install.python_package_version(package)),
        )

    return launch


_BODY_IS_MESSAGE = ("--publish-path", "/publish?channel=ch%c", "--body", "%m")
_FORM = ("--body", "channel=ch%c&message=%m")


def _node(room: Room) -> Launch:
    node, port = install.node_with("ws"), room.port()
    return Launch(
        command=(str(node), str(PEERS / "ws_server.js"), str(port)),
        port=port,
        subscribe=("--subscribe", SUBSCRIBE),
        publish=_BODY_IS_MESSAGE,
        variables={"NODE_PATH": str(NODE_MODULES)},
        version=install.version_of(lambda: install.node_package_version("ws")),
    )


_NATS = """
listen: 127.0.0.1:{plain}
websocket {{ listen: "127.0.0.1:{port}", no_tls: true, compression: false }}
max_connections: {most}
max_pending: 256MB
write_deadline: "30s"
"""


def _nats(room: Room) -> Launch:
    program, port, plain = install.nats_server(), room.port(), room.port()
    config = room.write("nats.conf", _NATS.format(port=port, plain=plain, most=MOST_CONNECTIONS))
    hello = r'CONNECT {"verbose":false,"pedantic":false}\r\n'
    return Launch(
        command=(str(program), "-c", str(config)),
        port=port,
        publish_port=plain,
        subscribe=(
            "--binary",
            "--path",
            "/",
            "--subscribe",
            hello + r"SUB ch%c 1\r\nPING\r\n",
            "--ready-text",
            "PONG",
        ),
        publish=("--raw", "--greeting", hello, "--body", r"PUB ch%c %n\r\n%m\r\n"),
        version=install.version_of(lambda: install.program_version(program, "--version")),
    )


_NCHAN = """
load_module {module};
daemon off;
user root;
worker_processes 1;
worker_rlimit_nofile {most};
pid {folder}/nginx.pid;
error_log {folder}/nginx.log warn;
events {{ worker_connections {most}; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    keepalive_requests 1000000000;
    nchan_shared_memory_size 512M;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location = /ws {{
            nchan_subscriber websocket;
            nchan_channel_id $arg_channel;
            nchan_subscriber_first_message newest;
        }}
        location = /publish {{
            nchan_publisher;
            nchan_channel_id $arg_channel;
            nchan_message_buffer_length 1000;
            nchan_message_timeout 10s;
        }}
    }}
}}
"""


def _nchan(room: Room) -> Launch:
    (program, module), port = install.nginx_with_nchan(), room.port()
    config = room.write(
        "nginx.conf", _NCHAN.format(module=module, folder=room.folder, port=port, most=MOST_CONNECTIONS)
    )
    return Launch(
        command=(str(program), "-c", str(config), "-p", str(room.folder)),
        port=port,
        subscribe=("--path", "/ws?channel=ch%c"),
        publish=_BODY_IS_MESSAGE,
        version=_nchan_version(program),
        processes=2,
    )


def _nchan_version(program: Path) -> str:
    nginx = install.version_of(lambda: install.program_version(program, "-v"))
    package = install.version_of(lambda: install.package_version("libnginx-mod-nchan"))
    return f"{package}, nginx {nginx}"


_ALL = (
    Contender("ours", "tornado_realtime", launch_ours, "`run --config`, login, origin and limits on"),
    Contender(
        "ours-v1", "tornado_realtime, realtime.v1.json", launch_ours_v1, "the wire with acknowledgements"
    ),
    Contender(
        "ours-stream",
        "tornado_realtime, channels with a history",
        launch_ours_stream,
        "realtime.v1.json, `history 1000 10m`",
    ),
    Contender(
        "ours-presence",
        "tornado_realtime, channels with presence",
        launch_ours_presence,
        "realtime.v1.json, `presence on 10000`; one client watches",
    ),
    Contender(
        "ours-two",
        "tornado_realtime, two nodes over Redis",
        launch_two_nodes,
        "both and Redis on one core; half of the subscribers at each, publishers at the first",
    ),
    Contender(
        "ours-redis",
        "tornado_realtime, one node on Redis",
        lambda room: launch_ours_on_redis(room, room.port()),
        "100 clients with 100 channels each; Redis is killed and started again",
    ),
    Contender(
        "ours-one",
        "tornado_realtime and its Redis",
        lambda room: launch_one_node(room, history=False),
        "both on one core",
    ),
    Contender(
        "ours-one-stream",
        "tornado_realtime and its Redis, channels with a history",
        lambda room: launch_one_node(room, history=True),
        "both on one core, `history 1000 10m`",
    ),
    Contender("ours-uvloop", "tornado_realtime on uvloop", launch_ours_on_uvloop, "another event loop"),
    Contender(
        "c-joined", "C, joined", _limit("joined"), "system calls only; what one poll brought is joined"
    ),
    Contender("c-each", "C, one send a frame", _limit("each"), "system calls only"),
    Contender("nats", "nats-server", _nats, "WebSocket subscribers, plain TCP publishers without replies"),
    Contender(
        "socketify",
        "uWebSockets (socketify)",
        _python("socketify", "socketify_server.py", _BODY_IS_MESSAGE),
        "its own topics, `app.publish`",
    ),
    Contender("ws", "node ws", _node, "frames prepared once, joined, one corked write"),
    Contender("nchan", "nchan", _nchan, "nginx, one worker"),
    Contender(
        "websockets",
        "websockets",
        _python("websockets", "websockets_server.py", _BODY_IS_MESSAGE, ports=2),
        "`broadcast`; publishing on a port of its own",
    ),
    Contender(
        "tornado",
        "Tornado",
        _python("tornado", "tornado_server.py", ("--publish-path", "/publish", *_FORM)),
        "WebSocketHandler, `write_message` for every client; no login",
    ),
    Contender(
        "tornado-bare",
        "Tornado, RequestHandler alone",
        _python("tornado", "tornado_server.py", ("--publish-path", "/nothing", *_FORM)),
        "a handler that does nothing",
    ),
)

CONTENDERS = {contender.name: contender for contender in _ALL}
"""Everybody, by name."""
