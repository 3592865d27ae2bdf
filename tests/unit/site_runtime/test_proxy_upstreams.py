"""Which upstream is asked, and which are well; no sockets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from types import SimpleNamespace
from typing import cast

import pytest
from tornado.httputil import HTTPHeaders

from tornado_realtime.errors import GatewayError
from tornado_realtime.site.exchange import Exchange, HeadHook, ResponseHead
from tornado_realtime.site.proxy.policies import make_policy
from tornado_realtime.site.proxy.pool import Address
from tornado_realtime.site.proxy.spec import HealthSpec, HttpTransport
from tornado_realtime.site.proxy.upstreams import Member, UpstreamGroup
from tornado_realtime.site.upstreams import Upstream


class FakeExchange:
    def __init__(self, *lines: str, query: str = "", peer: str = "9.9.9.9") -> None:
        self.request = SimpleNamespace(
            headers=HTTPHeaders.parse("\r\n".join(lines)),
            query=query,
            peer=peer,
            client_ip=peer,
            uri=f"/?{query}",
        )
        self.vars: dict[str, object] = {"port": "81"}
        self.error = None
        self.hooks: list[HeadHook] = []

    def on_head(self, hook: HeadHook) -> None:
        self.hooks.append(hook)


def exchange(*lines: str, query: str = "", peer: str = "9.9.9.9") -> Exchange:
    return cast(Exchange, FakeExchange(*lines, query=query, peer=peer))


def members(count: int) -> list[Member]:
    return [Member(Upstream("", f"host{number}", "80"), number) for number in range(count)]


def picks(name: str, *args: str, count: int = 3, times: int = 6) -> list[int]:
    policy, all_of_them = make_policy(name, args), members(count)
    return [policy(all_of_them, exchange()).number for _ in range(times)]


def test_first_and_round_robin() -> None:
    assert picks("first") == [0] * 6
    assert picks("round_robin") == [0, 1, 2, 0, 1, 2]
    assert picks("weighted_round_robin", "2", "0", "1") == [0, 0, 2, 0, 0, 2]


def test_random_reaches_everybody() -> None:
    assert set(picks("random", times=200)) == {0, 1, 2}
    assert set(picks("random_choose", "2", times=200)) == {0, 1, 2}


def test_the_least_busy() -> None:
    three = members(3)
    three[0].running, three[2].running = 2, 1
    assert make_policy("least_conn", ())(three, exchange()).number == 1
    three[1].running = 5
    chosen = [make_policy("random_choose", ("3",))(three, exchange()).number for _ in range(5)]
    assert chosen == [2] * 5


@pytest.mark.parametrize(
    ("name", "args", "make"),
    [
        ("ip_hash", (), lambda n: exchange(peer=f"1.1.1.{n}")),
        ("client_ip_hash", (), lambda n: exchange(peer=f"1.1.1.{n}")),
        ("uri_hash", (), lambda n: exchange(query=f"n={n}")),
        ("query", ("n",), lambda n: exchange(query=f"n={n}")),
        ("header", ("X-N",), lambda n: exchange(f"X-N: {n}")),
    ],
)
def test_hashes_keep_to_their_choice(name: str, args: tuple[str, ...], make: object) -> None:
    assert callable(make)
    policy, three = make_policy(name, args), members(3)
    chosen = {number: policy(three, make(number)).number for number in range(60)}
    assert set(chosen.values()) == {0, 1, 2}
    assert {number: policy(three, make(number)).number for number in range(60)} == chosen
    without_last = {number: policy(three[:2], make(number)).number for number in range(60)}
    assert all(without_last[number] == chosen[number] for number in chosen if chosen[number] != 2)


def test_without_a_key_chance_decides() -> None:
    policy, three = make_policy("query", ("n",)), members(3)
    assert len(Counter(policy(three, exchange()).number for _ in range(100))) == 3


def test_a_cookie_remembers() -> None:
    policy, three = make_policy("cookie", ("stick", "secret")), members(3)
    first = FakeExchange()
    chosen = policy(three, cast(Exchange, first))
    head = ResponseHead(200, HTTPHeaders())
    first.hooks[0](head)
    cookie = head.headers["Set-Cookie"]
    assert cookie.startswith("stick=")
    assert "host" not in cookie
    for _ in range(10):
        again = FakeExchange(f"Cookie: a=b; {cookie.partition(';')[0]}")
        assert policy(three, cast(Exchange, again)) is chosen
        assert again.hooks == []
    forged = FakeExchange("Cookie: stick=host1")
    policy(three, cast(Exchange, forged))
    assert len(forged.hooks) == 1


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("nonsense", ()),
        ("first", ("2",)),
        ("round_robin", ("2",)),
        ("random_choose", ("1",)),
        ("random_choose", ("x",)),
        ("weighted_round_robin", ()),
        ("weighted_round_robin", ("0",)),
        ("weighted_round_robin", ("-1",)),
        ("query", ()),
        ("header", ("a", "b")),
        ("cookie", ("a", "b", "c")),
    ],
)
def test_words_that_make_no_policy(name: str, args: tuple[str, ...]) -> None:
    with pytest.raises(ValueError):
        make_policy(name, args)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Iterator[Clock]:
    yield Clock()


def group(
    clock: Clock, *upstreams: Upstream, transport: HttpTransport | None = None, **health: object
) -> UpstreamGroup:
    spec = HealthSpec(**health)  # type: ignore[arg-type]
    return UpstreamGroup(upstreams or (Upstream("", "a", "80"),), transport or HttpTransport(), spec, clock)


def test_failures_are_forgotten_at_once_by_default(clock: Clock) -> None:
    upstreams = group(clock)
    upstreams.failed(upstreams.members[0])
    assert len(upstreams.available(set())) == 1
    assert upstreams.available({upstreams.members[0]}) == []


def test_failures_are_remembered_for_a_while(clock: Clock) -> None:
    upstreams = group(clock, max_fails=2, fail_duration=10.0)
    (member,) = upstreams.members
    seen = []
    for _ in range(3):
        upstreams.failed(member)
        seen.append(len(upstreams.available(set())))
        clock.now += 4
    clock.now += 3
    seen.append(len(upstreams.available(set())))
    clock.now += 10
    seen.append(len(upstreams.available(set())))
    assert seen == [1, 0, 0, 1, 1]


def test_answers_can_count_as_failures(clock: Clock) -> None:
    upstreams = group(
        clock, fail_duration=10.0, unhealthy_statuses=(5, 429), unhealthy_latency=2.0, max_fails=1
    )
    (member,) = upstreams.members
    results = []
    for status, seconds in ((200, 1.0), (503, 0.0), (429, 0.0), (404, 0.0), (200, 2.5)):
        upstreams.judge(member, status, seconds)
        results.append(bool(upstreams.available(set())))
        clock.now += 20
    assert results == [True, False, False, True, False]


def test_the_busy_are_left_in_peace(clock: Clock) -> None:
    upstreams = group(clock, unhealthy_request_count=1)
    (member,) = upstreams.members
    with upstreams.using(member):
        assert upstreams.available(set()) == []
    assert upstreams.available(set()) == [member]


def test_asking_needs_several_answers_in_a_row(clock: Clock) -> None:
    upstreams = group(clock, fails=2, passes=2)
    (member,) = upstreams.members
    seen = []
    for well in (False, True, False, False, True, True):
        upstreams.told(member, well)
        seen.append(member.is_well)
    assert seen == [True, True, True, False, False, True]


@pytest.mark.parametrize(
    ("upstream", "address"),
    [
        (Upstream("", "host", "80"), Address("host", 80)),
        (Upstream("https", "host", "443"), Address("host", 443, True)),
        (Upstream("", "host", "{http.vars.port}"), Address("host", 81)),
        (Upstream("", "{http.vars.where}", ""), Address("10.0.0.1", 8080)),
        (Upstream("", "/run/app.sock", "", "unix"), Address("/run/app.sock", 0)),
    ],
)
def test_addresses(clock: Clock, upstream: Upstream, address: Address) -> None:
    upstreams = group(clock, upstream)
    asked = exchange()
    asked.vars["where"] = "10.0.0.1:8080"
    assert upstreams.address(upstreams.members[0], asked) == address


@pytest.mark.parametrize("where", ["", "host", "host:99999", "host:x", ":80"])
def test_placeholders_that_make_no_address(clock: Clock, where: str) -> None:
    upstreams = group(clock, Upstream("", "{http.vars.where}", ""))
    asked = exchange()
    asked.vars["where"] = where
    with pytest.raises(GatewayError):
        upstreams.address(upstreams.members[0], asked)


def test_tls_by_the_transport(clock: Clock) -> None:
    transport = HttpTransport(tls=True, server_name="{http.vars.port}.example")
    upstreams = group(clock, transport=transport)
    assert upstreams.address(upstreams.members[0], exchange()) == Address("a", 80, True, "81.example")


def test_missing_certificates_are_found_at_once(clock: Clock) -> None:
    with pytest.raises(OSError, match="No such file"):
        group(clock, transport=HttpTransport(trusted_ca_files=("/nonexistent.pem",)))
