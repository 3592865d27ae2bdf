"""Which of several upstreams is asked: the words of ``lb_policy``."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Sequence
from random import SystemRandom
from urllib.parse import parse_qs

from tornado.httputil import parse_cookie

from tornado_realtime.site.exchange import Exchange, ResponseHead
from tornado_realtime.site.proxy.upstreams import Member, Policy

_random = SystemRandom()


def make_policy(name: str, args: Sequence[str]) -> Policy:
    """The policy of that name.

    Raises:
        ValueError: If there is none of that name, or the words after it are wrong; one line that says what.
    """
    if name not in _POLICIES:
        raise ValueError(f"there is no policy {name}")
    return _POLICIES[name](args)


def _plain(choose: Policy) -> Callable[[Sequence[str]], Policy]:
    def make(args: Sequence[str]) -> Policy:
        if args:
            raise ValueError("the policy takes no more words")
        return choose

    return make


def _pick_random(members: Sequence[Member], exchange: Exchange) -> Member:
    return _random.choice(members)


def _pick_first(members: Sequence[Member], exchange: Exchange) -> Member:
    return members[0]


def _least_busy(members: Sequence[Member], exchange: Exchange) -> Member:
    fewest = min(member.running for member in members)
    return _random.choice([member for member in members if member.running == fewest])


def _random_choose(args: Sequence[str]) -> Policy:
    count = _number(args[0]) if args else 2
    if len(args) > 1 or count < 2:
        raise ValueError("random_choose takes one number, 2 or more")
    return lambda members, exchange: _least_busy(_random.sample(members, min(count, len(members))), exchange)


def _round_robin(args: Sequence[str]) -> Policy:
    if args:
        raise ValueError("the policy takes no more words")
    return _turns(lambda member: 1)


def _weighted_round_robin(args: Sequence[str]) -> Policy:
    weights = [_number(word) for word in args]
    if not any(weights):
        raise ValueError("weighted_round_robin needs a weight for each upstream, not all of them 0")
    return _turns(lambda member: weights[member.number] if member.number < len(weights) else 0)


def _turns(weight: Callable[[Member], int]) -> Policy:
    """Each member in turn, so often in a row as its weight says."""
    turn = -1

    def choose(members: Sequence[Member], exchange: Exchange) -> Member:
        nonlocal turn
        seats = [member for member in members for _ in range(weight(member))] or list(members)
        turn += 1
        return seats[turn % len(seats)]

    return choose


def _by(key: Callable[[Exchange], str]) -> Policy:
    """The same member for the same key, as long as it is there; a random one without a key."""

    def choose(members: Sequence[Member], exchange: Exchange) -> Member:
        text = key(exchange)
        return (
            max(members, key=lambda member: _rank(member, text)) if text else _pick_random(members, exchange)
        )

    return choose


def _rank(member: Member, text: str) -> bytes:
    raw = f"{member.name}\n{text}".encode("utf-8", "surrogateescape")
    return hashlib.blake2b(raw, digest_size=8).digest()


def _by_query(args: Sequence[str]) -> Policy:
    (key,) = _exactly_one(args, "query needs the name of a key")
    return _by(
        lambda exchange: ",".join(parse_qs(exchange.request.query, keep_blank_values=True).get(key, ()))
    )


def _by_header(args: Sequence[str]) -> Policy:
    (name,) = _exactly_one(args, "header needs the name of a field")
    return _by(lambda exchange: ",".join(exchange.request.headers.get_list(name)))


def _by_cookie(args: Sequence[str]) -> Policy:
    if len(args) > 2:
        raise ValueError("cookie takes a name and a secret")
    name = args[0] if args else "lb"
    secret = (args[1] if len(args) == 2 else secrets.token_hex()).encode()

    def choose(members: Sequence[Member], exchange: Exchange) -> Member:
        sent = parse_cookie("; ".join(exchange.request.headers.get_list("Cookie"))).get(name, "")
        for member in members:
            if hmac.compare_digest(_ticket(secret, member).encode(), sent.encode("utf-8", "replace")):
                return member
        chosen = _pick_random(members, exchange)
        exchange.on_head(lambda head: _set_cookie(head, name, _ticket(secret, chosen)))
        return chosen

    return choose


def _ticket(secret: bytes, member: Member) -> str:
    return hmac.digest(secret, member.name.encode("utf-8", "surrogateescape"), "sha256").hex()


def _set_cookie(head: ResponseHead, name: str, value: str) -> None:
    head.headers.add("Set-Cookie", f"{name}={value}; Path=/; HttpOnly; SameSite=Lax")


def _exactly_one(args: Sequence[str], message: str) -> Sequence[str]:
    if len(args) != 1 or not args[0]:
        raise ValueError(message)
    return args


def _number(word: str) -> int:
    if not (word.isascii() and word.isdecimal() and len(word) < 6):
        raise ValueError(f"{word!r} is not a whole number")
    return int(word)


_POLICIES: dict[str, Callable[[Sequence[str]], Policy]] = {
    "random": _plain(_pick_random),
    "random_choose": _random_choose,
    "first": _plain(_pick_first),
    "round_robin": _round_robin,
    "weighted_round_robin": _weighted_round_robin,
    "least_conn": _plain(_least_busy),
    "ip_hash": _plain(_by(lambda exchange: exchange.request.peer)),
    "client_ip_hash": _plain(_by(lambda exchange: exchange.request.client_ip)),
    "uri_hash": _plain(_by(lambda exchange: exchange.request.uri)),
    "query": _by_query,
    "header": _by_header,
    "cookie": _by_cookie,
}
