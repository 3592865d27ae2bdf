"""Handshakes and frames that break the rules, and those that obey them too often."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.abuse.attack import PATIENCE, dial, dialled, say, send, statuses
from tests.abuse.victim import Victim, many
from tests.support.lane_requests import LAST, UPGRADE, publish, publish_json, upgrade
from tests.unit.wire.client_frames import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, client_frame

REFUSED: dict[str, tuple[bytes, int]] = {
    "no key": (upgrade("-Sec-WebSocket-Key"), 400),
    "short key": (upgrade("Sec-WebSocket-Key: dGhlIHNhbXBsZQ=="), 400),
    "long key": (upgrade("Sec-WebSocket-Key: " + "A" * 5000), 400),
    "key of other letters": (upgrade("Sec-WebSocket-Key: !!!!!!!!!!!!!!!!!!!!!!=="), 400),
    "old version": (upgrade("Sec-WebSocket-Version: 8"), 400),
    "version of the future": (upgrade("Sec-WebSocket-Version: 14"), 400),
    "version beyond everything": (upgrade("Sec-WebSocket-Version: " + "1" * 1000), 400),
    "no version": (upgrade("-Sec-WebSocket-Version"), 400),
    "other protocol": (upgrade("Upgrade: h2c"), 400),
    "no upgrade": (upgrade("-Upgrade"), 400),
    "connection stays": (upgrade("Connection: keep-alive"), 400),
    "another method": (upgrade(line="POST /ws HTTP/1.1"), 405),
    "old http": (upgrade(line="GET /ws HTTP/1.0"), 400),
    "foreign origin": (upgrade("Origin: http://evil.example"), 403),
    "no origin": (upgrade("Origin: null"), 403),
    "nobody": (upgrade("-Cookie"), 401),
    "a forged token": (upgrade("Cookie: AUTH_TOKEN=eyJhbGciOiJub25lIn0.eyJzdWIiOiJ1NyJ9."), 401),
}
BROKEN: dict[str, tuple[bytes, int]] = {
    "unmasked": (b"\x81\x05hello", 1002),
    "first reserved bit": (b"\xc1\x80abcd", 1002),
    "all reserved bits": (b"\xf1\x80abcd", 1002),
    "unknown opcode": (b"\x83\x80abcd", 1002),
    "unknown control opcode": (b"\x8b\x80abcd", 1002),
    "fragmented ping": (b"\x09\x80abcd", 1002),
    "fragmented close": (b"\x08\x80abcd", 1002),
    "long ping": (b"\x89\xfe\x00\x7eabcd" + b"x" * 126, 1002),
    "continuation of nothing": (client_frame(b"x", CONTINUATION), 1002),
    "message inside a message": (client_frame(b"x", fin=False) + client_frame(b"x"), 1002),
    "size written too long": (b"\x81\xfe\x00\x05abcdhello", 1002),
    "size above all bounds": (b"\x81\xff\xff\xff\xff\xff\xff\xff\xff\xffabcd", 1002),
    "enormous": (b"\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xffabcd", 1009),
    "one byte too much": (client_frame(b"x" * 513), 1009),
    "too much in fragments": (
        client_frame(b"x" * 300, fin=False) + client_frame(b"x" * 300, CONTINUATION, fin=False),
        1009,
    ),
    "text that is none": (client_frame(b"\xff"), 1007),
    "half a surrogate pair": (client_frame(b"\xed\xa0\x80"), 1007),
    "overlong zero": (client_frame(b"\xc0\x80"), 1007),
    "half a character": (client_frame(b"\xe4\xbd"), 1007),
    "bad text in fragments": (client_frame(b"\xe4", fin=False) + client_frame(b"x", CONTINUATION), 1007),
    "half a close code": (client_frame(b"\x03", CLOSE), 1002),
    "reserved close code": (client_frame((1006).to_bytes(2), CLOSE), 1002),
    "close reason that is no text": (client_frame(b"\x03\xe8\xff", CLOSE), 1007),
}
V1_BYTES = 64 * 1024
NOT_UNDERSTOOD = (
    b"",
    b"{",
    b"[]",
    b"null",
    b'"subscribe"',
    b"[" * 512,
    b'{"a":' * 102,
    b"9" * 512,
    b'{"action":1e' + b"9" * 400 + b"}",
    b'{"action":-0.' + b"0" * 400 + b"1}",
    b'{"action":"subscribe","channel":' + b"9" * 400 + b"}",
    b'{"action":"subscribe"}',
    b'{"action":"\\ud800","channel":"x"}',
    b'{"action":"subscribe","channel":["x"]}',
    b"\x00" * 512,
    "\N{BYTE ORDER MARK}{}".encode(),
)


@contextmanager
def clients(victim: Victim, size: int, *fields: str, tls: bool = False) -> Iterator[list[socket.socket]]:
    """WebSocket clients, their handshakes done."""
    with ExitStack() as stack:
        found = [stack.enter_context(dial(victim, tls=tls)) for _ in range(size)]
        for sock in found:
            send(sock, upgrade(*fields))
            assert read_until(sock, b"\r\n\r\n").startswith(b"HTTP/1.1 101 ")
        yield found


def read_until(sock: socket.socket, wanted: bytes) -> bytes:
    """Everything up to these bytes."""
    heard = b""
    while wanted not in heard:
        data = sock.recv(65536)
        assert data, heard
        heard += data
    return heard


def join(channel: str) -> bytes:
    return client_frame(json.dumps({"action": "subscribe", "channel": channel}).encode())


def leave(channel: str) -> bytes:
    return client_frame(json.dumps({"action": "unsubscribe", "channel": channel}).encode())


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_handshakes_that_are_none(victim: Victim, tls: bool) -> None:
    with victim.unharmed():
        for request, status in REFUSED.values():
            for _ in range(many(3)):
                assert statuses(say(victim, request + LAST, tls=tls))[0] == status, request


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_broken_frames(victim: Victim, tls: bool) -> None:
    with victim.unharmed():
        for frames, code in BROKEN.values():
            _, _, heard = say(victim, UPGRADE + frames + join("steady"), tls=tls).partition(b"\r\n\r\n")
            assert heard == b"\x88\x02" + code.to_bytes(2), frames


def test_messages_that_cannot_be_understood_are_answered_and_nothing_more(victim: Victim) -> None:
    with victim.unharmed(), clients(victim, 1) as (sock,):
        for message in NOT_UNDERSTOOD:
            for opcode in (TEXT, BINARY):
                send(sock, client_frame(message, opcode))
                assert b'"type":"error"' in read_until(sock, b"}")
        send(sock, join("still-here"))
        read_until(sock, b'{"type":"subscribed","channel":"still-here"}')


def test_long_messages_on_v1(victim: Victim) -> None:
    """There a message may have 64 KiB: whatever is in them is answered, and costs no time."""
    messages = (
        b"[" * V1_BYTES,
        b'{"a":' * (V1_BYTES // 5),
        b'{"action":"publish","channel":"c","payload":%b%b}' % (b"[" * 30_000, b"]" * 30_000),
        b'{"action":"publish","channel":"c","payload":%b%b}' % (b"[" * 980, b"]" * 980),
        b'{"action":"publish","channel":"c","payload":%b}' % (b"9" * 60_000),
        b'{"action":"ping","id":%b}' % (b"9" * 60_000),
        b'{"action":"ping","id":"%b"}' % (b"x" * 60_000),
        b'{"action":"subscribe","channel":"%b"}' % (b"\\u0000" * 10_000),
        b"{%b}" % b",".join(b'"id":%d' % number for number in range(6_000)),
    )
    with victim.unharmed(), dialled(victim) as sock:
        assert send(sock, upgrade("Sec-WebSocket-Protocol: realtime.v1.json"))
        read_until(sock, b'"type":"welcome"')
        for number, message in enumerate(messages):
            assert send(sock, client_frame(message) + client_frame(b'{"action":"ping","id":%d}' % number))
            assert b'"type":"error"' in read_until(sock, b'{"type":"pong","id":%d}' % number), message[:60]
        assert send(sock, client_frame(b"x" * (V1_BYTES + 1)))
        read_until(sock, (1009).to_bytes(2))


@pytest.mark.parametrize("reads", [False, True], ids=["deaf", "greedy"])
@pytest.mark.parametrize(
    "question",
    [
        b'{"action":"history","channel":"hoard","limit":250}',
        b'{"action":"subscribe","channel":"hoard","since":{"last":250}}',
        b'{"action":"subscribe","channel":"hoard","since":{"last":9}},{"action":"unsubscribe","channel":"hoard"}',
    ],
    ids=["history", "replay", "come and go"],
)
def test_who_asks_for_the_past_again_and_again(victim: Victim, question: bytes, reads: bool) -> None:
    """Long answers are paced: nobody waits for them, and nothing piles up for who does not take them."""
    batch = b",".join(b'{"channel":"hoard","message":"%b"}' % (b"x" * 2000) for _ in range(250))
    assert b"202" in say(victim, publish_json("Connection: close", body=b'{"batch":[%b]}' % batch))
    frames = b"".join(client_frame(b"{%b}" % part) for part in question[1:-1].split(b"},{"))
    with victim.unharmed(), clients(victim, 3, "Sec-WebSocket-Protocol: realtime.v1.json") as sockets:
        for sock in sockets:
            send(sock, frames * 300)
        for sock in sockets if reads else ():
            read_until(sock, b"too many messages")


@pytest.mark.parametrize("piece", [b"", b"x"], ids=["empty", "one byte"])
def test_fragments_without_end(victim: Victim, piece: bytes) -> None:
    """They come to their bound, in bytes or in number."""
    with victim.unharmed(), clients(victim, 1) as (sock,):
        fragment = client_frame(piece, CONTINUATION, fin=False)
        send(sock, client_frame(b"", TEXT, fin=False) + fragment * many(20_000))
        assert read_until(sock, b"\x88\x02\x03").endswith((1009).to_bytes(2))


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize(
    "frame",
    [
        client_frame(b"x" * 125, PING),
        client_frame(b"", PONG),
        join("steady"),
        join("flood") + leave("flood"),
        client_frame(b"{"),
        client_frame(b"[" * 512, BINARY),
    ],
    ids=["ping", "pong", "subscribe", "subscribe and unsubscribe", "malformed", "nested"],
)
def test_floods_whose_answers_nobody_reads(victim: Victim, frame: bytes, tls: bool) -> None:
    """Who asks and asks and does not read is closed like any slow consumer, or asks for nothing."""
    with victim.unharmed(), clients(victim, 3, tls=tls) as sockets:
        block = frame * (65536 // len(frame))
        for _ in range(many(6)):
            for sock in sockets:
                sock.settimeout(0.5)
                try:
                    send(sock, block)
                except TimeoutError:
                    continue


def test_a_flood_of_channels(victim: Victim) -> None:
    """Each subscription costs memory, which goes with its client."""
    with victim.unharmed(), clients(victim, 2) as sockets:
        for number, sock in enumerate(sockets):
            frames = b"".join(join(f"flood-{number}-{index}") for index in range(many(5000)))
            for at in range(0, len(frames), 4096):
                if not send(sock, frames[at : at + 4096]):
                    break
                sock.settimeout(0)
                try:
                    sock.recv(1 << 20)
                except BlockingIOError:
                    pass
                finally:
                    sock.settimeout(PATIENCE)


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_subscribers_that_never_read(victim: Victim, tls: bool) -> None:
    """Each costs what its outbox may hold, and is closed when that is full."""
    size, before = many(50), victim.server.log.count("slow consumer closed")
    with victim.unharmed(peak_bytes=128 * 1024 * 1024), ExitStack() as stack:
        for _ in range(size):
            sock = stack.enter_context(dialled(victim, tls=tls, buffer_bytes=4096))
            assert send(sock, UPGRADE + join("deaf"))
            read_until(sock, b'"channel":"deaf"}')
        publications = publish(body=b"channel=deaf&message=%22" + b"x" * 16_000 + b"%22") * 50
        while victim.server.log.count("slow consumer closed") < before + size:
            assert b" 202 " in say(victim, publications + LAST, tls=tls)
