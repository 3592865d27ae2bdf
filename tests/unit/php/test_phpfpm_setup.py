from __future__ import annotations

import configparser
from itertools import pairwise
from pathlib import Path

import pytest

from tornado_realtime.errors import ConfigError
from tornado_realtime.site.php_account import Account, WorkerAccount
from tornado_realtime.site.phpfpm_setup import (
    FpmOptions,
    arguments,
    config_text,
    default_workers,
    environment,
    find_program,
    ini_value,
)

US = WorkerAccount(None)
ROOT = WorkerAccount(Account("root", 0, 0))
ANN = WorkerAccount(Account("ann", 1000, 54321))


def program(folder: Path, name: str, mode: int = 0o755) -> str:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.touch()
    path.chmod(mode)
    return str(path)


def test_the_plain_name_wins(tmp_path: Path) -> None:
    program(tmp_path, "php-fpm8.4")
    plain = program(tmp_path, "php-fpm")
    assert find_program(path=str(tmp_path)) == plain


@pytest.mark.parametrize(
    ("names", "newest"),
    [
        (("php-fpm7.4", "php-fpm8.10", "php-fpm8.2"), "php-fpm8.10"),
        (("php-fpm74", "php-fpm82", "php-fpm81"), "php-fpm82"),
        (("php-fpm-8.3", "php-fpm8.1", "php-fpm-ctl", "php-fpm.conf"), "php-fpm-8.3"),
    ],
)
def test_else_the_newest_version(tmp_path: Path, names: tuple[str, ...], newest: str) -> None:
    for name in names:
        program(tmp_path, name)
    program(tmp_path, "php-fpm9.9", mode=0o644)
    assert find_program(path=f"{tmp_path / 'absent'}::{tmp_path}") == str(tmp_path / newest)


def test_a_named_program(tmp_path: Path) -> None:
    path = program(tmp_path, "my-php")
    assert find_program(path) == path
    assert find_program("my-php", path=str(tmp_path)) == path
    program(tmp_path, "php-fpm")
    assert find_program("other", path=str(tmp_path)) is None
    assert find_program(path=str(tmp_path / "absent")) is None


def test_this_machine_has_one() -> None:
    assert find_program() is not None, "php-fpm is missing: install it (make test does)"


def test_the_command_line() -> None:
    options = FpmOptions(US, ini=(("memory_limit", "256M"), ("post_max_size", "1M")))
    words = arguments(options, "/sbin/php-fpm", Path("/run/x.conf"))
    assert words[:5] == ["/sbin/php-fpm", "-F", "-O", "-y", "/run/x.conf"]
    settings = [word for flag, word in pairwise(words) if flag == "-d"]
    assert settings == [
        "cgi.fix_pathinfo=1",
        "fastcgi.logging=0",
        "display_errors=0",
        "log_errors=1",
        "post_max_size=1M",
        "upload_max_filesize=10M",
        "memory_limit=256M",
    ]
    assert "-R" not in arguments(FpmOptions(ANN), "p", Path("c"))
    assert "-R" in arguments(FpmOptions(ROOT), "p", Path("c"))


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("On", "On"),
        ("256M", "256M"),
        ("", ""),
        ("E_ALL & ~E_DEPRECATED", "E_ALL & ~E_DEPRECATED"),
        ("/var/log/php.log", "'/var/log/php.log'"),
        ('a "b"; c', "'a \"b\"; c'"),
        ("${HOME}", "'${HOME}'"),
    ],
)
def test_values_of_php_ini(value: str, written: str) -> None:
    assert ini_value("x.y", value) == written


@pytest.mark.parametrize(
    ("name", "value"), [("x", "it's /"), ("x", "a\nb"), ("x=1", "a"), ("", "a"), ("-n", "a")]
)
def test_what_php_ini_cannot_hold(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match="php_ini"):
        ini_value(name, value)


def read(text: str) -> dict[str, dict[str, str]]:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(text)
    return {name: dict(parser[name]) for name in parser.sections()}


def test_the_configuration() -> None:
    options = FpmOptions(ANN, workers=16, extensions=(".php", ".inc"), stop_timeout=0.2)
    config = read(config_text(options, Path("/tmp/x y/php.sock")))
    assert config["global"]["daemonize"] == "no"
    assert config["global"]["process_control_timeout"] == "1s"
    pool = config["site"]
    assert (pool["user"], pool["group"]) == ("ann", "54321")
    assert (pool["listen"], pool["listen.mode"]) == ('"/tmp/x y/php.sock"', "0600")
    assert (pool["clear_env"], pool["catch_workers_output"]) == ("no", "yes")
    assert pool["security.limit_extensions"] == ".php .inc"
    assert pool["pm.max_children"] == "16"


@pytest.mark.parametrize("workers", [1, 2, 3, 100])
def test_spare_workers_are_what_php_fpm_accepts(workers: int) -> None:
    pool = read(config_text(FpmOptions(US, workers=workers), Path("/s")))["site"]
    assert "user" not in pool
    least, start = int(pool["pm.min_spare_servers"]), int(pool["pm.start_servers"])
    most = int(pool["pm.max_spare_servers"])
    assert 1 <= least <= start <= most <= workers


def test_php_inherits_no_means_to_speak_for_us() -> None:
    ours = {"NOTIFY_SOCKET": "/run/x", "FPM_SOCKETS": "3", "LISTEN_FDS": "1", "SECRET": "s", "PATH": "/bin"}
    assert environment(ours) == {"SECRET": "s", "PATH": "/bin"}


def test_there_are_enough_workers() -> None:
    assert default_workers() >= 8
