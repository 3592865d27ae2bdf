"""Words to values: runs the grammar over a file and builds `Document`, `Site` and `Directive`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import lark

from tornado_realtime.caddyfile.directive import Directive, Document, Site, Token
from tornado_realtime.caddyfile.env import substitute
from tornado_realtime.caddyfile.feed import Feed, FeedLexer, Leaf
from tornado_realtime.caddyfile.files import decode, read_file
from tornado_realtime.caddyfile.formatter import unformatted_line
from tornado_realtime.caddyfile.imports import Splicer
from tornado_realtime.caddyfile.lexer import tokenize
from tornado_realtime.caddyfile.names import KNOWN_DIRECTIVES, shown
from tornado_realtime.errors import ConfigError

_SECOND_SITE = "(if this is a second site: use braces for several sites)"


def load(path: str, env: Mapping[str, str]) -> Document:
    """Read a Caddyfile.

    Args:
        path: As the user named it; relative imports start at its directory.
        env: The values for ``{$NAME}``.

    Returns:
        The document; a file that is not formatted gets a warning.

    Raises:
        ConfigError: If the file cannot be read or is no Caddyfile.
    """
    data = read_file(path)
    document = parse(data, path, env)
    line = unformatted_line(data.decode())
    if not line:
        return document
    warning = f"{path}:{line}: this file is not formatted, fmt --overwrite would change it"
    return replace(document, warnings=(*document.warnings, warning))


def parse(text: str | bytes, file: str, env: Mapping[str, str]) -> Document:
    """Read the text of a Caddyfile.

    Args:
        text: Its content; bytes are UTF-8, with or without a byte order mark.
        file: Name for messages; its directory is where relative imports start.
        env: The values for ``{$NAME}``.

    Raises:
        ConfigError: At the first thing that is wrong: words first, then structure and imports from the top
            down, then addresses.
    """
    splicer = _splicer(text, file, env)
    document: Document = _run(splicer, Feed(splicer), "document")
    _check_addresses(document.sites)
    return replace(document, warnings=splicer.warnings)


def parse_block(text: str | bytes, file: str, env: Mapping[str, str]) -> Directive:
    """Read a text that has exactly one directive, such as ``go_handler { ... }``.

    Raises:
        ConfigError: If it cannot be read, or has none or several.
    """
    splicer = _splicer(text, file, env)
    found: tuple[Directive, ...] = _run(splicer, Feed(splicer, inside=True), "directives")
    if not found:
        raise ConfigError("one directive is expected here, the text has none", file)
    if len(found) > 1:
        raise found[1].error("one directive is expected, and this is a second one")
    return found[0]


def _splicer(text: str | bytes, file: str, env: Mapping[str, str]) -> Splicer:
    source = substitute(decode(text, file), file, env)
    if not text or (source.substitutions and not source.text):
        hints = dict.fromkeys(each.hint for each in source.substitutions)
        raise ConfigError(" ".join(["the file is empty", *hints]), file)
    return Splicer(tokenize(source), file, env)


def _run(splicer: Splicer, feed: Feed, start: str) -> Any:
    try:
        return _grammar().parse(feed, start=start)
    except lark.UnexpectedToken as exc:
        raise feed.explain(exc.token) from None


def grammar_text() -> str:
    """The grammar: in the package when it was installed, beside it in a checkout."""
    packaged = resources.files("tornado_realtime") / "grammar" / "caddyfile.lark"
    checkout = Path(__file__).parents[2] / "grammar" / "caddyfile.lark"
    return (packaged if packaged.is_file() else checkout).read_text(encoding="utf-8")


@cache
def _grammar() -> lark.Lark:
    return lark.Lark(
        grammar_text(),
        parser="lalr",
        lexer=FeedLexer,
        start=["document", "directives"],
        transformer=_Builder(),
    )


class _Builder(lark.Transformer[Leaf, Any]):
    """Makes our values as the grammar recognises its rules."""

    def words(self, children: list[Leaf]) -> tuple[Token, ...]:
        """The words of a line."""
        return tuple(leaf.word for leaf in children)

    def line(self, children: list[Any]) -> Directive:
        """A directive without a block."""
        name, *args = children[0]
        return Directive(name, tuple(args))

    def block(self, children: list[Any]) -> Directive:
        """A directive with a block."""
        name, *args = children[0]
        return Directive(name, tuple(args), _directives(children))

    def directives(self, children: list[Any]) -> tuple[Directive, ...]:
        """Directives without a site."""
        return _directives(children)

    def options(self, children: list[Any]) -> tuple[Directive, ...]:
        """The global options."""
        return _directives(children)

    def heading(self, children: list[Any]) -> tuple[Token, ...]:
        """The addresses of a site."""
        return tuple(_addresses(children[0]))

    def site(self, children: list[Any]) -> Site:
        """A site with braces."""
        return Site(children[0], _directives(children))

    def bare_site(self, children: list[Any]) -> Site:
        """A site without braces."""
        return Site(children[0], tuple(map(_maybe_site, _directives(children))))

    def document(self, children: list[Any]) -> Document:
        """The whole file."""
        options = children[0] if children and isinstance(children[0], tuple) else ()
        return Document(options, tuple(child for child in children if isinstance(child, Site)))


def _directives(children: Iterable[Any]) -> tuple[Directive, ...]:
    return tuple(child for child in children if isinstance(child, Directive))


def _maybe_site(directive: Directive) -> Directive:
    """In a site without braces an unknown name may be the next site's address."""
    if directive.word in KNOWN_DIRECTIVES or directive.word.startswith("@"):
        return directive
    hint = f"{directive.name.hint} {_SECOND_SITE}".strip()
    return replace(directive, name=replace(directive.name, hint=hint))


def _addresses(tokens: Iterable[Token]) -> Iterable[Token]:
    """The addresses of a heading, each without its trailing comma."""
    for token in tokens:
        _check_address(token)
        text = token.text.removesuffix(",")
        if "," in text:
            raise token.error(
                f"an address cannot contain a comma: put a space after the comma in {shown(text)}"
            )
        if text:
            yield token if text == token.text else replace(token, text=text)


def _check_address(token: Token) -> None:
    if not token.text:
        raise token.error("an address cannot be empty")
    if token.text.startswith("@"):
        raise token.error(f"the matcher {shown(token.text)} must stand in a site's block")
    if token.text.startswith("&("):
        raise token.error("named routes, &(name), are known but not supported")
    if token.text.startswith("("):
        raise token.error(f"{shown(token.text)} is no address; a snippet has one name and a block: (name) {{")
    if token.text.endswith("{") and not token.quoted:
        raise token.error(f"put a space between {shown(token.text[:-1])} and '{{'")


def _check_addresses(sites: Iterable[Site]) -> None:
    """Refuse directives that stand where an address belongs: they are outside of all sites."""
    for site in sites:
        for address in site.addresses:
            if address.text in KNOWN_DIRECTIVES:
                raise address.error(
                    f"{shown(address.text)} is a directive, no address: it must stand in a site's block"
                )
