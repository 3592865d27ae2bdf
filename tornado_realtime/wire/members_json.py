"""Users who are present, as every wire that tells of them writes them down."""

from __future__ import annotations

from collections.abc import Iterable

from tornado_realtime.members import Member
from tornado_realtime.wire.json_text import plain_quote


def members_json(members: Iterable[Member]) -> bytes:
    """A JSON object from ids to what is told of each."""
    return b"{%b}" % b",".join(map(_entry, members))


def _entry(member: Member) -> bytes:
    return b'%b:{"info":%b,"conns":%d}' % (plain_quote(member.user), member.info, member.conns)
