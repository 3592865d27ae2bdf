"""Which files an import means."""

from __future__ import annotations

import glob
import os
from pathlib import Path

from tornado_realtime.caddyfile.directive import Token
from tornado_realtime.caddyfile.names import shown

_WILD = "*?"


def find_files(name: Token) -> list[Path] | None:
    """The files that an import's pattern names, sorted, as absolute paths.

    A relative pattern starts at the directory of the file that the word was written in. Files whose name
    begins with a dot are left out when the last part of the pattern begins with ``*``.

    Returns:
        None for a plain path where nothing is; an empty list for a pattern that matches nothing.

    Raises:
        ConfigError: If the pattern has several wildcards or square brackets, or cannot be a path.
    """
    pattern = name.text
    if "\0" in pattern:
        raise name.error("import: a path cannot contain a zero byte")
    if "[" in pattern or any(pattern.count(wild) > 1 for wild in _WILD):
        raise name.error(f"import: a pattern may have one '*' and no brackets, not {shown(pattern)}")
    folder = Path(name.file).absolute().parent
    if not any(wild in pattern for wild in _WILD):
        path = _clean(folder / pattern)
        return [path] if path.is_symlink() or path.exists() else None
    found = glob.iglob(str(Path(glob.escape(str(folder))) / pattern), include_hidden=True)  # noqa: PTH207
    paths = sorted(_clean(Path(path)) for path in found)
    hide = Path(pattern).name.startswith("*")
    return [path for path in paths if not (hide and path.name.startswith("."))]


def _clean(path: Path) -> Path:
    """The path without ``..``, as it is written, not as links lead."""
    return Path(os.path.normpath(path))
