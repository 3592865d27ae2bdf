"""What ``fmt`` makes of a file."""

from __future__ import annotations

import pytest

from tornado_realtime.caddyfile import format_text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "\n"),
        (" \n\n", "\n"),
        ("\n\n:80\n\n", ":80\n"),
        ("a   b  {\n\n\nfoo\n\n\n\nbar\n\n}\n", "a b {\n\tfoo\n\n\tbar\n}\n"),
        ("a {\nhandle   /a  {\nfoo  x\n}\n}", "a {\n\thandle /a {\n\t\tfoo x\n\t}\n}\n"),
        ("a {\r\n  foo\r\n}\r\n", "a {\n\tfoo\n}\n"),
        ("\ufeffa", "a\n"),
        # braces
        ("a\n{\nfoo\n}", "a {\n\tfoo\n}\n"),
        ("{\nfoo\n}\n\na\n{\n}\n", "{\n\tfoo\n}\n\na {\n}\n"),
        ("a { foo }", "a {\n\tfoo\n}\n"),
        ("a {\nfoo\n{\n}\n}", "a {\n\tfoo {\n\t}\n}\n"),
        ("a {\n} b {\n}", "a {\n}\n\nb {\n}\n"),
        ("a {\n}\nb {\n}", "a {\n}\nb {\n}\n"),
        ("import x\n{\nfoo\n}", "import x\n{\n\tfoo\n}\n"),
        ("{$X}\n{\nfoo\n}", "{$X}\n{\n\tfoo\n}\n"),
        ('"a"{\nfoo\n}', '"a" {\n\tfoo\n}\n'),
        ("a {\nfoo {}\nbar {path} /a{ \n}", "a {\n\tfoo {}\n\tbar {path} /a{\n}\n"),
        ("}\n}\nfoo {", "}\n}\nfoo {\n"),
        # comments
        ("a { # why\nfoo   #  x  \n}  # that", "a {\n\t# why\n\tfoo #  x\n} # that\n"),
        ("# a\n\n\n# b\na\n# c\n{\nfoo\n}", "# a\n\n# b\na\n# c\n{\n\tfoo\n}\n"),
        # what is not touched
        ('a {\nfoo "x  \n  y"   `{  }`\n}', 'a {\n\tfoo "x  \n  y" `{  }`\n}\n'),
        ('"foo"bar', '"foo"bar\n'),
        (
            "a {\nfoo <<E\n  x   y\n   }\n  E   200\nbar\n}",
            "a {\n\tfoo <<E\n  x   y\n   }\n  E 200\n\tbar\n}\n",
        ),
        ('foo {$A:b   c}  {$B: }  "{$C:  }"', 'foo {$A:b   c} {$B: } "{$C:  }"\n'),
        # continuations
        ("a {\nfoo\\\n bar   \\\n\nbaz\n}", "a {\n\tfoo \\\n\t\tbar\n\tbaz\n}\n"),
        ("foo \\\n{\n}", "foo {\n}\n"),
        ("foo \\\n# c\nbar", "foo # c\nbar\n"),
        # broken files
        ('a {\nfoo   "bar\n  }\n', 'a {\n\tfoo "bar\n  }\n'),
        ("a {\nfoo   <<X\n  bar", "a {\n\tfoo <<X\n  bar\n"),
        ("foo <<X  \n", "foo <<X \n"),
        ("foo\\", "foo\n"),
        ("a {\nfoo\\ bar  # C:\\tmp\nbaz", "a {\n\tfoo\\ bar # C:\\tmp\n\tbaz\n"),
    ],
)
def test_format(text: str, expected: str) -> None:
    assert format_text(text) == expected
    assert format_text(expected) == expected


def test_deep_blocks_stay_readable_and_small() -> None:
    text = format_text("a {\n" * 20_000)
    assert max(line.count("\t") for line in text.splitlines()) == 10
