"""Plans straight from Caddyfile text."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tornado_realtime.caddyfile import parse
from tornado_realtime.errors import ConfigError
from tornado_realtime.site.adapter import adapt
from tornado_realtime.site.matchers import MatcherSet
from tornado_realtime.site.plan import Plan, Route
from tornado_realtime.site.tokens_report import tokens_report

FILE = "Caddyfile"


def plan_of(text: str, env: Mapping[str, str] | None = None) -> Plan:
    """The plan of a whole Caddyfile."""
    return adapt(parse(text, FILE, env or {}))


def routes_of(body: str) -> tuple[Route, ...]:
    """The sorted routes of a site on :8080 with this body."""
    return plan_of(f":8080 {{\n{body}\n}}\n").sites[0].routes


def handlers_of(body: str) -> list[str]:
    """What ``adapt --tokens`` lists for a site on :8080 with this body."""
    document = parse(f":8080 {{\n{body}\n}}\n", FILE, {})
    handlers: list[str] = tokens_report(document, adapt(document))["handlers"]
    return handlers


def matcher_of(definition: str) -> MatcherSet:
    """The named matcher that this text defines, as one route uses it."""
    name = definition.split()[0]
    matcher = routes_of(f"{definition}\nrespond {name} hit")[0].matcher
    assert matcher is not None
    return matcher


def error_of(text: str, env: Mapping[str, str] | None = None) -> str:
    """The message, with file and line, that a whole Caddyfile is refused with."""
    with pytest.raises(ConfigError) as caught:
        plan_of(text, env)
    return str(caught.value)


def body_error(body: str) -> str:
    """The message that the body of a site is refused with; its first line is line 2."""
    return error_of(f":8080 {{\n{body}\n}}\n")
