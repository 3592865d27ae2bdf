from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.php_app import BROADCAST_SECRET, JWT_SECRET, Browser, FakeBroadcast, php_server


@pytest.fixture(scope="session")
def _broadcast() -> Iterator[FakeBroadcast]:
    with FakeBroadcast() as endpoint:
        yield endpoint


@pytest.fixture
def broadcast(_broadcast: FakeBroadcast) -> FakeBroadcast:
    """The publishing endpoint that the application is told to use."""
    _broadcast.reset()
    return _broadcast


@pytest.fixture(scope="session")
def php_port(_broadcast: FakeBroadcast) -> Iterator[int]:
    """The application, with both secrets, behind ``php -S``."""
    secrets = {"JWT_SECRET_KEY": JWT_SECRET, "BROADCAST_SECRET_KEY": BROADCAST_SECRET}
    with php_server(**secrets, BROADCAST_URL=_broadcast.url) as port:
        yield port


@pytest.fixture
def browser(php_port: int) -> Browser:
    return Browser(php_port)


@pytest.fixture
def other(php_port: int) -> Browser:
    """A second browser, of somebody else."""
    return Browser(php_port)
