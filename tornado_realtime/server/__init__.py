"""The server around the sites: listeners, signals, reload, drain, exit codes."""

from tornado_realtime.server.server import Server, run_server, validate_config

__all__ = ["Server", "run_server", "validate_config"]
