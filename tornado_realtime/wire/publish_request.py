"""What a publisher asks for, however it is written: publications, and under which key they are made once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tornado_realtime.channels import NAME_BYTES, is_good_name
from tornado_realtime.errors import InvalidPublicationError
from tornado_realtime.publication import Publication
from tornado_realtime.wire.receipt import Wish

KEY_HEADER = "Idempotency-Key"
NO_WISH = Wish()


class PublishRequest(NamedTuple):
    """One request of an application.

    Attributes:
        publications: In their order.
        key: What another request that means the same says, too; empty for none.
        wish: What it says of a receipt.
        is_many: Whether it speaks of several publications, even if there is one.
    """

    publications: Sequence[Publication]
    key: str = ""
    wish: Wish = NO_WISH
    is_many: bool = False

    def keyed(self) -> Iterator[tuple[Publication, str]]:
        """Each publication with the key under which a broker knows it, empty for none."""
        for number, publication in enumerate(self.publications):
            yield publication, application_key(self.key, number)

    def under(self, key: str) -> PublishRequest:
        """The same with the key that its header names; empty if it has none.

        Raises:
            InvalidPublicationError: It names another one already.
        """
        if key and self.key not in ("", key):
            raise InvalidPublicationError(f"{KEY_HEADER} and key are not the same")
        return self._replace(key=key) if key else self


def application_key(key: str, number: int = 0) -> str:
    """What a broker calls the ``number``-th publication of an application's request; empty without a key."""
    return f"a:{key}:{number}" if key else ""


def client_key(key: str, user: str, client: str) -> str:
    """What a broker calls a client's publication: nobody can take a key away from another user.

    Args:
        key: Its own; empty for none.
        user: Its user's id; empty for nobody in particular, who has keys of this connection only.
        client: Its connection's public name.
    """
    if not key:
        return ""
    return f"u:{len(user)}:{user}:{key}" if user else f"c:{client}:{key}"


def checked_key(key: str, what: str = "key") -> str:
    """``key``, if it can be one.

    Raises:
        InvalidPublicationError: It cannot.
    """
    if not is_good_name(key):
        raise InvalidPublicationError(f"{what} must have 1 to {NAME_BYTES} bytes and no control characters")
    return key


def key_from_header(values: Sequence[str]) -> str:
    """The key that the header fields ``Idempotency-Key`` of a request name; empty if there are none.

    Raises:
        InvalidPublicationError: There are several, or it cannot be a key.
    """
    if not values:
        return ""
    if len(values) > 1 or not values[0].isascii():
        raise InvalidPublicationError(f"{KEY_HEADER} must be there once, in ASCII")
    return checked_key(values[0], KEY_HEADER)


def checked_client(name: str) -> str:
    """``name``, if a connection can be called so.

    Raises:
        InvalidPublicationError: None can.
    """
    if not is_good_name(name):
        raise InvalidPublicationError("exclude must be the name of a client, as its welcome tells it")
    return name
