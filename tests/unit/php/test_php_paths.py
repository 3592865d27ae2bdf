from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tornado_realtime.site.php_paths import Folder, Target, is_hidden, resolved


@pytest.mark.parametrize(
    "path",
    [
        ".env",
        "/.git/config",
        "a/.htpasswd",
        "a/.b/c.php",
        "vendor",
        "/vendor/autoload.php",
        "deep/Vendor/x/y.php",
        "composer.json",
        "/sub/composer.lock",
        "COMPOSER.JSON",
        "Caddyfile",
        "/x/caddyfile",
        "a/.well-known/x",
        ".well-known/.secret",
        "..",
    ],
)
def test_hidden(path: str) -> None:
    assert is_hidden(path)


@pytest.mark.parametrize(
    "path", ["", "/", "index.php", "a.b/c.txt", ".well-known/security.txt", "vendors/x", "my-composer.json"]
)
def test_not_hidden(path: str) -> None:
    assert not is_hidden(path)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    root = tmp_path / "site"
    for name in (
        "index.php",
        "f.txt",
        "F.PHP",
        "upload.jpg",
        "pd/index.php",
        "pd/inner.php",
        "html/index.html",
        "vendor/evil.php",
        ".env",
        "Caddyfile",
        "my.conf",
        "composer.json",
        ".well-known/x.txt",
        "späß.php",
        "dir.php/x.txt",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    (tmp_path / "outside.php").write_text("secret")
    (tmp_path / "site-evil").mkdir()
    (tmp_path / "site-evil" / "x.php").write_text("secret")
    (root / "link-out.php").symlink_to("../outside.php")
    (root / "link-evil.php").symlink_to("../site-evil/x.php")
    (root / "out").symlink_to("..")
    (root / "link-in.php").symlink_to("pd/inner.php")
    (root / "link-vendor.php").symlink_to("vendor/evil.php")
    (root / "link-jpg.php").symlink_to("upload.jpg")
    (root / "loop.php").symlink_to("loop.php")
    (root / "dangling.php").symlink_to("nowhere.php")
    os.mkfifo(root / "pipe.php")
    return Folder(resolved(str(root)), hidden=frozenset((str(root / "my.conf"),)))


@pytest.mark.parametrize(
    ("path", "found", "remainder"),
    [
        ("/index.php", "/index.php", ""),
        ("//index.php", "/index.php", ""),
        ("/./pd/../index.php/", "/index.php", ""),
        ("/index.php/info/x", "/index.php", "/info/x"),
        ("/index.php/a/", "/index.php", "/a"),
        ("/INDEX.php", None, ""),
        ("/F.PHP/x", "/F.PHP", "/x"),
        ("/f.txt", "/f.txt", ""),
        ("/f.txt/", "/f.txt", ""),
        ("/f.txt/x", None, ""),
        ("/späß.php", "/späß.php", ""),
        ("/link-in.php", "/link-in.php", ""),
        ("/.well-known/x.txt", "/.well-known/x.txt", ""),
        ("/", None, ""),
        ("/pd", None, ""),
        ("/dir.php", None, ""),
        ("/nope", None, ""),
        ("/nope.php", None, ""),
        ("/../outside.php", None, ""),
        ("/out/outside.php", None, ""),
        ("/link-out.php", None, ""),
        ("/link-evil.php", None, ""),
        ("/link-vendor.php", None, ""),
        ("/loop.php", None, ""),
        ("/dangling.php", None, ""),
        ("/pipe.php", None, ""),
        ("/vendor/evil.php", None, ""),
        ("/Caddyfile", None, ""),
        ("/my.conf", None, ""),
        ("/.env", None, ""),
        ("/composer.json", None, ""),
        ("/x\0.php", None, ""),
        ("/" + "x" * 5000 + ".php", None, ""),
        ("/\udcff.php", None, ""),
    ],
)
def test_find(folder: Folder, path: str, found: str | None, remainder: str) -> None:
    target = folder.find(path)
    assert (target.path if target else None) == found
    if target:
        assert target.remainder == remainder
        assert Path(target.filename).is_file()


def test_the_file_behind_a_link_is_what_runs(folder: Folder) -> None:
    target = folder.find("/link-in.php")
    assert target is not None
    assert target.filename == folder.root + "/pd/inner.php"


def test_a_script_in_name_only(folder: Folder) -> None:
    target = folder.find("/link-jpg.php")
    assert target is not None
    assert folder.is_script(target.path)
    assert not folder.is_script(target.filename)


def test_an_upload_is_no_script(folder: Folder) -> None:
    assert folder.split("/upload.jpg/x.php") == Target("/upload.jpg/x.php", "")
    assert folder.find("/upload.jpg/x.php") is None


def test_the_first_that_exists(folder: Folder) -> None:
    def first(*paths: str, fallback: bool = False) -> str | None:
        target = folder.first(paths, fallback)
        return target.path if target else None

    assert first("/nope", "/f.txt", "/index.php") == "/f.txt"
    assert first("/nope", "/nope2") is None
    assert first("/nope", "/nope.php", fallback=True) == "/nope.php"
    assert folder.first(("/nope", "index.php"), fallback=True) == Target(
        "/index.php", "", folder.root + "/index.php"
    )


def test_an_index_is_looked_for_without_splitting(folder: Folder) -> None:
    assert folder.has("/pd/index.php")
    assert not folder.has("/index.php/info/index.php")
    assert not folder.has("/html/index.php")
    assert not folder.has("/vendor/evil.php")


@pytest.mark.parametrize(
    ("path", "forbidden"),
    [
        ("/f.txt", False),
        ("/html/", False),
        ("/nope", False),
        ("/nope.php", True),
        ("/F.PHP/", True),
        ("/.env", True),
        ("/my.conf", True),
        ("/my.conf/", True),
        ("/x/../Caddyfile", True),
        ("/out/outside.php", True),
    ],
)
def test_what_a_file_server_must_not_answer(folder: Folder, path: str, forbidden: bool) -> None:
    assert folder.forbids(path) is forbidden


def test_other_endings(folder: Folder) -> None:
    other = Folder(folder.root, (".inc", ".php"))
    assert other.split("/a.inc/x.php/y") == Target("/a.inc", "/x.php/y")
    assert other.split("/a.phpx/b.php/y") == Target("/a.phpx/b.php", "/y")
    assert Folder(folder.root, (".inc",)).forbids("/index.php")


@settings(deadline=None, max_examples=300)
@given(
    st.lists(st.sampled_from(["..", ".", "", "x", "%", "a.php", "\\", "etc", "passwd", "\udc80"]), max_size=8)
)
def test_no_path_leaves_the_root(parts: list[str]) -> None:
    folder = Folder("/usr/lib")
    target = folder.find("/" + "/".join(parts))
    assert target is None or target.filename.startswith("/usr/lib/")
    assert ".." not in folder.split("/" + "/".join(parts)).path.split("/")
