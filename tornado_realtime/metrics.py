"""The one registry of what is counted, and its text form for Prometheus.

Whoever counts adds to a plain attribute; what can be looked up (how many connections are open) is a
gauge, a function that is called when somebody asks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields

PREFIX = "tornado_realtime_"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""Media type of the text form (Prometheus exposition format 0.0.4)."""

_HELP: Mapping[str, str] = {
    "connections_opened": "Connections opened since the start, event streams among them.",
    "event_streams_opened": "Those of them that are event streams.",
    "publications": "Publications that reached this node, whoever made them.",
    "publications_repeated": "Publications that were not made again, as they came under a known key.",
    "publications_uncarried": "Publications that a wire could not carry, such as text that is no JSON.",
    "deliveries": "Frames of publications offered to subscribers.",
    "delivered_bytes": "Bytes of those frames.",
    "messages": "Messages that clients sent.",
    "slow_consumers": "Clients closed because their outbox was full.",
    "frames_dropped": "Frames dropped from full outboxes.",
    "gaps": "Times that publications may have been missed, because a subscription was interrupted.",
    "gap_channels": "Channels on which they may have been missed, added up.",
    "node_messages_ignored": "Messages of other nodes that this one could make nothing of.",
    "logins_expired": "Connections closed because their login ran out.",
    "subscriptions_refused": "Subscriptions refused because a rule says so, or nobody could decide.",
    "subscriptions_over_limit": "Subscriptions refused for max_channels, or for the channel's name.",
    "subscriptions_revoked": "Subscriptions ended because a new login may not have them.",
    "subscriptions_lapsed": "Subscriptions ended because the token that was shown for them ran out.",
    "client_publications": "Publications that clients made.",
    "client_publications_refused": "Publications of clients refused because a rule says so, or for a limit.",
    "protocol_errors": "Clients closed for breaking the protocol, or for a message above max_message_size.",
    "clients_flooding": "Clients closed because they sent more than they may.",
    "publications_rejected": "Publications of this node that the broker did not take.",
    "publications_unknown": "Publications of this node that the broker may or may not have taken.",
    "publications_repaired": "Publications on streams that were read because they were not heard in time.",
    "publications_unreadable": "Publications of other programs that were dropped: empty, or not UTF-8.",
    "streams_evicted": "Channels whose history was dropped because all of them took too much memory.",
    "keys_forgotten": "Keys of publications that were forgotten too early, as there were too many.",
    "outages": "Times that a server of the broker was away.",
    "probes_late": "Probes that did not come back in time from the broker: this node may have been deaf.",
    "leases_lost": "Times that this node was taken for dead, or Redis forgot it; its users entered again.",
    "nodes_reaped": "Dead nodes whose users this node took off the lists of who is present.",
    "broker_ready": "1 if publications can be made and heard now, else 0.",
    "probe_seconds": "What the last probe took, to the broker and back; 0 without a driver that needs one.",
    "clients_disconnected": "Connections closed because the application disconnected their user.",
    "logins_anonymous": "Handshakes let in without a login (anonymous on).",
    "logins_refused_missing": "Handshakes refused because they showed no login.",
    "logins_refused_token": "Handshakes refused because of a bad token.",
    "logins_refused_expired": "Handshakes refused because the login had run out.",
    "logins_refused_application": "Handshakes that the application refused.",
    "logins_busy": "Handshakes refused with 503 because the application was spared.",
    "logins_refused_revoked": "Handshakes refused because the login was revoked.",
    "logins_failed": "Handshakes refused because the application could not be asked, or answered nonsense.",
    "auth_questions": "Questions that the application was asked.",
    "auth_questions_shared": "Visitors who got the answer to an equal question under way.",
    "auth_cache_hits": "Visitors who were remembered (auth_cache).",
    "tickets_issued": "Resume tickets given to clients.",
    "tickets_taken": "Visitors let in by a resume ticket.",
    "auth_questions_running": "Questions under way to the application now.",
    "auth_questions_waiting": "Questions that wait for their turn now.",
    "auth_endpoint_down": "1 while the application is not asked because it is down.",
    "origins_refused": "Handshakes refused for the origin of their page.",
    "handshakes_over_capacity": "Handshakes refused for max_connections.",
    "handshakes_over_address_limit": "Handshakes refused for max_connections_per_address.",
    "handshakes_over_user_limit": "Handshakes refused for max_connections_per_user.",
    "handshakes_over_rate": "Handshakes refused for handshake_rate.",
    "connections": "Connections open now, event streams among them.",
    "users": "Users with an open connection now, anonymous ones not counted.",
    "channels": "Channels with a subscriber now.",
    "members": "Users present through this node now, added up over the channels with presence.",
    "clients_backlogged": "Clients whose socket does not take everything now.",
    "outbox_frames": "Frames waiting in outboxes now.",
    "outbox_bytes": "Bytes waiting in outboxes now.",
    "loop_turn_max_seconds": "Longest turn of the event loop in the last minute.",
}


@dataclass(slots=True)
class Counters:
    """What only ever grows, from 0 at the start of one realtime instance."""

    connections_opened: int = 0
    event_streams_opened: int = 0
    publications: int = 0
    publications_uncarried: int = 0
    publications_repeated: int = 0
    deliveries: int = 0
    delivered_bytes: int = 0
    messages: int = 0
    slow_consumers: int = 0
    frames_dropped: int = 0
    logins_expired: int = 0
    clients_disconnected: int = 0
    logins_anonymous: int = 0
    logins_refused_missing: int = 0
    logins_refused_token: int = 0
    logins_refused_expired: int = 0
    logins_refused_application: int = 0
    logins_refused_revoked: int = 0
    logins_failed: int = 0
    logins_busy: int = 0
    auth_questions: int = 0
    auth_questions_shared: int = 0
    auth_cache_hits: int = 0
    tickets_issued: int = 0
    tickets_taken: int = 0
    gaps: int = 0
    gap_channels: int = 0
    node_messages_ignored: int = 0
    subscriptions_refused: int = 0
    subscriptions_over_limit: int = 0
    subscriptions_revoked: int = 0
    subscriptions_lapsed: int = 0
    client_publications: int = 0
    client_publications_refused: int = 0
    protocol_errors: int = 0
    clients_flooding: int = 0
    origins_refused: int = 0
    handshakes_over_capacity: int = 0
    handshakes_over_address_limit: int = 0
    handshakes_over_user_limit: int = 0
    handshakes_over_rate: int = 0


@dataclass(slots=True)
class BrokerCounters:
    """What brokers count."""

    publications_rejected: int = 0
    publications_unknown: int = 0
    publications_unreadable: int = 0
    publications_repaired: int = 0
    streams_evicted: int = 0
    keys_forgotten: int = 0
    outages: int = 0
    probes_late: int = 0
    leases_lost: int = 0
    nodes_reaped: int = 0


Gauge = Callable[[], float]


class Registry:
    """The counters and gauges of one realtime instance.

    Args:
        gauges: By name; each has its line in this module's table of help texts.
        broker: What its broker counts.
    """

    def __init__(self, gauges: Mapping[str, Gauge], broker: BrokerCounters | None = None) -> None:
        self.counters = Counters()
        self._broker = broker if broker is not None else BrokerCounters()
        self._gauges = dict(gauges)

    def add(self, gauges: Mapping[str, Gauge]) -> None:
        """More of them, from whoever else can be asked."""
        self._gauges |= gauges

    def values(self) -> dict[str, float]:
        """Every value now, by name without prefix."""
        counted = (self.counters, self._broker)
        found: dict[str, float] = {item.name: getattr(of, item.name) for of in counted for item in fields(of)}
        return found | {name: gauge() for name, gauge in self._gauges.items()}

    def text(self) -> str:
        """The exposition format of Prometheus, version 0.0.4."""
        lines: list[str] = []
        for name, value in self.values().items():
            is_gauge = name in self._gauges
            full = PREFIX + name + ("" if is_gauge else "_total")
            lines += [
                f"# HELP {full} {_HELP[name]}",
                f"# TYPE {full} {'gauge' if is_gauge else 'counter'}",
                f"{full} {value:.6f}" if isinstance(value, float) else f"{full} {value}",
            ]
        return "\n".join(lines) + "\n"
