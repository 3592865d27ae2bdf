"""One configuration in force: its sites, its realtime instances, its PHP; built before anything starts."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar, cast

from tornado_realtime.caddyfile import Directive
from tornado_realtime.fastlane import LanePath, LanePlan, lane_paths
from tornado_realtime.realtime import Realtime
from tornado_realtime.server import processlog
from tornado_realtime.settings import Settings
from tornado_realtime.site.chain import Link, ServedSite, Sites, link_chain
from tornado_realtime.site.directives.go_handler import GoHandlerStep
from tornado_realtime.site.directives.logs import access_logs
from tornado_realtime.site.exchange import Exchange, Handler
from tornado_realtime.site.front import Answer, FrontOptions
from tornado_realtime.site.paths import clean_path
from tornado_realtime.site.plan import Door, Plan, Route, ServerPlan, SitePlan, VirtualHost
from tornado_realtime.site.responder import SERVER_NAME
from tornado_realtime.wire.base import Farewell

logger = logging.getLogger(__name__)


class Resource(Protocol):
    """Something that a handler needs running: a supervised php-fpm, an access log."""

    async def start(self) -> None:
        """Begin; called once."""

    async def stop(self) -> None:
        """End, and leave nothing behind; also after a ``start`` that failed."""


R = TypeVar("R", bound=Resource)


@dataclass(slots=True)
class _Instance:
    """One go_handler's realtime instance, and whether it runs already."""

    realtime: Realtime
    is_running: bool = False


class Generation:
    """What one configuration needs at run time.

    Building reads files and raises ConfigErrors but starts nothing, so that ``validate`` and a reload
    with a bad file change nothing. What an earlier generation runs with equal settings is taken over.

    Args:
        plan: What to serve.
        previous: The generation in force, if any.

    Raises:
        ConfigError: A step cannot be built.
    """

    def __init__(self, plan: Plan, previous: Generation | None = None) -> None:
        self.plan = plan
        self._instances: dict[int, _Instance] = {}
        self._resources: dict[Hashable, Resource] = {}
        self._started: set[Hashable] = set()
        self._old_instances = list(previous._instances.values()) if previous is not None else []
        self._old_resources = dict(previous._resources) if previous is not None else {}
        served = [(server, self._build_server(server), front_options(server)) for server in plan.servers]
        self.sites: list[tuple[ServerPlan, Answer, FrontOptions]] = [
            (server, self._guarded(sites.answer), options) for server, sites, options in served
        ]
        self.log_handlers = processlog.handlers(plan.options, self.resource)
        # Only needed while building; kept, they would chain every generation to all before it.
        self._old_instances.clear()
        self._old_resources.clear()

    @property
    def realtimes(self) -> list[Realtime]:
        """One for each go_handler, in the order in which they were built."""
        return [instance.realtime for instance in self._instances.values()]

    def lane(self, server: ServerPlan) -> LanePlan:
        """What the fast lane serves on this server's listeners; nothing over TLS."""
        if server.tls:
            return LanePlan()
        paths, shut = lane_paths(server, self._realtime_of, self._hidden)
        return lane_plan(server, paths, shut)

    def _realtime_of(self, step: GoHandlerStep) -> Realtime:
        return self._instances[id(step.directive)].realtime

    @property
    def _hidden(self) -> tuple[str, ...]:
        """Beginnings of paths that no site knows, as publishing has a listener of its own."""
        return tuple(f"{r.settings.prefix}/internal/" for r in self.realtimes if r.settings.broadcast_listen)

    def _guarded(self, answer: Answer) -> Answer:
        """With publishing moved to a listener of its own, no other one knows any internal path."""
        hidden = self._hidden
        if not hidden:
            return answer

        async def guarded(exchange: Exchange) -> None:
            path = exchange.request.path
            if path.startswith(hidden) or clean_path(path).startswith(hidden):
                await exchange.respond(404)
            else:
                await answer(exchange)

        return guarded

    def _build_server(self, server: ServerPlan) -> Sites:
        return Sites([self._build_site(server, host) for host in server.hosts])

    def _build_site(self, server: ServerPlan, host: VirtualHost) -> ServedSite:
        kit = _Kit(self, server, host.site)
        return ServedSite(
            chain=kit.chain(host.site.routes),
            errors=kit.chain(host.site.errors) if host.site.errors else None,
            matches=host.matches if host.matchers else None,
            observers=access_logs(kit),
        )

    # -- what the kit asks for -----------------------------------------------------------------------

    def realtime(self, directive: Directive, settings: Settings, server: ServerPlan) -> Realtime:
        """The instance of this directive; one that runs with equal settings is taken over."""
        found = self._instances.get(id(directive))
        if found is None:
            options = server.options
            settings = replace(
                settings,
                trusted_proxies=options.trusted_proxies,
                client_ip_headers=options.client_ip_headers,
            )
            found = self._adopt(settings)
            self._instances[id(directive)] = found
        return found.realtime

    def _adopt(self, settings: Settings) -> _Instance:
        taken = {id(instance.realtime) for instance in self._instances.values()}
        for old in self._old_instances:
            if id(old.realtime) not in taken and old.realtime.suits(settings):
                return _Instance(old.realtime, is_running=True)
        realtime = Realtime(settings)
        for old in self._old_instances:
            realtime.inherit(old.realtime)
        return _Instance(realtime)

    def resource(self, key: Hashable, make: Callable[[], R]) -> R:
        """The resource of this key: this generation's, else the earlier one's, else a new one."""
        if key not in self._resources:
            if key in self._old_resources:
                self._resources[key] = self._old_resources[key]
                self._started.add(key)
            else:
                self._resources[key] = make()
        return cast(R, self._resources[key])

    # -- life ----------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start what is new.

        Raises:
            RealtimeError: Something cannot start; what did start still has to be stopped.
        """
        for key, resource in self._resources.items():
            if key not in self._started:
                self._started.add(key)
                await resource.start()
        for instance in self._instances.values():
            if not instance.is_running:
                instance.is_running = True
                await instance.realtime.start()

    def drain(self) -> None:
        """Have load balancers told that this server is about to stop; everything is served as before."""
        for realtime in self.realtimes:
            realtime.drain()

    async def close_realtimes(
        self, farewell: Farewell, timeout: float, successor: Generation | None = None
    ) -> None:
        """Close the realtime instances, all at the same time, except those that ``successor`` has taken over.

        Args:
            farewell: What the clients are told.
            timeout: Seconds they have to take it.
            successor: The generation that follows, or None.
        """
        kept = {id(realtime) for realtime in successor.realtimes} if successor is not None else set()
        closing = []
        for instance in self._instances.values():
            if instance.is_running and id(instance.realtime) not in kept:
                instance.is_running = False
                closing.append(instance.realtime.close(farewell, timeout))
        await asyncio.gather(*closing)

    async def stop_resources(self, successor: Generation | None = None) -> None:
        """Stop what was started for the handlers, except what ``successor`` has taken over."""
        kept = set(map(id, successor._resources.values())) if successor is not None else set()
        for key in [key for key in self._started if id(self._resources[key]) not in kept]:
            self._started.discard(key)
            await self._resources[key].stop()


class _Kit:
    """plan.Kit: what a step may ask for while it is built."""

    def __init__(self, generation: Generation, server: ServerPlan, site: SitePlan) -> None:
        self._generation = generation
        self._server = server
        self._site = site

    @property
    def plan(self) -> Plan:
        return self._generation.plan

    @property
    def server(self) -> ServerPlan:
        return self._server

    @property
    def site(self) -> SitePlan:
        return self._site

    def chain(self, routes: Sequence[Route]) -> Handler:
        return link_chain([self._link(route) for route in routes])

    def _link(self, route: Route) -> Link:
        matcher = route.matcher
        return Link(route.step.build(self), matcher.matches if matcher is not None else None, route.group)

    def realtime(self, directive: Directive, settings: Settings) -> Door:
        return self._generation.realtime(directive, settings, self._server)

    def resource(self, key: Hashable, make: Callable[[], R]) -> R:
        return self._generation.resource(key, make)


def front_options(server: ServerPlan) -> FrontOptions:
    """What a server's listeners believe about their clients."""
    options = server.options
    defaults = FrontOptions()
    return FrontOptions(
        trusted_proxies=options.trusted_proxies,
        client_ip_headers=options.client_ip_headers,
        write_timeout=options.write if options.write is not None else defaults.write_timeout,
    )


def lane_plan(server: ServerPlan, paths: Mapping[bytes, LanePath], shut: tuple[str, ...]) -> LanePlan:
    """The lane of a server's listeners, within the bounds that its options set."""
    options, usual = server.options, LanePlan()
    return LanePlan(
        paths,
        shut,
        front_options(server),
        SERVER_NAME,
        usual.idle_seconds if options.idle is None else options.idle,
        usual.head_seconds if options.read_header is None else min(options.read_header, usual.head_seconds),
        options.read_body,
        options.max_header_bytes or usual.head_bytes,
    )
