"""The plugin in somebody else's application: routes, callables, settings, publishing from everywhere."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tornado.httputil import HTTPServerRequest
from tornado.web import RequestHandler

from tests.support.realtime_world import UPGRADE, TunedRealtime, realtime, serving
from tornado_realtime.auth import User
from tornado_realtime.brokers.memory import MemoryBroker
from tornado_realtime.errors import (
    AuthRefusedError,
    BrokerClosedError,
    BrokerUnavailableError,
    ConfigError,
    InvalidPublicationError,
    PublicationTooLargeError,
)
from tornado_realtime.publication import Publication, Taken
from tornado_realtime.realtime import Realtime
from tornado_realtime.settings import Settings


class Hello(RequestHandler):
    """The application's own page, guarded by Tornado's XSRF cookie."""

    def get(self) -> None:
        self.write("hello")

    post = get


# -- beside the host's own handlers ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "socket_path", "publish_path"),
    [
        ({}, "/ws", "/internal/broadcast"),
        ({"prefix": "/rt"}, "/rt/ws", "/rt/internal/broadcast"),
        ({"prefix": "/rt/", "socket_path": "/socket"}, "/rt/socket", "/rt/internal/broadcast"),
        ({"socket_path": "/a b", "publish_path": "/publish"}, "/a b", "/publish"),
    ],
)
def test_it_lives_at_the_paths_it_is_told(
    options: dict[str, Any], socket_path: str, publish_path: str
) -> None:
    async def main() -> None:
        instance = realtime(**options)
        assert (instance.socket_path, instance.publish_path) == (socket_path, publish_path)
        async with serving(instance, (r"/", Hello)) as world:
            for path in (socket_path, publish_path):
                assert instance.serves(path)
                assert not instance.serves(path + "/")
                assert not instance.serves(path.upper())
            client = await world.open("news", path=socket_path.replace(" ", "%20"))
            assert (await world.post(path=publish_path)).status == 202
            assert await client.text() == b"hello"
            assert (await world.knock(path="/")).body == b"hello"
            others = {"/ws", "/internal/broadcast"} - {socket_path, publish_path}
            for path in others:
                assert not instance.serves(path)
                assert (await world.knock(path=path)).status == 404

    asyncio.run(main())


def test_the_host_s_guards_against_forged_forms_do_not_concern_it() -> None:
    async def main() -> None:
        settings: dict[str, Any] = {
            "xsrf_cookies": True,
            "cross_origin_protection": True,
            "cookie_secret": "x",
        }
        secret = realtime(broadcast_secret="s3cret")
        async with serving(secret, (r"/", Hello), **settings) as world:
            client = await world.open("news")
            answered = await world.post(
                "X-Broadcast-Secret: s3cret", "Origin: https://evil.example", "Sec-Fetch-Site: cross-site"
            )
            assert answered.status == 202
            assert answered.header("Set-Cookie") is None
            assert await client.text() == b"hello"
            assert (await world.post(path="/")).status == 403  # the host's own are guarded

    asyncio.run(main())


def test_two_instances_in_one_application_have_nothing_in_common() -> None:
    async def main() -> None:
        other = realtime(prefix="/other")
        await other.start()
        async with serving(realtime(), *other.routes) as world:
            one = await world.open("news")
            two = await world.connect()
            assert (await two.request("GET", "/other/ws", *UPGRADE)).status == 101
            await two.say('{"action":"subscribe","channel":"news"}')
            await world.realtime.publish("news", "to one")
            assert await one.text() == b"to one"
            await two.silence()
            closing = asyncio.create_task(other.close())
            assert await two.closed_with() == (1001, "server is shutting down")
            await closing
            await one.silence(0.01)

    asyncio.run(main())


def test_trusted_proxies_are_a_setting() -> None:
    assert not Realtime().settings.trusted_proxies
    (network,) = Realtime(trusted_proxies="127.0.0.1").settings.trusted_proxies
    assert str(network) == "127.0.0.1/32"


# -- authenticate ------------------------------------------------------------------------------------------


def later(answer: Any) -> Callable[[HTTPServerRequest], Awaitable[Any]]:
    async def authenticate(request: HTTPServerRequest) -> Any:
        await asyncio.sleep(0.001)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return authenticate


def at_once(answer: Any) -> Callable[[HTTPServerRequest], Any]:
    def authenticate(request: HTTPServerRequest) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    return authenticate


@pytest.mark.parametrize("make", [at_once, later])
@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [
        ("u1", 101, b""),
        ({"id": "u1"}, 101, b""),
        (User("u1", {"name": "A"}), 101, b""),
        (None, 401, b"Unauthorized\n"),
        (AuthRefusedError("no"), 401, b"Unauthorized\n"),
        ({"id": "u1", "exp": 1}, 401, b"Unauthorized\n"),
        (7, 500, b"Invalid auth response\n"),
        (RuntimeError("secret details"), 500, b"Invalid auth response\n"),
    ],
)
def test_a_callable_decides(make: Callable[[Any], Any], answer: Any, status: int, body: bytes) -> None:
    async def main() -> None:
        async with serving(Realtime(authenticate=make(answer))) as world:
            answered = await world.knock()
            assert (answered.status, answered.body) == (status, body)

    asyncio.run(main())


def test_a_slow_callable() -> None:
    async def authenticate(request: HTTPServerRequest) -> str:
        await asyncio.sleep(60)
        return "u1"

    async def main() -> None:
        async with serving(Realtime(authenticate=authenticate, auth_timeout=0.05)) as world:
            answered = await world.knock()
            assert (answered.status, answered.body) == (504, b"Gateway Timeout\n")

    asyncio.run(main())


def test_a_callable_sees_the_request() -> None:
    async def main() -> None:
        instance = Realtime(authenticate=lambda request: request.cookies["user"].value)
        async with serving(instance) as world:
            await world.open("news", fields=["Cookie: user=zoe; theme=dark"])
            assert [connection.user.id for connection in world.hub.connections] == ["zoe"]

    asyncio.run(main())


# -- publishing --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("text ü", "text ü".encode()),
        (b"bytes", b"bytes"),
        (bytearray(b"array"), b"array"),
        (memoryview(b"view"), b"view"),
    ],
)
def test_messages(message: Any, expected: bytes) -> None:
    async def main() -> None:
        async with serving(realtime()) as world:
            client = await world.open("news")
            await world.realtime.publish("news", message)
            assert await client.text() == expected

    asyncio.run(main())


@pytest.mark.parametrize(
    ("channel", "message", "error"),
    [
        ("", "m", InvalidPublicationError),
        ("c", "", InvalidPublicationError),
        ("c", b"", InvalidPublicationError),
        ("c", b"\xff", InvalidPublicationError),
        ("c", "\ud800", InvalidPublicationError),
        ("\ud800", "m", InvalidPublicationError),
        (None, "m", InvalidPublicationError),
        (7, "m", InvalidPublicationError),
        ("c", 7, InvalidPublicationError),
        ("c", None, InvalidPublicationError),
        ("c", {"a": 1}, InvalidPublicationError),
        ("c" * 256, "m", InvalidPublicationError),
        ("c\n", "m", InvalidPublicationError),
        ("c", "x" * 101, PublicationTooLargeError),
        ("c", "ü" * 51, PublicationTooLargeError),
    ],
)
def test_what_cannot_be_published(channel: Any, message: Any, error: type[Exception]) -> None:
    async def main() -> None:
        async with serving(realtime(max_publication_size=100)) as world:
            with pytest.raises(error):
                await world.realtime.publish(channel, message)
            with pytest.raises(error):
                world.realtime.publish_threadsafe(channel, message)
            await world.realtime.publish("c", "x" * 100)

    asyncio.run(main())


def test_from_a_thread() -> None:
    async def main() -> None:
        async with serving(realtime()) as world:
            client = await world.open("news")

            def work() -> None:
                for number in range(50):
                    world.realtime.publish_threadsafe("news", str(number)).result(5)

            await asyncio.to_thread(work)
            assert [await client.text() for _ in range(50)] == [str(number).encode() for number in range(50)]

    asyncio.run(main())


def test_from_another_event_loop_in_another_thread() -> None:
    async def main() -> None:
        async with serving(realtime()) as world:
            client = await world.open("news")
            await asyncio.to_thread(asyncio.run, world.realtime.publish("news", "from afar"))
            assert await client.text() == b"from afar"

    asyncio.run(main())


class Unavailable(MemoryBroker):
    async def publish(self, publication: Publication, key: str = "") -> Taken:
        raise BrokerUnavailableError("away")


class WithoutBroker(TunedRealtime):
    broker = Unavailable


def test_errors_come_back_to_whoever_published() -> None:
    async def main() -> None:
        async with serving(WithoutBroker()) as world:
            with pytest.raises(BrokerUnavailableError):
                await world.realtime.publish("news", "x")
            with pytest.raises(BrokerUnavailableError):
                await asyncio.to_thread(asyncio.run, world.realtime.publish("news", "x"))
            with pytest.raises(BrokerUnavailableError):
                await asyncio.to_thread(world.realtime.publish_threadsafe("news", "x").result, 5)

    asyncio.run(main())


def test_many_threads_at_once() -> None:
    async def main() -> None:
        async with serving(realtime()) as world:
            client = await world.open("news")
            barrier = threading.Barrier(4)

            def work(name: str) -> None:
                barrier.wait()
                for number in range(25):
                    world.realtime.publish_threadsafe("news", f"{name}{number}")

            with ThreadPoolExecutor(4) as pool:
                await asyncio.gather(
                    *(asyncio.get_running_loop().run_in_executor(pool, work, name) for name in "abcd")
                )
            got = [(await client.text()).decode() for _ in range(100)]
            for name in "abcd":
                assert [m for m in got if m[0] == name] == [f"{name}{number}" for number in range(25)]

    asyncio.run(main())


# -- settings ----------------------------------------------------------------------------------------------


def test_settings_or_options() -> None:
    assert Realtime(Settings(wire="envelope")).settings.wire == "envelope"
    with pytest.raises(ConfigError, match="give settings or options, not both"):
        Realtime(Settings(), wire="raw")


@pytest.mark.parametrize("text", ["go_handler", " go_handler\n", "go_handler {\n}\n"])
def test_a_block_without_options(text: str) -> None:
    assert Realtime.from_caddyfile(text, env={}).settings == Settings()


def test_a_block_with_options_variables_and_what_only_python_can_set() -> None:
    text = """
        # comments are welcome
        go_handler {
            wire envelope
            broadcast_secret {$SECRET}
            send_queue 16 64KiB
        }
    """
    env = {"SECRET": "s3cret"}
    found = Realtime.from_caddyfile(text, env=env, prefix="/rt", authenticate=lambda request: None)
    assert found.settings == Settings(
        wire="envelope", broadcast_secret="s3cret", send_queue_frames=16, send_queue_bytes=65536, prefix="/rt"
    )


def test_the_process_environment_when_none_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WIRE_FOR_TESTS", "envelope")
    assert Realtime.from_caddyfile("go_handler {\n wire {$WIRE_FOR_TESTS}\n}").settings.wire == "envelope"


def test_a_file(tmp_path: Path) -> None:
    file = tmp_path / "realtime.caddyfile"
    file.write_text("go_handler {\n\twire envelope\n\tdriver kafka\n}\n")
    with pytest.raises(ConfigError) as caught:
        Realtime.from_caddyfile(str(file))
    assert str(caught.value) == f"{file}:3: driver must be memory or redis, not 'kafka'"


WRONG = {
    "go_handler {\n wire\n}": "go_handler:2: wrong number of arguments after wire: write wire raw|envelope",
    "go_handler {\n brodcast_secret x\n}": (
        "go_handler:2: unknown option brodcast_secret of go_handler (did you mean broadcast_secret?)"
    ),
    "go_handler {\n driver redis {\n }\n}": "go_handler:2: driver takes no block: write driver memory|redis",
    "go_handler /ws {\n}": (
        "go_handler:1: go_handler takes no arguments here: paths are settings of the plugin"
    ),
    "respond {\n}": "go_handler:1: a go_handler block is needed here, not respond",
}


@pytest.mark.parametrize(("text", "message"), WRONG.items())
def test_a_wrong_block(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Realtime.from_caddyfile(text, env={})
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "text", ["", "\n", "go_handler {", "go_handler {\n}\n}", "go_handler {}", "go_handler\ngo_handler\n"]
)
def test_no_block(text: str) -> None:
    with pytest.raises(ConfigError):
        Realtime.from_caddyfile(text, env={})


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        Realtime.from_caddyfile(str(tmp_path / "none"))


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\0")
    with pytest.raises(ConfigError, match="cannot be read"):
        Realtime.from_caddyfile(str(tmp_path / "binary"))


def test_a_redis_address_that_makes_no_sense_is_found_at_once() -> None:
    with pytest.raises(ConfigError, match=r"^go_handler:3: "):
        Realtime.from_caddyfile("go_handler {\n driver redis\n redis_address http://x\n}", env={})
    with pytest.raises(ConfigError, match=r"^go_handler:3: .* a host is missing"):
        Realtime.from_caddyfile("go_handler {\n driver redis\n redis_address redis-cluster://a,,b\n}", env={})
    with pytest.raises(ConfigError, match=r"^[^:]*redis"):
        Realtime(driver="redis", redis_address="http://x")


def test_closed_instances_refuse_publications() -> None:
    async def main() -> None:
        instance = Realtime()
        with pytest.raises(BrokerClosedError):
            await instance.publish("news", "x")
        with pytest.raises(BrokerClosedError):
            instance.publish_threadsafe("news", "x")
        await instance.start()
        await instance.publish("news", "x")
        await instance.close()
        with pytest.raises(BrokerClosedError):
            await instance.publish("news", "x")
        with pytest.raises(BrokerClosedError):
            await asyncio.to_thread(instance.publish_threadsafe("news", "x").result, 5)

    asyncio.run(main())
