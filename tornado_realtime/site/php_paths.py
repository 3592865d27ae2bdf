"""Which file a request for a PHP site means, and which files no visitor may ever have.

Everything here looks at the file system but changes nothing, and trusts no name: a path is cleaned, joined
below the root, and what it leads to after symbolic links is judged again.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from tornado_realtime.site.filematch import split_after
from tornado_realtime.site.paths import clean_path

PHP_EXTENSIONS = (".php",)

_PUBLIC_DOT_FOLDER = ".well-known"  # RFC 8615: meant for visitors
_HIDDEN_FOLDERS = frozenset(("vendor",))
_HIDDEN_FILES = frozenset(("caddyfile", "composer.json", "composer.lock"))

HIDDEN_NAMES = ("vendor", "Caddyfile", "composer.json", "composer.lock")
"""The same for a file server beside PHP, which hides dotfiles anyway."""


def is_hidden(relative_path: str) -> bool:
    """Whether a file below a PHP site's root is for no visitor: neither executed nor served as it is.

    That are dotfiles and what lies in dot folders (``.well-known`` at the top excepted), everything in a
    folder ``vendor``, ``composer.json``, ``composer.lock`` and ``Caddyfile``, in any letter case.

    Args:
        relative_path: Decoded path relative to the root, with or without a leading slash.
    """
    names = [name for name in relative_path.lower().split("/") if name]
    dotted = names[1:] if names[:1] == [_PUBLIC_DOT_FOLDER] else names
    if any(name.startswith(".") for name in dotted):
        return True
    return not _HIDDEN_FOLDERS.isdisjoint(names) or (bool(names) and names[-1] in _HIDDEN_FILES)


@dataclass(frozen=True, slots=True)
class Target:
    """A file that a request may have.

    Attributes:
        path: Its path in URLs, from the root, cleaned, not percent-encoded.
        remainder: What stood behind the name of a script (PATH_INFO): empty, or with a leading slash.
        filename: Where it is, symbolic links resolved; empty when it was not looked for.
    """

    path: str
    remainder: str = ""
    filename: str = ""


@dataclass(frozen=True, slots=True)
class Folder:
    """The root of a PHP site.

    Attributes:
        root: Absolute, symbolic links resolved.
        extensions: Endings after which a path is split into script and PATH_INFO.
        hidden: Files that are hidden wherever they are, symbolic links resolved: the configuration.
    """

    root: str
    extensions: tuple[str, ...] = PHP_EXTENSIONS
    hidden: frozenset[str] = frozenset()

    def split(self, path: str) -> Target:
        """A decoded path cleaned and split, whether there is such a file or not."""
        cleaned = clean_path("/" + path)
        name, remainder = split_after(cleaned if cleaned == "/" else cleaned.rstrip("/"), self.extensions)
        return Target(name, remainder)

    def find(self, path: str) -> Target | None:
        """The regular file that a decoded path means; None when there is none that a visitor may have."""
        target = self.split(path)
        filename = self._resolve(target.path)
        if filename is None or not self._may_be_served(target.path, filename):
            return None
        return Target(target.path, target.remainder, filename)

    def is_script(self, path: str) -> bool:
        """Whether a path ends as a script's does; letter case does not matter, so that no source leaks."""
        return path.lower().endswith(tuple(ending.lower() for ending in self.extensions))

    def first(self, paths: Sequence[str], fallback: bool) -> Target | None:
        """The first path that is a file; with ``fallback`` the last one is taken without looking."""
        *checked, last = paths
        for path in checked if fallback else paths:
            if found := self.find(path):
                return found
        return (self.find(last) or self.split(last)) if fallback else None

    def has(self, path: str) -> bool:
        """Whether a decoded path, not split, is a regular file that a visitor may have."""
        cleaned = clean_path("/" + path)
        filename = self._resolve(cleaned)
        return filename is not None and self._may_be_served(cleaned, filename)

    def forbids(self, path: str) -> bool:
        """Whether no file server may answer for a decoded path: a hidden file, or a script's source."""
        cleaned = clean_path("/" + path)
        filename = self._resolve(cleaned.rstrip("/"))
        if is_hidden(cleaned) or cleaned.lower().rstrip("/").endswith(PHP_EXTENSIONS):
            return True
        return filename is not None and not self._may_be_served(cleaned, filename)

    def _resolve(self, path: str) -> str | None:
        try:
            filename = os.path.realpath(self.root + path)
        except (OSError, ValueError):
            return None
        return filename if os.path.isfile(filename) else None  # noqa: PTH113 - a str, on every request

    def _may_be_served(self, path: str, filename: str) -> bool:
        prefix = self.root if self.root.endswith("/") else self.root + "/"
        if not filename.startswith(prefix) or filename in self.hidden:
            return False
        return not (is_hidden(path) or is_hidden(filename.removeprefix(prefix)))


def resolved(root: str) -> str:
    """A root as `Folder` wants it; relative ones are relative to the working directory."""
    return os.path.realpath(root or ".")
