"""Bytes to text: reading a configuration file, and saying clearly why one cannot be read."""

from __future__ import annotations

import stat
from pathlib import Path

from tornado_realtime.errors import ConfigError

MAX_FILE_BYTES = 4 * 1024 * 1024
"""Size that one file may have."""


def read_file(path: str) -> bytes:
    """The bytes of a configuration file.

    Raises:
        ConfigError: If it is missing, a directory, unreadable, or larger than `MAX_FILE_BYTES`.
    """
    try:
        with Path(path).open("rb") as stream:
            data = stream.read(MAX_FILE_BYTES + 1)
    except OSError as exc:
        raise ConfigError(_reason(exc), path) from exc
    except ValueError as exc:
        raise ConfigError("not a file name", repr(path)) from exc
    _check_size(len(data), path)
    return data


def read_import(path: str) -> bytes:
    """The bytes of a file that another one imports; a pipe or device would block, so it is refused."""
    try:
        mode = Path(path).stat().st_mode
    except OSError as exc:
        raise ConfigError(_reason(exc), path) from exc
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise ConfigError("is not a regular file", path)
    return read_file(path)


def decode(data: bytes | str, file: str) -> str:
    """The text of a file without its byte order mark.

    Raises:
        ConfigError: If it is too large, or no UTF-8 text.
    """
    _check_size(len(data), file)
    try:
        text = data.decode() if isinstance(data, bytes) else data
        if not text.isascii():
            text.encode()
    except UnicodeDecodeError as exc:
        bad, breaks = exc.object[exc.start], exc.object.count(b"\n", 0, exc.start)
        raise _not_text(exc.start, f"0x{bad:02x}", breaks, file) from None
    except UnicodeEncodeError as exc:
        raise _not_text(
            exc.start, ascii(exc.object[exc.start]), text.count("\n", 0, exc.start), file
        ) from None
    if (zero := text.find("\0")) >= 0:
        raise _not_text(zero, "0x00", text.count("\n", 0, zero), file)
    return text.removeprefix("\ufeff")


def _reason(exc: OSError) -> str:
    match exc:
        case FileNotFoundError() | NotADirectoryError():
            return "no such file"
        case IsADirectoryError():
            return "is a directory, not a file"
        case PermissionError():
            return "may not be read: permission denied"
    return f"cannot be read: {exc.strerror or exc}"


def _not_text(offset: int, what: str, breaks: int, file: str) -> ConfigError:
    return ConfigError(f"is not text: byte {what} at offset {offset}", file, breaks + 1)


def _check_size(size: int, file: str) -> None:
    if size > MAX_FILE_BYTES:
        raise ConfigError(f"is larger than {MAX_FILE_BYTES // 1024 // 1024} MiB", file)
