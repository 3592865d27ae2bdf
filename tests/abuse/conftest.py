"""One server for all attacks: what one leaves behind, the next would suffer from."""

from __future__ import annotations

import resource
from collections.abc import Iterator

import pytest

from tests.abuse.victim import Victim, attacked


@pytest.fixture(scope="session", autouse=True)
def many_descriptors() -> None:
    """As many as this system allows to whoever asks."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


@pytest.fixture(scope="session")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    with attacked(tmp_path_factory.mktemp("abuse")) as found:
        yield found
