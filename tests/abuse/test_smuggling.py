"""Requests that two programs could read in two ways: refused, and nothing that follows is served."""

from __future__ import annotations

import asyncio

import pytest

from tests.abuse.attack import say, statuses
from tests.abuse.victim import Victim
from tests.support.lane_requests import KEY, SECRET, head, token
from tests.support.lane_requests import upgrade as handshake
from tests.support.upstream import FakeUpstream, answering, ok, upstream

HOST = "Host: localhost"
MARKER = head("GET /marker HTTP/1.1", HOST, "Connection: close")
CHUNKED = "Transfer-Encoding: chunked"
BODY = b"5\r\nhello\r\n0\r\n\r\n"

# What each attack is tried on: a page, the two paths of the fast lane, and a proxied one.
BASES: dict[str, tuple[str, ...]] = {
    "page": ("POST /page HTTP/1.1", HOST),
    "publish": (
        "POST /internal/broadcast HTTP/1.1",
        HOST,
        "Content-Type: application/x-www-form-urlencoded",
        f"X-Broadcast-Secret: {SECRET}",
    ),
    "upgrade": (
        "GET /ws HTTP/1.1",
        HOST,
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {KEY}",
        f"Cookie: AUTH_TOKEN={token()}",
    ),
    "proxy": ("POST /up/x HTTP/1.1", HOST),
}
REFUSED_FIELDS: dict[str, tuple[str, ...]] = {
    "chunked and length": (CHUNKED, "Content-Length: 4"),
    "length and chunked": ("Content-Length: 4", CHUNKED),
    "identity and length": ("Transfer-Encoding: identity", "Content-Length: 15"),
    "identity": ("Transfer-Encoding: identity",),
    "unknown coding": ("Transfer-Encoding: xchunked",),
    "chunked first": ("Transfer-Encoding: chunked, identity",),
    "two codings": ("Transfer-Encoding: gzip, chunked",),
    "chunked twice": (CHUNKED, CHUNKED),
    "two lines of codings": (CHUNKED, "Transfer-Encoding: identity"),
    "vertical tab before chunked": ("Transfer-Encoding: \x0bchunked",),
    "vertical tab behind chunked": ("Transfer-Encoding: chunked\x0b",),
    "parameter of chunked": ("Transfer-Encoding: chunked;q=1",),
    "quoted chunked": ('Transfer-Encoding: "chunked"',),
    "no coding": ("Transfer-Encoding:",),
    "two lengths": ("Content-Length: 15", "Content-Length: 16"),
    "two lengths in one": ("Content-Length: 15, 16",),
    "plus": ("Content-Length: +15",),
    "minus": ("Content-Length: -15",),
    "hexadecimal length": ("Content-Length: 0xf",),
    "length with a space": ("Content-Length: 1 5",),
    "length in other digits": ("Content-Length: \xef\xbc\x95",),
    "length beyond everything": ("Content-Length: " + "9" * 30,),
    "no length": ("Content-Length:",),
    "decimal length": ("Content-Length: 15.0",),
    "folded": ("X-A: b\r\n c",),
    "folded with a tab": ("X-A: b\r\n\tc",),
    "folded length": ("Content-Length: 1\r\n 5",),
    "space before the first name": (" X-A: b",),
    "space before the colon": ("Content-Length : 15",),
    "tab before the colon": ("X-A\t: b",),
    "no colon": ("X-A",),
    "no name": (": b",),
    "name of no token": ("X(: b",),
    "carriage return": (f"X-A: b\r{CHUNKED}",),
    "zero byte": ("X-A: b\x00c",),
    "zero byte in a name": ("X-\x00A: b",),
    "control character": ("X-A: b\x1fc",),
    "two hosts": ("Host: other",),
    "the same host twice": (HOST,),
}
REFUSED_CHUNKS: dict[str, bytes] = {
    "hexadecimal prefix": b"0x5\r\nhello\r\n0\r\n\r\n",
    "plus": b"+5\r\nhello\r\n0\r\n\r\n",
    "minus": b"-5\r\nhello\r\n0\r\n\r\n",
    "space": b"5 \r\nhello\r\n0\r\n\r\n",
    "underscore": b"0_5\r\nhello\r\n0\r\n\r\n",
    "no size": b"\r\nhello\r\n0\r\n\r\n",
    "no digit": b"g\r\nhello\r\n0\r\n\r\n",
    "beyond everything": b"f" * 20 + b"\r\nhello\r\n0\r\n\r\n",
    "extension": b"5;a=b\r\nhello\r\n0\r\n\r\n",
    "extension with a line feed": b"5;a\nb\r\nhello\r\n0\r\n\r\n",
    "extension of the last one": b"5\r\nhello\r\n0;a\r\n\r\n",
    "line feeds": b"5\nhello\n0\n\n",
    "two carriage returns": b"5\r\r\nhello\r\n0\r\n\r\n",
    "longer than it says": b"5\r\nhello!\r\n0\r\n\r\n",
    "no line end behind it": b"5\r\nhello0\r\n\r\n",
    "trailers": b"5\r\nhello\r\n0\r\nContent-Length: 9\r\n\r\n",
    "no end of the last one": b"5\r\nhello\r\n0\r\n",
}
REFUSED_LINES = (
    "POST /page HTTP/2.0",
    "POST /page HTTP/1.1 ",
    "POST  /page HTTP/1.1",
    "POST\t/page\tHTTP/1.1",
    "POST /page",
    " POST /page HTTP/1.1",
    "POST /page http/1.1",
    "POST /page HTTP/01.1",
    "POST /page HTTP/1.10",
    "POST /page\x00 HTTP/1.1",
    "POST /page x HTTP/1.1",
    "POST page HTTP/1.1",
    "P\x01ST /page HTTP/1.1",
    "POST http://localhost@other/page HTTP/1.1",
    "CONNECT localhost:1 HTTP/1.1",
    "PRI * HTTP/2.0",
)
REFUSED_HOSTS = ("a b", "a,b", "a@b", "a/b", "a\tb", "a?b", "\xe9")
UNAMBIGUOUS: dict[str, tuple[tuple[str, ...], bytes]] = {
    "chunked": ((CHUNKED,), BODY),
    "chunked in capitals": (("Transfer-Encoding: CHUNKED",), BODY),
    "sizes with zeros": ((CHUNKED,), b"0005\r\nhello\r\n000\r\n\r\n"),
    "length": (("Content-Length: 5",), b"hello"),
    "the same length twice": (("Content-Length: 5", "Content-Length: 5"), b"hello"),
    "the same length twice in one": (("Content-Length: 5, 5",), b"hello"),
    "length with zeros": (("Content-Length: 005",), b"hello"),
    # RFC 9112 section 2.2 allows a line to end in a line feed alone, as Go and nginx do.
    "line feed": (("X-A: b\nContent-Length: 5",), b"hello"),
    "body that looks like a request": ((f"Content-Length: {len(MARKER)}",), MARKER),
}


def assert_refused(heard: bytes, what: object = "") -> None:
    """One refusal, and the end."""
    assert statuses(heard) == [400], (what, heard)
    assert b"page" not in heard


@pytest.mark.parametrize("base", BASES)
def test_heads_with_two_meanings(victim: Victim, base: str) -> None:
    with victim.unharmed():
        for fields in REFUSED_FIELDS.values():
            assert_refused(say(victim, head(*BASES[base], *fields) + BODY + MARKER), fields)


def test_heads_with_two_meanings_over_tls(victim: Victim) -> None:
    with victim.unharmed():
        for fields in REFUSED_FIELDS.values():
            assert_refused(say(victim, head(*BASES["upgrade"], *fields) + BODY + MARKER, tls=True), fields)


@pytest.mark.parametrize("base", ["page", "publish"])
def test_chunks_with_two_meanings(victim: Victim, base: str) -> None:
    """A page that needs no body may have been answered before the body came to its bad end."""
    with victim.unharmed():
        for body in REFUSED_CHUNKS.values():
            heard = say(victim, head(*BASES[base], CHUNKED) + body + MARKER)
            assert statuses(heard) in ([400], [200, 400]), (body, heard)
            assert heard.count(b"page") == (statuses(heard)[0] == 200), (body, heard)


def test_first_lines_and_hosts_with_two_meanings(victim: Victim) -> None:
    with victim.unharmed():
        for line in REFUSED_LINES:
            assert_refused(say(victim, head(line, HOST) + MARKER), line)
        for host in REFUSED_HOSTS:
            assert_refused(say(victim, head("POST /page HTTP/1.1", f"Host: {host}") + MARKER), host)
        assert_refused(say(victim, head("POST /page HTTP/1.1") + MARKER))


@pytest.mark.parametrize("base", ["page", "publish"])
def test_what_has_one_meaning_is_read_so(victim: Victim, base: str) -> None:
    """Otherwise the refusals above would show nothing: here the request behind it is served."""
    first = 200 if base == "page" else 400  # "hello" is no form
    with victim.unharmed():
        for fields, body in UNAMBIGUOUS.values():
            heard = say(victim, head(*BASES[base], *fields) + body + MARKER)
            assert statuses(heard) == [first, 200], (fields, heard)


def test_the_absolute_form_does_not_choose_the_site(victim: Victim) -> None:
    """RFC 9112 section 3.2.2; and what stands in it is never dialled."""
    with victim.unharmed():
        for fields in ((HOST,), ("Host: other.example",)):
            heard = say(victim, head("GET http://other.example/page HTTP/1.1", *fields) + MARKER)
            assert statuses(heard) == [200, 200]
            assert heard.count(b"page") == 2


def test_requests_behind_an_upgrade_are_frames_and_bad_ones(victim: Victim) -> None:
    with victim.unharmed():
        for behind in (MARKER, head(*BASES["publish"], "Content-Length: 23") + b"channel=steady&message=x"):
            heard = say(victim, handshake() + behind)
            assert statuses(heard) == [101]
            _, _, frames = heard.partition(b"\r\n\r\n")
            assert frames == b"\x88\x02" + (1002).to_bytes(2)


def test_an_upgrade_with_a_body_is_no_upgrade_for_what_follows(victim: Victim) -> None:
    """The body of a request that is refused is never taken for the next request."""
    with victim.unharmed():
        heard = say(victim, handshake("-Cookie", f"Content-Length: {len(MARKER)}") + MARKER + MARKER)
        assert statuses(heard)[0] == 401
        assert heard.count(b"page") <= 1


def test_nothing_is_smuggled_through_the_proxy(victim: Victim) -> None:
    """Whatever is sent, the upstream sees whole requests, each under the path that is proxied."""

    async def attack(fake: FakeUpstream) -> None:
        for fields in REFUSED_FIELDS.values():
            request = head(*BASES["proxy"], *fields) + BODY + MARKER
            assert_refused(await asyncio.to_thread(say, victim, request), fields)
        for chunks in REFUSED_CHUNKS.values():
            request = head(*BASES["proxy"], CHUNKED) + chunks + MARKER
            assert b"page" not in await asyncio.to_thread(say, victim, request), chunks
        assert not [one for one in fake.heads if not one.startswith("POST /up/x HTTP/1.1\r\n")]

    async def serve(fake: FakeUpstream) -> None:
        fake.heads.clear()
        fake.bodies.clear()
        for fields, body in UNAMBIGUOUS.values():
            heard = await asyncio.to_thread(say, victim, head(*BASES["proxy"], *fields) + body + MARKER)
            assert statuses(heard) == [200, 200], (fields, heard)
        assert [one.partition("\r\n")[0] for one in fake.heads] == ["POST /up/x HTTP/1.1"] * len(UNAMBIGUOUS)
        assert fake.bodies == [MARKER if body == MARKER else b"hello" for _, body in UNAMBIGUOUS.values()]

    async def main() -> None:
        async with upstream(answering(ok()), str(victim.upstream)) as fake:
            await attack(fake)
            await serve(fake)

    with victim.unharmed():
        asyncio.run(main())
