"""Where a server is: the URL that somebody writes, and the one that is connected to."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit, urlunsplit

_SCHEMES = {"ws": "ws", "wss": "wss", "http": "ws", "https": "wss"}
_PATH = "/ws"


def socket_url(url: str) -> str:
    """The URL of the WebSocket.

    Args:
        url: ``ws://``, ``wss://``, ``http://`` or ``https://``; without a path ``/ws`` is meant.

    Raises:
        ValueError: It is none of that, or says more.
    """
    parts = _parts(url)
    return urlunsplit(
        (_SCHEMES[parts.scheme], parts.netloc, parts.path.rstrip("/") or _PATH, parts.query, "")
    )


def site_url(url: str) -> str:
    """The beginning of the server's URLs: scheme (``http`` or ``https``), host and port; raises as above."""
    parts = _parts(url)
    scheme = _SCHEMES[parts.scheme].replace("ws", "http", 1)
    return urlunsplit((scheme, parts.netloc, "", "", ""))


def _parts(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"{url!r} is no URL: {error}") from None
    if parts.scheme not in _SCHEMES or not parts.hostname or port == 0:
        raise ValueError(f"{url!r} is no URL of a server: write something like https://example.com")
    if "@" in parts.netloc:
        raise ValueError("the URL has a login in it: give a token, a cookie or header fields instead")
    return parts
