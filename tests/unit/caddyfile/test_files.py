"""Files that are no Caddyfile, and texts that come as bytes."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tornado_realtime.caddyfile import load, parse
from tornado_realtime.errors import ConfigError


def refusal(path: Path) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load(str(path), {})
    assert caught.value.file == str(path)
    return caught.value


def test_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "Caddyfile").write_bytes(b"\xef\xbb\xbf:80\r\nrespond \xc3\xa4\r\n")
    (site,) = load(str(tmp_path / "Caddyfile"), {}).sites
    assert (site.addresses[0].text, site.body[0].words) == (":80", ("ä",))


def test_a_file_that_is_not_formatted_gets_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "Caddyfile"
    for text, line in [
        (b":80 {\n\tfoo\n}\n", 0),
        (b":80 {\r\n\tfoo\r\n}\r\n", 0),
        (b":80 {\n\tfoo  x\n}", 2),
    ]:
        path.write_bytes(text)
        warnings = load(str(path), {}).warnings
        assert [each.partition(": ")[0] for each in warnings] == ([f"{path}:{line}"] if line else [])


def test_missing(tmp_path: Path) -> None:
    assert str(refusal(tmp_path / "Caddyfile")).endswith("Caddyfile: no such file")
    (tmp_path / "file").touch()
    assert "no such file" in refusal(tmp_path / "file" / "Caddyfile").message


def test_a_directory(tmp_path: Path) -> None:
    assert refusal(tmp_path).message == "is a directory, not a file"


def test_a_name_that_no_file_can_have() -> None:
    with pytest.raises(ConfigError, match="not a file name"):
        load("a\0b", {})


def test_empty(tmp_path: Path) -> None:
    (tmp_path / "Caddyfile").touch()
    assert refusal(tmp_path / "Caddyfile").message == "the file is empty"


@pytest.mark.parametrize("text", [b" ", b"\n\n", b"# only a comment", b"\xef\xbb\xbf"])
def test_nothing_but_blanks_is_valid(text: bytes) -> None:
    document = parse(text, "Caddyfile", {})
    assert (document.options, document.sites) == ((), ())


@pytest.mark.parametrize(
    ("data", "line", "message"),
    [
        (b"a\n\xff\xfe", 2, "is not text: byte 0xff at offset 2"),
        (b"a\nb\0", 2, "is not text: byte 0x00 at offset 3"),
        ("a\n\ud800", 2, "is not text"),
        (b"\x7fELF\x02\x01\x01\0", 1, "is not text"),
    ],
)
def test_binary(data: bytes | str, line: int, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        parse(data, "Caddyfile", {})
    assert caught.value.line == line


@pytest.mark.parametrize("content", [b"a b\n", b"\0", b"{", b'"', b"\\\n", b"{$A}", b"import x\n"])
def test_a_huge_file_is_refused_quickly(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "Caddyfile").write_bytes(content * (10_000_000 // len(content)))
    started = time.process_time()
    assert refusal(tmp_path / "Caddyfile").message == "is larger than 4 MiB"
    assert time.process_time() - started < 1


def test_a_device_does_not_fill_the_memory() -> None:
    assert refusal(Path("/dev/zero")).message == "is larger than 4 MiB"


@pytest.mark.parametrize("content", ["\n", "#", "\\\n", "{$", '"', "`", "<<a ", "{ ", "} ", "\\"])
def test_the_longest_file_is_judged_soon(content: str) -> None:
    started = time.process_time()
    try:
        parse(content * (4_000_000 // len(content)), "Caddyfile", {})
    except ConfigError as exc:
        assert len(str(exc)) < 1000
    assert time.process_time() - started < 5
