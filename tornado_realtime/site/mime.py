"""Content types of files by their extension; the same on every machine."""

from __future__ import annotations

import mimetypes
import re
from functools import cache

_MORE = {
    ".aac": "audio/aac",
    ".apng": "image/apng",
    ".avif": "image/avif",
    ".bz2": "application/x-bzip2",
    ".cjs": "text/javascript",
    ".flac": "audio/flac",
    ".geojson": "application/geo+json",
    ".gz": "application/gzip",
    ".heic": "image/heic",
    ".ico": "image/x-icon",
    ".js": "text/javascript",
    ".jsonld": "application/ld+json",
    ".jxl": "image/jxl",
    ".m4a": "audio/mp4",
    ".map": "application/json",
    ".md": "text/markdown",
    ".mjs": "text/javascript",
    ".ogg": "audio/ogg",
    ".opus": "audio/ogg",
    ".otf": "font/otf",
    ".rss": "application/rss+xml",
    ".ttf": "font/ttf",
    ".wasm": "application/wasm",
    ".weba": "audio/webm",
    ".webm": "video/webm",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
    ".xz": "application/x-xz",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
    ".zst": "application/zstd",
}
_CONTROLS = re.compile(rb"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]")


def content_type(name: str, beginning: bytes = b"") -> str:
    """The Content-Type of a file.

    Args:
        name: Whose last extension decides.
        beginning: First bytes of the file, looked at when the extension is unknown: without control
            characters it is taken for plain text. Never for HTML: an upload could then become a page.
    """
    _, dot, extension = name.rpartition("/")[2].rpartition(".")
    known = _types().get("." + extension.lower()) if dot else None
    if known is None:
        return (
            "text/plain; charset=utf-8" if beginning and _is_text(beginning) else "application/octet-stream"
        )
    return f"{known}; charset=utf-8" if known.startswith("text/") else known


@cache
def _types() -> dict[str, str]:
    """Python's built-in table (not the machine's own files) and what the web needs beyond it."""
    return {**mimetypes.MimeTypes().types_map[True], **_MORE}


def _is_text(beginning: bytes) -> bool:
    return _CONTROLS.search(beginning[:512]) is None
