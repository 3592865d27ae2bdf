"""Steps that change what is asked for, invisibly to the client: ``rewrite``, ``uri`` and ``method``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from urllib.parse import parse_qsl, quote, quote_plus, urlencode

from tornado_realtime.site.exchange import Exchange, Next
from tornado_realtime.site.paths import clean_path, strip_prefix
from tornado_realtime.site.placeholders import expand, template
from tornado_realtime.site.request import SiteRequest
from tornado_realtime.site.substitute import replacer

_PATH_SAFE = "/:@!$&'()*+,;=-._~"
_QUERY_SAFE = _PATH_SAFE + "?%"

# What these stand for is percent-encoded already; of all else a request contributes, every byte that could
# mean something in a path or a query is encoded.
_RAW_IN_PATH: dict[str, Callable[[SiteRequest], str]] = {
    "{http.request.uri}": lambda request: request.uri,
    "{http.request.uri.path}": lambda request: request.target,
    "{http.request.orig_uri}": lambda request: _with_query(request.original_target, request.original_query),
    "{http.request.orig_uri.path}": lambda request: request.original_target,
}
_RAW_IN_QUERY: dict[str, Callable[[SiteRequest], str]] = {
    "{http.request.uri.query}": lambda request: request.query,
    "{http.request.uri.prefixed_query}": lambda request: request.query,
    "{http.request.orig_uri.query}": lambda request: request.original_query,
    "{http.request.orig_uri.prefixed_query}": lambda request: request.original_query,
}


class Rewrite:
    """Sets path and query.

    Args:
        uri: With placeholders. Without ``?`` the query stays, with only ``?...`` the path stays.
    """

    def __init__(self, uri: str) -> None:
        path, mark, query = uri.partition("#")[0].partition("?")
        self._path = path
        self._query = query if mark else None

    async def __call__(self, exchange: Exchange, next_step: Next) -> None:
        """Change the request and go on."""
        exchange.request.target, exchange.request.query = self._result(exchange)
        await next_step()

    def uri(self, exchange: Exchange) -> str:
        """Path and query as they would become."""
        return _with_query(*self._result(exchange))

    def _result(self, exchange: Exchange) -> tuple[str, str]:
        request = exchange.request
        path, injected = self._new_path(exchange) if self._path else (request.target, None)
        query = self._new_query(exchange)
        if query is None:
            query = injected if injected is not None else request.query
        return path, query

    def _new_path(self, exchange: Exchange) -> tuple[str, str | None]:
        """The path, and the query that a placeholder such as ``{uri}`` brought with it."""
        path = _filled(self._path, exchange, _RAW_IN_PATH, _encode_path)
        path, mark, query = path.partition("?")
        return path if path.startswith("/") else f"/{path}", query if mark else None

    def _new_query(self, exchange: Exchange) -> str | None:
        if self._query is None:
            return None
        return "&".join(pair for pair in _filled_query(self._query, exchange).split("&") if pair)


@dataclass(frozen=True, slots=True)
class SetMethod:
    """Sets the method; it may hold placeholders."""

    method: str

    async def __call__(self, exchange: Exchange, next_step: Next) -> None:
        """Change the request and go on."""
        method = expand(self.method, exchange, "empty").upper()
        if method.isascii() and method.replace("-", "").isalnum():
            exchange.request.method = method
        await next_step()


@dataclass(frozen=True, slots=True)
class StripPrefix:
    """Takes a prefix, which may hold placeholders, off the path."""

    prefix: str

    async def __call__(self, exchange: Exchange, next_step: Next) -> None:
        """Change the request and go on."""
        prefix = "/" + expand(self.prefix, exchange, "empty").removeprefix("/")
        exchange.request.target = strip_prefix(exchange.request.target, prefix)
        await next_step()


@dataclass(frozen=True, slots=True)
class StripSuffix:
    """Takes a suffix, which may hold placeholders, off the path; letter case does not matter."""

    suffix: str

    async def __call__(self, exchange: Exchange, next_step: Next) -> None:
        """Change the request and go on."""
        suffix = expand(self.suffix, exchange, "empty")
        request = exchange.request
        cleaned = clean_path(request.target, "//" not in suffix)
        for ending in (suffix, _encode_path(suffix)):
            if ending and cleaned.lower().endswith(ending.lower()):
                rest = cleaned[: -len(ending)]
                request.target = rest if rest.startswith("/") else f"/{rest}"
                break
        await next_step()


@dataclass(frozen=True, slots=True)
class ReplaceText:
    """Replaces a text in path and query.

    Attributes:
        find: With placeholders.
        replacement: With placeholders.
        limit: At most so many in each of them; 0 for all.
    """

    find: str
    replacement: str
    limit: int = 0

    async def __call__(self, exchange: Exchange, next_step: Next) -> None:
        """Change the request and go on."""
        request = exchange.request
        find = expand(self.find, exchange, "empty")
        new = _filled(self.replacement, exchange, _RAW_IN_PATH | _RAW_IN_QUERY, _encode_path)
        if find:
            count = self.limit or -1
            path = clean_path(request.target, "//" not in find).replace(find, new, count)
            request.target = _as_target(path)
            request.query = quote(request.query.replace(find, new, count), safe=_QUERY_SAFE)
        await next_step()


class ReplacePattern:
    """Replaces every match of an expression in the path.

    Args:
        pattern: The expression; sees the path percent-encoded and cleaned.
        replacement: With ``$1`` for captures and with placeholders.

    Raises:
        ValueError: If the expression is none.
    """

    def __init__(self, pattern: str, replacement: str) -> None:
        replacer(pattern, "")
        self._pattern = pattern
        self._replacement = replacement

    async def __call__(self, exchange: Exchange, next_step: Next) -> None:
        """Change the request and go on."""
        request = exchange.request
        new = _filled(self._replacement, exchange, _RAW_IN_PATH, lambda text: _encode_path(text, "$$"))
        request.target = _as_target(replacer(self._pattern, new)(clean_path(request.target)))
        await next_step()


class QueryVerb(Enum):
    """What is done to a key of the query; in this order."""

    RENAME = "rename"
    SET = "set"
    ADD = "add"
    REPLACE = "replace"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class QueryChange:
    """One change of the query; key and value may hold placeholders.

    Attributes:
        verb: What is done.
        key: Key; for REPLACE ``*`` is every key.
        value: For RENAME the new key, else the value or, for REPLACE, the replacement.
        search: For REPLACE the expression.
    """

    verb: QueryVerb
    key: str
    value: str = ""
    search: str = ""


class ChangeQuery:
    """Changes keys and values of the query.

    Raises:
        ValueError: If the expression of a REPLACE is none.
    """

    def __init__(self, changes: Sequence[QueryChange]) -> None:
        verbs = list(QueryVerb)
        self._changes = sorted(changes, key=lambda change: verbs.index(change.verb))
        for change in changes:
            replacer(change.search, "")

    async def __call__(self, exchange: Exchange, next_step: Next) -> None:
        """Change the request and go on."""
        request = exchange.request
        pairs = parse_qsl(request.query, keep_blank_values=True)
        for change in self._changes:
            key = expand(change.key, exchange, "empty")
            pairs = _changed(pairs, change, key, expand(change.value, exchange, "empty"))
        request.query = urlencode(pairs, errors="surrogateescape")
        await next_step()


def _changed(
    pairs: list[tuple[str, str]], change: QueryChange, key: str, value: str
) -> list[tuple[str, str]]:
    if change.verb is QueryVerb.RENAME:
        return [(value if name == key else name, old) for name, old in pairs]
    if change.verb is QueryVerb.REPLACE:
        new = replacer(change.search, value)
        return [(name, new(old) if key in ("*", name) else old) for name, old in pairs]
    if change.verb is QueryVerb.ADD:
        return [*pairs, (key, value)]
    others = [(name, old) for name, old in pairs if name != key]
    return others if change.verb is QueryVerb.DELETE else [*others, (key, value)]


def _filled(
    text: str,
    exchange: Exchange,
    raw: dict[str, Callable[[SiteRequest], str]],
    encode: Callable[[str], str],
) -> str:
    """The text with its placeholders filled in: those in ``raw`` as they are, all others encoded."""
    filled: list[str] = []
    for part in template(text).parts:
        if isinstance(part, str):
            filled.append(quote(_bytes(part), safe=_QUERY_SAFE + "$"))
        elif part[0] in raw:
            filled.append(raw[part[0]](exchange.request))
        else:
            filled.append(encode(part[1](exchange) or ""))
    return "".join(filled)


def _filled_query(text: str, exchange: Exchange) -> str:
    """A query with its placeholders filled in; one that is a whole query stays so, except as a value."""
    filled = ""
    for part in template(text).parts:
        if isinstance(part, str):
            filled += quote(_bytes(part), safe=_QUERY_SAFE)
        elif part[0] in _RAW_IN_QUERY and (not filled or filled.endswith("&")):
            filled += _RAW_IN_QUERY[part[0]](exchange.request)
        else:
            filled += quote_plus(_bytes(part[1](exchange) or ""))
    return filled


def _encode_path(text: str, dollar: str = "$") -> str:
    return quote(_bytes(text), safe=_PATH_SAFE).replace("$", dollar)


def _as_target(path: str) -> str:
    path = quote(_bytes(path), safe=_PATH_SAFE + "%")
    return path if path.startswith("/") else f"/{path}"


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _with_query(target: str, query: str) -> str:
    return f"{target}?{query}" if query else target
