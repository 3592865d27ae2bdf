"""What the adapter makes of a Caddyfile: frozen values that say what to serve, where and in which order.

::

    Plan
    ├── options: GlobalOptions
    ├── sites: SitePlan ...           in file order
    └── servers: ServerPlan ...       one for each set of sockets
        ├── listeners: Listener ...
        └── hosts: VirtualHost ...    in match order: the first that matches is final
            └── site: SitePlan
                ├── routes: Route ... sorted: matcher, group, step
                └── errors: Route ... handle_errors, run when a step raised a HandlerError

A route is run when its matcher holds at the moment it is reached (a rewrite before it may have changed the
path). Of the routes with the same non-empty ``group`` in one tuple only the first that matches is run.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeVar

from tornado_realtime.caddyfile.directive import Directive
from tornado_realtime.errors import ConfigError
from tornado_realtime.site.addresses import Address, Listener
from tornado_realtime.site.logspec import LogSpec
from tornado_realtime.site.matchers import MatcherSet, Subject
from tornado_realtime.site.options import GlobalOptions
from tornado_realtime.site.server_options import ServerOptions

if TYPE_CHECKING:
    from tornado.routing import Rule

    from tornado_realtime.settings import Settings
    from tornado_realtime.site.exchange import Handler


class Door(Protocol):
    """What the site needs of one realtime instance behind a go_handler."""

    @property
    def routes(self) -> Sequence[Rule]:
        """Tornado routing rules for the paths it serves."""

    def serves(self, path: str) -> bool:
        """Whether it answers this decoded path; everything else is for the next step."""


class Resource(Protocol):
    """Something that a handler needs running: a supervised php-fpm, an access log."""

    async def start(self) -> None:
        """Begin; called once."""

    async def stop(self) -> None:
        """End, and leave nothing behind; also after a ``start`` that failed."""


R = TypeVar("R", bound=Resource)


class Kit(Protocol):
    """What a step may ask for while it becomes a handler; one for each site on each server."""

    @property
    def plan(self) -> Plan:
        """The whole plan."""

    @property
    def server(self) -> ServerPlan:
        """The server that the handler will be part of."""

    @property
    def site(self) -> SitePlan:
        """The site that the handler will be part of."""

    def chain(self, routes: Sequence[Route]) -> Handler:
        """One handler that runs these routes in order and then the step after them."""

    def realtime(self, directive: Directive, settings: Settings) -> Door:
        """The realtime instance of this very go_handler; the same one each time it is asked for."""

    def resource(self, key: Hashable, make: Callable[[], R]) -> R:
        """Something that is started before requests come and stopped after them; one for each key.

        After a reload the resource that runs already under an equal key is handed out again.
        """


@dataclass(frozen=True, slots=True)
class Step:
    """One directive after parsing: its values are valid, its handler is not built yet.

    Attributes:
        directive: Where it was written, without its matcher; for messages. Its words may be secrets.
    """

    directive: Directive = field(repr=False)

    @property
    def is_sequence(self) -> bool:
        """Whether it stands for several routes that keep together: such a one is never sorted by its path."""
        return False

    def modules(self) -> list[str]:
        """The names that ``adapt --tokens`` lists for it, depth first; nothing by default."""
        return []

    def build(self, kit: Kit) -> Handler:
        """The handler that does it at run time.

        Raises:
            ConfigError: When there is none yet, or it cannot work here (a missing file, say).
        """
        raise unsupported(self.directive)


def unsupported(directive: Directive) -> ConfigError:
    """The error for a directive that Caddy has and this server lacks."""
    return directive.error(f"directive {directive.word} is known but not supported")


@dataclass(frozen=True, slots=True)
class Route:
    """A step and when to run it.

    Attributes:
        step: What to run.
        matcher: When; None for always.
        group: Name shared by routes of one tuple of which only the first match is run; empty for none.
    """

    step: Step
    matcher: MatcherSet | None = None
    group: str = ""


@dataclass(frozen=True, slots=True)
class TlsSpec:
    """The certificate of a site.

    Attributes:
        directive: Where it was written.
        certificate: PEM file with the chain; relative to the working directory.
        key: PEM file with the private key.
        minimum: Lowest version: ``tls1.2`` or ``tls1.3``.
    """

    directive: Directive
    certificate: str
    key: str
    minimum: str = "tls1.2"


@dataclass(frozen=True, slots=True)
class SitePlan:
    """One site block.

    Attributes:
        addresses: As written, in order.
        routes: Sorted.
        errors: The ``handle_errors`` blocks, those for certain statuses first.
        logs: Its access logs; none means that its requests are not logged.
        tls: Its certificates.
        directives: The names of its directives in file order, nested ones left out.
        files: Every configuration file its words came from; a file server hides them.
    """

    addresses: tuple[Address, ...]
    routes: tuple[Route, ...]
    errors: tuple[Route, ...] = ()
    logs: tuple[LogSpec, ...] = ()
    tls: tuple[TlsSpec, ...] = ()
    directives: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class VirtualHost:
    """A site as one server sees it.

    Attributes:
        site: The site.
        addresses: Those of its addresses that belong to this server.
        names: The host names in them; empty when every host is meant.
        matchers: Host and path conditions, any of which selects the site; empty for every request.
    """

    site: SitePlan
    addresses: tuple[Address, ...]
    names: tuple[str, ...]
    matchers: tuple[MatcherSet, ...]

    def matches(self, subject: Subject) -> bool:
        """Whether this site serves the request."""
        return not self.matchers or any(matcher.matches(subject) for matcher in self.matchers)


@dataclass(frozen=True, slots=True)
class ServerPlan:
    """The sites that share a set of sockets.

    Attributes:
        name: ``srv0``, ``srv1`` and so on, or what ``servers { name }`` says.
        listeners: Where to listen.
        hosts: In match order. A request that none of them matches gets 200 with an empty body.
        tls: Whether the sockets speak TLS.
        certificates: For TLS: what the sites bring along, without repetition.
        options: The part of ``servers`` that applies here.
    """

    name: str
    listeners: tuple[Listener, ...]
    hosts: tuple[VirtualHost, ...]
    tls: bool = False
    certificates: tuple[TlsSpec, ...] = ()
    options: ServerOptions = field(default_factory=ServerOptions)


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole configuration, ready to be built.

    Attributes:
        options: Global options.
        sites: In file order.
        servers: In the order of their first listener.
        warnings: For the start-up log, each ``FILE:LINE: message``.
    """

    options: GlobalOptions
    sites: tuple[SitePlan, ...]
    servers: tuple[ServerPlan, ...]
    warnings: tuple[str, ...] = ()
