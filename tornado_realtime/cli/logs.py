"""Log lines before a configuration says where they go."""

from __future__ import annotations

from tornado_realtime.server.processlog import LineFormatter, default_handler, install

__all__ = ["LineFormatter", "set_up_logging"]


def set_up_logging() -> None:
    """Send this program's log to standard error; Tornado's and asyncio's warnings with it."""
    install([default_handler()])
