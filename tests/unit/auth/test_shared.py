"""Equal questions at the same time, and answers that are remembered."""

from __future__ import annotations

import asyncio

import pytest

from tornado_realtime.auth import User
from tornado_realtime.auth.shared import KEPT_SIZE, Memory, Shared
from tornado_realtime.errors import AuthRefusedError


class Application:
    """Answers when it is told to."""

    def __init__(self) -> None:
        self.asked = 0
        self.ended = 0
        self.answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def ask(self) -> str:
        self.asked += 1
        try:
            return await asyncio.shield(self.answer)
        finally:
            self.ended += 1


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_equal_questions_are_one() -> None:
    async def main() -> None:
        application, shared = Application(), Shared[str]()
        asking = [asyncio.create_task(shared.ask(key, application.ask)) for key in "aabaab"]
        await settle()
        assert application.asked == 2
        assert shared.is_asking("a")
        application.answer.set_result("yes")
        assert await asyncio.gather(*asking) == ["yes"] * 6
        assert not shared.is_asking("a")
        assert await shared.ask("a", application.ask) == "yes"
        assert application.asked == 3

    asyncio.run(main())


def test_an_error_is_everybodys() -> None:
    async def main() -> None:
        application, shared = Application(), Shared[str]()
        asking = [asyncio.create_task(shared.ask("a", application.ask)) for _ in range(3)]
        await settle()
        application.answer.set_exception(AuthRefusedError("no"))
        for each in asking:
            with pytest.raises(AuthRefusedError):
                await each

    asyncio.run(main())


def test_it_ends_with_the_last_of_those_who_ask() -> None:
    async def main() -> None:
        application, shared = Application(), Shared[str]()
        first, second = (asyncio.create_task(shared.ask("a", application.ask)) for _ in range(2))
        await settle()
        first.cancel()
        await settle()
        assert (first.cancelled(), application.ended) == (True, 0)
        second.cancel()
        third = asyncio.create_task(shared.ask("a", application.ask))
        await settle()
        assert (application.asked, application.ended) == (2, 1)
        # The end of the first one does not make the second one forgotten.
        fourth = asyncio.create_task(shared.ask("a", application.ask))
        await settle()
        assert application.asked == 2
        application.answer.set_result("yes")
        assert [await third, await fourth] == ["yes", "yes"]

    asyncio.run(main())


def test_memory_is_short_and_never_longer_than_the_login() -> None:
    now = 100.0
    memory = Memory(10, lambda: now)
    one, two, three = (memory.digest([("Cookie", value)]) for value in "123")
    memory.keep(one, User("ada"))
    memory.keep(two, User("bob", expires=105.0))
    assert (memory.find(one), memory.find(two), memory.find(three)) == (
        User("ada"),
        User("bob", expires=105.0),
        None,
    )
    now = 105.0
    assert (memory.find(one), memory.find(two)) == (User("ada"), None)
    now = 110.0
    assert memory.find(one) is None
    assert len(memory) == 0


def test_memory_is_off_by_default_and_bounded() -> None:
    off = Memory(0)
    off.keep(b"x", User("ada"))
    assert len(off) == 0
    memory = Memory(10)
    for number in range(KEPT_SIZE + 5):
        memory.keep(number.to_bytes(4), User("ada"))
    assert len(memory) == KEPT_SIZE
    assert memory.find((4).to_bytes(4)) is None
    memory.clear()
    assert len(memory) == 0


def test_a_digest_is_of_everything_and_tells_nothing() -> None:
    memory = Memory(10)
    questions = [
        [("Cookie", "a=b")],
        [("Cookie", "a=b"), ("X-Real-Ip", "192.0.2.1")],
        [("Cookie", "a=b"), ("X-Real-Ip", "192.0.2.2")],
        [("Cookie", "a=bX-Real-Ip:192.0.2.2")],
        [("Authorization", "a=b")],
        [],
    ]
    assert len({memory.digest(question) for question in questions}) == len(questions)
    assert memory.digest(questions[0]) != Memory(10).digest(questions[0])
