"""Every request over both roads: what the lane answers, and does, is what Tornado's server would."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import bcrypt
import pytest

from tests.support.lane_requests import (
    CLOSE_FRAME,
    JWT_SECRET,
    LAST,
    ODD,
    PUBLISH,
    SECRET,
    UPGRADE,
    WELL_SHAPED,
    publish,
    upgrade,
)
from tests.support.roads import both_roads, compare

JWT = f'jwt {{\nsecret "{JWT_SECRET}"\n}}'
DOOR = f"go_handler {{\n{JWT}\nbroadcast_secret {SECRET}\n}}\n"
OPEN_DOOR = f"go_handler {{\n{JWT}\n}}\n"
SEED = f"@rt path /ws /internal/broadcast\nhandle @rt {{\n{DOOR}}}\nrespond page\n"
HASH = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
BASIC = "Authorization: Basic Ym9iOnNlY3JldA=="


@dataclass(frozen=True, slots=True)
class World:
    """A Caddyfile.

    Attributes:
        text: Its one site's body, or the whole file when there is a line that opens a site.
        publishes: Whether the lane serves the good publish request there.
        upgrades: Whether it serves the good handshake.
        more: Further requests.
    """

    text: str
    publishes: bool = True
    upgrades: bool = True
    more: Mapping[str, tuple[bytes, ...]] | None = None

    @property
    def caddyfile(self) -> str:
        """The whole file."""
        return self.text if "http://:0" in self.text else f"http://:0 {{\n{self.text}\n}}\n"


def shut(text: str, **more: tuple[bytes, ...]) -> World:
    """A world in which the lane serves nothing."""
    return World(text, publishes=False, upgrades=False, more=more)


WORLDS: dict[str, World] = {
    "the seed": World(SEED),
    "alone": World(DOOR),
    "this host only": World(OPEN_DOOR, more={"named": (publish("-X-Broadcast-Secret"), LAST)}),
    "foreign origins are aborted": World(
        f"""
        @rt path /ws /internal/broadcast
        handle @rt {{
            @foreign {{
                header Origin *
                not header Origin http://localhost
            }}
            abort @foreign
            {DOOR}
        }}
        respond page
        """,
        more={
            "own": (upgrade("Origin: http://localhost"), CLOSE_FRAME),
            "foreign": (upgrade("Origin: http://evil.example"), LAST),
            "foreign publish": (publish("Origin: http://evil.example"), LAST),
            "own publish": (publish("Origin: http://localhost"), LAST),
        },
    ),
    "hosts and sites": World(
        f"""
        http://:0 {{
            respond other
        }}
        http://localhost:0, http://*.example.com:0 {{
            {SEED}
        }}
        http://quiet.example.org:0 {{
            log
            {SEED}
        }}
        http://plain.example.org:0 {{
            respond /internal/* 403
            {DOOR}
        }}
        """,
        more={
            f"{host} {kind.__name__}": (kind(f"Host: {host}"), LAST)
            for host in (
                "LOCALHOST:80",
                "a.example.com",
                "a.b.example.com",
                "quiet.example.org",
                "plain.example.org",
                "elsewhere",
            )
            for kind in (publish, upgrade)
        },
    ),
    "publishing forbidden": World(f"route {{\nrespond /internal/* 403\n{SEED}}}\n", publishes=False),
    "publishing forbidden from elsewhere": World(
        f"route {{\n@far not remote_ip 127.0.0.1\nrespond @far 403\n{SEED}}}\n"
    ),
    "publishing forbidden from here": World(
        f"route {{\n@near {{\nremote_ip 127.0.0.0/8\npath /internal/*\n}}\nrespond @near 403\n{SEED}}}\n",
        publishes=False,
    ),
    "by forwarded address": World(
        f"""
        {{
            servers {{
                trusted_proxies static 127.0.0.1
            }}
        }}
        http://:0 {{
            @bad client_ip 192.0.2.0/24
            abort @bad
            {DOOR}
        }}
        """,
        more={
            "bad": (upgrade("X-Forwarded-For: 192.0.2.7"), LAST),
            "good": (upgrade("X-Forwarded-For: 192.0.2.7, 198.51.100.1"), CLOSE_FRAME),
            "bad publish": (publish("X-Forwarded-For: 192.0.2.7"), LAST),
        },
    ),
    "password": shut(
        f"basic_auth {{\nbob {HASH}\n}}\n{DOOR}",
        known=(publish(BASIC), LAST),
        known_upgrade=(upgrade(BASIC), CLOSE_FRAME),
    ),
    "password for pages": World(f"basic_auth /page* {{\nbob {HASH}\n}}\n{SEED}"),
    "header": shut(f"header X-Site one\n{DOOR}"),
    "header for pages": World(f"header /page X-Site one\n{SEED}"),
    "request header": shut(f"request_header X-Broadcast-Secret {SECRET}\n{DOOR}"),
    "log": shut(f"log {{\noutput discard\n}}\n{DOOR}"),
    "vars": shut(f"vars x y\n@y vars x y\nabort @y\n{DOOR}"),
    "rewrite": shut(f"rewrite * /ws\n{DOOR}"),
    "rewrite of pages": World(
        f"rewrite /page /ws\n{SEED}", more={"rewritten": (upgrade(line="GET /page HTTP/1.1"), CLOSE_FRAME)}
    ),
    "rewrite away": World(f"rewrite /internal/broadcast /page\n{SEED}", publishes=False),
    "method": World(f"@p method POST\nmethod @p PUT\n{DOOR}", publishes=False),
    "root": World(f"root * /nowhere\n@here file /Caddyfile\nroot @here /elsewhere\n{SEED}"),
    "files": shut(f"@here file\nabort @here\n{DOOR}"),
    "placeholder": shut(f"@x header Host {{http.request.host}}\nabort @x\n{DOOR}"),
    "expression in a header": World(
        f"@x header_regexp agent User-Agent ^bad{{2}}\nabort @x\n{DOOR}",
        more={
            "bad": (publish("User-Agent: badd"), LAST),
            "good": (publish("User-Agent: bad"), LAST),
            "bad upgrade": (upgrade("User-Agent: baddd"), LAST),
        },
    ),
    "by length": World(
        f"route {{\n@x header Content-Length 35\nabort @x\n{SEED}}}\n",
        publishes=False,
        more={
            "others": (publish(body=b"channel=a&message=b"), PUBLISH, LAST),
            "this one": (publish(body=b"channel=a&message=b") + PUBLISH + LAST,),
        },
    ),
    "by query": World(f"@x query a=b\nabort @x\n{DOOR}"),
    "by protocol": World(f"@x protocol https\nabort @x\n{DOOR}"),
    "grpc": World(f"@x protocol grpc\nabort @x\n{DOOR}"),
    "abort all": shut(f"abort\n{DOOR}"),
    "error": shut(f"error 418\nhandle_errors {{\nrespond teapot\n}}\n{DOOR}"),
    "encode": shut(f"encode gzip\n{DOOR}"),
    "respond with a door behind": shut(f"respond page\n{DOOR}"),
    "handle path": World(
        f"handle_path /rt/* {{\n{DOOR}}}\nrespond page",
        publishes=False,
        upgrades=False,
        more={
            "inside": (publish(line="POST /rt/internal/broadcast HTTP/1.1"), LAST),
            "inside upgrade": (upgrade(line="GET /rt/ws HTTP/1.1"), CLOSE_FRAME),
        },
    ),
    "two doors": World(
        f"""
        @a header User-Agent a*
        go_handler @a {{
            {JWT}
            broadcast_secret {SECRET}
        }}
        go_handler {{
            {JWT}
            broadcast_secret other
        }}
        """,
        publishes=False,
        more={
            "first": (publish("User-Agent: abc"), LAST),
            "second": (publish("X-Broadcast-Secret: other"), LAST),
            "both": (
                publish("User-Agent: abc")
                + publish("X-Broadcast-Secret: other")
                + publish("User-Agent: abc"),
                LAST,
            ),
        },
    ),
    "doors in groups": World(
        f"""
        handle /ws {{
            {OPEN_DOOR}
        }}
        handle {{
            handle /internal/* {{
                {DOOR}
            }}
            handle {{
                respond page
            }}
        }}
        """
    ),
    "first group wins": World(
        f"handle /ws {{\nrespond no\n}}\nhandle /ws {{\n{DOOR}}}\n{DOOR}", upgrades=False
    ),
    "in file order": shut(f"route {{\nheader X-A 1\n{DOOR}}}\n"),
    "behind conditions in a route": World(
        f"route {{\n@x header X-Anything *\nheader @x X-A 1\nrespond @x no\n{DOOR}}}\n"
    ),
}


THOROUGH = ("the seed", "this host only", "foreign origins are aborted")
EVERYTHING = {**WELL_SHAPED, **ODD}
A_FEW = (
    "pipelined",
    "another length",
    "then a page",
    "handshake after publish",
    "browser",
    "behind a proxy",
    "by bearer",
    "publish and then query",
    "publish and then wrong secret",
    "handshake, escaped",
    "handshake, no cookie",
    "page",
)


@pytest.mark.parametrize("name", WORLDS)
def test_both_roads_agree(name: str) -> None:
    world = WORLDS[name]
    requests = EVERYTHING.values() if name in THOROUGH else [EVERYTHING[key] for key in A_FEW]

    async def main() -> None:
        async with both_roads(world.caddyfile) as (fast, slow):
            for packets in [*(world.more or {}).values(), *requests]:
                await compare(fast, slow, *packets)
            await compare(fast, slow, PUBLISH)
            assert (fast.at_site == 0) is world.publishes, "publish"
            await compare(fast, slow, UPGRADE, CLOSE_FRAME)
            assert (fast.at_site == 0) is world.upgrades, "handshake"

    asyncio.run(main())


@pytest.mark.parametrize("name", WELL_SHAPED)
def test_what_is_well_shaped_is_served_by_the_lane(name: str) -> None:
    async def main() -> None:
        async with both_roads(WORLDS["the seed"].caddyfile) as (fast, slow):
            await compare(fast, slow, *WELL_SHAPED[name])
            assert slow.at_site > fast.at_site

    asyncio.run(main())
