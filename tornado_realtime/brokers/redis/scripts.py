"""The scripts that Redis runs for us, each as one atomic step; what they do is written in ``lua/``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha1
from pathlib import Path

from tornado_realtime.brokers.redis.line import Command

# A server begins a new replication when it starts, and when it is promoted.
WHO: Command = (b"INFO", b"replication")
_LIFE = re.compile(rb"master_replid:([0-9a-f]{16})")
_FOLDER = Path(__file__).with_name("lua")


@dataclass(frozen=True, slots=True)
class Script:
    """A script, by its text and by the name that Redis gives it.

    One that publications need is loaded over every new connection before anything else, so that nothing has
    to be sent a second time.
    """

    text: bytes
    name: bytes

    @classmethod
    def read(cls, *files: str) -> Script:
        """Put a script together of files in ``lua/``."""
        text = b"\n".join((_FOLDER / f"{file}.lua").read_bytes() for file in files)
        return cls(text, sha1(text, usedforsecurity=False).hexdigest().encode())

    @property
    def load(self) -> Command:
        """The command that makes Redis know it."""
        return (b"SCRIPT", b"LOAD", self.text)

    def run(self, keys: tuple[bytes, ...], *arguments: bytes) -> Command:
        """The command that runs it, once it is loaded."""
        return (b"EVALSHA", self.name, b"%d" % len(keys), *keys, *arguments)

    def run_whole(self, keys: tuple[bytes, ...], *arguments: bytes) -> Command:
        """The command that runs it, loaded or not."""
        return (b"EVAL", self.text, b"%d" % len(keys), *keys, *arguments)


APPEND = Script.read("stream", "append")
READ = Script.read("stream", "read")
ONCE = Script.read("once")


def life_of(answers: Iterable[object]) -> bytes:
    """Which life of which server answered ``WHO`` among others; empty if it may not be told."""
    found = (_LIFE.search(answer) for answer in answers if isinstance(answer, bytes))
    return next((life[1] for life in found if life), b"")
