"""Steps that answer by themselves: ``respond`` and ``redir``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from html import escape
from urllib.parse import quote

from tornado_realtime.errors import HandlerError
from tornado_realtime.site.exchange import Exchange, Next
from tornado_realtime.site.placeholders import expand

_URL_SAFE = "/?#[]@:!$&'()*+,;=%-._~|"

_REDIRECT_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="refresh" content="0; url={url}">
<title>Redirecting</title>
</head>
<body><p>Continue at <a href="{url}">{url}</a>.</p></body>
</html>
"""


def read_status(text: str, exchange: Exchange) -> int:
    """A status from configured text, which may hold placeholders; empty means the exchange's default.

    Raises:
        HandlerError: 500, if it is not a number from 200 to 999.
    """
    if not text:
        return exchange.default_status
    word = expand(text, exchange, "empty")
    if not (word.isascii() and word.isdecimal() and 200 <= int(word) <= 999):
        raise HandlerError(500, f"{word!r} is no status to answer with")
    return int(word)


@dataclass(frozen=True, slots=True)
class Respond:
    """Answers with a fixed text.

    Attributes:
        body: Text with placeholders; unknown ones stay as written.
        status: Number or placeholder; empty means 200, in error routes the error's.
        close: Whether the connection is closed afterwards.
    """

    body: str = ""
    status: str = ""
    close: bool = False

    async def __call__(self, exchange: Exchange, next_step: Next) -> None:
        """Answer.

        Raises:
            HandlerError: 500 for a status that is none.
        """
        status = read_status(self.status, exchange)
        body = expand(self.body, exchange)
        headers = {"Connection": "close"} if self.close else {}
        if body and "Content-Type" not in exchange.preset_headers:
            headers["Content-Type"] = "application/json" if is_json(body) else "text/plain; charset=utf-8"
        await exchange.respond(status, body.encode("utf-8", "surrogateescape"), headers)


def is_json(text: str) -> bool:
    """Whether a text is a JSON object or array."""
    content = text.strip()
    if len(content) < 2 or content[0] + content[-1] not in ("{}", "[]"):
        return False
    try:
        json.loads(content)
    except (ValueError, RecursionError):
        return False
    return True


@dataclass(frozen=True, slots=True)
class Redirect:
    """Sends the client elsewhere.

    Attributes:
        to: Address with placeholders.
        status: Number or placeholder.
        html: Instead of a Location send a page, with 200, that redirects browsers and nobody else.
    """

    to: str
    status: str = "302"
    html: bool = False

    async def __call__(self, exchange: Exchange, next_step: Next) -> None:
        """Answer.

        Raises:
            HandlerError: 500 for a status that is none.
        """
        address = self.address(exchange)
        if self.html:
            page = _REDIRECT_PAGE.format(url=escape(address))
            await exchange.respond(200, page.encode(), {"Content-Type": "text/html; charset=utf-8"})
            return
        await exchange.respond(read_status(self.status, exchange), b"", {"Location": address})

    def address(self, exchange: Exchange) -> str:
        """Where to; what a request contributed cannot add lines, nor another host in front of a path."""
        address = quote(expand(self.to, exchange).encode("utf-8", "surrogateescape"), safe=_URL_SAFE)
        if not self.to.startswith("//"):
            while address.startswith("//"):
                address = address[1:]
        return address
