"""Where lines of access logs go: standard output and error, nowhere, or a file put aside when it is full."""

from __future__ import annotations

import asyncio
import gzip
import logging
import os
import re
import shutil
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol, TextIO

from tornado_realtime.errors import RealtimeError
from tornado_realtime.site.logspec import RollSpec

logger = logging.getLogger(__name__)


class Sink(Protocol):
    """Takes lines."""

    @property
    def is_terminal(self) -> bool:
        """Whether a person is likely to read along."""
        ...

    def write(self, line: str) -> None:
        """Take one line, without its end. Never raises: a log that cannot be written stops no request."""
        ...


class StreamSink:
    """Standard output or standard error, whatever they are at the moment of writing.

    Args:
        name: ``stdout`` or ``stderr``.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    @property
    def is_terminal(self) -> bool:
        """Whether it is a terminal."""
        return self._stream().isatty()

    def write(self, line: str) -> None:
        """Write one line; lost when nobody reads any more."""
        with suppress(OSError, ValueError):
            stream = self._stream()
            stream.write(line + "\n")
            stream.flush()

    def _stream(self) -> TextIO:
        return sys.stdout if self._name == "stdout" else sys.stderr


class NoSink:
    """Drops everything."""

    is_terminal = False

    def write(self, line: str) -> None:
        """Do nothing."""


class FileSink:
    """Appends to a file.

    Args:
        path: Folders that are missing are made.
        mode: Permission bits of a new file.
        rolling: When to begin a new one.
        clock: Unix seconds.
    """

    is_terminal = False

    def __init__(
        self, path: str, mode: int, rolling: RollSpec, clock: Callable[[], float] = time.time
    ) -> None:
        self._path = Path(path)
        self._mode = mode
        self._rolling = rolling
        self._clock = clock
        self._descriptor = -1
        self._size = 0
        self._works = True
        self._tidying: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Open the file.

        Raises:
            RealtimeError: If that is not possible.
        """
        try:
            self._open()
        except OSError as exc:
            raise RealtimeError(f"cannot open the log file {self._path}: {exc.strerror}") from exc
        self._tidy()

    async def stop(self) -> None:
        """Close the file, after what is put aside has been packed."""
        if self._tidying is not None:
            await self._tidying
        self._close()

    def write(self, line: str) -> None:
        """Append one line."""
        if self._descriptor < 0:
            return
        data = line.encode("utf-8", "backslashreplace") + b"\n"
        try:
            if 0 < self._rolling.size_bytes < self._size + len(data):
                self._roll()
            self._size += os.write(self._descriptor, data)
            self._works = True
        except OSError as exc:
            self._complain(exc)

    def _open(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._descriptor = os.open(self._path, flags, self._mode)
        self._size = os.fstat(self._descriptor).st_size

    def _close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _complain(self, exc: OSError) -> None:
        if self._works:
            logger.error("Cannot write the log file %s: %s; lines are lost", self._path, exc.strerror)
        self._works = False

    def _roll(self) -> None:
        self._close()
        try:
            self._path.rename(self._put_aside_name())
        finally:
            self._open()
        self._tidy()

    def _put_aside_name(self) -> Path:
        zone = None if self._rolling.local_time else UTC
        stamp = datetime.fromtimestamp(self._clock(), UTC).astimezone(zone).strftime("%Y-%m-%dT%H-%M-%S.%f")
        return self._path.with_name(f"{self._path.stem}-{stamp}{self._path.suffix}")

    def _tidy(self) -> None:
        if self._tidying is None or self._tidying.done():
            self._tidying = asyncio.get_running_loop().create_task(self._tidy_in_thread())

    async def _tidy_in_thread(self) -> None:
        try:
            await asyncio.to_thread(tidy, self._path, self._rolling, self._clock())
        except OSError as exc:
            logger.warning("Cannot tidy up the old files of %s: %s", self._path, exc.strerror)


def put_aside(path: Path) -> list[Path]:
    """The files that were put aside for a log file, newest first."""
    stem, suffix = re.escape(path.stem), re.escape(path.suffix)
    own = re.compile(rf"{stem}-\d{{4}}-\d\d-\d\dT[\d.-]+{suffix}(\.gz)?")
    found = [name for name in path.parent.iterdir() if own.fullmatch(name.name)]
    return sorted(found, key=lambda name: name.name.removesuffix(".gz"), reverse=True)


def tidy(path: Path, rolling: RollSpec, now: float) -> None:
    """Delete what is too old or too much of the files put aside, and pack the rest.

    Raises:
        OSError: If the folder cannot be worked with.
    """
    for number, old in enumerate(put_aside(path), 1):
        too_many = 0 < rolling.keep < number
        too_old = 0 < rolling.keep_seconds < now - old.stat().st_mtime
        if too_many or too_old:
            old.unlink(missing_ok=True)
        elif rolling.compress and old.suffix != ".gz":
            _pack(old)


def _pack(path: Path) -> None:
    info = path.stat()
    packed = path.with_name(path.name + ".gz")
    descriptor = os.open(packed, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, info.st_mode & 0o777)
    with path.open("rb") as source, os.fdopen(descriptor, "wb") as raw, gzip.open(raw, "wb") as target:
        shutil.copyfileobj(source, target)
    os.utime(packed, ns=(info.st_atime_ns, info.st_mtime_ns))
    path.unlink()
