"""Section 5 of the language: snippets and imports."""

from __future__ import annotations

from pathlib import Path

import pytest

from tornado_realtime.caddyfile import Directive, load, parse
from tornado_realtime.errors import ConfigError

Flat = list[tuple[str, ...]]


def flat(directives: tuple[Directive, ...]) -> Flat:
    """Directives and the directives in their blocks, one after the other."""
    found: Flat = []
    for each in directives:
        found += [(each.word, *each.words), *flat(each.block or ())]
    return found


def body(text: str) -> Flat:
    """What the only site of a text has in it."""
    (site,) = parse(text, "Caddyfile", {}).sites
    return flat(site.body)


def write(folder: Path, **files: str) -> str:
    """Files named by keyword; ``main`` is the Caddyfile, whose path is returned."""
    for name, text in files.items():
        (folder / name).write_text(text)
    return str(folder / "main")


SNIPPET = "(s) {\nheader A {args[0]}\nrespond {args[1]}\n}\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (SNIPPET + ":80\nimport s x y", [("header", "A", "x"), ("respond", "y")]),
        (SNIPPET + ":80 { import s x y\n}", [("header", "A", "x"), ("respond", "y")]),
        (SNIPPET + ':80\nimport s "a b" c', [("header", "A", "a b"), ("respond", "c")]),
        ("(s)\n{\nrespond x\n}\n:80\nimport s", [("respond", "x")]),
        ("(s) { respond x\n}\n:80\nimport s", [("respond", "x")]),
        ("(s) {\nfoo {args[:]} z\n}\n:80\nimport s a b", [("foo", "a", "b", "z")]),
        ("(s) {\nfoo {args[1:]}\n}\n:80\nimport s a b c", [("foo", "b", "c")]),
        ("(s) {\nfoo {args[0:2]}\n}\n:80\nimport s a b c", [("foo", "a", "b")]),
        ("(s) {\nfoo {args[:]} z\n}\n:80\nimport s", [("foo", "z")]),
        ('(s) {\nfoo "<{args[0]}|{args[1]}>"\n}\n:80\nimport s a "b c"', [("foo", "<a|b c>")]),
        ("(s) {\nfoo x{args[0]}y{header.{args[0]}}\n}\n:80\nimport s a", [("foo", "xay{header.a}")]),
        ("(s) {\nfoo \\{args[0]}\n}\n:80\nimport s a", [("foo", "{args[0]}")]),
        ("(a) {\nfoo {args[0]}\n}\n(b) {\nimport a {args[1]}\n}\n:80\nimport b x y", [("foo", "y")]),
        ("(s) {\nroute {\nfoo\n}\n}\n:80 {\nhandle {\nimport s\n}\n}", [("handle",), ("route",), ("foo",)]),
        ("(s) {\nimport t\n}\n(t) {\nfoo\n}\n:80\nimport s", [("foo",)]),
        ("(s) {\n}\n:80 {\nimport s\n}", []),
        # blocks
        (
            "(s) {\nhandle {\n{block}\n}\n}\n:80\nimport s {\nfoo a\nbar\n}",
            [("handle",), ("foo", "a"), ("bar",)],
        ),
        ("(s) {\nhandle {\n{block}\n}\n}\n:80 {\nimport s\n}", [("handle",)]),
        (
            "(s) {\none {blocks.x}\ntwo {\n{blocks.y}\n}\n}\n:80\nimport s {\ny {\nfoo\n}\nx a b\n}",
            [("one",), ("a", "b"), ("two",), ("foo",)],
        ),
        (
            "(w) {\nroute {\n{block}\n}\n}\n:80\nimport w {\nimport w {\nfoo\n}\n}",
            [("route",), ("route",), ("foo",)],
        ),
    ],
)
def test_snippets(text: str, expected: Flat) -> None:
    assert body(text) == expected


def test_global_options_and_addresses_can_be_imported() -> None:
    text = "(o) {\nhttp_port 80\n}\n(a) {\na.com, b.com\n}\n{\nimport o\n}\nimport a\n{\nfoo\n}\n"
    document = parse(text, "Caddyfile", {})
    assert flat(document.options) == [("http_port", "80")]
    assert [each.text for each in document.sites[0].addresses] == ["a.com", "b.com"]


def test_a_word_knows_its_imports() -> None:
    text = "(a) {\nfoo\n}\n(b) {\nimport a\n}\n:80 {\nimport b\n}\n"
    (site,) = parse(text, "Caddyfile", {}).sites
    error = site.body[0].error("unknown directive")
    assert error.line == 2
    assert error.chain == ("Caddyfile:5 (import a)", "Caddyfile:8 (import b)")
    assert "imported at Caddyfile:5 (import a)" in str(error)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("(s) {\n}\n(s) {\n}\n", 3, "the snippet '(s)' is defined twice"),
        ("(s) {\n}\n(s)\n{\n}\n", 4, "the snippet '(s)' is defined twice"),
        (":80 {\nimport s\n}\n(s) {\n}\n", 2, "no such file, and no snippet above this line: 's'"),
        ("(secure) {\n}\n:80\nimport secrue", 4, "did you mean 'secure'?"),
        (":80\nimport", 2, "import needs the name"),
        (':80\nimport ""', 2, "not an empty word"),
        (":80\nimport {\n}", 2, "import needs the name"),
        ("(s) {\nimport s\n}\n:80\nimport s", 2, "'s' imports itself"),
        ("(a) {\nimport b\n}\n(b) {\nimport a\n}\n:80\nimport a", 5, "'a' imports itself"),
        ("(s) {\nfoo {args[0]}\n}\n:80\nimport s {", 5, "unexpected end of file"),
        ("(s) {\nfoo\n}\n:80\nimport s { foo\n}", 5, "nothing may follow '{'"),
        ("(s) {\nfoo\n}\n:80 {\nimport s }\n", 5, "'}' must be alone on its line"),
        ("(s) {\nfoo\n}\n:80\nimport s {\n{\n}\n}", 6, "a block without a name"),
        ("(s) {\nfoo }\n", 2, "'}' must be alone on its line"),
        ("(s) {\nfoo\n", 2, "unexpected end of file: the '{' of line 1"),
        ('(s) {\nfoo {args[0]}\n}\n:80\nimport s "{"', 2, "cannot make a brace of '{args[0]}'"),
        (":80\nimport a*b*", 2, "may have one '*'"),
        (":80\nimport [ab]", 2, "no brackets"),
    ],
)
def test_errors(text: str, line: int, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text, "Caddyfile", {})
    assert message in caught.value.message
    assert caught.value.line == line


def test_the_body_of_a_snippet_is_not_checked_unless_imported() -> None:
    assert body("(s) {\nhandle\n{\n}\nfoo { bar\n}\nimport nothing\n}\n:80 {\n}\n") == []


def test_errors_come_in_the_order_of_the_file() -> None:
    with pytest.raises(ConfigError) as caught:
        parse(":80 {\nhandle\n{\n}\nimport nothing\n}\n", "Caddyfile", {})
    assert caught.value.line == 3


@pytest.mark.parametrize(
    ("word", "kept", "warning"),
    [
        ("{args[7]}", "{args[7]}", "'{args[7]}' is out of range: the import has 2 argument(s)"),
        ("{args[1:9]}", "{args[1:9]}", "'{args[1:9]}' is out of range"),
        ("{args[x]}", "{args[x]}", "has no number"),
        ("a{args[:]}", "a{args[:]}", "must be a word of its own"),
        ("{args.0}", "x", "is the old spelling, write {args[0]}"),
    ],
)
def test_arguments_that_do_not_fit(word: str, kept: str, warning: str) -> None:
    document = parse(f"(s) {{\nfoo {word}\n}}\n:80\nimport s x y", "Caddyfile", {})
    assert flat(document.sites[0].body) == [("foo", kept)]
    (message,) = document.warnings
    assert message.startswith("Caddyfile:2: ")
    assert warning in message


def test_a_file_is_found_beside_the_file_that_imports_it(tmp_path: Path) -> None:
    (tmp_path / "conf").mkdir()
    main = write(tmp_path, main=":80 {\nimport conf/a x\n}\n")
    write(tmp_path / "conf", a="import b {args[0]}\n", b="\nfoo {args[0]} {$V:v}\n")
    (site,) = load(main, {"V": "w"}).sites
    assert flat(site.body) == [("foo", "x", "w")]
    assert (site.body[0].file, site.body[0].line) == (str(tmp_path / "conf" / "b"), 2)
    assert site.body[0].name.chain == (f"{tmp_path}/conf/a:1 (import b)", f"{main}:2 (import conf/a)")


def test_a_file_can_bring_whole_sites_and_snippets(tmp_path: Path) -> None:
    lib = "(s) {\nfoo {args[0]}\n}\n(t)\n{\nbar {args[0]}\n}\na.com {\nbaz {args[0]}\n}\n"
    main = write(tmp_path, main="import lib one\n{\nhttp_port 80\n}\n", lib="(s) {\nfoo\n}\n")
    assert flat(load(main, {}).options) == [("http_port", "80")]
    main = write(tmp_path, main="import lib one\nb.com {\nimport s two\nimport t 2\n}\n", lib=lib)
    first, second = load(main, {}).sites
    assert (flat(first.body), flat(second.body)) == ([("baz", "one")], [("foo", "two"), ("bar", "2")])


def test_a_pattern_brings_files_in_order(tmp_path: Path) -> None:
    write(tmp_path, main="", **{"b.conf": "b\n", "a.conf": "a\n", ".c.conf": "c\n", "d.txt": "d\n"})
    text = ":80 {\nimport *.conf\nimport .*.conf\nimport ?.txt\n}\n"
    (site,) = parse(text, str(tmp_path / "main"), {}).sites
    assert flat(site.body) == [("a",), ("b",), ("c",), ("d",)]


def test_a_folder_may_have_special_characters_in_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "a[b]*c"
    folder.mkdir()
    main = write(folder, main=":80\nimport *.conf\nimport x.conf", **{"x.conf": "x\n"})
    assert flat(load(main, {}).sites[0].body) == [("x",), ("x",)]


def test_what_brings_nothing_is_a_warning(tmp_path: Path) -> None:
    main = write(tmp_path, main=":80 {\n\timport *.conf\n\timport blank\n\timport blank\n}\n", blank=" \n")
    warnings = load(main, {}).warnings
    assert [line.partition(": ")[0] for line in warnings] == [f"{main}:2", f"{main}:3", f"{main}:4"]
    assert "no file matches '*.conf'" in warnings[0]
    assert "brings nothing" in warnings[1]


def test_a_file_that_is_imported_often_is_read_once(tmp_path: Path) -> None:
    big = "#" * 4_000_000 + "\nfoo\n"
    main = write(tmp_path, main=":80 {\n" + "import big\n" * 5_000 + "}\n", big=big)
    (site,) = load(main, {}).sites
    assert len(site.body) == 5_000


def test_files_that_cannot_be_imported(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "binary").write_bytes(b"a\n\xff")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for name, message in [
        ("nothing", "no such file"),
        ("folder", "is a directory"),
        ("/dev/null", "is not a regular file"),
        ("loop", "cannot be read"),
        ("main", "imports itself"),
    ]:
        main = write(tmp_path, main=f":80\nimport {name}\n")
        with pytest.raises(ConfigError, match=message) as caught:
            load(main, {})
        assert caught.value.file == main
        assert caught.value.line == 2


def test_an_error_in_an_imported_file_is_placed_there(tmp_path: Path) -> None:
    for text in ('a\nb "c\n', "a\nb\0", "a\nhandle {} \n"):
        main = write(tmp_path, main=":80 {\nimport other\n}\n", other=text)
        with pytest.raises(ConfigError) as caught:
            load(main, {})
        assert (caught.value.file, caught.value.line) == (str(tmp_path / "other"), 2)
        assert caught.value.chain == (f"{main}:2 (import other)",)


def test_two_files_that_import_each_other(tmp_path: Path) -> None:
    main = write(tmp_path, main=":80\nimport a", a="import b", b="import a")
    with pytest.raises(ConfigError, match="'a' imports itself") as caught:
        load(main, {})
    assert caught.value.chain == (f"{tmp_path}/a:1 (import b)", f"{main}:2 (import a)")


def test_a_cycle_through_links_is_seen(tmp_path: Path) -> None:
    (tmp_path / "here").symlink_to(tmp_path)
    main = write(tmp_path, main=":80\nimport here/a", a="import here/a")
    with pytest.raises(ConfigError, match="imports itself"):
        load(main, {})


def chain_of(count: int, line: str) -> str:
    """Snippets s0, s1, ... where each one has a line that may import the next."""
    snippets = "".join(f"(s{number}) {{\n{line.format(number + 1)}\n}}\n" for number in range(count))
    return f"{snippets}(s{count}) {{\nfoo\n}}\n:80 {{\nimport s0 x\n}}\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (chain_of(60, "import s{0}\nimport s{0}"), "more than 100000 words in all"),
        (chain_of(60, "import s{0} {{args[0]}}{{args[0]}}"), "characters of arguments"),
        (chain_of(200, "import s{0}"), "more than 100 imports inside each other"),
        ("(s) {\n{block}\n{block}\n}\n:80\n" + "import s {\n" * 60 + "x\n" + "}\n" * 60, "words in all"),
        (
            "(s) {\nfoo " + "{args[0]}" * 100_000 + "\n}\n:80\nimport s " + "x" * 100,
            "characters of arguments",
        ),
    ],
)
def test_imports_cannot_grow_without_end(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse(text, "Caddyfile", {})
