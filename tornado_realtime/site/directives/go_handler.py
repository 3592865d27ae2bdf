"""go_handler: the door from a site to the realtime plugin."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tornado.web import Application

from tornado_realtime.caddyfile.directive import Directive
from tornado_realtime.settings import Settings, settings_from_directive
from tornado_realtime.site.arguments import expect
from tornado_realtime.site.plan import Kit, Step
from tornado_realtime.site.scope import Scope

if TYPE_CHECKING:
    from tornado_realtime.site.exchange import Exchange, Handler, Next


@dataclass(frozen=True, slots=True)
class GoHandlerStep(Step):
    """``go_handler``: WebSocket clients and publishing; each has its own hub.

    Attributes:
        settings: Its options.
    """

    settings: Settings = field(default_factory=Settings)

    def modules(self) -> list[str]:
        """``go_handler``."""
        return ["go_handler"]

    def build(self, kit: Kit) -> Handler:
        """Gives the plugin's own paths, compared exactly, to it, and everything else to the next handler."""
        door = kit.realtime(self.directive, self.settings)
        # The site's own access log tells of its requests; the application's would tell a second time.
        application = Application(list(door.routes), log_function=lambda _handler: None)

        async def handle(exchange: Exchange, next_step: Next) -> None:
            if door.serves(exchange.request.path):
                await exchange.delegate(application)
            else:
                await next_step()

        return handle


def parse_go_handler(segment: Directive, scope: Scope) -> Step:
    """Read ``go_handler [matcher] { options }``; after the matcher there is no argument."""
    expect(segment, 0, 0, "go_handler [MATCHER] { options }")
    return GoHandlerStep(segment, settings_from_directive(segment))
