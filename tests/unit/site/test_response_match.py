from __future__ import annotations

import pytest
from tornado.httputil import HTTPHeaders

from tests.support.site_plans import routes_of
from tornado_realtime.site.directives.headers import HeaderStep
from tornado_realtime.site.response_match import ResponseMatcher


def matcher_of(lines: str) -> ResponseMatcher:
    step = routes_of(f"header {{\nmatch {lines}\nX y\n}}")[0].step
    assert isinstance(step, HeaderStep)
    assert step.only_for is not None
    return step.only_for


@pytest.mark.parametrize(
    ("lines", "status", "expected"),
    [
        ("status 2xx 404", 204, True),
        ("status 2xx 404", 404, True),
        ("status 2xx 404", 403, False),
        ("{\nstatus 500\nstatus 3xx\n}", 308, True),
        ("header Content-Type text/*", 200, True),
        ("header Content-Type *html", 200, True),
        ("header Content-Type *t/h*", 200, True),
        ("header Content-Type *", 200, True),
        ("header Content-Type text", 200, False),
        ("header Set-Cookie b", 200, True),
        ("header !Location", 200, True),
        ("header !Content-Type", 200, False),
        ("{\nstatus 200\nheader Location *\n}", 200, False),
    ],
)
def test_an_answer_is_meant_when_status_and_headers_fit(lines: str, status: int, expected: bool) -> None:
    headers = HTTPHeaders({"Content-Type": "text/html"})
    for value in ("a", "b"):
        headers.add("Set-Cookie", value)
    assert matcher_of(lines).matches(status, headers) is expected
