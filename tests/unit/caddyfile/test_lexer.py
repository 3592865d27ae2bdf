"""Section 2 of the language: words, quotes, continuations, heredocs, comments."""

from __future__ import annotations

import pytest

from tornado_realtime.caddyfile.env import Source
from tornado_realtime.caddyfile.lexer import Line, tokenize
from tornado_realtime.errors import ConfigError


def lex(text: str) -> list[Line]:
    return tokenize(Source(text, "Caddyfile"))


def words(text: str) -> list[list[str]]:
    """The words of each logical line."""
    return [[token.text for token in line.tokens] for line in lex(text)]


def numbers(text: str) -> list[list[int]]:
    """The line number of each word."""
    return [[token.line for token in line.tokens] for line in lex(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # white space and CR
        ("a b\tc", [["a", "b", "c"]]),
        ("a\u00a0b\u0085c\u3000d\u2028e", [["a", "b", "c", "d", "e"]]),
        ("a\x1cb\x1d\x1e\x1fc", [["a\x1cb\x1d\x1e\x1fc"]]),
        ("a\r\nb\r\n", [["a"], ["b"]]),
        ("a\rb", [["ab"]]),
        ('"a\rb"', [["a\rb"]]),
        ("`a\r\nb`", [["a\r\nb"]]),
        # comments
        ("a#b", [["a#b"]]),
        ("a #b", [["a"]]),
        ("a { # why\n} # that\n#b", [["a", "{"], ["}"]]),
        ('"a"#b', [["a"]]),
        # strings
        ('a"b c"', [['a"b', 'c"']]),
        ("a`b c`", [["a`b", "c`"]]),
        ('"foo"bar', [["foo", "bar"]]),
        ('"foo""bar"', [["foo", "bar"]]),
        ('""', [[""]]),
        ("``", [[""]]),
        ('"a\nb" c\nd', [["a\nb", "c"], ["d"]]),
        (r'"a \"b\" c"', [['a "b" c']]),
        (r'"\n"', [["\\n"]]),
        (r'"a\\" b', [["a\\\\", "b"]]),
        ('"a\\\nb"', [["a\\\nb"]]),
        (r"`a\"b\`", [['a\\"b\\']]),
        ('`say "hi"`', [['say "hi"']]),
        # backslashes outside of strings
        (r"\. C:\x", [["\\.", "C:\\x"]]),
        (r"a\"b", [['a\\"b']]),
        (r"\\ a", [["\\\\", "a"]]),
        ("foo\\\nbar", [["foo", "bar"]]),
        ("foo \\\n  bar \\\r\n baz\nqux", [["foo", "bar", "baz"], ["qux"]]),
        ("foo\\\r\nbar", [["foo", "bar"]]),
        ("a \\\n\\\n\\\n b", [["a", "b"]]),
        ("foo\\\\\nbar", [["foo\\\\"], ["bar"]]),
        ("foo\\", [["foo"]]),
        ("a \\", [["a"]]),
        # heredocs
        ("r <<EOT\n  hi\n  EOT 200", [["r", "hi", "200"]]),
        ("r <<EOT\n  hi\n\n    more\n\n  EOT\nx", [["r", "hi\n\n  more\n"], ["x"]]),
        ("r <<EOT\r\n  hi\r\n\r\n  a\rb\r\n  EOT\r\nx", [["r", "hi\n\nab"], ["x"]]),
        ('r <<a-B_9\nx y #z \\ "\na-B_9', [["r", 'x y #z \\ "']]),
        ("r <<E\nE\nx", [["r", ""], ["x"]]),
        ("r <<E\n\nE\nx", [["r", ""], ["x"]]),
        ("r <<EOT x", [["r", "<<EOT", "x"]]),
        ("a<<B\nc", [["a<<B"], ["c"]]),
        ('"<<B"\nc', [["<<B"], ["c"]]),
        ("\\<<X\nc", [["<<X"], ["c"]]),
        ("<<", [["<<"]]),
        ("<x>\n", [["<x>"]]),
        # braces are ordinary characters inside words
        ("{path} {$ /a{ {} }{", [["{path}", "{$", "/a{", "{}", "}{"]]),
    ],
)
def test_words(text: str, expected: list[list[str]]) -> None:
    assert words(text) == expected


@pytest.mark.parametrize(
    ("text", "quoted"),
    [("a", False), ('"a"', True), ("`a`", True), ("<<E\na\nE", True), ("{", False), ('"{"', True)],
)
def test_a_word_knows_whether_it_was_quoted(text: str, quoted: bool) -> None:
    assert lex(text)[0].tokens[0].quoted is quoted


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\n\n# c\nb c\n", [[1], [4, 4]]),
        ("a \\\nb \\\nc\nd", [[1, 1, 1], [4]]),
        ('a "x\ny\nz" b\nc', [[1, 1, 3], [4]]),
        ("a <<E\nx\ny\nE b\nc", [[1, 1, 4], [5]]),
        ("a <<E\nE b\nc", [[1, 1, 2], [3]]),
        ("# C:\\tmp\na", [[2]]),
        ("a\r\n\r\nb", [[1], [3]]),
    ],
)
def test_line_numbers(text: str, expected: list[list[int]]) -> None:
    assert numbers(text) == expected


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ('a\nb "c\nd\n', 2, 'the string that begins with " here is never closed'),
        ("a\nb `c\nd\n", 2, "the string that begins with ` here is never closed"),
        ("a b\\ c", 1, "a backslash cannot escape white space"),
        ("a \\\t\nb", 1, "a backslash cannot escape white space"),
        ("a \\\nb \\#c", 2, "a backslash before #"),
        ('\\"a"', 1, 'a backslash before "'),
        ("\\`a`", 1, "a backslash before `"),
        ("a\nrespond hi # C:\\tmp\nheader X y\n", 2, "would join the next line"),
        ("a # \\\n# \\\nb", 2, "would join the next line"),
        ("a\nb <<\nc", 2, "a heredoc needs a marker"),
        ("a\nb <<<X\nc\nX", 2, "too many '<'"),
        ("a\nb <<x.y\nc\nx.y", 2, "not 'x.y'"),
        ("a\nb <<x\ty\nc\n", 2, "not 'x\\ty'"),
        ("a\nb <<X\nc\n", 4, "the heredoc of line 2 is never closed: its marker 'X' is missing"),
        ("a <<X\n    b\n  c\n    X", 3, "not indented like the closing marker"),
        ("a <<X\n  b\n\tX", 2, "not indented like the closing marker"),
        ("a <<X\n  b X c\n  X", 2, "must not contain its marker 'X'"),
        ("a <<X\n  Xylophone\n  X", 2, "must not contain its marker 'X'"),
    ],
)
def test_refused(text: str, line: int, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        lex(text)
    assert message in caught.value.message
    assert (caught.value.file, caught.value.line) == ("Caddyfile", line)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# C:\\tmp\nb", [["b"]]),
        ("a\n# C:\\tmp\nb", [["a"], ["b"]]),
        ("a # C:\\tmp\n\nb", [["a"], ["b"]]),
        ("a # C:\\tmp\n# more\nb", [["a"], ["b"]]),
        ("a # C:\\tmp\n", [["a"]]),
    ],
)
def test_a_backslash_in_a_comment_is_harmless_where_nothing_is_joined(
    text: str, expected: list[list[str]]
) -> None:
    assert words(text) == expected


def test_a_file_may_not_have_endless_words() -> None:
    with pytest.raises(ConfigError, match="more than 100000 words"):
        lex("a\n" * 100_001)
