"""Keeps a php-fpm of our own running, and asks it.

Workers that die are replaced by php-fpm; php-fpm itself, when it dies, by us, after a pause that grows from a
tenth of a second to ten seconds while it keeps dying. Requests that come meanwhile wait for a while.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import socket
import tempfile
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from tornado_realtime.errors import GatewayError
from tornado_realtime.site.fastcgi_client import ClientLimits, FastCgiAddress, FastCgiAnswer, FastCgiClient
from tornado_realtime.site.phpfpm_process import FpmProcess, kill_group, launch
from tornado_realtime.site.phpfpm_setup import (
    FpmOptions,
    arguments,
    config_text,
    environment,
    find_program,
    ini_value,
)

logger = logging.getLogger(__name__)

NO_PROGRAM = "this server has no PHP: php-fpm is not installed"

_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 10.0
_STABLE_SECONDS = 10.0
_POLL_SECONDS = 0.02


class PhpFpm:
    """A supervised php-fpm in a private folder.

    Args:
        options: How to run it.
        environ: What PHP inherits; None means the environment of this process at start.
        limits: Of the requests to it.

    Raises:
        ConfigError: When a directive of php.ini cannot be written.
    """

    def __init__(
        self,
        options: FpmOptions,
        environ: Mapping[str, str] | None = None,
        limits: ClientLimits | None = None,
    ) -> None:
        self._options = options
        self._environ = environ
        self._limits = limits or ClientLimits()
        for name, value in options.ini:
            ini_value(name, value)
        self._program = find_program(options.program)
        self._folder: Path | None = None
        self._client: FastCgiClient | None = None
        self._process: FpmProcess | None = None
        self._ready = asyncio.Event()
        self._tried = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._stopping = False

    @property
    def problem(self) -> str:
        """Why there cannot be PHP here, one sentence for visitors; empty when there can."""
        return "" if self._program else NO_PROGRAM

    @property
    def ready(self) -> bool:
        """Whether it takes requests."""
        return self._ready.is_set()

    @property
    def pid(self) -> int | None:
        """Process id of php-fpm's master, None while it does not run."""
        return self._process.pid if self._process else None

    @property
    def folder(self) -> Path | None:
        """The private folder with its configuration and socket, None while stopped."""
        return self._folder

    async def start(self) -> None:
        """Start it and wait until it takes requests.

        A failure is logged and tried again, but not raised: static files can be served without PHP.
        """
        if not self._program:
            wanted = self._options.program or "php-fpm"
            logger.error("PHP is off: %s was not found; install php-fpm, or name its path", wanted)
            return
        if self._options.workers_as.warning:
            logger.warning("%s", self._options.workers_as.warning)
        self._stopping = False
        self._tried.clear()
        self._folder = _private_folder()
        self._client = FastCgiClient(FastCgiAddress(path=str(self._socket())), limits=self._limits)
        self._task = asyncio.create_task(self._supervise(self._program))
        await self._tried.wait()

    async def stop(self) -> None:
        """Let running requests end, then stop it; no process and no file is left afterwards."""
        self._stopping = True
        self._ready.clear()
        if self._process is not None:
            await self._process.quit(self._options.stop_timeout)
        await self._end_task()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    async def _end_task(self) -> None:
        task, self._task = self._task, None
        if task is None:
            return
        if self._process is not None:
            kill_group(self._process.group)  # now the task ends by itself, having freed everything
        else:
            task.cancel()
        await asyncio.wait((task,))
        if not task.cancelled() and (error := task.exception()):
            logger.error("supervising php-fpm failed", exc_info=error)

    @asynccontextmanager
    async def open(
        self, params: Mapping[str, str], body: bytes | AsyncIterable[bytes] = b""
    ) -> AsyncIterator[FastCgiAnswer]:
        """Ask PHP; see `FastCgiClient.open`.

        Raises:
            GatewayError: Also 502 when php-fpm does not run and does not come back soon.
        """
        client = await self._wait_ready()
        async with client.open(params, body) as answer:
            yield answer

    async def _wait_ready(self) -> FastCgiClient:
        if self._client is None or self._stopping:
            raise GatewayError(502, "php-fpm does not run")
        if not self._ready.is_set():
            try:
                async with asyncio.timeout(self._limits.connect_timeout):
                    await self._ready.wait()
            except TimeoutError as exc:
                raise GatewayError(502, "php-fpm does not run at the moment") from exc
        return self._client

    async def _supervise(self, program: str) -> None:
        try:
            pause = _FIRST_PAUSE_SECONDS
            while not self._stopping:
                pause = await self._run_and_pause(program, pause)
        finally:
            self._tried.set()

    async def _run_and_pause(self, program: str, pause: float) -> float:
        """One run and the pause after it, in seconds; the value is the pause after the next one."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        outcome = await self._run(program)
        self._tried.set()
        if self._stopping:
            return pause
        if loop.time() - started >= _STABLE_SECONDS:
            pause = _FIRST_PAUSE_SECONDS
        logger.error("php-fpm %s; it is started again in %.1f seconds", outcome, pause)
        await asyncio.sleep(pause)
        return min(2 * pause, _LONGEST_PAUSE_SECONDS)

    async def _run(self, program: str) -> str:
        """Run it until it ends; the value says how it ended."""
        try:
            process = self._process = await self._launch(program)
        except OSError as exc:
            return f"cannot be started: {exc.strerror or exc}"
        try:
            if await self._answers(process):
                self._announce(process)
            elif process.alive:
                return "takes no requests"
            return await process.ended()
        finally:
            self._ready.clear()
            self._process = None
            await process.kill()

    async def _launch(self, program: str) -> FpmProcess:
        folder = self._socket().parent
        config = folder / "php-fpm.conf"
        self._socket().unlink(missing_ok=True)
        config.write_text(config_text(self._options, self._socket()), encoding="utf-8")
        command = arguments(self._options, program, config)
        environ = self._environ if self._environ is not None else os.environ
        return await launch(command, environment(environ), folder)

    def _announce(self, process: FpmProcess) -> None:
        account = self._options.workers_as.account
        name = f"user {account.name}" if account else "this user"
        logger.info("php-fpm %d runs PHP as %s, at most %d workers", process.pid, name, self._options.workers)
        self._ready.set()
        self._tried.set()

    async def _answers(self, process: FpmProcess) -> bool:
        """Wait until its socket takes connections; False when it ends before that, or takes too long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._options.start_timeout):
                while process.alive:
                    if _accepts(self._socket()):
                        return True
                    await asyncio.sleep(_POLL_SECONDS)
        return False

    def _socket(self) -> Path:
        if self._folder is None:
            raise GatewayError(502, "php-fpm does not run")
        return self._folder / "php.sock"


def _private_folder() -> Path:
    """A new folder that only we can enter; its socket's path fits into the 104 bytes that systems allow."""
    folder = Path(tempfile.mkdtemp(prefix="tornado-php-"))
    if len(os.fsencode(folder)) <= 90:
        return folder
    folder.rmdir()
    return Path(tempfile.mkdtemp(prefix="tornado-php-", dir="/tmp"))


def _accepts(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True
