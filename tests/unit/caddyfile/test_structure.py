"""Section 4 of the language: blocks, addresses and braces."""

from __future__ import annotations

import pytest

from tornado_realtime.caddyfile import Directive, Document, parse, parse_block
from tornado_realtime.errors import ConfigError

Tree = list[tuple[object, ...]]


def tree(directives: tuple[Directive, ...]) -> Tree:
    """Directives as nested tuples: words, then the block if there is one."""
    return [
        (each.word, *each.words, *([] if each.block is None else [tree(each.block)])) for each in directives
    ]


def sites(document: Document) -> list[tuple[list[str], Tree]]:
    return [([address.text for address in site.addresses], tree(site.body)) for site in document.sites]


def read(text: str) -> Document:
    return parse(text, "Caddyfile", {})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (":8080", [([":8080"], [])]),
        (":8080\nrespond hi", [([":8080"], [("respond", "hi")])]),
        (":8080 {\n}\n", [([":8080"], [])]),
        (":8080\n{\n}\n", [([":8080"], [])]),
        (":8080 { respond hi\n}\n", [([":8080"], [("respond", "hi")])]),
        ("a, b {\n}", [(["a", "b"], [])]),
        ("a b {\n}", [(["a", "b"], [])]),
        ("a,\nb {\n}", [(["a", "b"], [])]),
        ("a , b {\n}", [(["a", "b"], [])]),
        ("a {\n}\nb {\n}\n", [(["a"], []), (["b"], [])]),
        ("a {\n}\nb\nrespond x\n", [(["a"], []), (["b"], [("respond", "x")])]),
        ("a {\nhandle {\n}\n}", [(["a"], [("handle", [])])]),
        ("a {\nhandle /a{ {\n}\n}", [(["a"], [("handle", "/a{", [])])]),
        ("a {\nhandle { # why\n\nrespond x\n} # that\n}", [(["a"], [("handle", [("respond", "x")])])]),
        ("a {\n@m path /x\n@n {\npath /y\n}\n}", [(["a"], [("@m", "path", "/x"), ("@n", [("path", "/y")])])]),
        ('a {\n"respond" x\n}', [(["a"], [("respond", "x")])]),
        ('a {\nrespond "{"\n}', [(["a"], [("respond", "{")])]),
        ("a {\nrespond {path} {} x\n}", [(["a"], [("respond", "{path}", "{}", "x")])]),
        (" \n\t# only this\n", []),
    ],
)
def test_sites(text: str, expected: list[tuple[list[str], Tree]]) -> None:
    assert sites(read(text)) == expected


def test_global_options_come_first() -> None:
    document = read("{\nhttp_port 8080\nlog {\nlevel DEBUG\n}\n}\n:8080\n")
    assert tree(document.options) == [("http_port", "8080"), ("log", [("level", "DEBUG")])]
    assert [directive.line for directive in document.options] == [2, 3]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 0, "the file is empty"),
        ("a,b {\n}", 1, "cannot contain a comma"),
        ("a{\n}", 1, "put a space between 'a' and '{'"),
        ("a, {\n}", 1, "another address must follow the comma"),
        ("a,\n{\n}", 2, "another address must follow the comma"),
        ("a,", 1, "unexpected end of file"),
        ("@m path /x", 1, "the matcher '@m' must stand in a site's block"),
        ("a {\n}\nrespond hi", 3, "'respond' is a directive"),
        ('"" {\n}', 1, "an address cannot be empty"),
        ("a {\n}\n{\n}", 3, "global options"),
        ("{\n}\n{\n}", 3, "global options"),
        ("a {\nhandle\n{\n}\n}", 3, "'{' begins a line"),
        ("a\nhandle\n{\n}\n", 3, "'{' begins a line"),
        ("a {\nhandle { respond x\n}\n}", 2, "nothing may follow '{'"),
        ("a {\nrespond hi }\n}", 2, "'}' must be alone on its line"),
        ("a {\nhandle {\n} respond b\n}", 3, "'}' must be alone on its line"),
        ("a {\nhandle {}\n}", 2, "'{}' at the end of a line"),
        ("a {}", 1, "'{}' at the end of a line"),
        ("a {\nhandle {\nrespond x\n}\n", 4, "unexpected end of file: the '{' of line 1"),
        ("a\nrespond x\n}\n", 3, "'}' without a '{'"),
        ("}\n", 1, "'}' without a '{'"),
        ("a {\nhandle /a{\nrespond x\n}\n}", 5, "'/a{' on line 2 lacks a space"),
        ("&(r) {\n}\n", 1, "known but not supported"),
        ("(s)\na {\n}", 2, "the snippet '(s)' needs a block"),
        ("(s) b {\n}", 1, "'(s)' is no address"),
    ],
)
def test_errors(text: str, line: int, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(text)
    assert message in caught.value.message
    assert (caught.value.file, caught.value.line) == ("Caddyfile", line)


def test_an_unknown_name_in_a_site_without_braces_may_be_a_second_site() -> None:
    known, unknown = read("a.com\nrespond hi\nb.com\n").sites[0].body
    assert "use braces for several sites" in str(unknown.error("unknown directive"))
    assert "braces" not in str(known.error("wrong"))


def test_blocks_may_be_deep_but_not_endless() -> None:
    deep = "a {\n" + "route {\n" * 99 + "}\n" * 100
    assert len(read(deep).sites) == 1
    with pytest.raises(ConfigError, match="more than 100 blocks"):
        read("a {\n" + "route {\n" * 20_000)


def test_one_directive_alone() -> None:
    directive = parse_block("go_handler {\n driver memory\n}\n", "settings", {})
    assert tree((directive,)) == [("go_handler", [("driver", "memory")])]


@pytest.mark.parametrize("text", ["# nothing", "a\nb", "a {\n}\nb", "{\n}"])
def test_one_directive_means_one(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_block(text, "settings", {})
