"""A realtime server for Tornado: browsers subscribe to channels over WebSocket, applications publish by HTTP."""

from tornado_realtime.version import __version__

__all__ = ["__version__"]
