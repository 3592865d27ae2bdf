"""What the options of a server make of its lane."""

from __future__ import annotations

import pytest

from tests.support.site_plans import plan_of
from tornado_realtime.fastlane import LanePlan
from tornado_realtime.server.generation import Generation


def lane(options: str = "", site: str = "go_handler") -> LanePlan:
    """The lane of the only server."""
    generation = Generation(plan_of(f"{{\nservers {{\n{options}\n}}\n}}\nhttp://:8080 {{\n{site}\n}}\n"))
    return generation.lane(generation.plan.servers[0])


def limits(plan: LanePlan) -> tuple[float, float, float | None, int]:
    return plan.idle_seconds, plan.head_seconds, plan.body_seconds, plan.head_bytes


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("", (300.0, 10.0, None, 16_384)),
        ("timeouts {\nidle 1m\n}", (60.0, 10.0, None, 16_384)),
        ("timeouts {\nread_header 5s\n}", (300.0, 5.0, None, 16_384)),
        ("timeouts {\nread_header 1m\n}", (300.0, 10.0, None, 16_384)),
        ("timeouts {\nread_body 3s\n}", (300.0, 10.0, 3.0, 16_384)),
        ("max_header_size 8KiB", (300.0, 10.0, None, 8192)),
        ("max_header_size 1MiB", (300.0, 10.0, None, 1_048_576)),
    ],
)
def test_limits(options: str, expected: tuple[float, float, float | None, int]) -> None:
    assert limits(lane(options)) == expected


def test_whom_to_believe() -> None:
    plan = lane("trusted_proxies static 10.0.0.0/8\nclient_ip_headers X-Real-IP")
    assert [str(network) for network in plan.options.trusted_proxies] == ["10.0.0.0/8"]
    assert plan.options.client_ip_headers == ("X-Real-IP",)
    assert plan.server_name == "tornado-realtime"


def test_publishing_elsewhere_hides_every_internal_path_of_the_sites() -> None:
    two = "@a header A b\ngo_handler @a {\nbroadcast_listen 127.0.0.1:9\n}\ngo_handler"
    assert set(lane(site=two).paths) == {b"GET /ws HTTP/1.1"}
