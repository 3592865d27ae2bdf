"""What one node knows of who is present on one channel, and what its clients have to be told of it."""

from __future__ import annotations

from dataclasses import dataclass

from tornado_realtime.members import Change, Listing, Member, Roll
from tornado_realtime.wire.members_json import members_json


@dataclass(frozen=True, slots=True)
class Joined:
    """Somebody came; ``count`` users are there now."""

    member: Member
    count: int


@dataclass(frozen=True, slots=True)
class Left:
    """Somebody went; ``count`` users are there now."""

    user: str
    count: int


@dataclass(frozen=True, slots=True)
class Relisted:
    """What was told is worth nothing any more: tell the listing anew."""


@dataclass(frozen=True, slots=True)
class Counted:
    """There are too many to tell who; how many may have changed."""


News = Joined | Left | Relisted | Counted


class Roster:
    """Follows a channel's list by its changes, from a page that was read.

    Up to ``limit`` users are known by name; above that, only how many there are. As long as it is not sure of
    what it knows, changes are kept until it was read anew. Members who are missing then are *doubtful*: the
    store may have lost them, and their nodes say in a moment that they are there. Who is told of somebody
    hears of them only when it turns out that they are gone.

    Members who are known before the store said so, because this node itself will say it, are *expected*.

    Args:
        limit: Most users who are known by name.

    Attributes:
        count: How many users are present, as far as is known.
        is_sure: Whether nothing was missed since it was read.
        is_crowded: Whether there are too many to be known by name.
        doubtful: Members who are known, and were not there when it was read.
        expected: Members whom the store does not know yet.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.count = 0
        self.is_sure = False
        self.is_crowded = False
        self.doubtful: set[str] = set()
        self.expected: set[str] = set()
        self._version = 0
        self._members: dict[str, Member] | None = None
        self._ahead: list[Change] = []
        self._listing: Listing | None = None

    def lose(self) -> None:
        """Changes may have been missed: it has to be read anew."""
        self.is_sure = False

    def load(self, roll: Roll) -> list[News]:
        """Take what was read, a first page of at most ``limit`` members, and the changes that came since."""
        self.is_sure = True
        self._version = roll.version
        news = self._crowd(roll.count) if roll.more else self._compare(roll)
        ahead, self._ahead = self._ahead, []
        for change in ahead:
            news += self.apply(change)
        return news

    def apply(self, change: Change) -> list[News]:
        """Take one change; ``is_sure`` says afterwards whether another was missed."""
        if not self.is_sure:
            self._ahead.append(change)
            return []
        if change.version <= self._version:
            return []
        if change.version != self._version + 1 and not self._says_all(change):
            self.lose()
            self._ahead.append(change)
            return []
        self._version = change.version
        if self._members is None:
            return self._crowd(change.count)
        return self._note(self._members, change.member, change.count)

    def expect(self, member: Member) -> list[News]:
        """Take a member of this node, of whom the store will say the same."""
        if self._members is None or member.user in self._members:
            self.doubtful.discard(member.user)
            return []
        news = self._note(self._members, member, self.count + 1)
        if not self.is_crowded:
            self.expected.add(member.user)
        return news

    def retract(self, user: str) -> None:
        """A member of this node went; the store may never have heard of it."""
        if user in self.expected:
            self.doubtful.add(user)

    def settle(self) -> list[News]:
        """Who is doubtful still is gone."""
        gone, self.doubtful = sorted(self.doubtful), set()
        return [news for user in gone for news in self._remove(user)]

    def shrunk(self) -> bool:
        """Whether few enough are left to be known by name, which they are when it was read anew."""
        return self.is_crowded and self.count <= self.limit

    @property
    def listing(self) -> Listing | None:
        """What a client is told who asks; made once as long as nothing changes. None if nothing is known."""
        if self._listing is None:
            if self._members is not None:
                self._listing = Listing(self.count, members_json(self._members.values()))
            elif self.is_crowded:
                self._listing = Listing(self.count, None, more=True)
        return self._listing

    def knows(self, user: str) -> bool:
        """Whether the store says that ``user`` is present, known by name."""
        return self._members is not None and user in self._members and user not in self.expected

    def _says_all(self, change: Change) -> bool:
        """Whether a change tells the whole list, so that what was missed before it does not matter."""
        others = (self._members or {}).keys() - self.expected - {change.member.user}
        return not others and not self.is_crowded and change.count <= bool(change.member.conns)

    def _compare(self, roll: Roll) -> list[News]:
        before, found = self._members, {member.user: member for member in roll.members}
        self.is_crowded = False
        self._listing = None
        if before is None:
            self._members, self.count = found, len(found)
            return [Relisted()]
        self.doubtful = before.keys() - found.keys()
        self.expected -= found.keys()
        news: list[News] = []
        for member in roll.members:
            news += self._note(before, member, roll.count)
        return news

    def _note(self, members: dict[str, Member], member: Member, count: int) -> list[News]:
        user = member.user
        if not member.conns:
            return self._remove(user)
        self._listing = None
        self.doubtful.discard(user)
        self.expected.discard(user)
        is_new = user not in members
        members[user] = member
        self.count = len(members)
        if self.count > self.limit:
            return self._crowd(count)
        return [Joined(member, self.count)] if is_new else []

    def _remove(self, user: str) -> list[News]:
        self.doubtful.discard(user)
        self.expected.discard(user)
        if self._members is None or self._members.pop(user, None) is None:
            return []
        self._listing = None
        self.count = len(self._members)
        return [Left(user, self.count)]

    def _crowd(self, count: int) -> list[News]:
        self._members, self._listing = None, None
        self.doubtful.clear()
        self.expected.clear()
        self.is_crowded = True
        self.count = count
        return [Counted()]
