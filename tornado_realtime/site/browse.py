"""The page, or the JSON, that lists a folder."""

from __future__ import annotations

import asyncio
import json
import posixpath
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from html import escape
from urllib.parse import parse_qs, quote

from tornado_realtime.site.docroot import DocumentRoot, Entry
from tornado_realtime.site.exchange import Exchange

MOST_ENTRIES = 10_000

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
_COLUMNS = (("namedirfirst", "Name"), ("size", "Size"), ("time", "Modified"))
_FOLDERS_FIRST = "namedirfirst"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a listing.

    Attributes:
        name: As the file system has it, undecodable bytes as surrogate escapes; folders end in a slash.
        size: Bytes; 0 for a folder.
        modified: Unix seconds.
        leads_to: For a symbolic link that is to be revealed: the path below the root of what it leads to.
    """

    name: str
    size: int
    modified: float
    leads_to: str = ""

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return self.name.endswith("/")

    @property
    def link(self) -> str:
        """Relative address, percent-encoded."""
        raw = self.name.encode("utf-8", "surrogateescape")
        return quote(raw.removesuffix(b"/"), safe="") + "/" * self.is_folder

    @property
    def label(self) -> str:
        """The name as text."""
        return readable(self.name)


_KEYS: dict[str, Callable[[Row], tuple[object, ...]]] = {
    "name": lambda row: (row.label.lower(), row.label),
    _FOLDERS_FIRST: lambda row: (row.label.lower(), row.label),
    "size": lambda row: (row.size, row.label),
    "time": lambda row: (row.modified, row.label),
}


@dataclass(frozen=True, slots=True)
class Order:
    """How a listing is sorted.

    Attributes:
        key: ``name``, ``namedirfirst`` (folders before files), ``size`` or ``time``.
        descending: Whether it begins with the last or largest.
    """

    key: str = _FOLDERS_FIRST
    descending: bool = False

    def sort(self, rows: list[Row]) -> list[Row]:
        """The rows in order."""
        ordered = sorted(rows, key=lambda row: _KEYS[self.key](row), reverse=self.descending)
        return sorted(ordered, key=lambda row: not row.is_folder) if self.key == _FOLDERS_FIRST else ordered

    def link(self, key: str) -> str:
        """Query that sorts by ``key``, the other way round if that is what is shown."""
        order = "desc" if key == self.key and not self.descending else "asc"
        return f"?sort={key}&order={order}"


@dataclass(frozen=True, slots=True)
class BrowseOptions:
    """How folders are listed.

    Attributes:
        order: Where the visitor does not ask for another one.
        limit: At most so many entries.
        reveal_symlinks: Whether to show where links lead.
    """

    order: Order = Order()
    limit: int = MOST_ENTRIES
    reveal_symlinks: bool = False


async def listing(
    exchange: Exchange, root: DocumentRoot, folder: Entry, status: int | None, options: BrowseOptions
) -> None:
    """Answer with what may be served in a folder.

    Raises:
        HandlerError: 403 or 500, if the folder cannot be read.
    """
    loop = asyncio.get_running_loop()
    found = await loop.run_in_executor(None, root.children, folder, options.limit)
    rows = [_row(name, entry) for name, entry in found]
    if options.reveal_symlinks:
        rows = [_revealed(row, entry, folder, root) for row, (_, entry) in zip(rows, found, strict=True)]
    order = read_order(exchange.request.query, options.order)
    cut_off = len(rows) >= options.limit
    headers = dict(_HEADERS)
    if "application/json" in exchange.request.headers.get("Accept", "").lower():
        headers["Content-Type"], body = "application/json", render_json(order.sort(rows))
    else:
        body = render_page(exchange.request.path, order.sort(rows), order, cut_off)
    await exchange.respond(status or 200, body, headers)


_HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Vary": "Accept",
    "Cache-Control": "no-cache",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


def read_order(query: str, default: Order) -> Order:
    """The order a query asks for; what it says wrongly is left at the default."""
    try:
        fields = parse_qs(query, max_num_fields=20)
    except ValueError:
        return default
    key = fields.get("sort", [default.key])[0]
    direction = fields.get("order", ["desc" if default.descending else "asc"])[0]
    return Order(key if key in _KEYS else default.key, direction == "desc")


def readable(name: str) -> str:
    """Text that can be shown and encoded, whatever bytes a name has."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def human_size(size: int) -> str:
    """A size such as ``1.5 MiB``."""
    value, unit = float(size), 0
    while value >= 1024 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{size} B" if unit == 0 else f"{value:.1f} {_UNITS[unit]}"


def render_json(rows: list[Row]) -> bytes:
    """The rows as a JSON array."""
    items = [
        {
            "name": row.label,
            "size": row.size,
            "url": f"./{row.link}",
            "mod_time": _moment(row).isoformat(),
            "is_dir": row.is_folder,
            **({"leads_to": readable(row.leads_to)} if row.leads_to else {}),
        }
        for row in rows
    ]
    return json.dumps(items).encode()


def render_page(path: str, rows: list[Row], order: Order, cut_off: bool = False) -> bytes:
    """The rows as a page; everything that comes from names or the request is escaped."""
    title = escape(readable(path))
    page = _PAGE.format(
        title=title,
        crumbs=_crumbs(path),
        heads="".join(_head(key, label, order) for key, label in _COLUMNS),
        rows="\n".join(_line(row) for row in rows) or '<tr><td colspan="3">This folder is empty.</td></tr>',
        count=_count(rows, cut_off),
    )
    return page.encode()


def _row(name: str, entry: Entry) -> Row:
    if entry.is_folder:
        return Row(name + "/", 0, entry.info.st_mtime)
    return Row(name, entry.info.st_size, entry.info.st_mtime)


def _revealed(row: Row, entry: Entry, folder: Entry, root: DocumentRoot) -> Row:
    is_link = entry.path != posixpath.join(folder.path, row.name.rstrip("/"))
    return replace(row, leads_to="/" + posixpath.relpath(entry.path, root.path)) if is_link else row


def _moment(row: Row) -> datetime:
    return datetime.fromtimestamp(int(row.modified), UTC)


def _crumbs(path: str) -> str:
    names = [name for name in path.split("/") if name]
    links = [
        f'<a href="{"../" * (len(names) - depth) or "./"}">{escape(readable(name))}</a>'
        for depth, name in enumerate(names, 1)
    ]
    return " / ".join([f'<a href="{"../" * len(names) or "./"}">root</a>', *links])


def _head(key: str, label: str, order: Order) -> str:
    shown = (" \u2193" if order.descending else " \u2191") if key == order.key else ""
    return f'<th scope="col"><a href="{escape(order.link(key))}">{label}{shown}</a></th>'


def _line(row: Row) -> str:
    moment = _moment(row)
    size = "" if row.is_folder else human_size(row.size)
    target = f" \u2192 {escape(readable(row.leads_to))}" if row.leads_to else ""
    return (
        f'<tr><td><a href="{escape("./" + row.link)}">{escape(row.label)}</a>{target}</td><td>{size}</td>'
        f'<td><time datetime="{moment.isoformat()}">{moment:%Y-%m-%d %H:%M}</time></td></tr>'
    )


def _count(rows: list[Row], cut_off: bool) -> str:
    folders = sum(row.is_folder for row in rows)
    more = " (more are not shown)" if cut_off else ""
    return f"{folders} folders, {len(rows) - folders} files{more}"


_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; }}
h1 {{ font-size: 1.2rem; font-weight: 600; overflow-wrap: anywhere; }}
a {{ color: #0b62c4; text-decoration: none; }}
a:hover, a:focus-visible {{ text-decoration: underline; }}
table {{ border-collapse: collapse; width: 100%; }}
th {{ font-weight: 600; text-align: left; }}
th, td {{ border-bottom: 1px solid #8884; padding: .45rem .5rem; }}
td:first-child {{ overflow-wrap: anywhere; }}
th:nth-child(n+2), td:nth-child(n+2) {{ text-align: right; white-space: nowrap; }}
td:nth-child(n+2), footer {{ color: #777; font-variant-numeric: tabular-nums; }}
tbody tr:hover {{ background: #8882; }}
footer {{ font-size: .85rem; margin-top: 1rem; }}
@media (prefers-color-scheme: dark) {{ a {{ color: #79b8ff; }} td:nth-child(n+2), footer {{ color: #999; }} }}
@media (max-width: 36rem) {{ th:nth-child(3), td:nth-child(3) {{ display: none; }} }}
</style>
</head>
<body>
<h1>{crumbs}</h1>
<table>
<thead><tr>{heads}</tr></thead>
<tbody>
{rows}
</tbody>
</table>
<footer>{count}</footer>
</body>
</html>
"""
