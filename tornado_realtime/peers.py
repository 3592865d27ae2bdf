"""Who is at the other end of a connection, told from what may be believed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Protocol

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

PRIVATE_RANGES = (
    "192.168.0.0/16",
    "172.16.0.0/12",
    "10.0.0.0/8",
    "127.0.0.1/8",
    "fd00::/8",
    "::1",
)
"""What ``private_ranges`` stands for."""


def parse_network(text: str) -> Network:
    """An address (``10.0.0.1``) or a network (``10.0.0.0/8``, host bits allowed).

    Raises:
        ValueError: It is neither.
    """
    try:
        return ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"{text!r} is no address or network such as 10.0.0.0/8") from None


def parse_address(text: str) -> Address | None:
    """The address in ``text``, an IPv4-mapped IPv6 one as IPv4; None if there is none (a Unix socket)."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def is_loopback(peer: str) -> bool:
    """Whether ``peer`` is in 127.0.0.0/8, is ::1, or an IPv4-mapped form of the former."""
    address = parse_address(peer)
    return address is not None and address.is_loopback


def is_within(peer: str, networks: Iterable[Network]) -> bool:
    """Whether ``peer`` is an address inside one of ``networks``."""
    address = parse_address(peer)
    return address is not None and any(address in network for network in networks)


@lru_cache(maxsize=1024)
def plain_address(address: str) -> str:
    """An address without zone; IPv4 mapped into IPv6 becomes IPv4. Text that is no address stays."""
    parsed = parse_address(address)
    return address if parsed is None else str(parsed)


class HeaderLines(Protocol):
    """What is needed of a request's header fields; Tornado's ``HTTPHeaders`` are such."""

    def get_list(self, name: str, /) -> list[str]:
        """All values of one field, one for each time it was sent."""
        ...


def forwarded_client(
    peer: str, headers: HeaderLines, trusted: Sequence[Network], names: Sequence[str]
) -> str:
    """The client's address, read from the right: the first that no trusted proxy vouches for.

    Args:
        peer: The socket's peer.
        headers: Of the request.
        trusted: Networks whose word is believed; empty believes nobody.
        names: Header fields to look into; the first one that is present counts.
    """
    if not trusted:
        return peer
    lines: list[str] = next((found for name in names if (found := headers.get_list(name))), [])
    return plain_address(client_address(peer, lines, trusted))


def client_address(peer: str, forwarded: Sequence[str], trusted: Sequence[Network]) -> str:
    """The nearest address that is not a trusted proxy's.

    Args:
        peer: The socket's peer.
        forwarded: The values of X-Forwarded-For in header order.
        trusted: Proxies that may be believed.

    Returns:
        ``peer`` unless it is trusted and the header names somebody nearer.
    """
    if not is_within(peer, trusted):
        return peer
    hops = [hop.strip() for value in forwarded for hop in value.split(",")]
    found = peer
    for hop in reversed(hops):
        if parse_address(hop) is None:
            break
        found = hop
        if not is_within(hop, trusted):
            break
    return found


def forwarded_for(peer: str, forwarded: Sequence[str], trusted: Sequence[Network]) -> str:
    """The X-Forwarded-For to pass on: the peer, after what it said if it is trusted."""
    if forwarded and is_within(peer, trusted):
        return ", ".join([*(value.strip() for value in forwarded), peer])
    return peer


@lru_cache(maxsize=1024)
def neighbourhood(address: str) -> str:
    """What stands for everybody who may be the same visitor: an IPv4 address, 64 bits of an IPv6 one.

    A single IPv6 customer has 2^64 addresses, so those would make as many lines in a queue.
    """
    found = parse_address(address)
    if isinstance(found, IPv6Address):
        return str(IPv6Network((int(found) >> 64 << 64, 64)))
    return str(found) if found is not None else address
