"""What php-fpm is started with: its program, its arguments, its configuration, its environment."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tornado_realtime.errors import ConfigError
from tornado_realtime.site.php_account import Account, WorkerAccount, group_name

_SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/opt/homebrew/sbin")
_PROGRAM = re.compile(r"php-fpm(?:-?([0-9]+)\.?([0-9]*))?")
_INI_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
_INI_PLAIN = re.compile(r"[A-Za-z0-9_.,:@+-]*")
_INI_EXPRESSION = re.compile(r"[A-Z0-9_ &|~^!()]+")
# These would make php-fpm take over sockets of ours, or report to the service manager in our name.
_FOREIGN_VARIABLES = (
    "FPM_SOCKETS",
    "LISTEN_FDS",
    "LISTEN_FDNAMES",
    "LISTEN_PID",
    "NOTIFY_SOCKET",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
)

_OUR_INI = {
    # PATH_TRANSLATED is only harmless with fix_pathinfo; many guides tell to turn that off in php.ini.
    "cgi.fix_pathinfo": "1",
    # With it a line would come twice: PHP writes it to the master's log in any case.
    "fastcgi.logging": "0",
    # A warning, of a form that is too large for instance, is for the log and not for visitors.
    "display_errors": "0",
    "log_errors": "1",
    # As much as we let through.
    "post_max_size": "10M",
    "upload_max_filesize": "10M",
}

DEFAULT_EXTENSIONS = (".php",)
BACKLOG = 511


def default_workers() -> int:
    """Four for each processor, at least 8: PHP of a page mostly waits, for a database or for us."""
    return max(8, 4 * (os.cpu_count() or 1))


@dataclass(frozen=True, slots=True)
class FpmOptions:
    """How to run php-fpm.

    Attributes:
        workers_as: As whom PHP runs.
        program: Path or name of php-fpm; empty looks for one.
        workers: Largest number of PHP processes.
        ini: Directives of php.ini; a later one of the same name wins.
        extensions: What a script's name must end in.
        start_timeout: Seconds until it must take requests.
        stop_timeout: Seconds that running requests get to end when it is stopped.
        request_timeout: Seconds after which one request is killed, so that a script that hangs does not hold
            a worker for ever; 0 never kills.
    """

    workers_as: WorkerAccount
    program: str = ""
    workers: int = field(default_factory=default_workers)
    ini: tuple[tuple[str, str], ...] = ()
    extensions: tuple[str, ...] = DEFAULT_EXTENSIONS
    start_timeout: float = 10.0
    stop_timeout: float = 10.0
    request_timeout: float = 600.0


def find_program(name: str = "", path: str | None = None) -> str | None:
    """Where php-fpm is, or None.

    Args:
        name: A path, or a name to look for; empty means ``php-fpm``, else the newest ``php-fpm8.2`` or so.
        path: Folders to look in, as in ``$PATH``; None means that and the usual folders for servers.
    """
    folders = path if path is not None else os.pathsep.join((os.environ.get("PATH", ""), *_SYSTEM_FOLDERS))
    return shutil.which(name or "php-fpm", path=folders) or (
        None if name else _newest(folders.split(os.pathsep))
    )


def _newest(folders: Iterable[str]) -> str | None:
    found = [entry for folder in folders if folder for entry in Path(folder).glob("php-fpm*")]
    usable = [entry for entry in found if _PROGRAM.fullmatch(entry.name) and os.access(entry, os.X_OK)]
    return str(max(usable, key=_version)) if usable else None


def _version(program: Path) -> tuple[int, int]:
    match = _PROGRAM.fullmatch(program.name)
    major, minor = (match[1] or "0", match[2] or "0") if match else ("0", "0")
    return (int(major[0]), int(major[1:] or minor)) if len(major) > 1 else (int(major), int(minor))


def arguments(options: FpmOptions, program: str, config: Path) -> list[str]:
    """The command line: in the foreground, log to standard error, nothing of the system's pools."""
    account = options.workers_as.account
    root_flag = ["-R"] if account is not None and account.is_root else []
    ini = _OUR_INI | dict(options.ini)
    settings = [word for name, value in ini.items() for word in ("-d", f"{name}={ini_value(name, value)}")]
    return [program, "-F", "-O", *root_flag, "-y", str(config), *settings]


def ini_value(name: str, value: str) -> str:
    """A value as php.ini writes it: words, numbers and constants bare, everything else in quotes.

    Raises:
        ConfigError: When name or value cannot be written in one line of php.ini.
    """
    if not _INI_KEY.fullmatch(name) or any(ord(char) < 32 for char in value):
        raise ConfigError(f"php_ini {name}: not a name and a value of php.ini")
    if _INI_PLAIN.fullmatch(value) or _INI_EXPRESSION.fullmatch(value):
        return value
    if "'" not in value:
        return f"'{value}'"
    raise ConfigError(f"php_ini {name}: the value must not contain a single quote")


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """What PHP inherits: everything but the variables by which a service manager talks to this process."""
    return {name: value for name, value in environ.items() if name not in _FOREIGN_VARIABLES}


def config_text(options: FpmOptions, socket: Path) -> str:
    """The whole php-fpm.conf: one pool on a socket that only we can reach."""
    spare = max(1, min(4, options.workers))
    lines = [
        "[global]",
        "error_log = /dev/stderr",
        "daemonize = no",
        "log_limit = 2048",
        f"process_control_timeout = {max(1, round(options.stop_timeout))}s",
        "[site]",
        *_account_lines(options.workers_as.account),
        f"listen = {_quoted(str(socket))}",
        "listen.mode = 0600",
        f"listen.backlog = {BACKLOG}",
        "pm = dynamic",
        f"pm.max_children = {options.workers}",
        f"pm.start_servers = {min(2, options.workers)}",
        "pm.min_spare_servers = 1",
        f"pm.max_spare_servers = {spare}",
        "pm.max_requests = 5000",
        f"request_terminate_timeout = {round(options.request_timeout)}s",
        f"security.limit_extensions = {' '.join(options.extensions)}",
        "clear_env = no",
        "catch_workers_output = yes",
        "decorate_workers_output = no",
    ]
    return "\n".join(lines) + "\n"


def _account_lines(account: Account | None) -> list[str]:
    if account is None:
        return []
    return [f"user = {account.name}", f"group = {group_name(account.gid)}"]


def _quoted(text: str) -> str:
    return '"' + text + '"'
