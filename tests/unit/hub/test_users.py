"""Connections by user."""

from __future__ import annotations

import sys

from tests.support.connections import NotingOwner, ScriptedConnection
from tornado_realtime.auth import ANONYMOUS, User
from tornado_realtime.hub.users import Users


def connection(user: object) -> ScriptedConnection:
    return ScriptedConnection(NotingOwner(), user=user)


def test_connections_come_and_go() -> None:
    users = Users()
    one, two, three, other = (connection(User(name)) for name in ("ada", "ada", "ada", "bob"))
    for each in (one, two, three, other, one):
        users.add(each)
    assert set(users.of("ada")) == {one, two, three}
    assert (users.of("bob"), users.of("eve")) == ((other,), ())
    assert (users.count("ada"), users.count("bob"), users.count("eve"), len(users)) == (3, 1, 0, 2)
    for each in (two, one, one):
        users.discard(each)
    assert (users.of("ada"), users.count("ada")) == ((three,), 1)
    users.discard(connection(User("bob")))  # another connection of the same user
    assert users.of("bob") == (other,)
    users.discard(three)
    users.discard(three)
    users.discard(other)
    assert len(users) == 0


def test_nobody_in_particular_is_not_kept() -> None:
    users = Users()
    for user in (ANONYMOUS, "a plain name", None):
        users.add(connection(user))
        users.discard(connection(user))
    assert (len(users), users.of(""), users.count("")) == (0, (), 0)


def test_the_usual_user_costs_one_entry_and_no_set() -> None:
    users = Users()
    users.add(connection(User("ada")))
    assert not isinstance(users._connections["ada"], set)
    assert sys.getsizeof(users._connections) < 400
