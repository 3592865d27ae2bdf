"""Resume tickets: signed, short, and worthless without the credential they were made from."""

from __future__ import annotations

import base64
import json
from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tornado.httputil import HTTPHeaders

from tornado_realtime.auth import ANONYMOUS, User
from tornado_realtime.auth.credentials import credential_digest, shown_tickets, shows_nothing, without_ticket
from tornado_realtime.auth.tickets import TICKET_BYTES, Tickets

KEY, OLD = b"k" * 32, b"o" * 32
ADA = User("ada", {"name": "Zoé"}, 5000.0, 900.0, {"rooms": ["a*"]})
LOGIN = {"Cookie": "PHPSESSID=abc; theme=dark"}


class World:
    def __init__(self, *keys: bytes, seconds: float = 600.0, **more: Any) -> None:
        self.now = 1000.0
        self.tickets = Tickets(keys or (KEY,), seconds, now=lambda: self.now, **more)

    def issue(self, user: User = ADA, **headers: str) -> str:
        return self.tickets.issue(HTTPHeaders(headers or LOGIN), user)

    def find(self, ticket: str, **headers: str) -> User | None:
        shown = HTTPHeaders(headers or LOGIN)
        shown["Cookie"] = "; ".join(filter(None, [shown.get("Cookie"), f"REALTIME_TICKET={ticket}"]))
        return self.tickets.find(shown)


def test_what_was_known_is_known_again() -> None:
    world = World()
    for user in (ADA, User("ü"), User("x", expires=1000.5)):
        found = world.find(world.issue(user))
        assert found == user
    assert (world.find(world.issue()) or ADA).issued == 900.0
    assert (world.find(world.issue(User("ada"))) or ADA).issued == 1000.0


def test_as_a_subprotocol() -> None:
    world = World()
    offered = HTTPHeaders(LOGIN | {"Sec-WebSocket-Protocol": f"realtime.v1.json, ticket.{world.issue()}"})
    assert world.tickets.find(offered) == ADA
    # A cookie that is no good does not hide it.
    offered["Cookie"] += "; REALTIME_TICKET=old"
    assert world.tickets.find(offered) == ADA


def test_of_many_only_a_few_are_looked_at() -> None:
    world = World()
    many = ", ".join(["ticket.a.b.c"] * 3 + [f"ticket.{world.issue()}"])
    assert world.tickets.find(HTTPHeaders(LOGIN | {"Sec-WebSocket-Protocol": many})) is None


@pytest.mark.parametrize(
    "other",
    [
        {"Cookie": "PHPSESSID=abd; theme=dark"},
        {"Cookie": "theme=dark"},
        {"Cookie": "PHPSESSID=abc; theme=dark; more=1"},
        {"Cookie": "PHPSESSID=abc; theme=dark", "Authorization": "Basic x"},
        {"Cookie": "PHPSESSID=abc; theme=dark", "Sec-WebSocket-Protocol": "bearer.a.b.c"},
        {"Authorization": "PHPSESSID=abc; theme=dark"},
        {"X": "y"},
    ],
)
def test_without_the_same_credential_it_is_worthless(other: dict[str, str]) -> None:
    world = World()
    assert world.find(world.issue(), **other) is None


def test_the_order_of_cookies_does_not_matter() -> None:
    world = World()
    assert world.find(world.issue(), Cookie="theme=dark;PHPSESSID=abc") == ADA


def test_its_time() -> None:
    world = World()
    short, bounded = world.issue(User("ada")), world.issue(User("ada", expires=1100.0))
    world.now = 1099.9
    assert world.find(short) is not None
    assert world.find(bounded) is not None
    world.now = 1100.0
    assert world.find(bounded) is None
    world.now = 1600.0
    assert world.find(short) is None


def test_keys_change_one_after_the_other() -> None:
    before, meanwhile, after = World(OLD), World(KEY, OLD), World(KEY)
    old, new = before.issue(), meanwhile.issue()
    assert [world.find(old) for world in (before, meanwhile, after)] == [ADA, ADA, None]
    assert [world.find(new) for world in (before, meanwhile, after)] == [None, ADA, ADA]


def test_without_a_key_there_is_one_that_nobody_else_has() -> None:
    one, two = Tickets((), 600), Tickets((), 600)
    headers = HTTPHeaders(LOGIN)
    headers["Cookie"] += f"; REALTIME_TICKET={one.issue(headers, ADA)}"
    assert two.find(headers) is None


def test_a_realm_is_its_own() -> None:
    assert World(realm="b").find(World(realm="a").issue()) is None


@given(st.integers(0, 400), st.characters(max_codepoint=0x7E, min_codepoint=0x21, exclude_characters=';,"\\'))
def test_whoever_changes_it_spoils_it(position: int, letter: str) -> None:
    world = World()
    ticket = world.issue()
    position %= len(ticket)
    forged = ticket[:position] + letter + ticket[position + 1 :]
    assert world.find(forged) == (ADA if forged == ticket else None)


@pytest.mark.parametrize("rubbish", ["", ".", "..", "...", "a.b.c", "ü.b.c", "x" * 5000])
def test_rubbish(rubbish: str) -> None:
    assert World().find(rubbish) is None


def test_a_payload_of_one_is_no_use_for_another() -> None:
    world = World()
    name, payload, mac = world.issue().split(".")
    other = (
        base64.urlsafe_b64encode(json.dumps({"u": "root", "i": 1, "t": 9e9}).encode()).decode().rstrip("=")
    )
    assert world.find(f"{name}.{other}.{mac}") is None
    assert world.find(f"{name}.{payload}.") is None


def test_who_gets_none() -> None:
    world = World()
    assert world.issue(ANONYMOUS) == ""
    assert world.issue(ADA, X="y") == ""
    assert world.issue(ADA, Cookie="REALTIME_TICKET=old") == ""
    assert world.issue(User("ada", "x" * TICKET_BYTES)) == ""


def test_the_cookie() -> None:
    world = World(path="/rt/w s")
    headers = HTTPHeaders(LOGIN)
    cookie = world.tickets.answer(headers, User("ada"), "192.0.2.1", is_tls=False).cookie
    ticket, attributes = cookie.split("; ", 1)
    assert ticket.startswith("REALTIME_TICKET=")
    assert attributes == "Path=/rt/w%20s; Max-Age=600; HttpOnly; SameSite=Strict"
    # Who comes with it gets no other one: in the end the application is asked again.
    headers["Cookie"] += f"; {ticket}"
    assert world.tickets.answer(headers, User("ada"), "192.0.2.1", is_tls=False).cookie == ""
    assert world.tickets.answer(headers, User("bob"), "192.0.2.1", is_tls=False).cookie != ""
    soon = world.tickets.answer(HTTPHeaders(LOGIN), User("ada", expires=1100.0), "", is_tls=True)
    assert "Max-Age=100;" in soon.cookie
    assert soon.cookie.startswith(f"REALTIME_TICKET={soon.value}; ")


@pytest.mark.parametrize(
    ("headers", "peer", "is_tls", "secure"),
    [
        ({}, "192.0.2.1", False, False),
        ({}, "192.0.2.1", True, True),
        ({"Origin": "https://example.com"}, "192.0.2.1", False, True),
        ({"Origin": "http://example.com"}, "192.0.2.1", False, False),
        ({"X-Forwarded-Proto": "https"}, "192.0.2.1", False, False),
        ({"X-Forwarded-Proto": "https"}, "10.0.0.1", False, True),
        ({"X-Forwarded-Proto": "http"}, "10.0.0.1", False, False),
    ],
)
def test_it_is_secure_where_the_browser_speaks_tls(
    headers: dict[str, str], peer: str, is_tls: bool, secure: bool
) -> None:
    world = World(trusted_proxies=[ip_network("10.0.0.0/8")])
    cookie = world.tickets.answer(HTTPHeaders(LOGIN | headers), ADA, peer, is_tls=is_tls).cookie
    assert cookie.endswith("; Secure") is secure


def test_a_ticket_is_no_credential() -> None:
    alone = HTTPHeaders({"Cookie": "REALTIME_TICKET=x"})
    assert shows_nothing(alone)
    assert credential_digest(alone) is None
    assert shown_tickets(alone) == ["x"]
    assert without_ticket("a=b; REALTIME_TICKET=x;c=d") == "a=b; c=d"
    assert without_ticket("a=b;  c=REALTIME") == "a=b;  c=REALTIME"
    assert without_ticket("MY_REALTIME_TICKET=1") == "MY_REALTIME_TICKET=1"
