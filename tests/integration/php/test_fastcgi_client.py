"""The client against a responder that misbehaves on purpose."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from tests.support.fastcgi_responder import ABORT, STDERR, Call, responding
from tornado_realtime.errors import ConnectionClosedError, GatewayError
from tornado_realtime.site.fastcgi import CgiHead
from tornado_realtime.site.fastcgi_client import (
    MAX_LOG_LINES,
    ClientLimits,
    FastCgiAddress,
    FastCgiAnswer,
    FastCgiClient,
)

QUICK = ClientLimits(connect_timeout=0.2, read_timeout=0.2)


async def rest(answer: FastCgiAnswer) -> bytes:
    return b"".join([piece async for piece in answer])


async def ask(client: FastCgiClient, body: bytes = b"") -> tuple[CgiHead, bytes]:
    async with client.open({"A": "b"}, body) as answer:
        return answer.head, await rest(answer)


async def echo(call: Call) -> None:
    body = await call.body()
    await call.out(b"Status: 201\r\n\r\n")
    for at in range(0, len(body), 60_000):
        await call.out(body[at : at + 60_000])
    await call.end()


@pytest.mark.parametrize("unix", [True, False])
@pytest.mark.parametrize("size", [0, 5, 3_000_000])
def test_asks_over_both_kinds_of_sockets(tmp_path: Path, unix: bool, size: int) -> None:
    async def main() -> None:
        async with responding(echo, tmp_path / "s" if unix else None) as address:
            head, body = await ask(FastCgiClient(address), b"x" * size)
            assert (head.status, len(body)) == (201, size)

    asyncio.run(main())


def test_an_answer_that_came_at_once_is_known_to_be_complete(tmp_path: Path) -> None:
    async def play(call: Call) -> None:
        await call.body()
        call.writer.write(
            b"\x01\x06\x00\x01\x00\x0b\x00\x00A: b\n\nhello" + b"\x01\x03\x00\x01\x00\x08\x00\x00" + b"\0" * 8
        )

    async def main() -> None:
        async with responding(play, tmp_path / "s") as address, FastCgiClient(address).open({}) as answer:
            assert answer.complete
            assert await rest(answer) == b"hello"

    asyncio.run(main())


def test_a_body_goes_no_faster_than_it_is_taken(tmp_path: Path) -> None:
    given = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal given
        for _ in range(1000):
            given += 50_000
            yield b"x" * 50_000

    async def play(call: Call) -> None:
        await call.params()
        await asyncio.sleep(0.1)
        assert given < 5_000_000
        await call.out(b"A: b\n\n")
        await call.end()

    async def main() -> None:
        async with responding(play, tmp_path / "s") as address:
            async with FastCgiClient(address).open({}, body()) as answer:
                assert await rest(answer) == b""
            assert 0 < given < 5_000_000

    asyncio.run(main())


def test_an_answer_comes_no_faster_than_it_is_taken(tmp_path: Path) -> None:
    sent = 0

    async def play(call: Call) -> None:
        nonlocal sent
        await call.body()
        await call.out(b"A: b\n\n")
        for _ in range(200):
            await call.out(b"x" * 50_000)
            sent += 50_000
        await call.end()

    async def main() -> None:
        async with responding(play, tmp_path / "s") as address, FastCgiClient(address).open({}) as answer:
            await asyncio.sleep(0.1)
            assert sent < 2_000_000
            assert len(await rest(answer)) == 10_000_000

    asyncio.run(main())


def test_an_answer_counts_even_if_the_body_was_refused(tmp_path: Path) -> None:
    async def play(call: Call) -> None:
        await call.params()
        await call.out(b"Status: 403\n\nno")
        await call.end()

    async def main() -> None:
        async with responding(play, tmp_path / "s") as address:
            for _ in range(20):
                head, body = await ask(FastCgiClient(address), b"x" * 2_000_000)
                assert (head.status, body) == (403, b"no")

    asyncio.run(main())


def test_a_body_that_breaks_off_ends_the_request_at_once(tmp_path: Path) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"x"
        raise ConnectionClosedError("gone")

    async def play(call: Call) -> None:
        while await call.record() != (0, b""):
            pass

    async def main() -> None:
        async with responding(play, tmp_path / "s") as address:
            with pytest.raises(ConnectionClosedError):
                async with FastCgiClient(address).open({}, body()):
                    pass

    asyncio.run(main())


def test_leaving_early_aborts(tmp_path: Path) -> None:
    async def main() -> None:
        aborted = asyncio.get_running_loop().create_future()

        async def play(call: Call) -> None:
            await call.body()
            await call.out(b"A: b\n\n")
            aborted.set_result([await call.record(), await call.record()])

        async with responding(play, tmp_path / "s") as address:
            async with FastCgiClient(address).open({}) as answer:
                assert answer.head.status == 200
                assert not answer.complete
            assert await asyncio.wait_for(aborted, 5) == [(ABORT, b""), (0, b"")]

    asyncio.run(main())


@pytest.mark.parametrize("body", [b"", b"x" * 3_000_000])
def test_a_cancelled_request_frees_its_connection_and_its_turn(tmp_path: Path, body: bytes) -> None:
    async def main() -> None:
        gone = asyncio.Event()

        async def play(call: Call) -> None:
            await call.params()
            await asyncio.sleep(0.05)
            while await call.record() != (0, b""):
                pass
            gone.set()

        async with responding(play, tmp_path / "s") as address:
            client = FastCgiClient(address, limits=ClientLimits(max_running=1))
            for _ in range(2):
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.03):
                        await ask(client, body)
                await asyncio.wait_for(gone.wait(), 5)
                gone.clear()

    asyncio.run(main())


def test_the_error_stream_goes_to_our_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def play(call: Call) -> None:
        await call.body()
        await call.send(STDERR, b"PHP Warning: a\n" + b"again\n" * (MAX_LOG_LINES + 50))
        await call.out(b"A: b\n\n")
        await call.end()

    async def main() -> None:
        async with responding(play, tmp_path / "s") as address:
            await ask(FastCgiClient(address))

    with caplog.at_level(logging.WARNING, "tornado_realtime.site.fastcgi_client"):
        asyncio.run(main())
    lines = [record.getMessage() for record in caplog.records]
    assert lines[0] == "PHP Warning: a"
    assert len(lines) == MAX_LOG_LINES + 1
    assert "the rest is dropped" in lines[-1]


async def silent(call: Call) -> None:
    while await call.record() != (0, b""):
        pass


async def hang_up(call: Call) -> None:
    await call.body()


async def break_off(call: Call) -> None:
    await call.body()
    await call.out(b"A: b\n\nhalf")


async def fall_silent(call: Call) -> None:
    await call.body()
    await call.out(b"A: b\n\nhalf")
    await silent(call)


async def rubbish(call: Call) -> None:
    await call.body()
    call.writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    await call.writer.drain()


@pytest.mark.parametrize(
    ("play", "status"),
    [(silent, 504), (hang_up, 502), (break_off, 502), (fall_silent, 504), (rubbish, 502)],
)
def test_responders_that_fail(tmp_path: Path, play: object, status: int) -> None:
    async def main() -> None:
        async with responding(play, tmp_path / "s") as address:  # type: ignore[arg-type]
            with pytest.raises(GatewayError) as caught:
                await ask(FastCgiClient(address, limits=QUICK))
            assert caught.value.status == status

    asyncio.run(main())


def test_nobody_listens(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        places = [
            FastCgiAddress(path=str(tmp_path / "absent")),
            FastCgiAddress(host="127.0.0.1", port=unused.getsockname()[1]),
            FastCgiAddress(path="/" + "x" * 200),
            FastCgiAddress(host="name.invalid", port=1),
        ]

        async def main() -> None:
            for address in places:
                with pytest.raises(GatewayError) as caught:
                    await ask(FastCgiClient(address))
                assert caught.value.status == 502

        asyncio.run(main())


def test_a_full_backlog_is_waited_for_and_then_timed_out(tmp_path: Path) -> None:
    async def main() -> None:
        path = str(tmp_path / "s")
        with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as first:
            listener.bind(path)
            listener.listen(0)
            first.connect(path)
            with pytest.raises(GatewayError) as caught:
                await ask(FastCgiClient(FastCgiAddress(path=path), limits=QUICK))
            assert caught.value.status == 504

    asyncio.run(main())


def test_a_full_backlog_that_empties(tmp_path: Path) -> None:
    async def main() -> None:
        path = str(tmp_path / "s")
        with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as first:
            listener.bind(path)
            listener.listen(0)
            first.connect(path)
            asked = asyncio.create_task(ask(FastCgiClient(FastCgiAddress(path=path))))
            await asyncio.sleep(0.05)
            assert not asked.done()
            listener.accept()[0].close()
            await asyncio.sleep(0.1)
            connection = listener.accept()[0]
            connection.sendall(
                b"\x01\x06\x00\x01\x00\x06\x00\x00A: b\n\n\x01\x03\x00\x01\x00\x08\x00\x00" + b"\0" * 8
            )
            assert (await asyncio.wait_for(asked, 5))[0].status == 200
            connection.close()

    asyncio.run(main())


def test_requests_take_turns(tmp_path: Path) -> None:
    running = most = 0

    async def play(call: Call) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await call.body()
        await asyncio.sleep(0.02)
        running -= 1
        await call.out(b"A: b\n\n")
        await call.end()

    async def main() -> None:
        async with responding(play, tmp_path / "s") as address:
            client = FastCgiClient(address, limits=ClientLimits(max_running=2, max_waiting=3))
            answers = await asyncio.gather(*(ask(client) for _ in range(7)), return_exceptions=True)
        refused = [answer for answer in answers if isinstance(answer, GatewayError)]
        assert [error.status for error in refused] == [503, 503]
        assert len(answers) - len(refused) == 5
        assert most == 2

    asyncio.run(main())


def test_nobody_waits_for_ever_for_a_turn(tmp_path: Path) -> None:
    async def main() -> None:
        async with responding(silent, tmp_path / "s") as address:
            client = FastCgiClient(address, limits=ClientLimits(read_timeout=0.1, max_running=1))
            first, second = await asyncio.gather(ask(client), ask(client), return_exceptions=True)
            assert isinstance(first, GatewayError)
            assert isinstance(second, GatewayError)
            assert {first.status, second.status} <= {503, 504}

    asyncio.run(main())


def test_responders_take_turns_and_a_dead_one_is_passed_over(tmp_path: Path) -> None:
    asked: list[int] = []

    def player(number: int) -> Callable[[Call], Awaitable[None]]:
        async def play(call: Call) -> None:
            asked.append(number)
            await echo(call)

        return play

    async def main() -> None:
        dead = FastCgiAddress(path=str(tmp_path / "dead"))
        async with responding(player(1), tmp_path / "1") as one, responding(player(2), tmp_path / "2") as two:
            client = FastCgiClient(one, dead, two)
            for _ in range(6):
                assert (await ask(client))[0].status == 201
        assert set(asked) == {1, 2}
        assert len(asked) == 6
        with pytest.raises(GatewayError):
            await ask(client)

    asyncio.run(main())


def test_a_responder_that_does_not_take_the_body(tmp_path: Path) -> None:
    async def play(call: Call) -> None:
        await asyncio.sleep(5)

    async def main() -> None:
        async with responding(play, tmp_path / "s") as address:
            client = FastCgiClient(address, limits=ClientLimits(write_timeout=0.1))
            with pytest.raises(GatewayError, match="does not take") as caught:
                await ask(client, b"x" * 3_000_000)
            assert caught.value.status == 504

    asyncio.run(main())
