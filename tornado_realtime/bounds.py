"""From settings to the bounds of one realtime instance: what a client may cost, and how many there may be."""

from __future__ import annotations

import resource

from tornado_realtime.connection import Limits
from tornado_realtime.hub import Quotas
from tornado_realtime.settings import Settings


def limits_of(settings: Settings) -> Limits:
    """What one client may cost."""
    return Limits(
        settings.max_message_size_bytes,
        settings.send_queue_frames,
        settings.send_queue_bytes,
        channels_size=settings.max_channels,
        messages=settings.message_rate,
        publication_bytes=settings.max_publication_size_bytes,
    )


def quotas_of(settings: Settings) -> Quotas:
    """How many there may be."""
    most = settings.max_connections
    return Quotas(
        _usual_connections() if most is None else most,
        settings.max_connections_per_address,
        settings.max_connections_per_user,
        settings.handshake_rate,
    )


def _usual_connections() -> int:
    """Nine tenths of the descriptors there may be: requests, PHP, Redis and logs need some, too."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 0 if limit == resource.RLIM_INFINITY else max(1, limit - limit // 10)
