from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.open_folder import open_folder
from tornado_realtime.errors import ConfigError
from tornado_realtime.site.php_account import (
    Account,
    WorkerAccount,
    account_named,
    account_of,
    can_read,
    choose,
    decide,
    permits,
)

ROOT = Account("root", 0, 0, frozenset((0,)))
WEB = Account("www-data", 33, 33, frozenset((33,)))
ANN = Account("ann", 1000, 1000, frozenset((1000, 50)))
BOB = Account("bob", 1001, 1001, frozenset((1001,)))

UNREADABLE = "user {} cannot read the served folder: PHP {}"
AS_ROOT = "runs as root; move the folder or name a user"


@pytest.mark.parametrize(
    ("we", "wanted", "owner", "service", "readable", "account", "warning"),
    [
        # Not root: the workers are us, whoever owns the folder.
        (ANN, None, BOB, WEB, (), None, ""),
        (ANN, ANN, ROOT, WEB, (), None, ""),
        # Root: the owner of the folder, or the service account where that is root.
        (ROOT, None, ANN, WEB, (ANN, WEB), ANN, ""),
        (ROOT, None, ROOT, WEB, (WEB,), WEB, ""),
        # Who cannot read it: root, with a warning.
        (ROOT, None, ANN, WEB, (WEB,), ROOT, UNREADABLE.format("ann", AS_ROOT)),
        (ROOT, None, ROOT, WEB, (), ROOT, UNREADABLE.format("www-data", AS_ROOT)),
        (ROOT, None, ROOT, None, (), ROOT, "no account for web servers"),
        # An option decides.
        (ROOT, BOB, ANN, WEB, (BOB,), BOB, ""),
        (ROOT, BOB, ANN, WEB, (), BOB, UNREADABLE.format("bob", "still runs as that user")),
        (ROOT, ROOT, ANN, WEB, (ROOT,), ROOT, ""),
    ],
)
def test_who_runs_the_workers(
    we: Account,
    wanted: Account | None,
    owner: Account,
    service: Account | None,
    readable: tuple[Account, ...],
    account: Account | None,
    warning: str,
) -> None:
    decided = decide(we, wanted, owner, service, lambda account: account in readable)
    assert decided.account == account
    assert warning in decided.warning
    assert bool(warning) == bool(decided.warning)


def test_only_root_can_become_somebody_else() -> None:
    with pytest.raises(ConfigError, match="only root can run PHP as bob"):
        decide(ANN, BOB, ANN, WEB, lambda account: True)


def test_names_and_numbers_of_users() -> None:
    assert account_named("root").uid == 0
    assert account_named("0").uid in (0,)
    assert account_named("54321") == Account("54321", 54321, 54321, frozenset((54321,)))
    assert account_of(54321, 7) == Account("54321", 54321, 7, frozenset((7,)))
    with pytest.raises(ConfigError, match="no user nobody-has-this-name"):
        account_named("nobody-has-this-name")


def test_a_folder_that_is_not_there_yet_is_nobodys(tmp_path: Path) -> None:
    decided = choose(tmp_path / "absent")
    if os.geteuid() != 0:
        assert decided == WorkerAccount(None)
    else:
        assert decided.account is not None
        assert not decided.account.is_root


@pytest.fixture
def me() -> Account:
    """Whoever runs the tests, stripped of the powers that only root has."""
    return Account("me", os.geteuid(), os.getegid(), frozenset((os.getegid(),)))


@pytest.fixture
def stranger() -> Account:
    return Account("stranger", 54321, 54321, frozenset((54321,)))


@pytest.fixture
def kin() -> Account:
    """In the same group as the tests' files, but another user."""
    return Account("kin", 54321, 54321, frozenset((54321, os.getegid())))


@pytest.mark.parametrize(
    ("mode", "mine", "group", "others"),
    [
        (0o400, True, False, False),
        (0o040, False, True, False),
        (0o004, False, False, True),
        (0o444, True, True, True),
    ],
)
def test_permission_bits(
    tmp_path: Path,
    me: Account,
    kin: Account,
    stranger: Account,
    mode: int,
    mine: bool,
    group: bool,
    others: bool,
) -> None:
    path = tmp_path / "file"
    path.touch()
    path.chmod(mode)
    assert [permits(path, account, os.R_OK) for account in (me, kin, stranger)] == [mine, group, others]
    assert not permits(path, me, os.X_OK)
    assert not permits(tmp_path / "absent", me, os.R_OK)


@pytest.fixture
def site() -> Iterator[Path]:
    """A folder that anybody can read."""
    with open_folder() as folder:
        root = folder / "site"
        (root / "deep" / "er").mkdir(parents=True)
        (root / "index.php").write_text("<?php")
        (root / "deep" / "er" / "x.php").write_text("<?php")
        for path in root.rglob("*"):
            path.chmod(0o755)
        yield root


def test_a_readable_site(site: Path, stranger: Account) -> None:
    assert can_read(site, stranger)
    assert can_read(site, Account("root", 0, 0))


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("..", 0o700),
        (".", 0o711),
        (".", 0o744),
        ("index.php", 0o600),
        ("deep", 0o744),
        ("deep/er", 0o700),
        ("deep/er/x.php", 0o600),
    ],
)
def test_an_unreadable_site(site: Path, stranger: Account, name: str, mode: int) -> None:
    path = site.parent if name == ".." else site / name
    path.chmod(mode)
    assert not can_read(site, stranger)


def test_other_files_than_scripts_do_not_matter(site: Path, stranger: Account) -> None:
    for name in ("data.db", ".env"):
        (site / name).touch(mode=0o600)
        (site / name).chmod(0o600)
    (site / ".git").mkdir(mode=0o700)
    (site / ".git" / "hook.php").touch(mode=0o600)
    assert can_read(site, stranger)
