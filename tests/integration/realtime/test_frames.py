"""Frames on real sockets: the rules of RFC 6455, and the two wires byte by byte (wire.md A4, A5)."""

from __future__ import annotations

import asyncio
import logging

import pytest

from tests.support.realtime_world import TunedRealtime, World, realtime, serving, until
from tests.unit.wire.client_frames import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, client_frame
from tornado_realtime.hub import Heart
from tornado_realtime.poller import EpollPoller, LoopPoller

SUBSCRIBE = b'{"action":"subscribe","channel":"news"}'


def padded(size: int) -> bytes:
    """A subscribe message of ``size`` bytes."""
    return SUBSCRIBE + b" " * (size - len(SUBSCRIBE))


BROKEN: dict[str, tuple[bytes, int]] = {
    "not masked": (b"\x81\x02hi", 1002),
    "not masked, long": (b"\x81\x7e\x01\x00", 1002),
    "reserved bit 1": (b"\xc1" + client_frame(b"x")[1:], 1002),
    "reserved bit 2": (b"\xa1" + client_frame(b"x")[1:], 1002),
    "reserved bit 3": (b"\x91" + client_frame(b"x")[1:], 1002),
    "unknown opcode": (client_frame(b"x", 0x3), 1002),
    "unknown control opcode": (client_frame(b"x", 0xB), 1002),
    "fragmented ping": (client_frame(b"x", PING, fin=False), 1002),
    "ping of 126 bytes": (client_frame(b"x" * 126, PING), 1002),
    "continuation of nothing": (client_frame(b"x", CONTINUATION), 1002),
    "a message inside a message": (client_frame(b"x", TEXT, fin=False) + client_frame(b"y"), 1002),
    "size longer than needed": (b"\x81\xfe\x00\x01" + b"\0\0\0\0x", 1002),
    "highest bit of the size": (b"\x81\xff" + b"\x80" + b"\0" * 11, 1002),
    "half a close code": (client_frame(b"\x03", CLOSE), 1002),
    **{
        f"close code {code}": (client_frame(code.to_bytes(2), CLOSE), 1002)
        for code in (0, 999, 1004, 1005, 1006)
    },
    **{
        f"close code {code}": (client_frame(code.to_bytes(2), CLOSE), 1002)
        for code in (1015, 1016, 2999, 5000)
    },
    "close reason is not UTF-8": (client_frame(b"\x03\xe8\xff", CLOSE), 1007),
    "text is not UTF-8": (client_frame(b"\xc3\x28"), 1007),
    "text is not UTF-8 in its first fragment": (client_frame(b"\xff", TEXT, fin=False), 1007),
    "text that ends in half a character": (
        client_frame(b"\xc3", TEXT, fin=False) + client_frame(b"", CONTINUATION),
        1007,
    ),
    "513 bytes": (client_frame(padded(513)), 1009),
    "513 bytes in fragments": (
        client_frame(b"x" * 512, TEXT, fin=False) + client_frame(b"x", CONTINUATION),
        1009,
    ),
    "a size of 2^62, nothing else": (b"\x82\xff\x40" + b"\0" * 7 + b"\0\0\0\0", 1009),
    "70,000 bytes announced": (client_frame(b"x" * 70_000, BINARY)[:20], 1009),
}


@pytest.mark.parametrize(("data", "code"), BROKEN.values(), ids=BROKEN)
def test_broken_rules(data: bytes, code: int) -> None:
    async def main() -> None:
        async with serving(realtime()) as world:
            client, other = await world.open(), await world.open("news")
            await client.send(client_frame(SUBSCRIBE) + data)
            assert await client.closed_with() == (code, "")
            assert world.hub.metrics.values()["protocol_errors"] == 1
            await until(lambda: len(world.hub.connections) == 1)
            await world.realtime.publish("news", "to the others")
            assert await other.text() == b"to the others"

    asyncio.run(main())


@pytest.mark.parametrize("code", [1000, 1001, 1003, 1007, 1011, 1014, 3000, 4999])
def test_a_close_code_is_echoed(code: int) -> None:
    async def main() -> None:
        async with serving(realtime()) as world:
            client = await world.open("news")
            await client.say(code.to_bytes(2) + "tschüß".encode(), CLOSE)
            assert await client.frame() == (0x88, code.to_bytes(2))
            assert await client.at_end()
            assert world.hub.metrics.values()["protocol_errors"] == 0
            await until(lambda: not world.hub.connections)
            assert world.hub.subscribers("news") == 0

    asyncio.run(main())


def test_a_close_without_a_code_is_echoed_empty() -> None:
    async def main() -> None:
        async with serving(realtime()) as world:
            client = await world.open()
            await client.say(b"", CLOSE)
            assert await client.frame() == (0x88, b"")
            assert await client.at_end()

    asyncio.run(main())


def test_pings_are_ponged_also_between_fragments() -> None:
    async def main() -> None:
        async with serving(realtime()) as world:
            client = await world.open()
            await client.say(b"a", PING)
            assert await client.frame() == (0x8A, b"a")
            await client.send(client_frame(SUBSCRIBE[:9], TEXT, fin=False) + client_frame(b"b" * 125, PING))
            assert await client.frame() == (0x8A, b"b" * 125)
            await client.send(client_frame(b"", CONTINUATION, fin=False) + client_frame(b"", PONG))
            await client.send(client_frame(SUBSCRIBE[9:], CONTINUATION))
            await until(lambda: world.hub.subscribers("news") == 1)

    asyncio.run(main())


def test_frames_that_come_byte_by_byte() -> None:
    async def main() -> None:
        async with serving(realtime(wire="envelope")) as world:
            client = await world.open()
            data = client_frame(SUBSCRIBE, TEXT, fin=False) + client_frame(b" ", CONTINUATION)
            for byte in data + client_frame(b"x" * 126, BINARY):
                await client.send(bytes((byte,)))
                await asyncio.sleep(0)
            assert await client.text() == b'{"type":"subscribed","channel":"news"}'
            assert await client.text() == b'{"type":"error","error":"invalid JSON message"}'

    asyncio.run(main())


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("size", [len(SUBSCRIBE), 125, 126, 512])
def test_sizes_up_to_the_limit(size: int, opcode: int) -> None:
    async def main() -> None:
        async with serving(realtime()) as world:
            client = await world.open()
            await client.say(padded(size), opcode)
            await until(lambda: world.hub.subscribers("news") == 1)

    asyncio.run(main())


def test_another_limit() -> None:
    async def main() -> None:
        async with serving(realtime(max_message_size="100000")) as world:
            client = await world.open()
            await client.say(padded(100_000))
            await until(lambda: world.hub.subscribers("news") == 1)
            await client.say(b"x" * 100_001)
            assert await client.closed_with() == (1009, "")

    asyncio.run(main())


# -- the raw wire ----------------------------------------------------------------------------------------


async def publish(world: World, *messages: str) -> None:
    for message in messages:
        await world.realtime.publish("news", message)


SILENT = [
    b"",
    b"hello",
    b"[]",
    b'"subscribe"',
    b"null",
    b"5",
    b'{"action":"subscribe"}',
    b'{"action":"subscribe","channel":""}',
    b'{"action":"subscribe","channel":null}',
    b'{"action":"subscribe","channel":5}',
    b'{"action":"subscribe","channel":"news"} trailing',
    b'{"action":5,"channel":"news"}',
    b'{"action":"publish","channel":"news","message":"x"}',
    b'{"action":"","channel":"news"}',
    b'{"action":"Subscribe","channel":"news"}',
    b'{"channel":"news"}',
    b'{"action":"unsubscribe","channel":"news"}',
]


@pytest.mark.parametrize("message", SILENT)
def test_raw_keeps_silent_about_everything(message: bytes) -> None:
    async def main() -> None:
        async with serving(realtime()) as world:
            client = await world.open()
            await client.say(message)
            await client.say(b"p", PING)
            assert await client.frame() == (0x8A, b"p")
            assert list(world.hub.channels()) == []

    asyncio.run(main())


RIGHT = [
    SUBSCRIBE,
    b'{"ACTION":"subscribe","Channel":"news"}',
    b'{"action":"subscribe","channel":"news","id":7,"more":[{}]}',
    b' \r\n{"channel":"old","action":"subscribe","channel":"news"}\t',
    b'{"action":"subscribe","channel":"n\\u0065ws","channel":null}',
]


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("message", RIGHT)
def test_raw_subscribes_and_delivers_unchanged(message: bytes, opcode: int) -> None:
    async def main() -> None:
        async with serving(realtime()) as world:
            client = await world.open()
            await client.say(message, opcode)
            await until(lambda: world.hub.subscribers("news") == 1)
            await publish(world, '{ "a" : "<ü>" }', "no JSON", "x" * 300, "y" * 70_000)
            received = [await client.text() for _ in range(4)]
            assert received == ['{ "a" : "<ü>" }'.encode(), b"no JSON", b"x" * 300, b"y" * 70_000]

    asyncio.run(main())


def test_raw_subscribed_twice_is_delivered_once_and_unsubscribe_ends_it() -> None:
    async def main() -> None:
        async with serving(realtime()) as world:
            client, witness = await world.open("news"), await world.open("news")
            await client.say(SUBSCRIBE)
            await client.say(b"p", PING)
            assert await client.frame() == (0x8A, b"p")
            await publish(world, "1")
            assert await client.text() == b"1"
            await client.say('{"action":"unsubscribe","channel":"news"}')
            await until(lambda: world.hub.subscribers("news") == 1)
            await publish(world, "2")
            assert [await witness.text(), await witness.text()] == [b"1", b"2"]
            await client.silence()

    asyncio.run(main())


# -- the envelope wire -------------------------------------------------------------------------------------

ANSWERS = {
    SUBSCRIBE: b'{"type":"subscribed","channel":"news"}',
    b'{"Action":"subscribe","CHANNEL":"a<b>&\\u2028\xc3\xbc\\""}': (
        b'{"type":"subscribed","channel":"a\\u003cb\\u003e\\u0026\\u2028\xc3\xbc\\""}'
    ),
    b'{"action":"unsubscribe","channel":"never"}': b'{"type":"unsubscribed","channel":"never"}',
    b"hello": b'{"type":"error","error":"invalid JSON message"}',
    b"[]": b'{"type":"error","error":"invalid JSON message"}',
    b'{"action":"subscribe","channel":5}': b'{"type":"error","error":"invalid JSON message"}',
    SUBSCRIBE + b" x": b'{"type":"error","error":"invalid JSON message"}',
    b'{"action":"subscribe"}': b'{"type":"error","error":"channel must be specified"}',
    b'{"action":"xyz","channel":""}': b'{"type":"error","error":"channel must be specified"}',
    b'{"action":"xyz","channel":null}': b'{"type":"error","error":"channel must be specified"}',
    b"null": b'{"type":"error","error":"channel must be specified"}',
    b'{"action":"x<z","channel":"news"}': b'{"type":"error","error":"unknown action: x\\u003cz"}',
    b'{"channel":"news"}': b'{"type":"error","error":"unknown action: "}',
}


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize(("message", "reply"), ANSWERS.items())
def test_envelope_answers_everything(message: bytes, reply: bytes, opcode: int) -> None:
    async def main() -> None:
        async with serving(realtime(wire="envelope")) as world:
            client = await world.open()
            for _ in range(2):
                await client.say(message, opcode)
                assert await client.text() == reply
            await client.silence(0.01)

    asyncio.run(main())


PAYLOADS = {
    '{ "b": 1, "a": [1, 2.50, 1e3] }': b'{"b":1,"a":[1,2.50,1e3]}',
    "null": b"null",
    '"hello world"': b'"hello world"',
    " 7 ": b"7",
    '"<ü>&\u2028\u2029"': b'"\\u003c\xc3\xbc\\u003e\\u0026\\u2028\\u2029"',
    '{"a":1,"a":2}': b'{"a":1,"a":2}',
    '"' + "x" * 70_000 + '"': b'"' + b"x" * 70_000 + b'"',
}


@pytest.mark.parametrize(("message", "payload"), PAYLOADS.items(), ids=range(len(PAYLOADS)))
def test_envelope_delivers_compacted_json(message: str, payload: bytes) -> None:
    async def main() -> None:
        async with serving(realtime(wire="envelope")) as world:
            client = await world.open("news")
            await publish(world, message)
            assert await client.text() == b'{"type":"message","channel":"news","payload":%b}' % payload

    asyncio.run(main())


def test_envelope_drops_what_is_no_json_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with serving(realtime(wire="envelope")) as world:
            client = await world.open("news")
            for body in (b"channel=news&message=secret+words", b"channel=news&message=1+2"):
                assert (await world.post(body=body)).status == 202
            await publish(world, "1")
            assert await client.text() == b'{"type":"message","channel":"news","payload":1}'
            assert world.hub.metrics.counters.publications_uncarried == 2

    asyncio.run(main())
    assert "a publication on 'news' was dropped: the wire envelope cannot carry it (1 so far)" in caplog.text
    assert "secret" not in caplog.text


# -- signs of life -----------------------------------------------------------------------------------------


class Quick(TunedRealtime):
    """Lives twenty times as fast as it usually does."""

    heart = staticmethod(lambda loop: Heart(loop, ping_interval=0.3, pong_timeout=0.2, tick=0.02))


class QuickEpoll(Quick):
    poller = EpollPoller


class QuickLoop(Quick):
    poller = LoopPoller


@pytest.mark.parametrize("kind", [QuickEpoll, QuickLoop])
def test_who_answers_pings_stays_and_who_does_not_is_dropped(kind: type[Quick]) -> None:
    async def main() -> None:
        async with serving(kind(authenticate=lambda request: "u1")) as world:
            lively, mute = await world.open("news"), await world.open("news")
            for _ in range(3):
                assert await lively.frame() == (0x89, b"")
                await lively.say(b"", PONG)
            assert await mute.frame() == (0x89, b"")
            assert await mute.at_end()
            assert world.hub.subscribers("news") == 1

    asyncio.run(main())


def test_nothing_of_what_clients_say_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with serving(realtime()) as world:
            client = await world.open("news")
            await client.say(b"secret words")
            await client.say(b"\xffsecret")
            assert await client.closed_with() == (1007, "")

    with caplog.at_level(logging.DEBUG, "tornado_realtime"):
        asyncio.run(main())
    assert "protocol error: 1007" in caplog.text
    assert "secret" not in caplog.text
