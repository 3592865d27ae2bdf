"""Certificates that are renewed while the server runs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tornado_realtime.site.plan import Plan

Mark = tuple[int, int, int]


class CertificateFiles:
    """Notices that one of the files changed."""

    def __init__(self) -> None:
        self._marks: dict[str, Mark | None] = {}

    def follow(self, plan: Plan) -> None:
        """Watch the certificates and keys of this plan, as they are now."""
        specs = (spec for server in plan.servers for spec in server.certificates)
        self._marks = _marks(path for spec in specs for path in (spec.certificate, spec.key))

    def have_changed(self) -> bool:
        """Whether one is another than when this was asked, or answered, last."""
        now = _marks(self._marks)
        changed, self._marks = now != self._marks, now
        return changed


def _marks(paths: Iterable[str]) -> dict[str, Mark | None]:
    return {path: _mark(path) for path in paths}


def _mark(path: str) -> Mark | None:
    """What tells one state of a file from another; None while it is not there."""
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
