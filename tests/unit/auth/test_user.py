"""What counts as somebody, and until when."""

from __future__ import annotations

from typing import Any

import pytest

from tornado_realtime.auth.user import User, checked_user, user_from_answer
from tornado_realtime.errors import AuthError, AuthInvalidError, AuthRefusedError

NOW = 1000.0


@pytest.mark.parametrize(
    ("answer", "user"),
    [
        ({"id": "u1"}, User("u1")),
        ({"ID": "u1"}, User("u1")),
        ({"Id": "u1", "more": 1}, User("u1")),
        ({"id": "u1", "iD": "u2"}, User("u2")),  # the last one, as the seed reads it
        ({"id": "u1", "ID": None}, User("u1")),
        ({"id": "u1", "info": {"name": "Zoé"}}, User("u1", {"name": "Zoé"})),
        ({"id": "u1", "exp": 1001}, User("u1", None, 1001.0)),
        ({"id": "u1", "exp": 1000.5}, User("u1", None, 1000.5)),
        ({"id": "u1", "ttl": 60}, User("u1", None, 1060.0)),
        ({"id": "u1", "exp": 1001, "ttl": 60}, User("u1", None, 1001.0)),
        ({"id": "u1", "exp": 2000, "ttl": 60}, User("u1", None, 1060.0)),
        ({"id": "u1", "exp": None, "ttl": None}, User("u1")),
        ({"id": "u1", "exp": float("inf")}, User("u1")),
        ({"id": "u1", "ttl": 10**400}, User("u1")),
        ({"id": "u1", 7: "x"}, User("u1")),
    ],
)
def test_somebody(answer: dict[Any, Any], user: User) -> None:
    assert user_from_answer(answer, NOW) == user


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ({}, AuthInvalidError),
        ({"user": "u1"}, AuthInvalidError),
        ({"id": ""}, AuthInvalidError),
        ({"id": None}, AuthInvalidError),
        ({"id": 5}, AuthInvalidError),
        ({"id": ["u1"]}, AuthInvalidError),
        ({"id": "u\ud800"}, AuthInvalidError),
        ({"id": "u1", "exp": "tomorrow"}, AuthInvalidError),
        ({"id": "u1", "exp": True}, AuthInvalidError),
        ({"id": "u1", "exp": float("nan")}, AuthInvalidError),
        ({"id": "u1", "ttl": {}}, AuthInvalidError),
        ({"id": "u1", "exp": 1000}, AuthRefusedError),
        ({"id": "u1", "exp": -(10**400)}, AuthRefusedError),
        ({"id": "u1", "ttl": 0}, AuthRefusedError),
        ({"id": "u1", "ttl": -1}, AuthRefusedError),
    ],
)
def test_nobody(answer: dict[str, Any], error: type[AuthError]) -> None:
    with pytest.raises(error):
        user_from_answer(answer, NOW)


def test_the_clock_is_the_wall_s_when_none_is_given() -> None:
    with pytest.raises(AuthRefusedError):
        user_from_answer({"id": "u1", "exp": 1_000_000_000})
    assert user_from_answer({"id": "u1", "exp": 32_503_680_000}).expires == 32_503_680_000


@pytest.mark.parametrize(
    ("user", "error"),
    [
        (User(""), AuthInvalidError),
        (User(5), AuthInvalidError),  # type: ignore[arg-type]
        (User("u1", None, float("nan")), AuthInvalidError),
        (User("u1", None, NOW), AuthRefusedError),
    ],
)
def test_users_made_by_an_application_are_judged_too(user: User, error: type[AuthError]) -> None:
    with pytest.raises(error):
        checked_user(user, NOW)


def test_users_made_by_an_application() -> None:
    assert checked_user(User("u1"), NOW) == User("u1")
    assert checked_user(User("u1", 1, NOW + 1), NOW) == User("u1", 1, NOW + 1)
    assert checked_user(User("u1", None, float("inf")), NOW) == User("u1")
