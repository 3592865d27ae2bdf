"""Placeholders: ``{http.request.uri.path}``, ``{env.NAME}`` and so on, filled in for each request.

A text is taken apart once into a :class:`Template`. A name may also be a key of the exchange's ``vars``: the
step that knows a value for ``{http.auth.user.id}`` puts it there under ``http.auth.user.id``.
"""

from __future__ import annotations

import os
import platform
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Literal, Protocol
from urllib.parse import parse_qs, quote_plus
from uuid import uuid4

from tornado.httputil import parse_cookie

from tornado_realtime.errors import HandlerError
from tornado_realtime.site.request import SiteRequest, decode_path

Unknown = Literal["keep", "empty"]
Getter = Callable[["Subject"], str | None]


class Subject(Protocol):
    """What matchers and placeholders look at: an exchange, or a stand-in of it in a test."""

    @property
    def request(self) -> SiteRequest:
        """The current request."""

    @property
    def vars(self) -> dict[str, Any]:
        """``root`` and those of ``vars``; captures under ``re.NAME.N``, files under ``file_match.X``."""

    @property
    def error(self) -> HandlerError | None:
        """What failed, while error routes run."""


@dataclass(frozen=True, slots=True)
class Template:
    """A text taken apart at its placeholders.

    Attributes:
        text: The whole.
        parts: Literal strings and pairs of (placeholder as written, how to look it up).
    """

    text: str
    parts: tuple[str | tuple[str, Getter], ...]

    @property
    def is_static(self) -> bool:
        """Whether there is nothing to fill in."""
        return all(isinstance(part, str) for part in self.parts)

    def expand(
        self,
        subject: Subject,
        unknown: Unknown = "keep",
        extra: Mapping[str, str] | None = None,
        escape: Callable[[str], str] | None = None,
    ) -> str:
        """The text with its placeholders filled in.

        Args:
            subject: Where to look.
            unknown: Whether an unknown placeholder stays as written or becomes nothing.
            extra: More names, asked first, in lower case (``http.response.header.x``).
            escape: Applied to each value that is filled in.
        """
        if len(self.parts) == 1 and isinstance(self.parts[0], str):
            return self.parts[0]
        return "".join(
            part if isinstance(part, str) else _fill(part, subject, unknown, extra, escape)
            for part in self.parts
        )


def _fill(
    part: tuple[str, Getter],
    subject: Subject,
    unknown: Unknown,
    extra: Mapping[str, str] | None,
    escape: Callable[[str], str] | None,
) -> str:
    written, getter = part
    value = extra.get(written[1:-1].lower()) if extra else None
    if value is None:
        value = getter(subject)
    if value is None:
        return written if unknown == "keep" else ""
    return escape(value) if escape else value


def expand(text: str, subject: Subject, unknown: Unknown = "keep") -> str:
    """The text with its placeholders filled in; see :meth:`Template.expand`."""
    if "{" not in text and "}" not in text:
        return text
    return template(text).expand(subject, unknown)


@lru_cache(maxsize=4096)
def template(text: str) -> Template:
    r"""The text taken apart; ``\{`` and ``\}`` are braces that open and close nothing."""
    if "{" not in text and "}" not in text:
        return Template(text, (text,))
    return Template(text, tuple(_parts(text)))


def _parts(text: str) -> list[str | tuple[str, Getter]]:
    parts: list[str | tuple[str, Getter]] = []
    literal, at = "", 0
    while at < len(text):
        if text[at] == "\\" and text[at + 1 : at + 2] in ("{", "}"):
            literal += text[at + 1]
            at += 2
            continue
        key = _key_at(text, at) if text[at] == "{" else None
        if key is None:
            literal += text[at]
            at += 1
            continue
        if literal:
            parts.append(literal)
            literal = ""
        parts.append((f"{{{key}}}", _getter(key)))
        at += len(key) + 2
    return [*parts, literal] if literal or not parts else parts


def _key_at(text: str, at: int) -> str | None:
    """The name between the brace at ``at`` and the next one, when that one closes it."""
    end = text.find("}", at)
    key = text[at + 1 : end] if end > at else ""
    return None if end < 0 or "{" in key or key.endswith("\\") else key


def _getter(key: str) -> Getter:
    fixed = _FIXED.get(key)
    if fixed is not None:
        return fixed
    for prefix, make in _PREFIXES:
        if key.startswith(prefix):
            return make(key.removeprefix(prefix))
    return lambda subject: _variable(subject, key)


def _variable(subject: Subject, key: str) -> str | None:
    return as_text(subject.vars[key]) if key in subject.vars else None


def as_text(value: object) -> str:
    """A variable's value as a placeholder shows it."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _split_host(host: str) -> tuple[str, str]:
    """Host and port of a Host header; without a port the header as it is."""
    name, colon, port = host.rpartition(":")
    if not colon or (":" in name and not (name.startswith("[") and name.endswith("]"))):
        return host, ""
    return name.removeprefix("[").removesuffix("]"), port


def _directory(path: str) -> str:
    return path[: path.rfind("/") + 1]


def _file(path: str) -> str:
    return path[path.rfind("/") + 1 :]


def _extension(path: str) -> str:
    name = _file(path)
    return name[name.rfind(".") :] if "." in name else ""


def _base(path: str) -> str:
    return (_file(path.rstrip("/")) or "/").removesuffix(_extension(path))


def _remote(request: SiteRequest) -> str:
    host = f"[{request.peer}]" if ":" in request.peer else request.peer
    return f"{host}:{request.peer_port}" if host else ""


def _original_uri(request: SiteRequest) -> str:
    query = f"?{request.original_query}" if request.original_query else ""
    return request.original_target + query


def _uuid(subject: Subject) -> str:
    return str(subject.vars.setdefault("uuid", str(uuid4())))


def _error(read: Callable[[HandlerError], str]) -> Getter:
    return lambda subject: read(subject.error) if subject.error is not None else None


def _status_text(error: HandlerError) -> str:
    try:
        return HTTPStatus(error.status).phrase
    except ValueError:
        return ""


def _now() -> datetime:
    return datetime.now(UTC)


def _common_log(now: datetime) -> str:
    return now.strftime("%d/%b/%Y:%H:%M:%S +0000")


_FIXED: dict[str, Getter] = {
    "http.request.method": lambda s: s.request.method,
    "http.request.scheme": lambda s: s.request.scheme,
    "http.request.proto": lambda s: s.request.version,
    "http.request.proto_name": lambda s: s.request.version,
    "http.request.host": lambda s: _split_host(s.request.host)[0],
    "http.request.port": lambda s: _split_host(s.request.host)[1],
    "http.request.hostport": lambda s: s.request.host,
    "http.request.local.port": lambda s: str(s.request.server_port),
    "http.request.remote": lambda s: _remote(s.request),
    "http.request.remote.host": lambda s: s.request.peer,
    "http.request.remote.port": lambda s: str(s.request.peer_port),
    "http.request.uri": lambda s: s.request.uri,
    "http.request.uri_escaped": lambda s: quote_plus(s.request.uri, safe=""),
    "http.request.uri.path": lambda s: s.request.path,
    "http.request.uri.path_escaped": lambda s: quote_plus(s.request.path, safe="", errors="surrogateescape"),
    "http.request.uri.path.dir": lambda s: _directory(s.request.path),
    "http.request.uri.path.file": lambda s: _file(s.request.path),
    "http.request.uri.path.file.base": lambda s: _base(s.request.path),
    "http.request.uri.path.file.ext": lambda s: _extension(s.request.path),
    "http.request.uri.query": lambda s: s.request.query,
    "http.request.uri.query_escaped": lambda s: quote_plus(s.request.query, safe=""),
    "http.request.uri.prefixed_query": lambda s: f"?{s.request.query}" if s.request.query else "",
    "http.request.uuid": _uuid,
    "http.request.orig_method": lambda s: s.request.original_method,
    "http.request.orig_uri": lambda s: _original_uri(s.request),
    "http.request.orig_uri.path": lambda s: decode_path(s.request.original_target),
    "http.request.orig_uri.path.dir": lambda s: _directory(decode_path(s.request.original_target)),
    "http.request.orig_uri.path.file": lambda s: _file(decode_path(s.request.original_target)),
    "http.request.orig_uri.query": lambda s: s.request.original_query,
    "http.request.orig_uri.prefixed_query": lambda s: (
        s.request.original_query and f"?{s.request.original_query}"
    ),
    "http.vars.client_ip": lambda s: s.request.client_ip,
    "http.error.status_code": _error(lambda error: str(error.status)),
    "http.error.status_text": _error(_status_text),
    "http.error.message": _error(str),
    "http.error": _error(str),
    "time.now": lambda s: _now().isoformat(),
    "time.now.http": lambda s: _now().strftime("%a, %d %b %Y %H:%M:%S GMT"),
    "time.now.common_log": lambda s: _common_log(_now()),
    "time.now.year": lambda s: str(_now().year),
    "time.now.unix": lambda s: str(int(_now().timestamp())),
    "time.now.unix_ms": lambda s: str(int(_now().timestamp() * 1000)),
    "system.hostname": lambda s: socket.gethostname(),
    "system.slash": lambda s: os.sep,
    "system.os": lambda s: platform.system().lower(),
    "system.arch": lambda s: platform.machine(),
    "system.wd": lambda s: os.getcwd(),  # noqa: PTH109
}


def _header(name: str) -> Getter:
    if name.lower() == "host":
        return lambda subject: subject.request.host
    return lambda subject: ",".join(subject.request.headers.get_list(name))


def _cookie(name: str) -> Getter:
    def get(subject: Subject) -> str:
        return parse_cookie("; ".join(subject.request.headers.get_list("Cookie"))).get(name, "")

    return get


def _query(name: str) -> Getter:
    def get(subject: Subject) -> str:
        return ",".join(parse_qs(subject.request.query, keep_blank_values=True).get(name, ()))

    return get


def _path_part(index: str) -> Getter:
    def get(subject: Subject) -> str | None:
        if not (index.isascii() and index.isdigit()):
            return None
        parts = subject.request.path.removeprefix("/").split("/")
        return parts[int(index)] if int(index) < len(parts) else ""

    return get


def _label(index: str) -> Getter:
    def get(subject: Subject) -> str | None:
        if not (index.isascii() and index.isdigit()):
            return None
        labels = _split_host(subject.request.host)[0].lower().split(".")
        return labels[-1 - int(index)] if int(index) < len(labels) else ""

    return get


def _named(prefix: str, missing: str | None) -> Callable[[str], Getter]:
    """Look up ``prefix`` plus the rest of the name in the variables."""

    def make(name: str) -> Getter:
        key = prefix + name
        return lambda subject: as_text(subject.vars[key]) if key in subject.vars else missing

    return make


_PREFIXES: tuple[tuple[str, Callable[[str], Getter]], ...] = (
    ("http.request.header.", _header),
    ("http.request.cookie.", _cookie),
    ("http.request.uri.query.", _query),
    ("http.request.uri.path.", _path_part),
    ("http.request.host.labels.", _label),
    ("http.request.tls.", lambda name: lambda subject: ""),
    ("http.regexp.", _named("re.", None)),
    ("http.matchers.file.", _named("file_match.", None)),
    ("http.reverse_proxy.", _named("rp.", None)),
    ("http.vars.", _named("", "")),
    ("env.", lambda name: lambda subject: os.environ.get(name, "")),
)
