"""The process: start, signals, reload, and an orderly end."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from collections.abc import Sequence

from tornado_realtime.caddyfile import load
from tornado_realtime.errors import RealtimeError
from tornado_realtime.server import processlog
from tornado_realtime.server.certificates import CertificateFiles
from tornado_realtime.server.descriptors import raise_limit, tell_limit
from tornado_realtime.server.generation import Generation
from tornado_realtime.server.notes import ready_notes, realtime_notes
from tornado_realtime.server.ports import Ports, unbind, wanted_by
from tornado_realtime.site.adapter import adapt
from tornado_realtime.site.plan import Plan
from tornado_realtime.site.schemes import require_certificates
from tornado_realtime.version import __version__
from tornado_realtime.wire.base import Farewell

logger = logging.getLogger(__name__)

EXIT_OK, EXIT_FORCED, EXIT_STOPPING = 0, 2, 3
# Seconds between looks at the files of certificates.
CERTIFICATE_SECONDS = 60.0
# Seconds for requests and goodbyes when the configuration has no grace_period.
GRACE_PERIOD = 10.0


def read_plan(file: str) -> Plan:
    """What a file says.

    Raises:
        ConfigError: It says something that cannot be done, with file and line.
    """
    plan = adapt(load(file, os.environ))
    require_certificates(plan)
    return plan


def validate_config(file: str) -> list[str]:
    """Check a file down to the handlers, and start nothing; its warnings.

    Raises:
        ConfigError: It cannot be used.
    """
    generation = Generation(read_plan(file))
    wanted_by(generation)
    return _warnings(generation)


def run_server(file: str, default_hosts: Sequence[str] = ()) -> int:
    """Serve what ``file`` says until a signal ends it.

    Args:
        file: A Caddyfile.
        default_hosts: Where sites without ``bind`` listen; empty for all interfaces.

    Returns:
        0 after an orderly stop, 2 after a forced one, 3 when something failed while stopping.

    Raises:
        RealtimeError: It cannot be loaded or started.
    """
    return asyncio.run(Server(file, default_hosts).run())


def _warnings(generation: Generation) -> list[str]:
    settings = [realtime.settings for realtime in generation.realtimes]
    ports = [listener.port for server in generation.plan.servers for listener in server.listeners]
    plan = generation.plan
    return [*plan.warnings, *realtime_notes(settings, ports), *ready_notes(plan)]


class Server:
    """One running server.

    Args:
        file: A Caddyfile; read again on SIGUSR1.
        default_hosts: Where sites without ``bind`` listen; empty for all interfaces.
    """

    def __init__(self, file: str, default_hosts: Sequence[str] = ()) -> None:
        self._file = file
        self._ports = Ports(default_hosts)
        self._generation: Generation | None = None
        self._wishes: asyncio.Queue[str] = asyncio.Queue()
        self._stopping = False
        self._certificates = CertificateFiles()

    async def run(self) -> int:
        """Serve until told to stop; the exit code.

        Raises:
            RealtimeError: The configuration cannot be loaded or started; nothing is left running.
        """
        self._listen_to_signals()
        limit = raise_limit()
        try:
            await self._apply(first=True)
        except BaseException:
            await self._shut_down(0.0)
            raise
        tell_limit(limit)
        logger.info("tornado-realtime %s is ready, pid %d", __version__, os.getpid())
        self._look_at_certificates()
        while await self._wishes.get() == "reload":
            await self._reload()
        return await self._stop()

    # -- signals -------------------------------------------------------------------------------------

    def _listen_to_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._on_stop, number)
        loop.add_signal_handler(signal.SIGQUIT, self._force)
        loop.add_signal_handler(signal.SIGUSR1, self._wishes.put_nowait, "reload")
        loop.add_signal_handler(signal.SIGHUP, logger.info, "SIGHUP is ignored; SIGUSR1 reloads")

    def _on_stop(self, number: int) -> None:
        if self._stopping:
            self._force()
        self._stopping = True
        logger.info("%s: stopping; once more to force it", signal.Signals(number).name)
        self._wishes.put_nowait("stop")

    def _force(self) -> None:
        logger.warning("stopping at once")
        logging.shutdown()
        os._exit(EXIT_FORCED)

    # -- configuration -------------------------------------------------------------------------------

    async def _apply(self, *, first: bool) -> None:
        """Put the file into force, or raise and leave everything as it was."""
        old = self._generation
        new = Generation(read_plan(self._file), old)
        wanted = wanted_by(new)
        bound = self._ports.bind(wanted)
        try:
            await new.start()
        except BaseException:
            unbind(bound)
            await new.close_realtimes(Farewell.SHUTDOWN, 0.0, successor=old)
            await new.stop_resources(successor=old)
            raise
        self._generation = new
        self._certificates.follow(new.plan)
        processlog.install(new.log_handlers)
        self._ports.switch(wanted, bound)
        for warning in _warnings(new):
            logger.warning("%s", warning)
        if old is not None:
            await old.close_realtimes(Farewell.RELOAD, self._grace_period, successor=new)
            await old.stop_resources(successor=new)
        if not new.plan.servers and first:
            logger.warning("%s has no site: nothing is served", self._file)

    async def _reload(self) -> None:
        logger.info("reloading %s", self._file)
        try:
            await self._apply(first=False)
        except RealtimeError as error:
            logger.error("not reloaded, the old configuration stays: %s", error)
        except Exception:
            logger.exception("not reloaded, the old configuration stays")
        else:
            logger.info("reloaded %s", self._file)

    def _look_at_certificates(self) -> None:
        """Take renewed ones into use. Nobody who is connected notices."""
        asyncio.get_running_loop().call_later(CERTIFICATE_SECONDS, self._look_at_certificates)
        if self._generation is None or not self._certificates.have_changed():
            return
        try:
            self._ports.renew_certificates(self._generation)
        except RealtimeError as error:
            # Perhaps only one of two files is there yet.
            logger.error("changed certificates are not used, the old ones stay: %s", error)
        else:
            logger.info("certificates changed, and are used from now on")

    # -- the end -------------------------------------------------------------------------------------

    @property
    def _grace_period(self) -> float:
        period = self._generation.plan.options.grace_period if self._generation is not None else None
        return GRACE_PERIOD if period is None else period

    async def _stop(self) -> int:
        begun = time.monotonic()
        try:
            if self._generation is not None:
                self._generation.drain()
                await asyncio.sleep(self._generation.plan.options.shutdown_delay)
            await self._shut_down(self._grace_period)
        except Exception:
            logger.exception("something failed while stopping")
            return EXIT_STOPPING
        logger.info("stopped after %.1f s", time.monotonic() - begun)
        return EXIT_OK

    async def _shut_down(self, grace_period: float) -> None:
        """Requests and WebSocket clients end side by side, PHP after them."""
        generation = self._generation
        if generation is None:
            await self._ports.close(grace_period)
            return
        await asyncio.gather(
            self._ports.close(grace_period),
            generation.close_realtimes(Farewell.SHUTDOWN, grace_period),
        )
        # Log files are resources, too; what is still to say goes where it went at first.
        processlog.install([processlog.default_handler()])
        await generation.stop_resources()
