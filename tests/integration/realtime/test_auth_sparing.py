"""The auth endpoint is spared: kept connections, shared and remembered answers, turns, and a breaker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.integration.realtime.test_auth_endpoint import request_from
from tests.support.auth_endpoint import answer
from tests.support.busy_endpoint import BusyEndpoint, busy_endpoint, yes
from tests.support.realtime_world import UPGRADE, serving, until
from tornado_realtime.auth import EndpointAuthenticator, User
from tornado_realtime.auth.backend import Care
from tornado_realtime.auth.breaker import FAILURES_SIZE
from tornado_realtime.errors import (
    AuthBusyError,
    AuthRefusedError,
    AuthTimeoutError,
    AuthUnavailableError,
)
from tornado_realtime.metrics import Counters
from tornado_realtime.realtime import Realtime


def visitor(name: str, address: str = "192.0.2.7") -> Any:
    return request_from((address, 1), ("Cookie", f"id={name}"))


@asynccontextmanager
async def asking(
    endpoint: BusyEndpoint, care: Care | None = None, **more: Any
) -> AsyncIterator[EndpointAuthenticator]:
    found = EndpointAuthenticator(endpoint.url, care, **more)
    try:
        yield found
    finally:
        found.close()


# -- connections -----------------------------------------------------------------------------------------


def test_one_connection_serves_questions_one_after_another() -> None:
    async def main() -> None:
        async with busy_endpoint() as app, asking(app) as auth:
            for number in range(20):
                assert await auth.authenticate(visitor(f"u{number}")) == User(f"u{number}")
            assert (app.asked, app.connections) == (20, 1)

    asyncio.run(main())


def test_a_connection_that_was_closed_meanwhile_is_no_failure() -> None:
    async def main() -> None:
        async with busy_endpoint() as app, asking(app) as auth:
            for number in range(3):
                assert await auth.authenticate(visitor(f"u{number}")) == User(f"u{number}")
                await app.hang_up()
            assert (app.asked, app.connections) == (3, 3)

    asyncio.run(main())


def test_an_answer_nobody_asked_for_is_never_taken_for_the_next_visitors() -> None:
    """A body longer than its length says would let in the next visitor as somebody else."""
    extra = answer(200, b'{"id":"mallory"}')

    async def main() -> None:
        async with busy_endpoint(lambda head: yes(head) + extra) as app, asking(app) as auth:
            for number in range(5):
                assert await auth.authenticate(visitor(f"u{number}")) == User(f"u{number}")
            assert app.connections == 5

        async with busy_endpoint() as app, asking(app) as auth:
            assert await auth.authenticate(visitor("u1")) == User("u1")
            for writer in app.writers:
                writer.write(extra)  # later, while the connection is idle
            await until(lambda: not app.writers)
            assert await auth.authenticate(visitor("u2")) == User("u2")

    asyncio.run(main())


def test_idle_connections_are_closed_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with busy_endpoint() as app, asking(app) as auth:
            await asyncio.gather(*(auth.authenticate(visitor(f"u{number}")) for number in range(10)))
            assert len(app.writers) == app.connections > 1
            monkeypatch.setattr("tornado_realtime.auth.question.IDLE_SECONDS", -1.0)
            await auth.authenticate(visitor("u1"))
            await until(lambda: len(app.writers) == 1)
            auth.close()
            await until(lambda: not app.writers)

    asyncio.run(main())


# -- equal questions -------------------------------------------------------------------------------------


def test_equal_questions_at_the_same_time_are_one_and_others_are_not() -> None:
    async def main() -> None:
        counters = Counters()
        async with busy_endpoint() as app, asking(app, counters=counters) as auth:
            requests = [visitor("ada")] * 50 + [visitor("ada", "192.0.2.8")] * 50 + [visitor("bob")]
            found = await asyncio.gather(*map(auth.authenticate, requests))
            assert [user.id for user in found] == ["ada"] * 100 + ["bob"]
            assert app.asked == counters.auth_questions == 3
            assert counters.auth_questions_shared == 98

    asyncio.run(main())


def test_a_cache_must_be_asked_for_and_answers_the_very_same_question_only() -> None:
    async def main() -> None:
        counters = Counters()
        async with busy_endpoint() as app:
            async with asking(app) as auth:
                for _ in range(3):
                    await auth.authenticate(visitor("ada"))
                assert app.asked == 3
            async with asking(app, remembered=10.0, counters=counters) as auth:
                request = visitor("ada")
                assert auth.authenticate_now(request.headers, "192.0.2.7") is None
                for _ in range(3):
                    assert await auth.authenticate(request) == User("ada")
                assert auth.authenticate_now(request.headers, "192.0.2.7") == User("ada")
                assert auth.authenticate_now(request.headers, "192.0.2.8") is None
                assert auth.authenticate_now(visitor("bob").headers, "192.0.2.7") is None
                assert (app.asked, counters.auth_cache_hits) == (4, 3)
                auth.close()
                assert auth.authenticate_now(request.headers, "192.0.2.7") is None

    asyncio.run(main())


def test_a_no_is_not_remembered() -> None:
    async def main() -> None:
        async with busy_endpoint(lambda head: answer(401)) as app, asking(app, remembered=10.0) as auth:
            for _ in range(2):
                with pytest.raises(Exception, match="answered 401"):
                    await auth.authenticate(visitor("ada"))
            assert app.asked == 2

    asyncio.run(main())


# -- turns -----------------------------------------------------------------------------------------------


def test_ten_thousand_at_once_are_never_more_than_configured_at_the_endpoint() -> None:
    async def says(head: str) -> bytes:
        await asyncio.sleep(0)
        return yes(head)

    async def main() -> None:
        care = Care(timeout=120.0, concurrency=16, queue=10_000)
        async with busy_endpoint(says) as app, asking(app, care) as auth:
            visitors = [visitor(f"u{n}", f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}") for n in range(10_000)]
            found = await asyncio.gather(*map(auth.authenticate, visitors))
            assert [user.id for user in found] == [f"u{n}" for n in range(10_000)]
            assert (app.asked, app.most) == (10_000, 16)
            assert app.connections <= 16
            turns = auth.backend.turns
            assert (turns.running, turns.waiting) == (0, 0)

    asyncio.run(main())


def test_hundreds_of_sockets_at_once_get_their_turn_or_503() -> None:
    go_on = asyncio.Event()

    async def says(head: str) -> bytes:
        await go_on.wait()
        return yes(head)

    async def main() -> None:
        async with busy_endpoint(says) as app:
            realtime = Realtime(auth_endpoint=app.url, auth_concurrency=["8", "200"])
            async with serving(realtime) as world:
                knocking = [
                    asyncio.create_task(world.knock(*UPGRADE, f"Cookie: id=u{number}"))
                    for number in range(300)
                ]
                values = world.hub.metrics.values
                await until(lambda: values()["logins_busy"] == 92, seconds=60)
                assert (values()["auth_questions_running"], values()["auth_questions_waiting"]) == (8, 200)
                # A foreign page does not even get in line.
                foreign = await world.knock(*UPGRADE, "Cookie: id=x", "Origin: http://evil.example")
                assert foreign.status == 403
                go_on.set()
                answers = await asyncio.gather(*knocking)
                assert sorted(answer.status for answer in answers) == [101] * 208 + [503] * 92
                assert {answer.header("Retry-After") for answer in answers} == {None, "5"}
                assert (app.asked, app.most) == (208, 8)

    asyncio.run(main())


def test_who_waits_in_line_for_too_long_is_not_told_of_a_time_out_that_was_not() -> None:
    async def main() -> None:
        never = asyncio.Event()

        async def says(head: str) -> bytes:
            await never.wait()
            return b""

        async with busy_endpoint(says) as app, asking(app, Care(0.1, 1, 10)) as auth:
            first, second = (asyncio.create_task(auth.authenticate(visitor(name))) for name in ("a", "b"))
            with pytest.raises(AuthTimeoutError):
                await first
            with pytest.raises(AuthBusyError):
                await second
            assert app.asked <= 1

    asyncio.run(main())


# -- the breaker -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "down", [b"", answer(502), answer(503), answer(504)], ids=["silent", "502", "503", "504"]
)
def test_an_application_that_is_down_is_left_alone_and_tried_again(
    down: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        says = [lambda head: down]

        async def close_after(head: str) -> bytes:
            if not says[0](head):
                raise ConnectionError
            return says[0](head)

        async with (
            busy_endpoint(close_after) as app,
            serving(Realtime(auth_endpoint=app.url)) as world,
        ):
            login: Any = world.realtime._authenticator
            breaker = login._application.backend._breaker
            now = [100.0]
            breaker._clock = lambda: now[0]
            first = [(await world.knock()).status for _ in range(FAILURES_SIZE)]
            assert set(first) == {401 if down else 502}
            refused = await world.knock()
            assert (refused.status, refused.header("Retry-After")) == (503, "1")
            assert world.hub.metrics.values()["auth_endpoint_down"] == 1
            assert app.asked == FAILURES_SIZE
            now[0] += 1.0
            assert (await world.knock()).status == first[0]
            assert (await world.knock()).header("Retry-After") == "2"
            assert app.asked == FAILURES_SIZE + 1
            says[0] = yes
            now[0] += 2.0
            assert [(await world.knock()).status for _ in range(3)] == [101] * 3
            assert world.hub.metrics.values()["auth_endpoint_down"] == 0

    asyncio.run(main())
    assert caplog.text.count("is down: visitors get 503 until it answers again") == 1
    assert caplog.text.count("answers again") == 2


def test_visitors_who_leave_say_nothing_about_the_application() -> None:
    async def main() -> None:
        never = asyncio.Event()

        async def says(head: str) -> bytes:
            await never.wait()
            return b""

        async with busy_endpoint(says) as app, asking(app) as auth:
            for number in range(FAILURES_SIZE + 2):
                task = asyncio.create_task(auth.authenticate(visitor(f"u{number}")))
                await until(lambda number=number: app.asked == number + 1)  # type: ignore[misc]
                task.cancel()
            assert not auth.backend.is_down

    asyncio.run(main())


def test_a_probe_that_fails_in_a_way_nobody_thought_of_is_not_the_last_one() -> None:
    async def main() -> None:
        async with busy_endpoint(lambda head: answer(502)) as app, asking(app) as auth:
            for _ in range(FAILURES_SIZE):
                with pytest.raises(AuthRefusedError):
                    await auth.authenticate(visitor("ada"))
            backend: Any = auth.backend
            backend._breaker._clock = lambda: float("inf")
            asker, backend._asker = backend._asker, None
            with pytest.raises(AttributeError):
                await auth.authenticate(visitor("ada"))
            backend._asker = asker
            app.says = yes
            assert await auth.authenticate(visitor("ada")) == User("ada")

    asyncio.run(main())


def test_time_outs_open_it() -> None:
    async def main() -> None:
        never = asyncio.Event()

        async def says(head: str) -> bytes:
            await never.wait()
            return b""

        async with busy_endpoint(says) as app, asking(app, Care(timeout=0.05)) as auth:
            for number in range(FAILURES_SIZE):
                with pytest.raises(AuthTimeoutError):
                    await auth.authenticate(visitor(f"u{number}"))
            with pytest.raises(AuthBusyError):
                await auth.authenticate(visitor("ada"))

    asyncio.run(main())


def test_nonsense_is_an_answer() -> None:
    async def main() -> None:
        async with busy_endpoint(lambda head: answer(500, b"error")) as app, asking(app) as auth:
            for _ in range(FAILURES_SIZE + 2):
                with pytest.raises(Exception, match="answered 500"):
                    await auth.authenticate(visitor("ada"))
            assert app.asked == FAILURES_SIZE + 2
        async with asking(app) as auth:  # nobody listens any more
            with pytest.raises(AuthUnavailableError):
                await auth.authenticate(visitor("ada"))

    asyncio.run(main())
