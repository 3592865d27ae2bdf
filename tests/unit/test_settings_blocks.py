"""Options with braces: blocks that need something, and blocks of which there may be several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from tornado_realtime.caddyfile import parse_block
from tornado_realtime.errors import ConfigError
from tornado_realtime.settings import read
from tornado_realtime.settings.option import Block, Option, duration, no_words, text


def _pet(words: Sequence[str], values: Mapping[str, Any]) -> dict[str, Any]:
    if words[0] == "dragon":
        raise ValueError("dragon is not kept here")
    return {"pets": ((words[0], values["food"], values.get("age")),)}


OPTIONS = (
    Option(
        "pet",
        no_words,
        "NAME { food WORD }",
        "",
        "A pet.",
        block=Block(
            (
                Option("food", text("food"), "WORD", "", "What it eats.", required=True),
                Option("age", duration("age"), "DURATION", "", "How old it is."),
            ),
            _pet,
            words=1,
            repeats=True,
        ),
    ),
    Option("place", text("place"), "WORD", "", "Where."),
)


def fields(body: str) -> dict[str, Any]:
    return read._read(parse_block(f"zoo {{\n{body}\n}}", "Zoofile", {}), OPTIONS, "zoo")[0]


def test_repeated_blocks_are_put_together_in_their_order() -> None:
    assert fields("pet cat {\nfood fish\n}\nplace here\npet dog {\nage 3s\nfood meat\n}") == {
        "pets": (("cat", "fish", None), ("dog", "meat", 3.0)),
        "place": "here",
    }


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("pet cat {\n}", "2: pet needs food: write food WORD in its block"),
        ("pet cat", "2: pet needs a block: write pet NAME { food WORD }"),
        ("pet {\nfood x\n}", "2: pet needs a block: write pet NAME { food WORD }"),
        ("pet a b {\nfood x\n}", "2: pet needs a block: write pet NAME { food WORD }"),
        ("pet dragon {\nfood x\n}", "2: pet dragon is not kept here"),
        ("pet cat {\nfood x\nfood y\n}", "4: food is given twice (first in line 3)"),
        ("pet cat {\nfod x\n}", "3: unknown option fod of pet (did you mean food?)"),
        ("pet cat {\nfood x\n}\npet cat {\nfood x\n}", "5: pet cat is given twice (first in line 2)"),
        ("place a\nplace b", "3: place is given twice (first in line 2)"),
        ("place a {\n}", "2: place takes no block: write place WORD"),
    ],
)
def test_what_is_wrong_in_them(body: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        fields(body)
    assert str(caught.value) == f"Zoofile:{message}"


def test_as_keyword_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read, "OPTIONS", OPTIONS)
    segments = read._segments("pet", {"cat": {"food": "fish"}, "dog": {"food": "meat", "age": "3s"}})
    assert [(one.words, [inner.words for inner in one.block or ()]) for one in segments] == [
        (("cat",), [("fish",)]),
        (("dog",), [("meat",), ("3s",)]),
    ]
    assert read._segments("pet", {"cat": "fish"})[0].block is None
