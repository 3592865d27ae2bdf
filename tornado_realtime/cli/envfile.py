"""Files of ``NAME=VALUE`` lines."""

from __future__ import annotations

import os
import re
from collections.abc import MutableMapping
from pathlib import Path

from tornado_realtime.errors import ConfigError
from tornado_realtime.keyfiles import check_mode

_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_.\-]*)\s*=\s*(.*)")


def parse_envfile(text: str, file: str) -> dict[str, str]:
    """Read ``NAME=VALUE`` lines.

    Empty lines and lines that begin with ``#`` are skipped; ``export`` before a name is allowed. A
    value in double or single quotes is taken without them; outside quotes `` #`` begins a comment.

    Raises:
        ConfigError: A line is anything else, with file and line; never with the value.
    """
    values: dict[str, str] = {}
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        found = _LINE.fullmatch(stripped)
        if found is None:
            raise ConfigError("expected NAME=VALUE", file, number)
        values[found[1]] = _value(found[2], file, number)
    return values


def _value(text: str, file: str, number: int) -> str:
    quote = text[:1]
    if quote not in ('"', "'"):
        return re.split(r"\s#", text, maxsplit=1)[0].strip()
    inner, closing, rest = text[1:].partition(quote)
    if not closing or (rest.strip() and not rest.strip().startswith("#")):
        raise ConfigError(f"the value's quote {quote} is not closed, or something follows it", file, number)
    return inner


def load_envfile(path: str, env: MutableMapping[str, str]) -> None:
    """Put the file's values into ``env``; what is there already stays, as in Caddy.

    Raises:
        ConfigError: The file cannot be read, or everybody may read it, or a line cannot be understood.
    """
    try:
        with Path(path).open("rb") as file:
            mode, content = os.fstat(file.fileno()).st_mode, file.read()
        check_mode(path, mode, is_secret=True)
        text = content.decode("utf-8")
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", path) from error
    except UnicodeDecodeError as error:
        raise ConfigError("is not UTF-8 text", path) from error
    except ValueError as error:
        raise ConfigError(f"the envfile {error}") from error
    for name, value in parse_envfile(text, path).items():
        if "\0" in value:
            raise ConfigError(f"the value of {name} has a NUL character", path)
        env.setdefault(name, value)
