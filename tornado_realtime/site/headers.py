"""``header`` and ``request_header``: fields that are added, set, deleted or changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from tornado.httputil import HTTPHeaders

from tornado_realtime.site.exchange import Exchange, HeadHook, Next, ResponseHead
from tornado_realtime.site.placeholders import template
from tornado_realtime.site.responder import clean_value, is_field_name
from tornado_realtime.site.substitute import replacer

Fill = Callable[[str], str]
Choose = Callable[[int, HTTPHeaders], bool]


class Verb(Enum):
    """What is done to a field."""

    ADD = "+"
    SET = ""
    DELETE = "-"
    DEFAULT = "?"
    REPLACE = "replace"


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One change; texts may hold placeholders.

    Attributes:
        verb: What is done.
        name: Field. For DELETE with ``*`` at either end every field that has the rest there; ``*`` alone is
            every field, and they go before anything is added. For REPLACE ``*`` is every field.
        value: For ADD, SET and DEFAULT the value, for REPLACE the replacement.
        search: For REPLACE the expression.
    """

    verb: Verb
    name: str
    value: str = ""
    search: str = ""


# Whatever the order in the file: clearing comes first, so that what is added stays; then this.
_TURNS = (Verb.ADD, Verb.SET, Verb.DEFAULT, Verb.DELETE, Verb.REPLACE)


class FieldChanges:
    """Several changes, applied together.

    Args:
        changes: Within one verb in this order.

    Raises:
        ValueError: If the expression of a REPLACE is none.
    """

    def __init__(self, changes: Sequence[FieldChange]) -> None:
        self._clears = any(change.verb is Verb.DELETE and change.name == "*" for change in changes)
        kept = [change for change in changes if not (change.verb is Verb.DELETE and change.name == "*")]
        self._changes = sorted(kept, key=lambda change: _TURNS.index(change.verb))
        for change in kept:
            if change.verb is Verb.REPLACE:
                replacer(change.search, "")

    def apply(self, headers: HTTPHeaders, fill: Fill) -> None:
        """Change ``headers``; ``fill`` fills in placeholders."""
        if self._clears:
            headers.clear()
        for change in self._changes:
            name = fill(change.name)
            if change.verb is Verb.DELETE:
                _delete(headers, name)
            elif change.verb is Verb.REPLACE:
                _replace(headers, name, replacer(change.search, fill(change.value)))
            elif is_field_name(name):
                _put(headers, change.verb, name, clean_value(fill(change.value)))


def _put(headers: HTTPHeaders, verb: Verb, name: str, value: str) -> None:
    if verb is Verb.ADD:
        headers.add(name, value)
    elif verb is Verb.SET or name not in headers:
        headers[name] = value


def _delete(headers: HTTPHeaders, pattern: str) -> None:
    pattern = pattern.lower()
    core = pattern.strip("*")
    for name in [name for name in headers if _names(pattern, core, name.lower())]:
        del headers[name]


def _names(pattern: str, core: str, name: str) -> bool:
    if pattern.startswith("*") and pattern.endswith("*"):
        return core in name
    if pattern.startswith("*"):
        return name.endswith(core)
    if pattern.endswith("*"):
        return name.startswith(core)
    return name == pattern


def _replace(headers: HTTPHeaders, name: str, change: Callable[[str], str]) -> None:
    for field in list(headers) if name == "*" else [name] if name in headers else []:
        values = [clean_value(change(value)) for value in headers.get_list(field)]
        del headers[field]
        for value in values:
            headers.add(field, value)


class ChangeResponse:
    """The step for ``header``.

    Args:
        changes: What to change. A DEFAULT always waits for the head that goes out, a DELETE makes all wait.
        deferred: Whether they wait for the head that goes out; if not, later steps may overrule them.
        only_for: Asked with status and headers of that head; None for every answer. With it all wait.

    Raises:
        ValueError: If the expression of a REPLACE is none.
    """

    def __init__(
        self, changes: Sequence[FieldChange], deferred: bool = False, only_for: Choose | None = None
    ) -> None:
        deletes = any(change.verb is Verb.DELETE for change in changes)
        all_late = deferred or deletes or only_for is not None
        late = [change for change in changes if all_late or change.verb is Verb.DEFAULT]
        self._early = FieldChanges([change for change in changes if change not in late])
        self._late = FieldChanges(late) if late else None
        self._only_for = only_for

    async def __call__(self, exchange: Exchange, next_step: Next) -> None:
        """Change what goes out, now or when it does, and go on."""
        self._early.apply(exchange.preset_headers, filler(exchange))
        if self._late is not None:
            exchange.on_head(self._hook(exchange, self._late))
        await next_step()

    def _hook(self, exchange: Exchange, late: FieldChanges) -> HeadHook:
        def change(head: ResponseHead) -> None:
            if self._only_for is None or self._only_for(head.status, head.headers):
                late.apply(head.headers, filler(exchange, head))

        return change


class ChangeRequest:
    """The step for ``request_header``; later steps see the request so changed.

    Raises:
        ValueError: If the expression of a REPLACE is none.
    """

    def __init__(self, changes: Sequence[FieldChange]) -> None:
        self._changes = FieldChanges(changes)

    async def __call__(self, exchange: Exchange, next_step: Next) -> None:
        """Change the request and go on."""
        request = exchange.request
        self._changes.apply(request.headers, filler(exchange))
        request.host = request.headers.get("Host", request.host)
        await next_step()


def filler(exchange: Exchange, head: ResponseHead | None = None) -> Fill:
    """Fills in placeholders; text that came in as Latin-1 stays as it is, other text becomes UTF-8 bytes."""
    extra = HeadNames(head) if head is not None else None

    def fill(text: str) -> str:
        if "{" not in text:
            return _as_sent(text)
        return template(_as_sent(text)).expand(exchange, "keep", extra, escape=clean_value)

    return fill


def _as_sent(text: str) -> str:
    return text if text.isascii() else text.encode("utf-8", "surrogateescape").decode("latin-1")


class HeadNames(Mapping[str, str]):
    """The placeholders ``{http.response.header.NAME}`` and ``{http.response.status_code}`` of a head."""

    def __init__(self, head: ResponseHead) -> None:
        self._head = head

    def __getitem__(self, key: str) -> str:
        if key == "http.response.status_code":
            return str(self._head.status)
        name = key.removeprefix("http.response.header.")
        if name == key:
            raise KeyError(key)
        return ",".join(self._head.headers.get_list(name))

    def __iter__(self) -> Iterator[str]:
        yield "http.response.status_code"
        yield from (f"http.response.header.{name.lower()}" for name in self._head.headers)

    def __len__(self) -> int:
        return 1 + len(self._head.headers)
