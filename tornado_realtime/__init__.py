"""A realtime server for Tornado: browsers subscribe to channels, applications publish by HTTP.

The names below are the public ones; everything else may change without notice.
"""

from tornado_realtime.auth import User
from tornado_realtime.errors import (
    AuthError,
    BrokerClosedError,
    BrokerError,
    BrokerUnavailableError,
    ConfigError,
    InvalidPublicationError,
    PublicationTooLargeError,
    PublishError,
    RealtimeError,
)
from tornado_realtime.realtime import Realtime
from tornado_realtime.settings import Settings
from tornado_realtime.version import __version__

__all__ = [
    "AuthError",
    "BrokerClosedError",
    "BrokerError",
    "BrokerUnavailableError",
    "ConfigError",
    "InvalidPublicationError",
    "PublicationTooLargeError",
    "PublishError",
    "Realtime",
    "RealtimeError",
    "Settings",
    "User",
    "__version__",
]
