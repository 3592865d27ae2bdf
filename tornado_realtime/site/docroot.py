"""Finds files below a site's root and nothing else: nothing above it, nothing hidden, no configuration."""

from __future__ import annotations

import errno
import os
import posixpath
import stat
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from tornado_realtime.errors import HandlerError
from tornado_realtime.site.globs import Glob, compile_glob
from tornado_realtime.site.paths import clean_path

_ABSENT = frozenset((errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EINVAL))
_FORBIDDEN = frozenset((errno.EACCES, errno.EPERM))


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or folder that exists and may be served.

    Attributes:
        path: Absolute, symlinks resolved.
        info: Of the thing itself.
    """

    path: str
    info: os.stat_result

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return stat.S_ISDIR(self.info.st_mode)

    @property
    def is_file(self) -> bool:
        """Whether it is a regular file: no device, no pipe, no socket."""
        return stat.S_ISREG(self.info.st_mode)


class DocumentRoot:
    """A folder and what of it is hidden.

    Dotfiles are hidden (``.well-known`` is not), and so is every configuration file.

    Args:
        root: The folder; relative to the working directory.
        hide: Without a slash: glob for a name at any depth. With one: a path, absolute or relative to the
            working directory, which hides everything below it; or a glob over whole paths.
        config_files: Never served, whatever names they have.
    """

    def __init__(self, root: str, hide: Sequence[str] = (), config_files: Sequence[str] = ()) -> None:
        self._root = os.path.realpath(root or ".")
        self._names = [_glob(_folded(word)) for word in hide if "/" not in word]
        self._places = [_folded(posixpath.abspath(word)) for word in hide if "/" in word]
        self._config = {identity for name in config_files if (identity := _identity(name)) is not None}

    @property
    def path(self) -> str:
        """The folder, absolute, symlinks resolved."""
        return self._root

    def find(self, path: str) -> Entry | None:
        """Look up a decoded request path, whatever dots and slashes it has; None when there is nothing.

        Raises:
            HandlerError: 400 for a path no file can have, 403 if the system refuses access, 500 if it fails.
        """
        if "\x00" in path:
            raise HandlerError(400, "NUL in the path")
        relative = clean_path("/" + path).strip("/")
        if self._is_hidden(relative):
            return None
        return self._entry(posixpath.join(self._root, relative) if relative else self._root)

    def beside(self, entry: Entry, suffix: str) -> Entry | None:
        """The regular file whose path is that of ``entry`` plus a suffix; None when there is none."""
        found = self._entry(entry.path + suffix)
        return found if found is not None and found.is_file else None

    def children(self, folder: Entry, limit: int) -> list[tuple[str, Entry]]:
        """Names and entries of what may be served in a folder, at most ``limit``, in no order.

        Raises:
            HandlerError: 403 or 500, if the folder cannot be read.
        """
        found: list[tuple[str, Entry]] = []
        try:
            with os.scandir(folder.path) as scan:
                for item in scan:
                    entry = self._entry(item.path)
                    if entry is not None and (entry.is_file or entry.is_folder):
                        found.append((item.name, entry))
                    if len(found) >= limit:
                        break
        except OSError as exc:
            raise _failure(exc) from exc
        return found

    def _entry(self, path: str) -> Entry | None:
        try:
            real = os.path.realpath(path)
            info = Path(real).stat()
        except OSError as exc:
            if exc.errno in _ABSENT:
                return None
            raise _failure(exc) from exc
        inside = real == self._root or real.startswith(self._root.rstrip("/") + "/")
        config = (info.st_dev, info.st_ino) in self._config
        if not inside or config or self._is_hidden(os.path.relpath(real, self._root)):
            return None
        return Entry(real, info)

    def _is_hidden(self, relative: str) -> bool:
        """Whether a path below the root must not be seen, by one of its names or as a whole."""
        names = [name for name in relative.split("/") if name not in ("", ".")]
        if any(name.startswith(".") and name != ".well-known" for name in names):
            return True
        if any(glob.matches(_folded(name)) for glob in self._names for name in names):
            return True
        whole = _folded(posixpath.join(self._root, *names))
        return any(_covers(place, whole) for place in self._places)


def _folded(name: str) -> str:
    """A name as it is compared: where letter case does not matter to the disk, it must not matter here."""
    return name.lower() if sys.platform == "darwin" else name


def _covers(place: str, path: str) -> bool:
    return path == place or path.startswith(place.rstrip("/") + "/") or _glob(place).matches(path)


def _identity(path: str) -> tuple[int, int] | None:
    """What makes a file itself under any name; None when it is not there."""
    try:
        info = Path(path).stat()
    except OSError:
        return None
    return info.st_dev, info.st_ino


@lru_cache(maxsize=256)
def _glob(pattern: str) -> Glob:
    """A pattern that is none is taken literally: hiding too little would be worse than hiding that name."""
    try:
        return compile_glob(pattern)
    except ValueError:
        return compile_glob("".join(f"\\{char}" for char in pattern))


def _failure(exc: OSError) -> HandlerError:
    if exc.errno in _FORBIDDEN:
        return HandlerError(403, f"no access: {exc.strerror}")
    return HandlerError(500, f"the file system failed: {exc.strerror}")
