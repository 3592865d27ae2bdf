from __future__ import annotations

import posixpath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tornado_realtime.site.globs import compile_glob
from tornado_realtime.site.paths import clean_path, join_below, normal_path, normal_raw_path, strip_prefix


@pytest.mark.parametrize(
    ("path", "cleaned"),
    [
        ("/", "/"),
        ("//", "/"),
        ("/a//b", "/a/b"),
        ("/a/./b", "/a/b"),
        ("/a/../b", "/b"),
        ("/../../b", "/b"),
        ("/a/", "/a/"),
        ("/a/.", "/a"),
        ("/a/b/..", "/a"),
        ("/a/..", "/"),
        ("/a/../", "/"),
        ("a/../..", ".."),
        ("", "."),
        ("*", "*"),
    ],
)
def test_clean_path_resolves_dots_and_keeps_a_trailing_slash(path: str, cleaned: str) -> None:
    assert clean_path(path) == cleaned


@pytest.mark.parametrize(
    ("path", "cleaned"),
    [("//", "//"), ("/a//b", "/a//b"), ("/a//", "/a//"), ("/a//../b", "/a/b"), ("//a/../", "//")],
)
def test_slashes_are_kept_apart_on_demand(path: str, cleaned: str) -> None:
    assert clean_path(path, merge_slashes=False) == cleaned


@given(st.text("/.ab", max_size=20))
@settings(deadline=None)
def test_cleaning_agrees_with_the_standard_library(text: str) -> None:
    path = "/" + text
    expected = "/" + posixpath.normpath(path).lstrip("/")
    cleaned = clean_path(path)
    assert cleaned == (expected + "/" if path.endswith("/") and expected != "/" else expected)
    assert clean_path(cleaned) == cleaned


def test_normal_paths_are_decoded_cleaned_and_lower_case() -> None:
    assert normal_path("/%57S//x/../Y") == "/ws/y"
    assert normal_raw_path("/%2FA//b") == "/%2fa/b"


@given(st.text("/.a%2eF\\", max_size=20))
@settings(deadline=None)
def test_join_below_never_leaves_the_root(path: str) -> None:
    joined = join_below("/srv/www", path)
    assert posixpath.normpath(joined) == "/srv/www" or posixpath.normpath(joined).startswith("/srv/www/")


@pytest.mark.parametrize(
    ("target", "prefix", "rest"),
    [
        ("/api/users", "/api", "/users"),
        ("/API/users", "/api", "/users"),
        ("//api//users", "/api", "/users"),
        ("/%61pi/x%2Fy", "/api", "/x%2Fy"),
        ("/caf%C3%A9/x", "/café", "/x"),
        ("/api", "/api", "/"),
        ("/apiary", "/api", "/ary"),
        ("/other", "/api", "/other"),
        ("/a%2Fb/c", "/a%2fb", "/c"),
        ("/a%2Fb/c", "/a/b", "/c"),
        ("/a", "/a/b", "/a"),
    ],
)
def test_strip_prefix(target: str, prefix: str, rest: str) -> None:
    assert strip_prefix(target, prefix) == rest


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("/a*b", "/axxb", True),
        ("/a*b", "/ab", True),
        ("/a*b", "/a/b", False),
        ("/*/x*", "/a/x/x", False),
        ("/*/x*", "/a/xy", True),
        ("/a?c", "/abc", True),
        ("/a?c", "/a/c", False),
        ("/[a-c]", "/b", True),
        ("/[^a-c]", "/b", False),
        ("/[\\]x]", "/]", True),
        ("/\\*", "/*", True),
        ("/\\*", "/a", False),
        ("*", "", True),
        ("", "", True),
        ("*.*", "a.b.c", True),
    ],
)
def test_globs(pattern: str, text: str, expected: bool) -> None:
    assert compile_glob(pattern).matches(text) is expected


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("/a%2fb", "/a%2fb", True),
        ("/a%2fb", "/a/b", False),
        ("/a%2fb", "/a%2fbc", False),
        ("/%2f/caf*", "/%2f/%63af%c3%a9", True),
        ("/a*%2f", "/a%2f%2f", False),
        ("/%*/b", "/a%2fa/b", True),
        ("/%*/b", "/a/a/b", False),
        ("/é%20", "/%c3%a9%20", True),
    ],
)
def test_globs_with_escapes_compare_those_in_escaped_form(pattern: str, text: str, expected: bool) -> None:
    assert compile_glob(pattern, with_escapes=True).matches(text) is expected


@pytest.mark.parametrize("pattern", ["/[", "/[]", "/[a", "/[a-]", "/a\\", "/[\\"])
def test_broken_globs_are_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"class|backslash"):
        compile_glob(pattern)


def test_many_stars_do_not_take_exponential_time() -> None:
    assert not compile_glob("/" + "*a" * 40 + "b").matches("/" + "a" * 2000)
