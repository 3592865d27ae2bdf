"""One run of php-fpm: its master, the guard that makes sure nothing outlives us, and its log.

::

    we ── log ◀──── master           leads a process group ── workers, and whatever PHP starts
     └── pipe ──▶ guard (/bin/sh)    in that group, waits for the end of the pipe

The guard is why a ``kill -9`` of this process leaves nothing behind: the pipe then ends, and the guard
removes the private folder and kills the group. It needs nothing of Linux, no code between fork and exec, and
works when the master is killed too, which would leave its workers running and accepting. As long as the
guard is there nobody else can get the group's number, so signalling the group is safe.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Mapping, Sequence
from pathlib import Path

from tornado_realtime.site.php_log import LineSplitter, parse_master_line

logger = logging.getLogger(__name__)

_GUARD = 'read -r _; rm -rf -- "$1"; kill -s KILL 0'
_TERM_SECONDS = 2.0
_LOG_READ_BYTES = 4096


class LogPipe:
    """A pipe whose lines go to our log as they come; ``writer`` is the end for a child."""

    def __init__(self) -> None:
        self._reader, self.writer = os.pipe()
        os.set_blocking(self._reader, False)
        self._lines = LineSplitter()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._reader, self._on_readable)

    def handed_over(self) -> None:
        """The child has its end; close ours of it."""
        os.close(self.writer)
        self.writer = -1

    def close(self) -> None:
        """Log what is left, and stop listening even if a stray process still holds the other end."""
        if self.writer >= 0:
            self.handed_over()
        while self._on_readable():
            pass
        _log(self._lines.flush())
        self._stop()

    def _on_readable(self) -> bool:
        """Whether there was something."""
        if self._reader < 0:
            return False
        try:
            data = os.read(self._reader, _LOG_READ_BYTES)
        except BlockingIOError:
            return False
        _log(self._lines.feed(data))
        if not data:
            self._stop()
        return bool(data)

    def _stop(self) -> None:
        if self._reader < 0:
            return
        self._loop.remove_reader(self._reader)
        os.close(self._reader)
        self._reader = -1


def _log(lines: Sequence[str]) -> None:
    for line in lines:
        level, text = parse_master_line(line)
        logger.log(level, "php-fpm: %s", text)


class FpmProcess:
    """A running php-fpm; made by `launch`."""

    def __init__(self, guard: Process, leash: int, master: Process, log: LogPipe) -> None:
        self._guard = guard
        self._leash = leash
        self._master = master
        self._log = log

    @property
    def pid(self) -> int:
        """Process id of the master."""
        return self._master.pid

    @property
    def group(self) -> int:
        """Process group of the master, its workers and their children, and of the guard."""
        return self._master.pid

    @property
    def alive(self) -> bool:
        """Whether both the master and its guard run."""
        return self._master.returncode is None and self._guard.returncode is None

    async def ended(self) -> str:
        """Wait until the master or the guard has ended; how, for the log."""
        waits = [asyncio.ensure_future(process.wait()) for process in (self._master, self._guard)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        code = self._master.returncode
        return "lost its guard" if code is None else _outcome(code)

    async def quit(self, patience: float) -> None:
        """Let running requests end for at most ``patience`` seconds, then terminate."""
        for number, seconds in ((signal.SIGQUIT, patience), (signal.SIGTERM, _TERM_SECONDS)):
            if not self.alive:
                return
            # Not Process.send_signal, which may collect the process behind the back of the event loop.
            with contextlib.suppress(ProcessLookupError, TimeoutError):
                os.kill(self._master.pid, number)
                async with asyncio.timeout(seconds):
                    await self._master.wait()

    async def kill(self) -> None:
        """End whatever is left of the group at once and free what we hold of it."""
        kill_group(self.group)
        try:
            await self._guard.wait()
            await self._master.wait()
        finally:
            os.close(self._leash)
            self._log.close()


def kill_group(group: int) -> None:
    """Kill a process group, if there still is one."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


async def launch(command: Sequence[str], environ: Mapping[str, str], folder: Path) -> FpmProcess:
    """Start php-fpm under a guard.

    Args:
        command: Its whole command line; it must stay in the foreground and log to standard error.
        environ: Its whole environment.
        folder: Removed by the guard if we die.

    Raises:
        OSError: When it cannot be started; nothing is left then.
    """
    log = LogPipe()
    try:
        master = await _start_master(command, environ, log.writer)
        guard, leash = await _guarded(folder, master)
    except BaseException:
        log.close()
        raise
    log.handed_over()
    return FpmProcess(guard, leash, master, log)


async def _start_master(command: Sequence[str], environ: Mapping[str, str], log: int) -> Process:
    """php-fpm in a group of its own, which keeps Ctrl-C in the terminal away from it."""
    return await asyncio.create_subprocess_exec(
        *command,
        stdin=DEVNULL,
        stdout=DEVNULL,
        stderr=log,
        env=dict(environ),
        cwd="/",
        process_group=0,
    )


async def _guarded(folder: Path, master: Process) -> tuple[Process, int]:
    """The guard and our end of its pipe; without a guard the master ends too."""
    try:
        return await _start_guard(folder, master.pid)
    except BaseException as exc:
        kill_group(master.pid)
        code = await master.wait()
        if isinstance(exc, OSError) and code != -signal.SIGKILL:
            # Its group was gone before the guard could join it.
            raise OSError(f"it {_outcome(code)} at once") from exc
        raise


async def _start_guard(folder: Path, group: int) -> tuple[Process, int]:
    theirs, ours = os.pipe()
    try:
        guard = await asyncio.create_subprocess_exec(
            *("/bin/sh", "-c", _GUARD, "php-fpm-guard", str(folder)),
            stdin=theirs,
            stdout=DEVNULL,
            stderr=DEVNULL,
            cwd="/",
            process_group=group,
        )
    except BaseException:
        os.close(ours)
        raise
    finally:
        os.close(theirs)
    return guard, ours


def _outcome(code: int) -> str:
    return f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
