"""Which pages may open a WebSocket here: the header ``Origin`` (RFC 6455 section 10.2, RFC 6454)."""

from __future__ import annotations

import re
from collections.abc import Sequence

ANY = "*"
NULL = "null"
"""What browsers send for pages without an origin of their own; any site can make such a page."""

_ORIGIN = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*://([^\x00-\x20\x7f/?#\\@%]+)(?:[/?#][^\x00-\x20\x7f]*)?")
_WHOLE = re.compile(r"(?P<scheme>[a-z][a-z0-9+.\-]*)://(?P<host>[^\x00-\x20\x7f/?#\\@%*]+)")
_BELOW = re.compile(r"(?:(?P<scheme>[a-z][a-z0-9+.\-]*)://)?\*(?P<below>\.[^\x00-\x20\x7f/?#\\@%*]+)")
_LABELS = re.compile(r"[a-z0-9_\-]+(?:\.[a-z0-9_\-]+)*")
_USUAL_PORTS = {"http": ":80", "https": ":443", "ws": ":80", "wss": ":443"}
_WEB = ("http", "https")


def parse_allowed(text: str) -> str:
    """An entry of the list of allowed origins as ``origin_allowed`` wants it.

    Args:
        text: An origin; ``https://*.example.com`` or ``*.example.com`` for every host below a domain;
            ``null``; or ``*`` for every page there is.

    Raises:
        ValueError: No origin can match it.
    """
    if not text:
        raise ValueError("has an empty origin; write something like https://example.com")
    found = text.lower()
    if found in (ANY, NULL):
        return found
    whole = _WHOLE.fullmatch(found)
    if whole is not None:
        return found.removesuffix(_USUAL_PORTS.get(whole["scheme"], ""))
    if _BELOW.fullmatch(found) is None:
        raise ValueError(
            f"has {text!r}, which no page has as its origin; "
            "write scheme and host such as https://example.com, or https://*.example.com"
        )
    return found


def origin_allowed(origin: str | None, host: str, allowed: Sequence[str]) -> bool:
    """Whether a page of ``origin`` may open a WebSocket here.

    Args:
        origin: The header ``Origin``; None, as of clients that are no browsers, is always allowed.
        host: The header ``Host``.
        allowed: What may, as ``parse_allowed`` returns it. Origins are compared as a whole. When there are
            none, the origin's host and port must be those of ``host`` as written (no default port is filled
            in), in any case of ASCII letters; the scheme does not count.
    """
    if origin is None:
        return True
    if allowed:
        return origin in allowed or any(ANY in entry and _is_below(origin, entry) for entry in allowed)
    parts = _ORIGIN.fullmatch(origin)
    return parts is not None and _ascii_lower(parts[1]) == _ascii_lower(host)


def _is_below(origin: str, entry: str) -> bool:
    """Whether an entry with a star stands for ``origin``."""
    if entry == ANY:
        return True
    wanted, origin_parts = _BELOW.fullmatch(entry), _WHOLE.fullmatch(origin)
    if wanted is None or origin_parts is None:
        return False
    scheme, host = origin_parts["scheme"], origin_parts["host"]
    schemes = (wanted["scheme"],) if wanted["scheme"] else _WEB
    below = wanted["below"]
    return scheme in schemes and host.endswith(below) and bool(_LABELS.fullmatch(host[: -len(below)]))


def _ascii_lower(text: str) -> bytes:
    """``text`` with ASCII letters lower case and all others as they are."""
    return text.encode("utf-8", "surrogatepass").lower()
