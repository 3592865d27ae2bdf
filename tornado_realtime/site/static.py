"""``file_server``: files below a root, with index files, listings, sidecar compression and parts of files."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from urllib.parse import quote

from tornado_realtime.errors import HandlerError
from tornado_realtime.site.browse import BrowseOptions, listing
from tornado_realtime.site.delivery import Blob, deliver, read_etag
from tornado_realtime.site.docroot import DocumentRoot, Entry
from tornado_realtime.site.exchange import Exchange, Next
from tornado_realtime.site.negotiate import accepted_codings
from tornado_realtime.site.placeholders import expand
from tornado_realtime.site.respond import read_status

SIDECARS = {"br": ".br", "zstd": ".zst", "gzip": ".gz"}
INDEX_NAMES = ("index.html", "index.txt")


@dataclass(frozen=True, slots=True)
class FileServerOptions:
    """What ``file_server`` was told; texts may hold placeholders.

    Attributes:
        root: Folder to serve; empty for the site's ``root``, else the working directory.
        hide: See `DocumentRoot`.
        index: Names tried in a folder.
        browse: How a folder without an index is listed; None: it is not.
        precompressed: Codings whose sidecar files are used, in order of preference.
        status: Overrides the status; empty keeps it.
        canonical: Whether slashes at the end are corrected by a redirect.
        pass_thru: Whether a missing file is left to the next step.
        config_files: Never served.
        etag_extensions: Endings of files beside the served one that hold its entity tag.
    """

    root: str = ""
    hide: tuple[str, ...] = ()
    index: tuple[str, ...] = INDEX_NAMES
    browse: BrowseOptions | None = None
    precompressed: tuple[str, ...] = ()
    status: str = ""
    canonical: bool = True
    pass_thru: bool = False
    config_files: tuple[str, ...] = ()
    etag_extensions: tuple[str, ...] = ()


class FileServer:
    """The step that answers with files."""

    def __init__(self, options: FileServerOptions) -> None:
        self._options = options

    async def __call__(self, exchange: Exchange, next_step: Next) -> None:
        """Answer with a file or a listing.

        Raises:
            HandlerError: 400 or 404 for what is not there, 403, 405, or 500 if the disk fails.
        """
        root = self._root(exchange)
        path = exchange.request.path
        found = root.find(path)
        index = self._index(exchange, root, path) if found is not None and found.is_folder else None
        served = index or found
        if served is None or not (served.is_file or (served.is_folder and self._options.browse is not None)):
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
            raise HandlerError(404, "Not Found")
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
        if served.is_folder and self._options.browse is not None:
            await listing(exchange, root, served, self._status(exchange), self._options.browse)
            return
        coding, chosen = self._representation(exchange, root, served)
        blob = Blob(chosen.path, served.path, coding, bool(self._options.precompressed))
        await deliver(exchange, blob, self._status(exchange), self._ready_etag(root, chosen))

    def _representation(self, exchange: Exchange, root: DocumentRoot, file: Entry) -> tuple[str, Entry]:
        """The best sidecar and its coding, else the file itself."""
        if self._options.precompressed:
            accepted = ",".join(exchange.request.headers.get_list("Accept-Encoding"))
            for coding in accepted_codings(accepted, self._options.precompressed):
                sidecar = root.beside(file, SIDECARS[coding])
                if sidecar is not None:
                    return coding, sidecar
        return "", file

    def _ready_etag(self, root: DocumentRoot, file: Entry) -> str:
        """The entity tag that a file beside the served one holds; empty without such a file."""
        for ending in self._options.etag_extensions:
            beside = root.beside(file, ending)
            if beside is not None:
                return read_etag(beside.path)
        return ""

    def _status(self, exchange: Exchange) -> int | None:
        """A status that is to be used whatever happens; None lets the request decide."""
        if self._options.status or exchange.error is not None:
            return read_status(self._options.status, exchange)
        return None


def location(target: str, query: str) -> str:
    """A Location on this very host, whatever the raw target is: no ``//host``, no backslash, no control."""
    while target.startswith("//"):
        target = target[1:]
    safe = quote(target.encode("latin-1", "replace"), safe="/%:@!$&'()*+,;=-._~")
    return f"{safe}?{query}" if query else safe


def _check_method(exchange: Exchange) -> None:
    if exchange.request.method not in ("GET", "HEAD") and exchange.error is None:
        exchange.preset_headers["Allow"] = "GET, HEAD"
        raise HandlerError(405, "Method Not Allowed")


def _base(target: str) -> str:
    return posixpath.basename(target.rstrip("/"))
