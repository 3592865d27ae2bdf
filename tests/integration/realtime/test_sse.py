"""Event streams at /sse (docs/sse.md): who may open one, what comes over it, and how it ends."""

from __future__ import annotations

import asyncio
import json
import ssl
from functools import partial
from pathlib import Path

import pytest

from tests.support.certificates import make_tls_pair
from tests.support.realtime_world import TunedRealtime, realtime, serving, until
from tests.support.sse_world import bearer, by_token, open_stream, post, read_event, subscribed
from tests.support.v1_world import open_v1, token
from tornado_realtime.channels import BAD_NAME
from tornado_realtime.connection import LeanEventConnection, StreamEventConnection
from tornado_realtime.hub import Heart

PAGE = "Origin: https://app.example.com"
CORS = ("Access-Control-Allow-Origin", "Access-Control-Allow-Credentials", "Vary")


# -- who may (S1) ----------------------------------------------------------------------------------


def test_the_head_is_what_proxies_and_browsers_need() -> None:
    async def main() -> None:
        async with serving(realtime()) as world:
            stream = await open_stream(world, "/sse?channel=news")
            fields = dict(stream.head.fields)
            assert fields == {
                "Content-Type": "text/event-stream",
                "Cache-Control": "private, no-cache, no-store, must-revalidate, max-age=0, no-transform",
                "X-Accel-Buffering": "no",
                "X-Content-Type-Options": "nosniff",
                "Connection": "close",
            }
            (connection,) = world.hub.connections
            assert isinstance(connection, LeanEventConnection)
            await open_v1(world)
            counted = world.hub.metrics.values()
            assert (counted["connections_opened"], counted["event_streams_opened"]) == (2, 1)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("fields", "status", "body"),
    [
        ([], 401, "Unauthorized"),
        ([f"Cookie: AUTH_TOKEN={token(seconds=-1)}"], 401, "Unauthorized"),
        ([bearer(), "Origin: https://evil.example.com"], 403, "Forbidden"),
        ([bearer(), "Sec-Fetch-Site: cross-site"], 403, "Forbidden"),
        ([bearer(), "Sec-Fetch-Site: same-site"], 403, "Forbidden"),
    ],
)
def test_who_may_not_come_gets_a_plain_status(fields: list[str], status: int, body: str) -> None:
    async def main() -> None:
        async with serving(by_token()) as world:
            answered = await world.knock("A: b", *fields, path="/sse?channel=news")
            assert (answered.status, answered.body.decode()) == (status, body + "\n")
            assert not world.hub.connections

    asyncio.run(main())


@pytest.mark.parametrize("shown", [bearer(), f"Cookie: AUTH_TOKEN={token()}"])
def test_a_login_is_shown_as_in_a_handshake(shown: str) -> None:
    async def main() -> None:
        async with serving(by_token()) as world:
            stream = await open_stream(world, "/sse", shown, "Sec-Fetch-Site: same-origin")
            assert stream.welcome["user"] == "u-123"

    asyncio.run(main())


@pytest.mark.parametrize(
    ("query", "body"),
    [
        ("channel=", BAD_NAME),
        ("channel=a%0Ab", BAD_NAME),
        ("channel=%FF", "channel must be UTF-8"),
        ("channel=a&last=-1", "last must be a number"),
        ("channel=a&last=%D9%A3", "last must be a number"),
        ("&".join(f"channel={n}" for n in range(101)), "a stream is opened for at most 100 channels"),
    ],
)
def test_a_query_that_makes_no_sense_is_refused(query: str, body: str) -> None:
    async def main() -> None:
        async with serving(realtime()) as world:
            answered = await world.knock("A: b", path=f"/sse?{query}")
            assert (answered.status, answered.body.decode()) == (400, body + "\n")
            assert not world.hub.connections

    asyncio.run(main())


def test_max_channels_holds_for_the_query() -> None:
    async def main() -> None:
        async with serving(realtime(max_channels=2)) as world:
            answered = await world.knock("A: b", path="/sse?channel=a&channel=b&channel=c")
            assert answered.status == 400
            await open_stream(world, "/sse?channel=a&channel=b&channel=a")

    asyncio.run(main())


def test_who_asks_for_more_than_it_may_say_is_closed_and_leaves_nothing_behind() -> None:
    async def main() -> None:
        async with serving(realtime(message_rate=[1, 2])) as world:
            stream = await open_stream(world, "/sse?" + "&".join(f"channel=c{n}" for n in range(5)))
            await subscribed(stream, "c0", "c1")
            assert (await stream.hear())["reason"] == "too many messages"
            await stream.ended()
            assert not list(world.hub.channels())

    asyncio.run(main())


@pytest.mark.parametrize("method", ["HEAD", "PUT", "DELETE", "PATCH", "TRACE"])
def test_other_methods(method: str) -> None:
    async def main() -> None:
        async with serving(realtime()) as world:
            answered = await world.knock("A: b", path="/sse", method=method)
            assert (answered.status, answered.header("Allow")) == (405, "GET, POST, OPTIONS")

    asyncio.run(main())


def test_limits_of_connections_hold() -> None:
    async def main() -> None:
        async with serving(realtime(max_connections_per_user=1)) as world:
            stream = await open_stream(world, "/sse")
            answered = await world.knock("A: b", path="/sse")
            assert (answered.status, answered.header("Retry-After")) == (429, "10")
            assert (await world.knock()).status == 429
            stream.socket.close()
            await until(lambda: not world.hub.connections)
            await open_stream(world, "/sse")

    asyncio.run(main())


EVENT_SOURCE = "Accept: text/event-stream"


def test_a_browser_that_cannot_come_now_comes_back() -> None:
    """EventSource gives up for good after any status but 200."""

    async def main() -> None:
        async with serving(realtime(max_connections_per_user=1)) as world:
            await open_stream(world, "/sse")
            answered = await world.knock(EVENT_SOURCE, path="/sse?channel=news")
            assert (answered.status, answered.header("Content-Type")) == (200, "text/event-stream")
            event = read_event(answered.body.decode())
            assert (event.name, event.json) == (
                "control",
                {
                    "type": "disconnect",
                    "code": 4100,
                    "reason": "too many connections of this user",
                    "reconnect": True,
                    "after": 10_000,
                },
            )
            assert event.retry is not None
            assert 10_000 <= event.retry <= 20_000
            assert world.hub.metrics.counters.handshakes_over_user_limit == 1
            await world.realtime.close(timeout=0)
            closed = await world.knock(EVENT_SOURCE, path="/sse")
            assert read_event(closed.body.decode()).json["reason"] == "Service Unavailable"

    asyncio.run(main())


@pytest.mark.parametrize(
    ("fields", "method", "status"),
    [
        ([EVENT_SOURCE], "GET", 401),
        ([EVENT_SOURCE, bearer(), "Origin: https://evil.example.com"], "GET", 403),
        ([EVENT_SOURCE, bearer()], "HEAD", 405),
        ([EVENT_SOURCE, bearer()], "POST", 400),
    ],
)
def test_what_will_not_change_is_a_plain_status_for_a_browser_too(
    fields: list[str], method: str, status: int
) -> None:
    async def main() -> None:
        async with serving(by_token()) as world:
            answered = await world.knock(*fields, path="/sse?channel=news", method=method)
            assert (answered.status, answered.header("Content-Type")) == (status, "text/plain; charset=utf-8")

    asyncio.run(main())


def test_a_page_of_an_allowed_origin_may_come_with_its_cookies() -> None:
    async def main() -> None:
        async with serving(realtime(allowed_origins=["https://app.example.com"])) as world:
            stream = await open_stream(world, "/sse", PAGE, "Sec-Fetch-Site: cross-site")
            allowed = ["https://app.example.com", "true", "Origin"]
            assert [stream.head.header(name) for name in CORS] == allowed
            asked = await world.knock(PAGE, path="/sse", method="OPTIONS")
            assert asked.status == 204
            assert [asked.header(name) for name in CORS] == allowed
            assert asked.header("Access-Control-Allow-Methods") == "GET, POST, OPTIONS"
            assert "X-Realtime-Session" in (asked.header("Access-Control-Allow-Headers") or "")
            refused = await world.knock("Origin: https://evil.example.com", path="/sse", method="OPTIONS")
            assert refused.status == 403
            assert not any(refused.header(name) for name in CORS)

    asyncio.run(main())


def test_a_resume_ticket_comes_back_to_where_it_was_given() -> None:
    async def main() -> None:
        async with serving(by_token(resume="1h")) as world:
            stream = await open_stream(world, "/sse", f"Cookie: AUTH_TOKEN={token()}")
            cookie = stream.head.header("Set-Cookie")
            assert cookie is not None
            assert cookie.startswith(f"REALTIME_TICKET={stream.welcome['ticket']}; Path=/sse; ")

    asyncio.run(main())


def test_without_a_started_instance_there_is_no_stream() -> None:
    async def main() -> None:
        async with serving(realtime(), start=False) as world:
            for method in ("GET", "POST", "OPTIONS"):
                answered = await world.knock("A: b", path="/sse", method=method)
                assert (answered.status, answered.header("Retry-After")) == (503, "1")

    asyncio.run(main())


# -- what comes (S2) -------------------------------------------------------------------------------


def test_every_wire_meets_on_one_channel() -> None:
    async def main() -> None:
        async with serving(realtime()) as world:
            raw = await world.open("news")
            v1 = await open_v1(world, "news")
            one = await open_stream(world, "/sse?channel=news")
            two = await open_stream(world, "/sse?channel=news&channel=more")
            await subscribed(one, "news")
            await subscribed(two, "news", "more")
            await world.realtime.publish("news", "two\r\nlines\n\ndata: 1")
            assert await raw.text() == b"two\r\nlines\n\ndata: 1"
            heard = await v1.hear()
            for stream in (one, two):
                event = await stream.event()
                assert (event.name, event.id, event.json) == ("", None, heard)
            await world.realtime.publish("more", '{"a": "\\n"}')
            assert await two.message() == {"a": "\n"}

    asyncio.run(main())


def test_http_1_0_will_do() -> None:
    async def main() -> None:
        async with serving(realtime()) as world:
            stream = await open_stream(world, "/sse?channel=news", version="1.0")
            await subscribed(stream, "news")
            await world.realtime.publish("news", "1")
            assert await stream.message() == 1

    asyncio.run(main())


def test_over_tls(tmp_path: Path) -> None:
    async def main(tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
        async with serving(realtime(), tls=tls) as world:
            stream = await open_stream(world, "/sse?channel=news")
            await subscribed(stream, "news")
            (connection,) = world.hub.connections
            assert isinstance(connection, StreamEventConnection)
            await world.realtime.publish("news", '"' + "x" * 300_000 + '"')
            assert len(await stream.message()) == 300_000
            closing = asyncio.create_task(world.realtime.close(timeout=5))
            assert (await stream.hear())["reason"] == "shutdown"
            await stream.ended()
            await closing

    asyncio.run(main(make_tls_pair(tmp_path)))


def test_a_client_that_says_something_over_its_stream_is_dropped() -> None:
    async def main() -> None:
        async with serving(realtime()) as world:
            stream = await open_stream(world, "/sse?channel=news")
            await subscribed(stream, "news")
            await stream.socket.send(b"GET /sse HTTP/1.1\r\n\r\n")
            assert await stream.socket.at_end()
            await until(lambda: not world.hub.connections)
            assert world.hub.subscribers("news") == 0

    asyncio.run(main())


# -- the end (S3) ----------------------------------------------------------------------------------


def test_a_user_is_disconnected_and_judged_anew() -> None:
    async def main() -> None:
        async with serving(by_token()) as world:
            stream = await open_stream(world, "/sse", bearer())
            assert await world.realtime.disconnect("u-123", before=4e9) == 1
            event = await stream.event()
            assert event.json == {
                "type": "disconnect", "code": 4009, "reason": "disconnected", "reconnect": False
            }  # fmt: skip
            assert event.retry is not None
            assert 30_000 <= event.retry <= 60_000
            await stream.ended()
            assert (await world.knock(bearer(), path="/sse")).status == 401
            answered = await post(world, stream.session, '{"action":"ping"}', fields=(bearer(),))
            assert answered.status == 404

    asyncio.run(main())


def test_a_login_runs_out() -> None:
    class Instance(TunedRealtime):
        heart = staticmethod(partial(Heart, tick=0.01))

    async def main() -> None:
        async with serving(Instance(authenticate=lambda request: {"id": "u1", "ttl": 0.1})) as world:
            stream = await open_stream(world, "/sse")
            assert (await stream.hear())["code"] == 4110
            await stream.ended()

    asyncio.run(main())


def test_a_client_that_does_not_close_its_side_is_dropped_in_time() -> None:
    class Instance(TunedRealtime):
        heart = staticmethod(partial(Heart, tick=0.01, write_timeout=0.1))

    async def main() -> None:
        async with serving(Instance(authenticate=lambda request: "u1")) as world:
            stream = await open_stream(world, "/sse")
            await world.hub.disconnect("u1")
            assert (await stream.hear())["type"] == "disconnect"
            assert await stream.socket.at_end()
            await until(lambda: not world.hub.connections)

    asyncio.run(main())


def test_a_slow_client_that_may_lose_something_is_told_what() -> None:
    async def main() -> None:
        async with serving(realtime(send_queue=[4, "1MiB"], slow_consumer="drop_oldest")) as world:
            slow = await open_stream(world, "/sse?channel=news&channel=sport")
            await subscribed(slow, "news", "sport")
            slow.socket.stop_reading()
            sent = 0
            while not world.hub.metrics.counters.frames_dropped:
                await world.realtime.publish("news", json.dumps([sent, "x" * 200_000]))
                sent += 1
                await asyncio.sleep(0)
            slow.socket.read_again()
            heard: list[int] = []
            while not heard or heard[-1] < sent - 1:
                event = await slow.event()
                if event.name == "control":
                    assert event.json == {"type": "gap", "channel": "news", "reason": "slow consumer"}
                    heard.append(-1)
                else:
                    heard.append(event.json["payload"][0])
            assert heard.count(-1) == 1
            place = heard.index(-1)
            assert heard[:place] == list(range(place))
            assert heard[place + 1 :] == list(range(heard[place + 1], sent))

    asyncio.run(main())


def test_a_slow_client_is_told_and_costs_only_itself() -> None:
    async def main() -> None:
        async with serving(realtime(send_queue=[8, "256KiB"])) as world:
            quick = await open_stream(world, "/sse?channel=news")
            await subscribed(quick, "news")
            slow = await open_stream(world, "/sse?channel=news")
            await subscribed(slow, "news")
            slow.socket.stop_reading()
            for n in range(100):
                await world.realtime.publish("news", json.dumps([n, "x" * 200_000]))
                assert (await quick.message())[0] == n
                if len(world.hub.connections) == 1 or world.hub.metrics.counters.slow_consumers:
                    break
            slow.socket.read_again()
            heard = 0
            while (event := await slow.event()).name == "":
                assert event.json["payload"][0] == heard
                heard += 1
            assert event.json["reason"] == "slow consumer"
            await slow.ended()

    asyncio.run(main())
