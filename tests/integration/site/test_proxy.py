"""``reverse_proxy`` between a real client and scripted upstreams."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.chains import fetch
from tests.support.rawhttp import RawClient, RunningFront, serving
from tests.support.upstream import FakeUpstream, Script, Talk, answering, ok, upstream
from tornado_realtime.peers import parse_network
from tornado_realtime.site.chain import ServedSite, Sites
from tornado_realtime.site.front import FrontOptions
from tornado_realtime.site.headers import FieldChange, Verb
from tornado_realtime.site.proxy.handler import ProxyOptions, ReverseProxy
from tornado_realtime.site.proxy.policies import make_policy
from tornado_realtime.site.proxy.spec import HealthSpec, HttpTransport
from tornado_realtime.site.proxy.upstreams import UpstreamGroup
from tornado_realtime.site.upstreams import Upstream

DEAD = Upstream("", "127.0.0.1", "1")


def at(place: str) -> Upstream:
    network, slash, path = place.partition("/")
    if slash:
        return Upstream("", path, "", network)
    host, _, port = place.rpartition(":")
    return Upstream("", host, port)


def proxy(*upstreams: Upstream, transport: HttpTransport | None = None, **options: Any) -> ReverseProxy:
    group = UpstreamGroup(upstreams, transport or HttpTransport(), HealthSpec())
    return ReverseProxy(group, make_policy("first", ()), ProxyOptions(**options))


Steps = Callable[[RunningFront, FakeUpstream], Awaitable[None]]


def run(
    script: Script, steps: Steps, transport: HttpTransport | None = None, path: str = "", **options: Any
) -> None:
    async def main() -> None:
        async with upstream(script, path) as fake:
            step = proxy(at(fake.place), transport=transport, **options)
            async with serving(Sites([ServedSite(step)]).answer) as site:
                await steps(site, fake)
                await step._group.stop()

    asyncio.run(main())


def sent_by(
    *fields: str, target: str = "/", method: str = "GET", body: bytes = b"", **options: Any
) -> list[str]:
    """The lines of the head that an upstream gets."""
    heads: list[str] = []

    async def steps(site: RunningFront, fake: FakeUpstream) -> None:
        await site.once(method, target, *fields, body=body)
        heads.extend(fake.heads)

    run(answering(ok()), steps, **options)
    (head,) = heads
    return head.rstrip("\r\n").split("\r\n")


def test_the_request_as_the_upstream_gets_it() -> None:
    lines = sent_by(
        "Host: site.example:81",
        "X-Kept: 1",
        "Connection: close, X-Mine",
        "X-Mine: 1",
        "Te: trailers",
        "Forwarded-Like: x",
        target="/a%20b//c?d=%22",
    )
    assert lines[0] == "GET /a%20b//c?d=%22 HTTP/1.1"
    assert "Host: site.example:81" in lines
    assert "X-Kept: 1" in lines
    assert "X-Forwarded-For: 127.0.0.1" in lines
    assert "X-Forwarded-Proto: http" in lines
    assert "X-Forwarded-Host: site.example:81" in lines
    assert "Via: 1.1 tornado-realtime" in lines
    names = {line.partition(":")[0] for line in lines[1:]}
    assert not names & {"Connection", "X-Mine", "Te", "Content-Length", "Transfer-Encoding"}


def test_a_stranger_s_word_about_the_origin_is_dropped() -> None:
    fields = ("X-Forwarded-For: 6.6.6.6", "X-Forwarded-Proto: https", "X-Forwarded-Host: evil.example")
    lines = sent_by(*fields)
    assert "X-Forwarded-For: 127.0.0.1" in lines
    assert "X-Forwarded-Proto: http" in lines
    assert "X-Forwarded-Host: localhost" in lines
    trusted = sent_by(*fields, trusted_proxies=(parse_network("127.0.0.0/8"),))
    assert "X-Forwarded-For: 6.6.6.6, 127.0.0.1" in trusted
    assert "X-Forwarded-Proto: https" in trusted
    assert "X-Forwarded-Host: evil.example" in trusted


def test_changes_on_the_way_up_and_down() -> None:
    up = (
        FieldChange(Verb.SET, "Host", "{http.reverse_proxy.upstream.hostport}"),
        FieldChange(Verb.DELETE, "X-Forwarded-*"),
        FieldChange(Verb.SET, "X-Up", "{http.request.uri.path}"),
        FieldChange(Verb.SET, "Content-Length", "999"),
        FieldChange(Verb.SET, "Transfer-Encoding", "chunked"),
    )
    lines = sent_by(target="/%0d%0aX-Evil:%20x", header_up=up)
    assert any(line.startswith("Host: 127.0.0.1:") for line in lines)
    assert "X-Up: / X-Evil: x" in lines
    names = {line.partition(":")[0] for line in lines[1:]}
    assert not names & {"X-Evil", "Content-Length", "Transfer-Encoding", "X-Forwarded-For"}

    down = (
        FieldChange(Verb.SET, "X-Down", "{http.response.status_code}"),
        FieldChange(Verb.DELETE, "X-Powered-By"),
    )
    run(answering(ok(b"ok", "X-Powered-By: x")), lambda site, fake: shown_down(site), header_down=down)


async def shown_down(site: RunningFront) -> None:
    answer = await site.get("/")
    assert (answer.header("X-Down"), answer.header("X-Powered-By"), answer.body) == ("200", None, b"ok")


def test_another_method_and_target() -> None:
    assert sent_by(method="POST", body=b"x", rewrite="/x{uri}".replace("{uri}", "{http.request.uri}"))[0] == (
        "POST /x/ HTTP/1.1"
    )
    assert sent_by(rewrite="/only?a=b", target="/y?c")[0] == "GET /only?a=b HTTP/1.1"


def test_bodies_by_length_and_in_chunks() -> None:
    async def steps(site: RunningFront, fake: FakeUpstream) -> None:
        client = await site.connect()
        payload = bytes(range(256)) * 2000
        assert (await client.request("PUT", "/", body=payload)).status == 200
        await client.send(b"DELETE / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        await client.send(b"5\r\nhello\r\n4\r\n you\r\n0\r\n\r\n")
        assert (await client.answer()).status == 200
        assert (await client.request("POST", "/")).status == 200
        assert fake.bodies == [payload, b"hello you", b""]
        assert f"Content-Length: {len(payload)}" in fake.heads[0]
        assert "Transfer-Encoding: chunked" in fake.heads[1]
        assert "Content-Length: 0" in fake.heads[2]

    run(answering(ok()), steps)


def test_answers_in_every_framing() -> None:
    async def script(talk: Talk) -> None:
        while head := await talk.head():
            path = head.split(" ")[1]
            if path == "/chunked":
                await talk.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                await talk.send(b"3\r\none\r\n4;x=y\r\n two\r\n0\r\nTrailer: x\r\n\r\n")
            elif path == "/close":
                await talk.send(b"HTTP/1.0 200 OK\r\n\r\nuntil the end")
                return
            elif path == "/304":
                await talk.send(b'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\nContent-Length: 99\r\n\r\n')
            elif path == "/informed":
                await talk.send(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + ok(b"final"))
            else:
                await talk.send(
                    b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n" + b"" * head.startswith("HEAD")
                )
                if not head.startswith("HEAD"):
                    await talk.send(b"body")

    async def steps(site: RunningFront, fake: FakeUpstream) -> None:
        client = await site.connect()
        assert (await client.request("GET", "/chunked")).body == b"one two"
        assert (await client.request("GET", "/close")).body == b"until the end"
        cached = await client.request("GET", "/304")
        assert (cached.status, cached.header("ETag")) == (304, '"x"')
        assert (await client.request("GET", "/informed")).body == b"final"
        assert (await client.request("HEAD", "/head")).header("Content-Length") == "4"
        assert (await client.request("GET", "/length")).body == b"body"

    run(script, steps)


def test_answers_stream_through() -> None:
    async def script(talk: Talk) -> None:
        await talk.head()
        await talk.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nfirst\n\r\n")
        await talk.head()

    async def steps(site: RunningFront, fake: FakeUpstream) -> None:
        client = await site.connect()
        await client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await client.reader.readuntil(b"\r\n\r\n")
        assert await client.reader.readuntil(b"first\n") == b"6\r\nfirst\n"

    run(script, steps)


def test_an_upstream_may_answer_before_the_request_is_complete() -> None:
    async def script(talk: Talk) -> None:
        await talk.head()
        await talk.send(ok(b"enough"))

    async def steps(site: RunningFront, fake: FakeUpstream) -> None:
        client = await site.connect()
        await client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nbegin")
        assert (await client.answer()).body == b"enough"

    run(script, steps)


@pytest.mark.parametrize("early", [False, True])
def test_a_client_that_stalls_in_its_body_frees_the_upstream(early: bool) -> None:
    ended: list[bool] = []

    async def script(talk: Talk) -> None:
        await talk.head()
        if early:
            await talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
        await talk.reader.read(5)
        ended.append(await talk.reader.read() == b"")

    async def main() -> None:
        async with upstream(script) as fake:
            answer = Sites([ServedSite(proxy(at(fake.place)))]).answer
            async with serving(answer, FrontOptions(stall_timeout=0.05)) as site:
                client = await site.connect()
                await client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\nbegin")
                if early:
                    with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                        await client.answer()
                else:
                    assert (await client.answer()).status == 408
                async with asyncio.timeout(5):
                    while not ended:
                        await asyncio.sleep(0.001)

    asyncio.run(main())
    assert ended == [True]


def test_connections_are_used_again() -> None:
    async def steps(site: RunningFront, fake: FakeUpstream) -> None:
        client = await site.connect()
        for _ in range(3):
            assert (await client.request("GET", "/")).body == b"ok"
        assert fake.connections == 1
        await client.request("POST", "/", body=b"x")
        assert fake.connections == 2

    run(answering(ok()), steps)
    run(
        answering(ok()),
        lambda site, fake: counted(site, fake, 2),
        transport=HttpTransport(keepalive=0.0),
    )


async def counted(site: RunningFront, fake: FakeUpstream, connections: int) -> None:
    for _ in range(2):
        await site.get("/")
    assert fake.connections == connections


def test_a_connection_that_went_stale_is_replaced() -> None:
    async def once(talk: Talk) -> None:
        await talk.head()
        await talk.send(ok())
        if await talk.head():
            return

    async def steps(site: RunningFront, fake: FakeUpstream) -> None:
        client = await site.connect()
        for _ in range(4):
            assert (await client.request("GET", "/")).body == b"ok"
        assert fake.connections >= 2

    run(once, steps)


def test_what_comes_unasked_is_never_an_answer() -> None:
    async def talkative(talk: Talk) -> None:
        while await talk.head():
            await talk.send(ok(b"asked") + ok(b"unasked"))

    async def steps(site: RunningFront, fake: FakeUpstream) -> None:
        client = await site.connect()
        for _ in range(3):
            assert (await client.request("GET", "/")).body == b"asked"
        assert fake.connections == 3

    run(talkative, steps)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: " + b"x" * 70_000,
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 11,
    ],
)
def test_what_is_no_answer_is_502(raw: bytes) -> None:
    async def steps(site: RunningFront, fake: FakeUpstream) -> None:
        client = await site.connect()
        assert (await client.request("GET", "/")).status == 502
        assert (await client.request("POST", "/", body=b"x")).status == 502

    run(answering(raw, keep=False), steps)


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf-and-more\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnothing\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"A: b\r\n" * 101,
    ],
)
def test_an_answer_that_breaks_off_breaks_off_here_too(raw: bytes) -> None:
    async def steps(site: RunningFront, fake: FakeUpstream) -> None:
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError, ValueError)):
            await site.get("/")

    run(answering(raw, keep=False), steps)


def test_nobody_listens() -> None:
    assert fetch(proxy(DEAD)).status == 502
    assert fetch(proxy()).status == 503
    assert fetch(proxy(Upstream("", "/nonexistent.sock", "", "unix"))).status == 502


def test_a_silent_upstream_is_504() -> None:
    async def silent(talk: Talk) -> None:
        await talk.head()
        await talk.head()

    async def steps(site: RunningFront, fake: FakeUpstream) -> None:
        assert (await site.get("/")).status == 504
        assert (await site.once("POST", "/", body=b"x")).status == 504

    run(silent, steps, transport=HttpTransport(response_header_timeout=0.05))


def test_an_answer_that_stalls_is_cut_off() -> None:
    async def stalling(talk: Talk) -> None:
        await talk.head()
        await talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        await talk.head()

    async def steps(site: RunningFront, fake: FakeUpstream) -> None:
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await site.get("/")

    run(stalling, steps, transport=HttpTransport(read_timeout=0.05))


def test_unix_sockets(tmp_path: Path) -> None:
    async def steps(site: RunningFront, fake: FakeUpstream) -> None:
        assert (await site.get("/")).body == b"ok"

    run(answering(ok()), steps, path=str(tmp_path / "app.sock"))


def test_a_client_that_leaves_frees_the_upstream() -> None:
    async def main() -> None:
        left = asyncio.Event()

        async def waiting(talk: Talk) -> None:
            await talk.head()
            await talk.reader.read()
            left.set()

        async def steps(site: RunningFront, fake: FakeUpstream) -> None:
            client: RawClient = await site.connect()
            await client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            async with asyncio.timeout(5):
                while not fake.heads:
                    await asyncio.sleep(0.001)
                client.close()
                await left.wait()

        async with upstream(waiting) as fake:
            answer = Sites([ServedSite(proxy(at(fake.place)))]).answer
            async with serving(answer) as site:
                await steps(site, fake)

    asyncio.run(main())
