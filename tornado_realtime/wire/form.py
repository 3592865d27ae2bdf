"""Publications out of HTTP forms (``application/x-www-form-urlencoded``), read as Go's ``net/http`` does.

The first value of a name wins, even an empty one, and the body comes before the query. Whatever Go refuses is
refused: a raw semicolon, a percent sign without two hexadecimal digits, more than 10,000 fields.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from tornado_realtime.channels import BAD_NAME, NAME_BYTES, is_good_name
from tornado_realtime.errors import InvalidPublicationError, PublicationTooLargeError
from tornado_realtime.publication import Publication
from tornado_realtime.wire.publish_request import PublishRequest, checked_client, checked_key
from tornado_realtime.wire.receipt import Wish, wish

FORM_TYPE = "application/x-www-form-urlencoded"
"""The media type of a body that ``request_from_form`` reads."""

_MOST_FIELDS = 10_000
_LONGEST_NAME_BYTES = 64
"""Longest name, as sent, that is kept; nobody asks for longer ones, and decoding them would cost time."""
# Numbers, as Python finds them in bytes several times as fast as bytes of length one.
_AMPERSAND, _SEMICOLON, _PERCENT, _PLUS = b"&;%+"
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_ESCAPE_EXTRA_BYTES = len("%41") - 1

_SPACE = " \t\n\v\f\r"
_TOKEN = r"[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]+"  # noqa: S105 - of a header field
_SPECIAL = r'[()<>@,;:\\"/\[\]?=]'
_MEDIA_TYPE = re.compile(rf"{_TOKEN}(?:/{_TOKEN})?")
_PARAMETER = re.compile(
    rf'[{_SPACE}]*;[{_SPACE}]*({_TOKEN})[{_SPACE}]*=[{_SPACE}]*(?:({_TOKEN})|"((?:\\{_SPECIAL}|[^"\r\n])*+)")'
)
_QUOTED_SPECIAL = re.compile(rf"\\({_SPECIAL})")


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a form, the first value of each.

    Attributes:
        values: Values as sent, still escaped, by decoded name.
    """

    values: dict[bytes, bytes]

    def get(self, name: bytes) -> bytes:
        """The decoded value of ``name``; empty when it is missing."""
        return _decode(self.values.get(name, b""))


def parse_form(body: bytes, query: bytes = b"") -> Form:
    """Read a form's body and, for names that are not in it, the query of its address.

    Raises:
        InvalidPublicationError: If either cannot be parsed as a whole, whatever the field it happens in.
    """
    return Form(_values(body, query))


def request_from_form(body: bytes | None, query: bytes, max_publication_size: int) -> PublishRequest:
    """What a form asks for by its fields ``channel``, ``message``, ``key`` and ``exclude``.

    What it says of a receipt, ``wish_from_form`` reads.

    Args:
        body: What was posted as ``FORM_TYPE``; None when it was something else and so was not read.
        query: The address's query without its question mark; its fields count after those of ``body``.
        max_publication_size: Most bytes of a message.

    Raises:
        InvalidPublicationError: If the form cannot be parsed, lacks a field, a field is not UTF-8, or no
            channel, key or client can be called so.
        PublicationTooLargeError: If the message is above ``max_publication_size``.
    """
    values = _values(body or b"", query)
    publication = _publication(values, max_publication_size)
    key, client = values.get(b"key"), values.get(b"exclude")
    if key is None and client is None:
        return PublishRequest((publication,))
    if client is not None:
        publication = replace(publication, exclude=checked_client(_word(client, "exclude")))
    return PublishRequest((publication,), "" if key is None else checked_key(_word(key, "key")))


def _publication(values: Mapping[bytes, bytes], max_publication_size: int) -> Publication:
    channel, message = values.get(b"channel"), values.get(b"message")
    if not channel or not message:
        raise InvalidPublicationError("Missing channel or message")
    if _is_longer(message, max_publication_size):
        raise PublicationTooLargeError(f"a message has at most {max_publication_size} bytes")
    if _is_longer(channel, NAME_BYTES):
        raise InvalidPublicationError(BAD_NAME)
    data = _decode(message)
    if not data.isascii():
        _text(data)
    name = _text(_decode(channel))
    if not is_good_name(name):
        raise InvalidPublicationError(BAD_NAME)
    return Publication(name, data)


def wish_from_form(body: bytes | None, query: bytes) -> Wish:
    """What the fields ``wait`` and ``timeout`` of a form ask for, one whose publication was read already.

    Raises:
        InvalidPublicationError: If one of them cannot be used.
    """
    form = parse_form(body or b"", query)
    return wish(*(form.get(name).decode("utf-8", "replace") for name in (b"wait", b"timeout")))


def media_type(content_type: str | None) -> str:
    """The media type in a ``Content-Type`` header, lower case, without parameters (RFC 9110 section 8.3.1).

    Returns:
        An empty string when there is no header; such a body is not read.

    Raises:
        InvalidPublicationError: If the header is malformed, or has two different values for one parameter.
    """
    if not content_type:
        return ""
    base, semicolon, parameters = content_type.partition(";")
    name = base.strip(_SPACE).lower()
    if not _MEDIA_TYPE.fullmatch(name):
        raise _bad_request()
    _check_parameters(semicolon + parameters)
    return name


def _check_parameters(text: str) -> None:
    """Refuse parameters that are malformed; one semicolon too many at the end is forgiven, as Go does."""
    place = 0
    found: dict[str, str] = {}
    while parameter := _PARAMETER.match(text, place):
        place = parameter.end()
        name, token, quoted = parameter.groups()
        value = token if quoted is None else _QUOTED_SPECIAL.sub(r"\1", quoted)
        if found.setdefault(name.lower(), value) != value:
            raise _bad_request()
    if text[place:].strip(_SPACE) not in {"", ";"}:
        raise _bad_request()


def _values(body: bytes, query: bytes) -> dict[bytes, bytes]:
    """The first value of each name; those of the body come before those of the query."""
    values = _first_values(body)
    return _first_values(query) | values if query else values


def _first_values(text: bytes) -> dict[bytes, bytes]:
    """The first value of each name that is not overlong; names decoded, values still escaped."""
    if text.count(_AMPERSAND) >= _MOST_FIELDS or _SEMICOLON in text:
        raise _bad_request()
    if _PERCENT in text and _BAD_ESCAPE.search(text):
        raise _bad_request()
    values: dict[bytes, bytes] = {}
    for field in text.split(b"&"):
        if not field:
            continue
        name, _, value = field.partition(b"=")
        if len(name) <= _LONGEST_NAME_BYTES:
            values.setdefault(_decode(name), value)
    return values


def _decode(text: bytes) -> bytes:
    """``text`` with plus signs and escapes decoded; escapes were judged before."""
    if _PLUS in text:
        text = text.replace(b"+", b" ")
    if _PERCENT not in text:
        return text
    # Python's own escapes are decoded in C: several times as fast as taking each percent sign by itself.
    escaped = text.replace(b"\\", b"\\\\").replace(b"%", b"\\x")
    return escaped.decode("unicode_escape").encode("latin-1")


def _is_longer(value: bytes, limit: int) -> bool:
    """Whether ``value`` decodes to more than ``limit`` bytes, found out without decoding it."""
    return len(value) > limit and len(value) - _ESCAPE_EXTRA_BYTES * value.count(_PERCENT) > limit


def _word(value: bytes, what: str) -> str:
    """The decoded value of a field that is short; overlong ones are not decoded."""
    return _text(_decode(value), what) if not _is_longer(value, NAME_BYTES) else ""


def _text(value: bytes, what: str = "channel and message") -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise InvalidPublicationError(f"{what} must be UTF-8") from None


def _bad_request() -> InvalidPublicationError:
    return InvalidPublicationError("Bad Request")
