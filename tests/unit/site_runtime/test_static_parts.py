"""What the file server is made of: negotiation, content types, listings, addresses."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tornado_realtime.site.browse import Order, Row, human_size, read_order, render_json, render_page
from tornado_realtime.site.mime import content_type
from tornado_realtime.site.negotiate import accepted_codings
from tornado_realtime.site.static import location


@pytest.mark.parametrize(
    ("value", "codings"),
    [
        ("", []),
        ("gzip", ["gzip"]),
        ("gzip, br, zstd", ["br", "zstd", "gzip"]),
        ("gzip;q=1, br;q=0.5", ["gzip", "br"]),
        ("GZIP ; Q=0.5", ["gzip"]),
        ("gzip;q=0", []),
        ("gzip;q=nonsense", []),
        ("gzip;q=7", []),
        ("*", ["br", "zstd", "gzip"]),
        ("*;q=0.1, gzip;q=0.2, br;q=0", ["gzip", "zstd"]),
        ("identity, deflate", []),
        (", ,;q=1", []),
    ],
)
def test_codings_a_client_takes(value: str, codings: list[str]) -> None:
    assert accepted_codings(value, ("br", "zstd", "gzip")) == codings


@pytest.mark.parametrize(
    ("name", "beginning", "kind"),
    [
        ("a.html", b"", "text/html; charset=utf-8"),
        ("a.JS", b"", "text/javascript; charset=utf-8"),
        ("dir.txt/a.woff2", b"", "font/woff2"),
        ("a.json", b"", "application/json"),
        ("a.svg", b"", "image/svg+xml"),
        ("a.tar.gz", b"", "application/gzip"),
        ("LICENSE", b"Permission is granted", "text/plain; charset=utf-8"),
        ("page", b"<html><script>", "text/plain; charset=utf-8"),
        ("blob", b"\x00\x01", "application/octet-stream"),
        ("empty", b"", "application/octet-stream"),
        ("a.unknown", b"\x89PNG\r\n\x1a\n", "application/octet-stream"),
    ],
)
def test_content_types(name: str, beginning: bytes, kind: str) -> None:
    assert content_type(name, beginning) == kind


def test_redirects_stay_on_this_host() -> None:
    assert location("/a%20b/", "x=1") == "/a%20b/?x=1"
    assert location("//evil.example/", "") == "/evil.example/"
    assert location("/\\evil.example/", "") == "/%5Cevil.example/"
    assert location('/"<>\xff', "") == "/%22%3C%3E%FF"


@settings(deadline=None, max_examples=200)
@given(st.text(st.characters(min_codepoint=33, max_codepoint=255)))
def test_no_target_leads_away(text: str) -> None:
    target = location("/" + text, "")
    assert target.startswith("/")
    assert not target.startswith("//")
    assert "\\" not in target


ROWS = [Row("b.txt", 5, 300), Row("A.txt", 2048, 100), Row("dir/", 0, 200)]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["dir/", "A.txt", "b.txt"]),
        ("order=desc", ["dir/", "b.txt", "A.txt"]),
        ("sort=name", ["A.txt", "b.txt", "dir/"]),
        ("sort=size&order=asc", ["dir/", "b.txt", "A.txt"]),
        ("sort=time&order=desc", ["b.txt", "dir/", "A.txt"]),
        ("sort=rubbish&order=rubbish", ["dir/", "A.txt", "b.txt"]),
        ("&".join("a=b" for _ in range(50)), ["dir/", "A.txt", "b.txt"]),
    ],
)
def test_rows_are_sorted(query: str, names: list[str]) -> None:
    assert [row.name for row in read_order(query, Order()).sort(ROWS)] == names


def test_names_and_paths_are_escaped() -> None:
    evil = Row('<script>"x"&\udcff.txt', 1, 0)
    page = render_page("/<b>/\udcff/", [evil], Order()).decode()
    assert "<script>" not in page
    assert "<b>" not in page
    assert '"./%3Cscript%3E%22x%22%26%FF.txt"' in page
    assert "&lt;script&gt;" in page


def test_links_cannot_leave_the_folder() -> None:
    page = render_page("/a/b/", [Row("http://x/", 0, 0), Row("a:b", 1, 0)], Order()).decode()
    assert '"./http%3A%2F%2Fx/"' in page
    assert '"./a%3Ab"' in page
    assert '<a href="../../">root</a> / <a href="../">a</a> / <a href="./">b</a>' in page


def test_the_page_names_its_order_and_count() -> None:
    page = render_page("/", ROWS, Order("size")).decode()
    assert "Size \u2191" in page
    assert "?sort=size&amp;order=desc" in page
    assert "1 folders, 2 files" in page
    assert "This folder is empty" in render_page("/", [], Order()).decode()


def test_json_tells_the_same() -> None:
    (item,) = json.loads(render_json([Row("a b/", 0, 0)]))
    assert item == {
        "name": "a b/",
        "size": 0,
        "url": "./a%20b/",
        "mod_time": "1970-01-01T00:00:00+00:00",
        "is_dir": True,
    }


def test_sizes_for_people() -> None:
    assert [human_size(size) for size in (0, 1023, 1024, 1536, 5 * 1024**4)] == [
        "0 B",
        "1023 B",
        "1.0 KiB",
        "1.5 KiB",
        "5.0 TiB",
    ]
