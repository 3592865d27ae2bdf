from __future__ import annotations

import pytest

from tornado_realtime.site.substitute import replacer


@pytest.mark.parametrize(
    ("pattern", "replacement", "text", "result"),
    [
        ("a", "b", "aXa", "bXb"),
        ("(a+)(b)?", "<$1|$2>", "aac", "<aa|>c"),
        ("(?P<word>x)", "${word}y$word", "x", "xyx"),
        ("x", "$$1 $", "x", "$1 $"),
        ("x", "$9${nope}\\1", "x", "\\1"),
        ("(a)", "$1x", "a", ""),
        ("(a)", "${1}x", "a", "ax"),
        (r"\d+", "#", "a1b22", "a#b#"),
        ("(?<n>a)$", "<$n>", "aa\n", "aa\n"),
        ("x*", "-", "axb", "-a-b-"),
    ],
)
def test_references(pattern: str, replacement: str, text: str, result: str) -> None:
    assert replacer(pattern, replacement)(text) == result


def test_a_text_cannot_make_it_slow() -> None:
    assert replacer("(a+)+$", "x")("a" * 3000 + "b") == "a" * 3000 + "b"


def test_no_expression() -> None:
    with pytest.raises(ValueError, match="expression"):
        replacer("(", "")


def test_a_hostile_text_is_replaced_in_linear_time() -> None:
    text = "a" * 2000 + "!"
    assert replacer("(a+)+$", "b")(text) == text
