"""The settings of one realtime instance, validated and frozen."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from tornado_realtime.caddyfile.directive import Directive
from tornado_realtime.peers import Network
from tornado_realtime.rates import Rate
from tornado_realtime.settings.channels import ChannelRule
from tornado_realtime.settings.jwt import JwtRule

MESSAGE_RATE = Rate(100.0, 500)
DEFAULT_AUTH_ENDPOINT = "http://localhost:8080/auth.php"


@dataclass(frozen=True, slots=True)
class Settings:
    """One realtime instance, validated. Made by ``settings_from_directive`` or ``settings_from_options``.

    The fields up to ``broadcast_listen`` are the options of go_handler (see ``OPTIONS``); the others
    are for Python applications and for the server around the plugin.

    Attributes:
        prefix: Put before both paths, such as ``/realtime``; empty or beginning with a slash.
        socket_path: Where WebSocket clients connect.
        publish_path: Where applications publish.
        trusted_proxies: Peers whose X-Forwarded-For is believed.
        client_ip_headers: Where they say who their own peer was, the first one that is there counts.
        directive: Where it was written; None for a plugin built by keyword arguments.
    """

    driver: str = "memory"
    redis_address: str = ""
    canary: float = 5.0
    publish_timeout: float = 2.0
    replicas: int | None = None
    interop: bool = False
    auth_endpoint: str = DEFAULT_AUTH_ENDPOINT
    auth_timeout: float = 5.0
    auth_concurrency: int = 64
    auth_queue: int = 4096
    auth_cache: float = 0.0
    jwt: JwtRule | None = None
    channels: tuple[ChannelRule, ...] = ()
    presence_delay: float = 5.0
    presence_lease: float = 10.0
    anonymous: bool = False
    resume: float = 0.0
    ticket_keys: tuple[str, ...] = field(default=(), repr=False)
    broadcast_secret: str = field(default="", repr=False)
    broadcast_listen: str = ""
    allowed_origins: tuple[str, ...] = ()
    cross_site_cookies: str = "refuse"
    wire: str = "raw"
    max_message_size_bytes: int = 512
    max_publication_size_bytes: int = 1024 * 1024
    send_queue_frames: int = 256
    send_queue_bytes: int = 1024 * 1024
    slow_consumer: str = "disconnect"
    max_connections: int | None = None
    max_connections_per_address: int = 0
    max_connections_per_user: int = 0
    handshake_rate: Rate | None = None
    message_rate: Rate | None = MESSAGE_RATE
    max_channels: int = 128
    prefix: str = ""
    socket_path: str = "/ws"
    publish_path: str = "/internal/broadcast"
    trusted_proxies: tuple[Network, ...] = ()
    client_ip_headers: tuple[str, ...] = ("X-Forwarded-For",)
    directive: Directive | None = field(default=None, compare=False, repr=False)
    given: frozenset[str] = field(default=frozenset(), compare=False, repr=False)

    @property
    def asks_endpoint(self) -> bool:
        """Whether the auth endpoint is asked about anybody."""
        return self.jwt is None or self.jwt.asks_endpoint

    def asks_channels(self, who: str) -> Collection[str]:
        """What stands behind ``who`` in channel blocks, each once; an empty text where nothing needs to."""
        accesses = (access for rule in self.channels for _, access in rule.accesses)
        return dict.fromkeys(access.argument for access in accesses if access.who == who)

    def place(self, *names: str) -> Directive | None:
        """Where an option was written, given its name or the names that lead to it; None if nowhere."""
        found = self.directive
        for name in names:
            inner = (found.block or ()) if found is not None else ()
            found = next((segment for segment in inner if segment.word == name), None)
        return found

    def written(self, *words: str) -> Directive | None:
        """The option that begins with these words, as it was written; None if it stands in no file."""
        for segment in (self.directive.block or ()) if self.directive is not None else ():
            if (segment.word, *segment.words)[: len(words)] == words:
                return segment
        return None
