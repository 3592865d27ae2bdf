"""Files of NAME=VALUE lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from tornado_realtime.cli.envfile import load_envfile, parse_envfile
from tornado_realtime.errors import ConfigError


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=b", "b"),
        ("  A = b  ", "b"),
        ("export A=b", "b"),
        ("A=", ""),
        ("A=b=c", "b=c"),
        ("A=b # comment", "b"),
        ("A=b#c", "b#c"),
        ('A="b # c"', "b # c"),
        ("A='b \"c\"'", 'b "c"'),
        ('A="b" # comment', "b"),
        ("\ufeffA=b", "b"),
    ],
)
def test_a_line_is_read(line: str, value: str) -> None:
    assert parse_envfile(line, "env") == {"A": value}


def test_empty_lines_and_comments_are_skipped_and_the_last_one_wins() -> None:
    assert parse_envfile("\n# A=x\nA=1\nA=2\n", "env") == {"A": "2"}


@pytest.mark.parametrize("line", ["A", "1A=b", "=b", 'A="b', "A='b' c"])
def test_what_is_no_line_is_refused_without_its_value(line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_envfile("X=1\n" + line.replace("b", "hunter2"), "env")
    assert str(caught.value).startswith("env:2: ")
    assert "hunter2" not in str(caught.value)


def test_what_is_set_stays(tmp_path: Path) -> None:
    path = tmp_path / "env"
    path.write_text("A=file\nB=file\n", encoding="ascii")
    path.chmod(0o640)
    env = {"A": "process"}
    load_envfile(str(path), env)
    assert env == {"A": "process", "B": "file"}


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"A=\0"])
def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "env"
    if content is not None:
        path.write_bytes(content)
        path.chmod(0o600)
    with pytest.raises(ConfigError, match="env: "):
        load_envfile(str(path), {})


@pytest.mark.parametrize(("mode", "verb", "change"), [(0o644, "read", "o-r"), (0o602, "written", "o-w")])
def test_a_file_of_secrets_is_not_for_everybody(tmp_path: Path, mode: int, verb: str, change: str) -> None:
    path = tmp_path / "env"
    path.write_text("A=hunter2\n")
    path.chmod(mode)
    env: dict[str, str] = {}
    with pytest.raises(ConfigError) as caught:
        load_envfile(str(path), env)
    assert str(caught.value) == (
        f"the envfile {path} may be {verb} by everybody; change that with: chmod {change} {path}"
    )
    assert env == {}
