"""As whom PHP runs: the decision, apart from the system calls that it needs as facts."""

from __future__ import annotations

import grp
import os
import pwd
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tornado_realtime.errors import ConfigError

# The account for web servers by distribution: Debian, Fedora, Arch, macOS; then whoever owns nothing.
_SERVICE_ACCOUNTS = ("www-data", "apache", "http", "_www", "nobody")
_MAX_FILES_LOOKED_AT = 2000


@dataclass(frozen=True, slots=True)
class Account:
    """A user of this system.

    Attributes:
        name: Login name, or the number of a user without one.
        uid: Number of the user.
        gid: Number of the main group.
        groups: Numbers of all groups, the main one among them.
    """

    name: str
    uid: int
    gid: int
    groups: frozenset[int] = frozenset()

    @property
    def is_root(self) -> bool:
        """Whether no permission bit stops this user."""
        return self.uid == 0


@dataclass(frozen=True, slots=True)
class WorkerAccount:
    """The decision.

    Attributes:
        account: To switch to; None when the workers stay what we are.
        warning: For the log, empty when there is nothing to warn of.
    """

    account: Account | None
    warning: str = ""


def decide(
    we: Account,
    wanted: Account | None,
    owner: Account,
    service: Account | None,
    can_read: Callable[[Account], bool],
) -> WorkerAccount:
    """Who runs the workers.

    Not root: we do. Root: who is wanted; else the owner of the served folder; where root owns it, the
    system's account for web servers; and root itself, with a warning, where that user could not read it.

    Args:
        we: Who this process is.
        wanted: What the option ``user`` says, None without it.
        owner: Owner of the served folder.
        service: The system's account for web servers, None when it has none.
        can_read: Whether a user can read the served folder.

    Raises:
        ConfigError: When another user is wanted and we are not root.
    """
    if not we.is_root:
        return WorkerAccount(None) if wanted in (None, we) else _refused(we, wanted)
    if wanted is not None:
        return WorkerAccount(wanted, "" if can_read(wanted) else _blind(wanted, "still runs as that user"))
    candidate = service if owner.is_root else owner
    if candidate is None:
        return WorkerAccount(
            we, "PHP runs as root: this system has no account for web servers; name one by user"
        )
    if not can_read(candidate):
        return WorkerAccount(we, _blind(candidate, "runs as root; move the folder or name a user"))
    return WorkerAccount(candidate)


def _blind(account: Account, consequence: str) -> str:
    return f"user {account.name} cannot read the served folder: PHP {consequence}"


def _refused(we: Account, wanted: Account | None) -> WorkerAccount:
    name = wanted.name if wanted else ""
    raise ConfigError(
        f"only root can run PHP as {name}; this process is {we.name}: leave out the option user"
    )


def choose(root: Path, user: str = "") -> WorkerAccount:
    """Decide for a served folder; one that does not exist counts as root's, readable for everybody.

    Args:
        root: The folder, absolute and with symbolic links resolved.
        user: Login name or number that is wanted; empty lets the folder decide.

    Raises:
        ConfigError: When there is no such user, or we may not become that user.
    """
    wanted = account_named(user) if user else None
    we = account_of(os.geteuid(), os.getegid())
    try:
        status = root.stat()
    except OSError:
        return decide(we, wanted, account_of(0, 0), service_account(), lambda account: True)
    owner = account_of(status.st_uid, status.st_gid)
    return decide(we, wanted, owner, service_account(), lambda account: can_read(root, account))


def account_named(name: str) -> Account:
    """The user with this login name or number.

    Raises:
        ConfigError: When there is none with this name.
    """
    try:
        return _account(pwd.getpwnam(name))
    except KeyError as exc:
        if name.isascii() and name.isdigit():
            return account_of(int(name), int(name))
        raise ConfigError(f"there is no user {name} on this system") from exc


def account_of(uid: int, gid: int) -> Account:
    """The user with this number; ``gid`` counts when the system does not know it."""
    try:
        return _account(pwd.getpwuid(uid))
    except KeyError:
        return Account(str(uid), uid, gid, frozenset((gid,)))


def service_account() -> Account | None:
    """The first account for web servers that this system has."""
    for name in _SERVICE_ACCOUNTS:
        try:
            return _account(pwd.getpwnam(name))
        except KeyError:
            continue
    return None


def _account(entry: pwd.struct_passwd) -> Account:
    groups = frozenset(os.getgrouplist(entry.pw_name, entry.pw_gid))
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, groups)


def group_name(gid: int) -> str:
    """Name of a group, or its number when it has none."""
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def can_read(root: Path, account: Account) -> bool:
    """Whether the user can read a folder and its PHP files, by the permission bits (not by access lists).

    Looks at every folder on the way, and at no more than the first 2000 entries of the folder itself.
    """
    if account.is_root:
        return True
    way = all(permits(parent, account, os.X_OK) for parent in root.parents)
    return way and permits(root, account, os.R_OK | os.X_OK) and _can_read_php(root, account)


def _can_read_php(root: Path, account: Account) -> bool:
    for path in _php_files(root):
        inside = [parent for parent in path.parents if parent.is_relative_to(root)]
        if not (permits(path, account, os.R_OK) and all(permits(at, account, os.X_OK) for at in inside)):
            return False
    return True


def _php_files(root: Path) -> Iterator[Path]:
    looked_at = 0
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(folder, name) for name in files if name.lower().endswith(".php"))
        looked_at += len(files) + len(folders)
        if looked_at > _MAX_FILES_LOOKED_AT:
            return


def permits(path: Path, account: Account, access: int) -> bool:
    """Whether the permission bits let the user do this (``os.R_OK``, ``os.X_OK``, or both)."""
    try:
        status = path.stat()
    except OSError:
        return False
    mode = stat.S_IMODE(status.st_mode)
    if status.st_uid == account.uid:
        mode >>= 6
    elif status.st_gid in account.groups:
        mode >>= 3
    return mode & access == access
