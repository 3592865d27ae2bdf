"""Who is present, as clients are told, on one node."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from typing import Any

import pytest

from tests.support.presence_world import come, come_raw, listen, present, telling
from tests.support.realtime_world import serving, until
from tests.support.sse_world import open_stream
from tests.support.v1_world import V1Client
from tornado_realtime.members import Member
from tornado_realtime.realtime import Realtime

HUNDREDS = 300


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(main)


async def quiet(client: V1Client) -> None:
    """Nothing came until now."""
    assert await client.ask("ping") == {"type": "pong"}


def join(name: str, count: int, channel: str = "chat") -> dict[str, Any]:
    info = {"name": name.title()}
    return {"type": "join", "channel": channel, "user": name, "info": info, "count": count}


def leave(name: str, count: int, channel: str = "chat") -> dict[str, Any]:
    return {"type": "leave", "channel": channel, "user": name, "count": count}


def test_a_listener_is_told_who_is_there_comes_and_goes() -> None:
    async def main() -> None:
        async with serving(telling()) as world:
            ada, ack = await listen(world, "ada")
            assert ack == {"type": "subscribed", "channel": "chat", "count": 1, "members": present("ada")}
            bob, ack = await listen(world, "bob")
            assert (ack["count"], ack["members"]) == (2, present("ada", "bob"))
            assert await ada.hear() == join("bob", 2)
            bob.socket.vanish()
            assert await ada.hear() == leave("bob", 1)
            await quiet(ada)

    run(main())


def test_a_user_is_one_member_however_many_connections_there_are() -> None:
    async def main() -> None:
        async with serving(telling()) as world:
            ada, _ = await listen(world, "ada")
            first, second = await come(world, "bob", "chat"), await come(world, "bob", "chat")
            assert await ada.hear() == join("bob", 2)
            again, ack = await listen(world, "bob")
            assert ack["members"] == present("ada") | present("bob", conns=3)
            first.socket.vanish()
            second.socket.vanish()
            await until(lambda: world.hub.subscribers("chat") == 2)
            assert (await again.ask("presence", channel="chat"))["members"] == present("ada", "bob")
            await quiet(ada)
            await again.ask("unsubscribe", channel="chat")
            assert await ada.hear() == leave("bob", 1)

    run(main())


def test_a_client_never_hears_of_its_own_user() -> None:
    async def main() -> None:
        async with serving(telling()) as world:
            ada, _ = await listen(world, "ada")
            other, _ = await listen(world, "ada")
            bob, _ = await listen(world, "bob")
            other.socket.vanish()
            ada.socket.vanish()
            assert await bob.hear() == leave("ada", 1)
            back, ack = await listen(world, "ada")
            assert ack["members"] == present("ada", "bob")
            assert await bob.hear() == join("ada", 2)
            await quiet(back)

    run(main())


def test_a_page_that_is_loaded_again_does_not_flicker() -> None:
    async def main() -> None:
        async with serving(telling(presence_delay="30s")) as world:
            ada, _ = await listen(world, "ada")
            for _ in range(5):
                bob = await come(world, "bob", "chat")
                bob.socket.vanish()
                await until(lambda: world.hub.subscribers("chat") == 1)
            assert await ada.hear() == join("bob", 2)
            await quiet(ada)

    run(main())


@pytest.mark.parametrize("wire", ["raw", "envelope"])
def test_clients_of_older_wires_are_present_and_hear_nothing_of_it(wire: str) -> None:
    async def main() -> None:
        async with serving(telling(wire=wire)) as world:
            ada, _ = await listen(world, "ada")
            bob = await come_raw(world, "bob", "chat")
            assert await ada.hear() == join("bob", 2)
            await bob.say('{"action":"subscribe","channel":"chat2","presence":true}')
            await until(lambda: world.hub.subscribers("chat2"))
            if wire == "envelope":
                assert json.loads(await bob.text()) == {"type": "subscribed", "channel": "chat2"}
            await come(world, "cid", "chat")
            await world.realtime.publish("chat", "1")
            assert b"join" not in await bob.text()
            assert await ada.hear() == join("cid", 3)
            await bob.say('{"action":"presence","channel":"chat"}')
            if wire == "envelope":
                assert json.loads(await bob.text()) == {"type": "error", "error": "unknown action: presence"}
            await bob.silence()

    run(main())


def test_visitors_without_a_login_listen_and_are_not_listed() -> None:
    async def main() -> None:
        async with serving(telling()) as world:
            nobody, ack = await listen(world, "")
            assert (ack["count"], ack["members"]) == (0, {})
            ada, ack = await listen(world, "ada")
            assert (ack["count"], ack["members"]) == (1, present("ada"))
            assert await nobody.hear() == join("ada", 1)
            nobody.socket.vanish()
            await until(lambda: world.hub.subscribers("chat") == 1)
            await quiet(ada)

    run(main())


def test_who_does_not_ask_hears_nothing_of_it_and_may_ask_later() -> None:
    async def main() -> None:
        async with serving(telling()) as world:
            ada, bob = await come(world, "ada", "chat"), await come(world, "bob", "chat")
            await quiet(ada)
            answer = await ada.ask("presence", channel="chat", id=5)
            assert answer == {
                "type": "presence",
                "id": 5,
                "channel": "chat",
                "count": 2,
                "members": present("ada", "bob"),
            }
            ack = await ada.ask("subscribe", channel="chat", presence=True)
            assert ack["members"] == present("ada", "bob")
            bob.socket.vanish()
            assert await ada.hear() == leave("bob", 1)

    run(main())


def test_news_keep_their_place_among_the_messages_and_nothing_comes_after_unsubscribed() -> None:
    async def main() -> None:
        async with serving(telling()) as world:
            ada, _ = await listen(world, "ada")
            await world.realtime.publish("chat", "1")
            world.hub.broker.presence.put("chat", Member("bob", b'{"name":"Bob"}'))
            await world.realtime.publish("chat", "2")
            heard = [await ada.hear() for _ in range(3)]
            assert [each.get("payload") for each in heard] == [1, None, 2]
            assert heard[1] == join("bob", 2)
            # Told in one turn of the loop with the end of the subscription.
            (connection,) = world.hub.users.of("ada")
            world.hub.broker.presence.put("chat", Member("cid"))
            world.hub.received(connection, b'{"action":"unsubscribe","channel":"chat"}', True)
            assert await ada.hear() == {"type": "unsubscribed", "channel": "chat"}
            await quiet(ada)

    run(main())


def test_channels_without_presence_know_nothing_of_it() -> None:
    async def main() -> None:
        async with serving(telling()) as world:
            ada, ack = await listen(world, "ada", "news")
            assert ack == {"type": "subscribed", "channel": "news"}
            assert await ada.ask("presence", channel="news") == {
                "type": "error",
                "channel": "news",
                "error": "not available",
                "code": 108,
                "retry": False,
            }
            assert world.hub.metrics.values()["members"] == 0
            assert "presence" in ada.welcome["features"]
        async with serving(telling(presence="off")) as world:
            assert "presence" not in (await come(world, "ada")).welcome["features"]

    run(main())


def test_who_may_not_subscribe_may_not_ask() -> None:
    async def main() -> None:
        blocks = {"chat": {"subscribe": "nobody", "presence": "on"}}
        async with serving(Realtime(channel=blocks, authenticate=lambda request: "ada")) as world:
            ada = await come(world, "ada")
            for action in ("presence", "subscribe"):
                answer = await ada.ask(action, channel="chat", presence=True)
                assert (answer["type"], answer["code"]) == ("error", 103)

    run(main())


def test_a_crowd_is_counted_and_named_in_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tornado_realtime.hub.presence.BEAT", 0.2)

    async def main() -> None:
        async with serving(telling(presence=["on", "3"])) as world:
            ada, _ = await listen(world, "ada")
            rest = [await come(world, name, "chat") for name in ("bob", "cid", "dan")]
            assert [await ada.hear() for _ in range(2)] == [join("bob", 2), join("cid", 3)]
            assert await ada.hear() == {"type": "presence", "channel": "chat", "count": 4, "more": True}
            _, ack = await listen(world, "eve")
            assert ack == {"type": "subscribed", "channel": "chat", "count": 5, "more": True}
            page = await ada.ask("presence", channel="chat")
            assert (page["members"], page["next"]) == (present("ada", "bob", "cid"), "cid")
            page = await ada.ask("presence", channel="chat", after="cid", limit=9)
            assert (page["members"], page["count"]) == (present("dan", "eve"), 5)
            assert not page.keys() & {"more", "next"}
            # Not at once: at most once a second.
            assert await ada.hear() == {"type": "presence", "channel": "chat", "count": 5, "more": True}
            for client in rest[:2]:
                client.socket.vanish()
            assert await ada.hear() == {
                "type": "presence",
                "channel": "chat",
                "count": 3,
                "members": present("ada", "dan", "eve"),
            }
            rest[2].socket.vanish()
            assert await ada.hear() == leave("dan", 2)

    run(main())


def test_what_a_join_costs_does_not_grow_with_the_crowd() -> None:
    async def main() -> None:
        async with serving(telling(presence=["on", "10"])) as world:
            store, counted = world.hub.broker.presence, world.hub.metrics.counters
            listeners = [(await listen(world, f"listener{number}"))[0] for number in range(5)]
            for number in range(10):
                store.put("chat", Member(f"u{number}"))
            await until(world.hub._fanout.idle.is_set)
            before = counted.deliveries
            for number in range(HUNDREDS):
                store.put("chat", Member(f"member{number}"))
            await until(world.hub._fanout.idle.is_set)
            # One count for everybody, at most once a second, instead of hundreds of joins for each.
            assert counted.deliveries - before <= 10 * len(listeners)
            page = await world.hub.presence.page("chat", "member298", 5)
            names = [member.user for member in page.members]
            assert names == [f"member{end}" for end in (299, 3, 30, 31, 32)]
            assert page.count == HUNDREDS + 15

    run(main())


def test_a_channel_to_which_nobody_listens_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tornado_realtime.hub.presence.BEAT", 0.01)

    async def main() -> None:
        async with serving(telling()) as world:
            ada, _ = await listen(world, "ada")
            bob, _ = await listen(world, "bob")
            await bob.ask("unsubscribe", channel="chat")
            assert await ada.hear() == join("bob", 2)
            assert await ada.hear() == leave("bob", 1)
            ada.socket.vanish()
            await until(lambda: not world.hub.presence._rooms)
            await until(lambda: not len(world.hub.presence))
            assert not world.hub.presence._restless
            _, ack = await listen(world, "cid")
            assert ack["members"] == present("cid")

    run(main())


def test_a_stop_tells_nobody_that_the_others_leave() -> None:
    async def main() -> None:
        async with serving(telling()) as world:
            ada, _ = await listen(world, "ada")
            bob, _ = await listen(world, "bob")
            assert await ada.hear() == join("bob", 2)
            closing = asyncio.ensure_future(world.realtime.close(timeout=5))
            assert (await ada.hear())["type"] == "disconnect"
            assert (await bob.hear())["type"] == "disconnect"
            for client in (ada, bob):
                assert await client.socket.closed_with() == (4200, "shutdown")
            await closing

    run(main())


def test_event_streams_are_present_and_may_listen() -> None:
    async def main() -> None:
        async with serving(telling(presence=["on", "2"])) as world:
            stream = await open_stream(world, "/sse?channel=chat&presence=true", "X-User: ada")
            ack = await stream.hear()
            assert (ack["type"], ack["count"], ack["members"]) == ("subscribed", 1, present("ada"))
            bob, ack = await listen(world, "bob")
            assert ack["members"] == present("ada", "bob")
            assert await stream.hear() == join("bob", 2)
            await come(world, "cid", "chat")
            assert await stream.hear() == {"type": "presence", "channel": "chat", "count": 3, "more": True}
            stream.socket.vanish()
            assert (await bob.hear())["count"] == 3

    run(main())
