"""Several upstreams, some of them dead; health; upgrades; TLS."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application
from tornado.websocket import WebSocketHandler, websocket_connect

from tests.support.rawhttp import RunningFront, serving
from tests.support.streams import StreamServer
from tests.support.upstream import FakeUpstream, Script, Talk, answering, ok, upstream
from tornado_realtime.site.chain import ServedSite, Sites
from tornado_realtime.site.proxy.handler import ProxyOptions, ReverseProxy
from tornado_realtime.site.proxy.policies import make_policy
from tornado_realtime.site.proxy.spec import HealthSpec, HttpTransport
from tornado_realtime.site.proxy.upstreams import UpstreamGroup
from tornado_realtime.site.regexps import Regexp
from tornado_realtime.site.upstreams import Upstream

DEAD = Upstream("", "127.0.0.1", "1")


def at(fake: FakeUpstream, scheme: str = "") -> Upstream:
    host, _, port = fake.place.rpartition(":")
    return Upstream(scheme, host, port)


def proxy(
    *upstreams: Upstream, policy: str = "first", health: HealthSpec | None = None, **options: Any
) -> ReverseProxy:
    group = UpstreamGroup(upstreams, HttpTransport(), health or HealthSpec())
    return ReverseProxy(group, make_policy(policy, ()), ProxyOptions(**options))


async def served(step: ReverseProxy, steps: Callable[[RunningFront], Awaitable[None]]) -> None:
    await step._group.start()
    try:
        async with serving(Sites([ServedSite(step)]).answer) as site:
            await steps(site)
    finally:
        await step._group.stop()


def test_another_upstream_is_asked_when_one_is_dead() -> None:
    async def main() -> None:
        async with upstream(answering(ok(b"alive"))) as fake:

            async def steps(site: RunningFront) -> None:
                assert (await site.get("/")).body == b"alive"
                assert (await site.once("POST", "/", body=b"unsent so far")).body == b"alive"
                assert fake.bodies[-1] == b"unsent so far"

            await served(proxy(DEAD, at(fake)), steps)

    asyncio.run(main())


def test_only_what_does_no_harm_is_asked_twice() -> None:
    async def slamming(talk: Talk) -> None:
        await talk.request()

    async def main() -> None:
        async with upstream(slamming) as bad, upstream(answering(ok(b"alive"))) as good:

            async def steps(site: RunningFront) -> None:
                assert (await site.get("/")).body == b"alive"
                assert (await site.once("POST", "/", body=b"x")).status == 502
                assert (await site.once("DELETE", "/")).status == 502
                assert len(good.heads) == 1

            await served(proxy(at(bad), at(good)), steps)

    asyncio.run(main())


def test_a_dead_one_is_left_out_for_a_while() -> None:
    async def slamming(talk: Talk) -> None:
        await talk.request()

    async def main() -> None:
        async with upstream(slamming) as bad, upstream(answering(ok(b"alive"))) as good:

            async def steps(site: RunningFront) -> None:
                for _ in range(3):
                    assert (await site.get("/")).body == b"alive"
                assert len(bad.heads) == 1

            await served(proxy(at(bad), at(good), health=HealthSpec(fail_duration=60.0)), steps)

    asyncio.run(main())


def test_retries_are_counted() -> None:
    async def slamming(talk: Talk) -> None:
        await talk.request()

    async def main() -> None:
        async with upstream(slamming) as bad:

            async def steps(site: RunningFront) -> None:
                assert (await site.get("/")).status == 502
                assert len(bad.heads) == 2

            await served(proxy(at(bad), at(bad), at(bad), retries=1), steps)

    asyncio.run(main())


def test_trying_goes_on_until_one_comes_up() -> None:
    async def main() -> None:
        async with upstream(answering(ok())) as fake:
            place = at(fake)

        async def steps(site: RunningFront) -> None:
            asking = asyncio.create_task(site.get("/"))
            await asyncio.sleep(0.05)
            async with await StreamServer(one_answer).start(int(place.port)):
                assert (await asking).body == b"late"

        await served(proxy(place, try_duration=5.0, try_interval=0.01), steps)

        async def in_vain(site: RunningFront) -> None:
            assert (await site.get("/")).status == 502

        await served(proxy(DEAD, try_duration=0.05, try_interval=0.01), in_vain)

    asyncio.run(main())


async def one_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(ok(b"late", "Connection: close"))
    await writer.drain()
    writer.close()


def test_asking_regularly_finds_the_sick() -> None:
    def sick(body: bytes) -> Script:
        async def script(talk: Talk) -> None:
            while head := await talk.head():
                await talk.send(ok(body if "/health" in head else b"page"))

        return script

    async def main() -> None:
        async with upstream(sick(b"bad day")) as bad, upstream(sick(b"all fine")) as good:
            health = HealthSpec(
                uri="health", interval=0.01, body=Regexp("f.ne"), headers=(("X-Probe", ("1",)),), status=2
            )
            step = proxy(DEAD, at(bad), at(good), health=health)

            async def steps(site: RunningFront) -> None:
                async with asyncio.timeout(5):
                    while [member.is_well for member in step._group.members] != [False, False, True]:
                        await asyncio.sleep(0.005)
                assert (await site.get("/")).body == b"page"
                assert not any("GET / " in head for head in bad.heads)
                assert "GET /health HTTP/1.1\r\n" in good.heads[0]
                assert "X-Probe: 1" in good.heads[0]

            await served(step, steps)

    asyncio.run(main())


def test_websockets_pass() -> None:
    class Echo(WebSocketHandler):
        def check_origin(self, origin: str) -> bool:
            return True

        def on_message(self, message: str | bytes) -> Awaitable[None] | None:
            return self.write_message(message)

    async def main() -> None:
        server = HTTPServer(Application([("/echo", Echo)], log_function=lambda handler: None))
        (listener,) = bind_sockets(0, "127.0.0.1")
        server.add_sockets([listener])
        port = str(listener.getsockname()[1])

        async def steps(site: RunningFront) -> None:
            socket = await websocket_connect(f"ws://127.0.0.1:{site.port}/echo")
            for message in ("one", "two" * 100_000):
                await socket.write_message(message)
                assert await socket.read_message() == message
            socket.close()
            assert await socket.read_message() is None
            assert await site.front.drain(5)

        await served(proxy(Upstream("", "127.0.0.1", port)), steps)
        server.stop()
        await server.close_all_connections()

    asyncio.run(main())


def test_a_refused_upgrade_is_an_ordinary_answer() -> None:
    async def main() -> None:
        async with upstream(answering(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno")) as fake:

            async def steps(site: RunningFront) -> None:
                answer = await site.get("/", "Connection: Upgrade", "Upgrade: websocket")
                assert (answer.status, answer.body) == (401, b"no")
                assert "Upgrade: websocket" in fake.heads[0]
                assert "Connection: Upgrade" in fake.heads[0]

            await served(proxy(at(fake)), steps)

    asyncio.run(main())


def test_a_tunnel_ends_when_the_server_stops() -> None:
    async def switching(talk: Talk) -> None:
        await talk.head()
        await talk.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\nhi")
        await talk.reader.read()

    async def main() -> None:
        async with upstream(switching) as fake:

            async def steps(site: RunningFront) -> None:
                client = await site.connect()
                await client.send(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\n")
                assert (await client.answer()).status == 101
                assert await client.reader.readexactly(2) == b"hi"
                await site.front.cancel()
                assert await client.at_end()

            await served(proxy(at(fake)), steps)

    asyncio.run(main())


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for 127.0.0.1 and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "upstream")])
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("upstream.example")]
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "upstream.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(built.public_bytes(serialization.Encoding.PEM) + private)
    return file


def test_tls_upstreams_are_checked(certificate: Path) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    trusted = (str(certificate),)

    async def status(transport: HttpTransport, fake: FakeUpstream) -> int:
        group = UpstreamGroup([at(fake, "https")], transport, HealthSpec())
        statuses: list[int] = []

        async def steps(site: RunningFront) -> None:
            statuses.append((await site.get("/")).status)

        await served(ReverseProxy(group, make_policy("first", ()), ProxyOptions()), steps)
        return statuses[0]

    async def main() -> None:
        async with upstream(answering(ok()), tls=context) as fake:
            assert await status(HttpTransport(trusted_ca_files=trusted), fake) == 200
            named = HttpTransport(trusted_ca_files=trusted, server_name="upstream.example")
            assert await status(named, fake) == 200
            other = HttpTransport(trusted_ca_files=trusted, server_name="other.example")
            assert await status(other, fake) == 502
            assert await status(HttpTransport(), fake) == 502
            assert await status(HttpTransport(insecure=True), fake) == 200

    asyncio.run(main())
