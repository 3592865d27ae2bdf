"""``file_server``: files below a root, with index files, listings, sidecar compression and parts of files."""

from __future__ import annotations

import asyncio
import os
import posixpath
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from io import FileIO
from urllib.parse import quote

from tornado.httputil import HTTPHeaders, format_timestamp

from tornado_realtime.errors import ConnectionClosedError, HandlerError
from tornado_realtime.site.browse import listing
from tornado_realtime.site.conditional import UNSATISFIABLE, ByteRange, Validators, precondition, wanted_range
from tornado_realtime.site.docroot import DocumentRoot, Entry
from tornado_realtime.site.exchange import Exchange, Next
from tornado_realtime.site.mime import content_type
from tornado_realtime.site.negotiate import accepted_codings
from tornado_realtime.site.placeholders import expand
from tornado_realtime.site.respond import read_status

# The first piece is read where we are; a disk that is slow for the rest holds up a thread, not the loop.
_FIRST_BYTES = 64 * 1024
_NEXT_BYTES = 256 * 1024

SIDECARS = {"br": ".br", "zstd": ".zst", "gzip": ".gz"}
INDEX_NAMES = ("index.html", "index.txt")


@dataclass(frozen=True, slots=True)
class FileServerOptions:
    """What ``file_server`` was told; texts may hold placeholders.

    Attributes:
        root: Folder to serve; empty for the site's ``root``, else the working directory.
        hide: See `DocumentRoot`.
        index: Names tried in a folder.
        browse: Whether a folder without an index is listed.
        precompressed: Codings whose sidecar files are used, in order of preference.
        status: Overrides the status; empty keeps it.
        canonical: Whether slashes at the end are corrected by a redirect.
        pass_thru: Whether a missing file is left to the next step.
        config_files: Never served.
    """

    root: str = ""
    hide: tuple[str, ...] = ()
    index: tuple[str, ...] = INDEX_NAMES
    browse: bool = False
    precompressed: tuple[str, ...] = ()
    status: str = ""
    canonical: bool = True
    pass_thru: bool = False
    config_files: tuple[str, ...] = ()


class FileServer:
    """The step that answers with files."""

    def __init__(self, options: FileServerOptions) -> None:
        self._options = options

    async def __call__(self, exchange: Exchange, next_step: Next) -> None:
        """Answer with a file or a listing.

        Raises:
            HandlerError: 400 or 404 for what is not there, 403, 405, 416, or 500 if the disk fails.
        """
        root = self._root(exchange)
        path = exchange.request.path
        found = root.find(path)
        index = self._index(exchange, root, path) if found is not None and found.is_folder else None
        served = index or found
        if served is None or not (served.is_file or (served.is_folder and self._options.browse)):
            await self._missing(exchange, next_step)
        elif (
            target := self._canonical(exchange, is_folder=index is not None or served.is_folder)
        ) is not None:
            await exchange.respond(308, b"", {"Location": target})
        else:
            _check_method(exchange)
            await self._serve(exchange, root, served)

    def _root(self, exchange: Exchange) -> DocumentRoot:
        root = expand(self._options.root, exchange, "empty") or str(exchange.vars.get("root", ""))
        hide = [expand(word, exchange, "empty") for word in self._options.hide]
        return DocumentRoot(root, hide, self._options.config_files)

    def _index(self, exchange: Exchange, root: DocumentRoot, path: str) -> Entry | None:
        for name in self._options.index:
            found = root.find(f"{path}/{expand(name, exchange, 'empty')}")
            if found is not None and found.is_file:
                return found
        return None

    async def _missing(self, exchange: Exchange, next_step: Next) -> None:
        if not self._options.pass_thru:
            raise HandlerError(404, "no such file")
        await next_step()

    def _canonical(self, exchange: Exchange, *, is_folder: bool) -> str | None:
        """Where to send a client whose slash at the end is wrong; relative links would not work otherwise.

        Only when no rewrite chose the name: it could undo the redirect, for ever.
        """
        request = exchange.request
        sent = request.original_target
        if not self._options.canonical or _base(sent) != _base(request.target):
            return None
        if is_folder == sent.endswith("/"):
            return None
        target = sent + "/" if is_folder else sent.rstrip("/")
        return location(target, request.query)

    async def _serve(self, exchange: Exchange, root: DocumentRoot, served: Entry) -> None:
        if served.is_folder:
            await listing(exchange, root, served, self._status(exchange))
            return
        coding, chosen = self._representation(exchange, root, served)
        try:
            file = FileIO(_open(chosen.path), "rb")
        except OSError as exc:
            raise HandlerError(
                403 if isinstance(exc, PermissionError) else 404, "cannot open the file"
            ) from exc
        with closing(file):
            await _Delivery(exchange, file, served.path, coding, self._vary(), self._status(exchange)).run()

    def _representation(self, exchange: Exchange, root: DocumentRoot, file: Entry) -> tuple[str, Entry]:
        """The file itself or its best sidecar, and the coding of that."""
        if self._options.precompressed:
            accepted = exchange.request.headers.get("Accept-Encoding", "")
            for coding in accepted_codings(accepted, self._options.precompressed):
                sidecar = root.beside(file, SIDECARS[coding])
                if sidecar is not None:
                    return coding, sidecar
        return "", file

    def _vary(self) -> bool:
        return bool(self._options.precompressed)

    def _status(self, exchange: Exchange) -> int | None:
        """A status that is to be used whatever happens; None lets the request decide."""
        if self._options.status or exchange.error is not None:
            return read_status(self._options.status, exchange)
        return None


class _Delivery:
    """One open file on its way to one client."""

    def __init__(
        self, exchange: Exchange, file: FileIO, name: str, coding: str, vary: bool, status: int | None
    ) -> None:
        self._exchange = exchange
        self._fd = file.fileno()
        self._name = name
        self._coding = coding
        self._vary = vary
        self._status = status
        info = os.fstat(self._fd)
        self._size = info.st_size
        self._validators = Validators(f'"{info.st_mtime_ns:x}-{info.st_size:x}"', int(info.st_mtime))

    async def run(self) -> None:
        """Answer with 200, 206, 304 or 412, or with the status that was ordered."""
        request = self._exchange.request
        if self._status is not None:
            await self._send(self._status, None)
            return
        refused = precondition(request.method, request.headers, self._validators)
        if refused is not None:
            await self._exchange.start(refused, self._base_headers())
            await self._exchange.finish()
            return
        part = None
        if request.method == "GET":
            part = wanted_range(request.headers, self._validators, self._size)
        if part is UNSATISFIABLE:
            self._exchange.preset_headers["Content-Range"] = f"bytes */{self._size}"
            raise HandlerError(416, "the range lies beyond the end of the file")
        await self._send(200 if part is None else 206, part)

    async def _send(self, status: int, part: ByteRange | None) -> None:
        span = part or ByteRange(0, self._size - 1)
        first = os.pread(self._fd, min(_FIRST_BYTES, span.length), span.first)
        headers = self._base_headers()
        headers["Content-Type"] = content_type(self._name, b"" if self._coding else first)
        headers["Content-Length"] = str(span.length)
        if part is not None:
            headers["Content-Range"] = f"bytes {part.first}-{part.last}/{self._size}"
        if self._exchange.request.original_method == "HEAD":
            await self._exchange.start(status, headers)
        else:
            await self._exchange.start(status, headers, first)
            await self._rest(span.first + len(first), span.length - len(first))
        await self._exchange.finish()

    async def _rest(self, offset: int, length: int) -> None:
        loop = asyncio.get_running_loop()
        while length > 0:
            wanted = min(_NEXT_BYTES, length)
            piece = await loop.run_in_executor(None, os.pread, self._fd, wanted, offset)
            if not piece:
                raise ConnectionClosedError("the file became shorter while it was sent")
            await self._exchange.write(piece)
            offset += len(piece)
            length -= len(piece)

    def _base_headers(self) -> HTTPHeaders:
        headers = HTTPHeaders({"Accept-Ranges": "bytes", "ETag": self._validators.etag})
        if self._validators.modified > 1:
            headers["Last-Modified"] = format_timestamp(self._validators.modified)
        if self._coding:
            headers["Content-Encoding"] = self._coding
        if self._vary:
            headers["Vary"] = "Accept-Encoding"
        return headers


def location(target: str, query: str) -> str:
    """A Location on this very host, whatever the raw target is: no ``//host``, no backslash, no control."""
    while target.startswith("//"):
        target = target[1:]
    safe = quote(target.encode("latin-1", "replace"), safe="/%:@!$&'()*+,;=-._~")
    return f"{safe}?{query}" if query else safe


def _check_method(exchange: Exchange) -> None:
    if exchange.request.method not in ("GET", "HEAD") and exchange.error is None:
        exchange.preset_headers["Allow"] = "GET, HEAD"
        raise HandlerError(405, "files can only be read")


def _open(path: str) -> int:
    """The path is resolved already: a symlink that took its place in between is not followed."""
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)


def _base(target: str) -> str:
    return posixpath.basename(target.rstrip("/"))


def usable_codings(words: Sequence[str]) -> tuple[str, ...]:
    """The codings of ``precompressed``; without a word all we know, best first."""
    return tuple(words) or tuple(SIDECARS)
