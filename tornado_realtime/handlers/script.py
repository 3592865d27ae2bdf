"""``GET /realtime.js``: the browser's client, for pages that want no build step of their own."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tornado_realtime.handlers.plain import PlainHandler

FOLDER = Path(__file__).resolve().parents[1] / "browser"
"""The npm package; tools/browser.py writes it."""
MAX_AGE_SECONDS = 600
"""How long browsers use their copy without a question. Older and newer ones speak with the same server."""


@dataclass(frozen=True, slots=True)
class Script:
    """One file as it is served.

    Attributes:
        data: The whole of it.
        etag: Its name for caches (RFC 9110 section 8.8.3).
    """

    data: bytes
    etag: str


@cache
def script(name: str) -> Script:
    """A file of the package, read once in the life of the process."""
    data = (FOLDER / name).read_bytes()
    return Script(data, f'"{hashlib.sha256(data).hexdigest()[:16]}"')


class ScriptHandler(PlainHandler):
    """Gives everybody the module, minified; with ``?source`` as it was written.

    It is public like any script, so pages of every origin may import it; what they may say to the server is
    another question, which the WebSocket's handshake answers.
    """

    SUPPORTED_METHODS = (*PlainHandler.SUPPORTED_METHODS, "TRACE", "CONNECT")

    def prepare(self) -> None:
        """The method, then the answer."""
        if self.request.method not in ("GET", "HEAD"):
            self.refuse(405, Allow="GET, HEAD")
        wants_source = "source" in self.request.query_arguments
        found = script("realtime.js" if wants_source else "realtime.min.js")
        self.set_header("ETag", found.etag)
        self.set_header("Cache-Control", f"public, max-age={MAX_AGE_SECONDS}")
        self.set_header("Access-Control-Allow-Origin", "*")
        self.set_header("Cross-Origin-Resource-Policy", "cross-origin")
        if self.check_etag_header():
            self.set_status(304)
            self.finish()
            return
        self.set_header("Content-Type", "text/javascript; charset=utf-8")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.finish(found.data)
