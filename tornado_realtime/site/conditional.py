"""Conditional and range requests: what a client already has, and which part it wants (RFC 9110 13 and 14)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

from tornado.httputil import HTTPHeaders

_ETAG = re.compile(r'(W/)?"[\x21\x23-\x7e\x80-\xff]*"')
_RANGE = re.compile(r"[ \t]*([0-9]*)[ \t]*-[ \t]*([0-9]*)[ \t]*")
_MOST_DIGITS = 18


@dataclass(frozen=True, slots=True)
class Validators:
    """What tells one version of a representation from another.

    Attributes:
        etag: With its quotes; empty when there is none.
        modified: Unix seconds; 0 when unknown.
    """

    etag: str
    modified: int


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Bytes ``first`` to ``last``, both included."""

    first: int
    last: int

    @property
    def length(self) -> int:
        """How many bytes; 0 when the range cannot be satisfied."""
        return self.last - self.first + 1


UNSATISFIABLE = ByteRange(0, -1)


def precondition(method: str, headers: HTTPHeaders, validators: Validators) -> int | None:
    """Status to answer with instead of the representation: 304, 412, or None to go on (RFC 9110 13.2.2)."""
    if not _unchanged(headers, validators):
        return 412
    reading = method in ("GET", "HEAD")
    if "If-None-Match" in headers:
        if _listed(headers["If-None-Match"], validators.etag, weak=True):
            return 304 if reading else 412
        return None
    modified = http_date(headers.get("If-Modified-Since")) if reading else None
    known = modified is not None and 0 < validators.modified <= modified
    return 304 if known else None


def _unchanged(headers: HTTPHeaders, validators: Validators) -> bool:
    if "If-Match" in headers:
        return _listed(headers["If-Match"], validators.etag, weak=False)
    unmodified = http_date(headers.get("If-Unmodified-Since"))
    return unmodified is None or validators.modified <= unmodified


def wanted_range(headers: HTTPHeaders, validators: Validators, size: int) -> ByteRange | None:
    """The part of ``size`` bytes that a GET asks for; None for all of it.

    Several ranges are answered with the whole, as RFC 9110 14.2 allows.

    Returns:
        `UNSATISFIABLE` when the range lies beyond the end: answer 416.
    """
    value = headers.get("Range", "")
    if size == 0 or not value or not _range_still_holds(headers.get("If-Range"), validators):
        return None
    unit, _, spec = value.partition("=")
    match = _RANGE.fullmatch(spec)
    if unit.strip().lower() != "bytes" or match is None:
        return None
    return _resolve(match.group(1)[:_MOST_DIGITS], match.group(2)[:_MOST_DIGITS], size)


def http_date(value: str | None) -> int | None:
    """Unix seconds of an HTTP date in any of its three forms; None when it is none (RFC 9110 5.6.7)."""
    if not value or not value.isascii():
        return None
    try:
        moment = parsedate_to_datetime(value)
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError, TypeError, IndexError):
        return None


def _resolve(first: str, last: str, size: int) -> ByteRange | None:
    if not first and not last:
        return None
    if not first:
        suffix = min(int(last), size)
        return ByteRange(size - suffix, size - 1) if suffix else UNSATISFIABLE
    if last and int(last) < int(first):
        return None
    if int(first) >= size:
        return UNSATISFIABLE
    return ByteRange(int(first), min(int(last), size - 1) if last else size - 1)


def _range_still_holds(condition: str | None, validators: Validators) -> bool:
    """RFC 9110 13.1.5: a strong comparison, of an entity tag or of an exact date."""
    if condition is None:
        return True
    condition = condition.strip()
    if condition.startswith(('"', "W/")):
        return bool(validators.etag) and condition == validators.etag and not condition.startswith("W/")
    return validators.modified > 0 and http_date(condition) == validators.modified


def _listed(value: str, etag: str, *, weak: bool) -> bool:
    if value.strip() == "*":
        return True
    tags = [match.group() for match in _ETAG.finditer(value)]
    if weak:
        return bool(etag) and etag.removeprefix("W/") in {tag.removeprefix("W/") for tag in tags}
    return bool(etag) and not etag.startswith("W/") and etag in tags
