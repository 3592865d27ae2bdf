from __future__ import annotations

import random
from functools import cmp_to_key

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.site_plans import body_error, error_of, handlers_of, plan_of, routes_of
from tornado_realtime.errors import ConfigError
from tornado_realtime.site.order import DEFAULT_ORDER, SortKey, sort_routes
from tornado_realtime.site.scope import Scope
from tornado_realtime.site.stable_sort import stable_sort


def key(path: str) -> SortKey:
    """What a handle with this matcher is sorted by; ``@m`` stands for a named one without a single path."""
    return SortKey("handle", has_matcher=bool(path), path=path if path.startswith("/") else "")


def sorted_paths(*paths: str) -> list[str]:
    return sort_routes(paths, key, DEFAULT_ORDER)


def test_frankenphps_directives_and_ours_come_right_before_the_file_server() -> None:
    at = DEFAULT_ORDER.index("file_server")
    assert DEFAULT_ORDER[at - 4 : at] == ("php_fastcgi", "php", "php_server", "go_handler")
    assert len(set(DEFAULT_ORDER)) == len(DEFAULT_ORDER)


@pytest.mark.parametrize(
    ("written", "tried"),
    [
        (["/a*", "/a"], ["/a", "/a*"]),
        (["/a", "/abc"], ["/abc", "/a"]),
        (["/ab*", "/abc"], ["/abc", "/ab*"]),
        (["/b", "/a"], ["/a", "/b"]),
        (["/abc*", "/abd"], ["/abc*", "/abd"]),
        (["", "/a"], ["/a", ""]),
        (["", "@m"], ["@m", ""]),
        (["@m", "/a"], ["@m", "/a"]),
        (["/ab", "/\u00dfb"], ["/\u00dfb", "/ab"]),
    ],
)
def test_routes_of_one_directive(written: list[str], tried: list[str]) -> None:
    assert sorted_paths(*written) == tried


def test_the_comparison_is_not_transitive_and_the_insertion_sort_shows() -> None:
    assert sorted_paths("/a*", "@m", "/a/b*") == ["/a*", "@m", "/a/b*"]
    assert sorted_paths("/a*", "/a/b*", "@m") == ["/a/b*", "/a*", "@m"]


def test_vars_go_from_the_least_specific_to_the_most() -> None:
    def vars_key(path: str) -> SortKey:
        return SortKey("vars", has_matcher=bool(path), path=path)

    assert sort_routes(["/a", "", "/abc"], vars_key, DEFAULT_ORDER) == ["", "/a", "/abc"]


def test_a_sequence_is_equal_to_every_other_of_its_name() -> None:
    php = SortKey("php_server", single=False)
    api = SortKey("php_server", has_matcher=True, path="/api*")
    assert sort_routes([php, api], lambda one: one, DEFAULT_ORDER) == [php, api]


@given(st.integers(0, 130), st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_a_consistent_comparison_sorts_as_python_does(size: int, rng: random.Random) -> None:
    items = [(rng.randrange(20), at) for at in range(size)]
    expected = sorted(items, key=lambda item: item[0])
    stable_sort(items, lambda left, right: left[0] < right[0])
    assert items == expected


def test_python_sorted_would_give_another_order() -> None:
    rng = random.Random(4)
    paths = [rng.choice(["/a", "/a*", "/a/b*", "/b*", "@m", ""]) for _ in range(20)]

    def compare(left: str, right: str) -> int:
        if sorted_paths(left, right) == [left, right]:
            return -1 if sorted_paths(right, left) == [left, right] else 0
        return 1

    assert sorted_paths(*paths) != sorted(paths, key=cmp_to_key(compare))


@pytest.mark.parametrize(
    ("line", "before", "after"),
    [
        ("order respond first", None, "tracing"),
        ("order respond last", "acme_server", None),
        ("order respond before header", "log_level", "header"),
        ("order respond after header", "header", "copy_response_headers"),
        ("order go_handler before file_server", "php_server", "file_server"),
    ],
)
def test_the_order_option_takes_a_directive_out_and_puts_it_in_again(
    line: str, before: str | None, after: str | None
) -> None:
    order = plan_of(f"{{\n{line}\n}}\n").options.order
    at = order.index(line.split()[1])
    assert sorted(order) == sorted(DEFAULT_ORDER)
    assert (order[at - 1] if at else None) == before
    assert (order[at + 1] if at + 1 < len(order) else None) == after


def test_order_lines_act_in_sequence() -> None:
    order = plan_of("{\norder respond first\norder abort after respond\n}\n").options.order
    assert order[:2] == ("respond", "abort")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("order", "wrong number of arguments after order"),
        ("order respond", "wrong number of arguments after order"),
        ("order respond first x", "wrong number of arguments after order"),
        ("order respond before", "wrong number of arguments after order"),
        ("order respond before header x", "wrong number of arguments after order"),
        ("order respnd first", "unknown directive respnd, did you mean 'respond'?"),
        ("order respond upfront", "unknown place upfront"),
        ("order respond before log", "directive log is not in the order"),
        ("order respond before respond", "directive respond is not in the order"),
    ],
)
def test_wrong_order_lines(line: str, message: str) -> None:
    assert error_of(f"{{\n{line}\n}}\n").startswith(f"Caddyfile:2: {message}")


def test_blocks_are_sorted_each_and_route_is_not() -> None:
    body = "respond a\nredir / /x"
    assert handlers_of(body) == ["static_response:|302", "static_response:a"]
    assert handlers_of(f"handle {{\n{body}\n}}") == ["static_response:|302", "static_response:a"]
    assert handlers_of(f"route {{\n{body}\n}}") == ["static_response:a", "static_response:|302"]


def test_handle_and_handle_path_are_sorted_as_one() -> None:
    body = "handle /ab* {\nrespond 1\n}\nhandle_path /abc/* {\nrespond 2\n}\nhandle {\nrespond 3\n}"
    assert handlers_of(body) == ["rewrite", "static_response:2", "static_response:1", "static_response:3"]


def test_a_directive_without_a_place_in_the_order_needs_a_route_block() -> None:
    routes = routes_of("respond hi")
    scope = Scope({}, order=("header",))
    with pytest.raises(
        ConfigError, match=r"^Caddyfile:2: directive respond has no place in the order: put it"
    ):
        scope.arranged(routes)
    assert scope.arranged(routes, in_order=False) == routes


@pytest.mark.parametrize("name", ["log", "bind", "tls a b", "handle_errors"])
def test_what_belongs_to_the_site_is_refused_in_blocks(name: str) -> None:
    word = name.split()[0]
    assert body_error(f"handle {{\n{name}\n}}") == (
        f"Caddyfile:3: {word} is not allowed inside handle: it belongs to the site itself"
    )
    assert body_error(f"route {{\n{name}\n}}").startswith("Caddyfile:3: ")


def test_a_block_of_mutually_exclusive_directives_is_a_group() -> None:
    (plan,) = plan_of(":80 {\nhandle /a {\n}\nhandle_path /b {\n}\nroot /c\nrewrite /d\nrespond x\n}\n").sites
    groups = {route.step.directive.word: route.group for route in plan.routes}
    assert groups == {
        "handle": "handle",
        "handle_path": "handle",
        "root": "root",
        "rewrite": "rewrite",
        "respond": "",
    }
