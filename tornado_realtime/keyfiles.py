"""Files that hold secrets: who else may read and write them."""

from __future__ import annotations

_OTHERS_READ, _OTHERS_WRITE = 0o004, 0o002


def check_mode(path: str, mode: int, *, is_secret: bool) -> None:
    """Make sure that a file is not everybody's.

    Args:
        path: As the user named it.
        mode: Its permission bits.
        is_secret: Whether nobody else may read it, either; the group may.

    Raises:
        ValueError: Anybody may write it, or it is secret and anybody may read it; with what to do.
    """
    if mode & _OTHERS_WRITE:
        raise ValueError(f"{path} may be written by everybody; change that with: chmod o-w {path}")
    if is_secret and mode & _OTHERS_READ:
        raise ValueError(f"{path} may be read by everybody; change that with: chmod o-r {path}")
