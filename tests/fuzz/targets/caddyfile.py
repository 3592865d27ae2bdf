"""Caddyfiles: a plan, or one ConfigError with its place; the formatter changes neither words nor meaning."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TypeVar

from tests.fuzz.targets.pieces import grown
from tornado_realtime.caddyfile import Directive, format_text, parse
from tornado_realtime.caddyfile.env import substitute
from tornado_realtime.caddyfile.lexer import MAX_WORDS, tokenize
from tornado_realtime.errors import ConfigError
from tornado_realtime.site.adapter import adapt

FILE = "Caddyfile"
ENV = {"SET": "x y", "EMPTY": ""}

Shape = list[tuple[str, tuple[str, ...], object]]
Result = TypeVar("Result")


def run(data: bytes) -> None:
    """Parse, adapt and format."""
    # Files may be imported, and read for other reasons; none but those of an empty folder, here.
    if b"/" in data and (b"import" in data or b"tls" in data or b"file" in data):
        return
    _go_to_an_empty_folder()
    document = _outcome(lambda: parse(data, FILE, ENV))
    if document is not None:
        _outcome(lambda: adapt(document))
    text = _text(data)
    if text is not None:
        _check_formatter(text)
    if (large := grown(data)) is not None:
        _outcome(lambda: parse(large, FILE, ENV))


def _outcome(read: Callable[[], Result]) -> Result | None:
    """What it gives, or None for a ConfigError that says where."""
    try:
        return read()
    except ConfigError as error:
        assert error.file == FILE, error
        assert "\n" not in error.message, error
        return None


def _check_formatter(text: str) -> None:
    formatted = format_text(text)
    assert format_text(formatted) == formatted, "formatting twice is not formatting once"
    # A variable may make or break the word that it stands in.
    if "{$" in text:
        return
    words = _outcome(lambda: _words(text))
    if words is not None and len(words) < MAX_WORDS:
        assert _words(formatted) == words, "the formatter changed a word"
    structure = _outcome(lambda: _structure(text))
    if structure is not None:
        assert _structure(formatted) == structure, "the formatter changed the meaning"


def _text(data: bytes) -> str | None:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def _words(text: str) -> list[tuple[str, bool]]:
    source = substitute(text.removeprefix("\ufeff"), FILE, ENV)
    return [(token.text, token.quoted) for line in tokenize(source) for token in line.tokens]


def _structure(text: str) -> object:
    document = parse(text, FILE, ENV)
    sites = [([address.text for address in site.addresses], _shape(site.body)) for site in document.sites]
    return _shape(document.options), sites


def _shape(directives: tuple[Directive, ...]) -> Shape:
    return [
        (each.word, each.words, None if each.block is None else _shape(each.block)) for each in directives
    ]


@cache
def _empty_folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="fuzz-"))


def _go_to_an_empty_folder() -> None:
    if Path.cwd() != _empty_folder():
        os.chdir(_empty_folder())
