"""Every target on every file of its corpus, and on random bytes: what fuzzing found once stays found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.mutations import damaged
from tests.fuzz.targets import TARGETS

CORPUS = Path(__file__).parent / "corpus"
FILES = sorted(path.relative_to(CORPUS) for path in CORPUS.rglob("*") if path.is_file())
ROUNDS = 100


@pytest.fixture(autouse=True)
def same_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A target may go to another folder."""
    monkeypatch.chdir(tmp_path)
    yield


@pytest.mark.parametrize("file", FILES, ids=str)
def test_what_was_found_stays_found(file: Path) -> None:
    TARGETS[file.parts[0]]((CORPUS / file).read_bytes())


def test_every_target_has_a_corpus() -> None:
    assert {file.parts[0] for file in FILES} == set(TARGETS)


@pytest.mark.parametrize("name", TARGETS)
def test_damaged_corpus(name: str) -> None:
    """The same ones each time: ``make fuzz`` looks for new ones."""
    files = [(CORPUS / file).read_bytes() for file in FILES if file.parts[0] == name]
    for number in range(ROUNDS):
        random = Random(f"{name}/{number}")
        data = damaged(random, random.choice(files), random.choice(files))
        try:
            TARGETS[name](data)
        except Exception as error:
            raise AssertionError(f"{name} on {data!r}") from error


@pytest.mark.parametrize("run", TARGETS.values(), ids=TARGETS)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.binary(max_size=300))
def test_random_bytes(run: Callable[[bytes], None], data: bytes) -> None:
    run(data)
