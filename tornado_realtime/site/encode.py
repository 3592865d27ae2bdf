"""``encode``: answers are compressed on their way out."""

from __future__ import annotations

import logging
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

from tornado.httputil import HTTPHeaders

from tornado_realtime.site.exchange import BodyFilter, Exchange, Next, ResponseHead
from tornado_realtime.site.negotiate import accepted_codings

logger = logging.getLogger(__name__)

ZSTD_LEVELS = {"fastest": 1, "default": 3, "better": 8, "best": 11}

# RFC 8878 section 3.1.1.1.2: decoders need not take more than 8 MiB, so browsers do not.
_ZSTD_WINDOW_LOG = 23
_GZIP_WBITS = 31

_SMALLER = frozenset(
    (
        "application/eot",
        "application/graphql",
        "application/javascript",
        "application/json",
        "application/opentype",
        "application/otf",
        "application/truetype",
        "application/ttf",
        "application/vnd.ms-fontobject",
        "application/wasm",
        "application/x-httpd-cgi",
        "application/x-javascript",
        "application/x-opentype",
        "application/x-otf",
        "application/x-perl",
        "application/x-protobuf",
        "application/x-ttf",
        "application/xml",
        "image/vnd.microsoft.icon",
        "image/x-icon",
        "multipart/bag",
        "multipart/mixed",
    )
)
_SMALLER_STARTS = ("text/", "font/", "application/font")
_SMALLER_ENDS = ("+json", "+xml")

Choose = Callable[[int, HTTPHeaders], bool]


class Gzip:
    """gzip (RFC 1952).

    Args:
        level: 1 (fast) to 9 (small).
        flush: Whether every piece can be read as soon as it arrives, as streams of unknown length need.
    """

    def __init__(self, level: int, flush: bool) -> None:
        self._compressor = zlib.compressobj(level, zlib.DEFLATED, _GZIP_WBITS)
        self._flush = flush

    def feed(self, chunk: bytes) -> bytes:
        """See `BodyFilter`."""
        packed = self._compressor.compress(chunk)
        return packed + self._compressor.flush(zlib.Z_SYNC_FLUSH) if self._flush else packed

    def end(self) -> bytes:
        """See `BodyFilter`."""
        return self._compressor.flush()


class Zstd:
    """Zstandard (RFC 8878); `zstd_available` says whether it can be used.

    Args:
        level: 1 (fast) to 22 (small).
        flush: As in `Gzip`.
    """

    def __init__(self, level: int, flush: bool) -> None:
        module = _zstandard()
        parameters = module.ZstdCompressionParameters.from_level(level, window_log=_ZSTD_WINDOW_LOG)
        self._compressor = module.ZstdCompressor(compression_params=parameters).compressobj()
        self._block_end = module.COMPRESSOBJ_FLUSH_BLOCK
        self._flush = flush

    def feed(self, chunk: bytes) -> bytes:
        """See `BodyFilter`."""
        packed: bytes = self._compressor.compress(chunk)
        return packed + self._compressor.flush(self._block_end) if self._flush else packed

    def end(self) -> bytes:
        """See `BodyFilter`."""
        packed: bytes = self._compressor.flush()
        return packed


@cache
def _zstandard() -> Any:
    return import_module("zstandard")


def zstd_available() -> bool:
    """Whether the extra ``zstd`` of this package is installed."""
    try:
        _zstandard()
    except ImportError:
        return False
    return True


def usable_formats(formats: Sequence[str]) -> tuple[str, ...]:
    """What of the wanted formats can be used; zstd without its module becomes gzip, and a note says so."""
    if "zstd" in formats and not zstd_available():
        logger.warning("encode zstd needs the extra tornado-realtime[zstd]; answers are compressed by gzip")
        formats = ["gzip" if one == "zstd" else one for one in formats]
    return tuple(dict.fromkeys(formats))


@dataclass(frozen=True, slots=True)
class EncodeOptions:
    """What ``encode`` was told.

    Attributes:
        formats: ``zstd`` and ``gzip``, most wanted first; both must be usable.
        minimum_bytes: Answers known to be shorter stay as they are.
        gzip_level: 1 (fast) to 9 (small).
        zstd_level: 1 (fast) to 22 (small).
        only_for: Asked with status and headers; None for the kinds of content that become smaller.
    """

    formats: tuple[str, ...] = ("zstd", "gzip")
    minimum_bytes: int = 512
    gzip_level: int = 5
    zstd_level: int = ZSTD_LEVELS["default"]
    only_for: Choose | None = None


class Encode:
    """The step that compresses what later steps answer."""

    def __init__(self, options: EncodeOptions) -> None:
        self._options = options

    async def __call__(self, exchange: Exchange, next_step: Next) -> None:
        """Watch for the answer's head and go on; an upgrade to another protocol is left alone."""
        if "Upgrade" not in exchange.request.headers:
            accepted = ",".join(exchange.request.headers.get_list("Accept-Encoding"))
            exchange.on_head(lambda head: self._consider(head, accepted))
        await next_step()

    def _consider(self, head: ResponseHead, accepted: str) -> None:
        if not self._is_worth_it(head):
            return
        vary = [part.strip().lower() for line in head.headers.get_list("Vary") for part in line.split(",")]
        if not {"*", "accept-encoding"} & set(vary):
            head.headers.add("Vary", "Accept-Encoding")
        for coding in accepted_codings(accepted, self._options.formats)[:1]:
            self._compress(head, coding)

    def _is_worth_it(self, head: ResponseHead) -> bool:
        headers = head.headers
        if head.status < 200 or head.status in (204, 206, 304) or "Content-Range" in headers:
            return False
        if "Content-Encoding" in headers or "no-transform" in headers.get("Cache-Control", "").lower():
            return False
        length = headers.get("Content-Length", "")
        if length.isdecimal() and int(length) < self._options.minimum_bytes:
            return False
        if self._options.only_for is not None:
            return self._options.only_for(head.status, headers)
        return becomes_smaller(headers.get("Content-Type", ""))

    def _compress(self, head: ResponseHead, coding: str) -> None:
        headers = head.headers
        endless = headers.pop("Content-Length", None) is None
        headers["Content-Encoding"] = coding
        headers.pop("Accept-Ranges", None)
        if headers.get("ETag", "W/").startswith('"'):
            # RFC 9110 section 8.8.1: the same content, but not the same bytes.
            headers["ETag"] = "W/" + headers["ETag"]
        head.filters.append(self._filter(coding, endless))

    def _filter(self, coding: str, flush: bool) -> BodyFilter:
        if coding == "zstd":
            return Zstd(self._options.zstd_level, flush)
        return Gzip(self._options.gzip_level, flush)


def becomes_smaller(content_type: str) -> bool:
    """Whether content of this type is worth compressing: text, fonts, and the like of XML and JSON."""
    kind = content_type.partition(";")[0].strip().lower()
    return kind in _SMALLER or kind.startswith(_SMALLER_STARTS) or kind.endswith(_SMALLER_ENDS)
