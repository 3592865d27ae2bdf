"""What an operator should hear at start: risks, likely mistakes, and what this server does differently."""

from __future__ import annotations

from collections.abc import Sequence

from tornado_realtime.settings import DEFAULT_AUTH_ENDPOINT, Settings
from tornado_realtime.site.plan import Plan
from tornado_realtime.site.reach import OutOfReach, out_of_reach

_DEFAULT_AUTH_PORT = 8080


def realtime_notes(instances: Sequence[Settings], ports: Sequence[int]) -> list[str]:
    """Notes about the go_handlers of a configuration, each with its place.

    Args:
        instances: The settings of each.
        ports: Every port that a site listens on.
    """
    notes = [note for settings in instances for note in _notes(settings, ports)]
    if len(instances) > 1:
        notes.append(
            f"there are {len(instances)} go_handlers: each has a hub of its own, "
            "and clients of one do not get what is published to another"
        )
    return notes


def _notes(settings: Settings, ports: Sequence[int]) -> list[str]:
    found: list[str] = []
    asks = settings.asks_endpoint and settings.auth_endpoint == DEFAULT_AUTH_ENDPOINT
    if asks and _DEFAULT_AUTH_PORT not in ports:
        found.append(
            f"auth_endpoint is {DEFAULT_AUTH_ENDPOINT}, but no site listens on port {_DEFAULT_AUTH_PORT}; "
            "set auth_endpoint in go_handler"
        )
    if not settings.broadcast_secret:
        found.append(
            f"publishing to {settings.prefix}{settings.publish_path} is open to programs on this host only; "
            "behind a proxy on this host, set broadcast_secret"
        )
    if settings.resume and settings.driver != "memory" and not settings.ticket_keys:
        found.append(
            "resume without ticket_key: every node knows its own tickets only; set the same ticket_key on all"
        )
    if settings.ticket_keys and not settings.resume:
        found.append("ticket_key does nothing without resume")
    if not settings.channels:
        found.append(
            "whoever is logged in may subscribe to every channel, and no client may publish; "
            "write channel blocks to say otherwise"
        )
    elif all(rule.pattern.text != "*" for rule in settings.channels):
        found.append(
            "channels that match no channel block are open to whoever is logged in; "
            "write channel * { subscribe nobody } to shut them"
        )
    newer = [name for name in ("broadcast_secret", "allowed_origins") if name in settings.given]
    if newer and "wire" not in settings.given:
        found.append(
            f"{' and '.join(newer)} without wire: pages for FrankenPHP Realtime's newer version need "
            "`wire envelope`; this go_handler speaks raw"
        )
    place = f"{settings.directive.file}:{settings.directive.line}: " if settings.directive is not None else ""
    return [place + note for note in found]


def ready_notes(plan: Plan) -> list[str]:
    """A note for each go_handler that no load balancer can ask whether it is ready."""
    return list(dict.fromkeys(map(_ready_note, out_of_reach(plan, "/ready"))))


def _ready_note(found: OutOfReach) -> str:
    directive, listen = found.step.directive, found.step.settings.broadcast_listen
    way_out = f"let {found.path} and {found.path.removesuffix('ready')}live through there"
    if listen:
        way_out += f", or have {listen} asked"
    return (
        f"{directive.file}:{directive.line}: no request for {found.path} gets past {found.barrier} to this "
        f"go_handler: a load balancer would get a page instead, with status 200 whatever happens; {way_out}"
    )
