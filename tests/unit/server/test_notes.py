"""What an operator hears at start."""

from __future__ import annotations

from dataclasses import replace

from tornado_realtime.caddyfile import parse_block
from tornado_realtime.channels import parse_pattern
from tornado_realtime.server.notes import realtime_notes
from tornado_realtime.settings import ChannelRule, Settings, settings_from_directive

EVERYTHING = ChannelRule(parse_pattern("*"))
QUIET = Settings(
    auth_endpoint="http://localhost:9000/me", broadcast_secret="s", channels=(EVERYTHING,), wire="raw"
)


def _settings(*options: str) -> Settings:
    block = "".join(f"\t{option}\n" for option in (*options, "channel * {", "}"))
    return settings_from_directive(parse_block(f"go_handler {{\n{block}}}\n", "F", {}))


def test_nothing_to_say() -> None:
    assert realtime_notes([QUIET], [8080]) == []


def test_the_default_auth_endpoint_needs_a_site_on_its_port() -> None:
    settings = _settings("broadcast_secret s", "wire raw")
    assert realtime_notes([settings], [8080]) == []
    (note,) = realtime_notes([settings], [9090])
    assert note.startswith("F:1: auth_endpoint is http://localhost:8080/auth.php")


def test_publishing_without_a_secret_is_said() -> None:
    (note,) = realtime_notes([replace(QUIET, broadcast_secret="")], [8080])
    assert "this host only" in note
    assert "broadcast_secret" in note


def test_the_rule_that_holds_without_channel_blocks_is_said() -> None:
    (note,) = realtime_notes([replace(QUIET, channels=())], [8080])
    assert note.startswith("whoever is logged in may subscribe to every channel, and no client may publish")


def test_channels_without_a_block_are_pointed_out() -> None:
    (note,) = realtime_notes([replace(QUIET, channels=(ChannelRule(parse_pattern("news.*")),))], [8080])
    assert note.startswith("channels that match no channel block are open to whoever is logged in")


def test_the_newer_seed_needs_the_envelope() -> None:
    (note,) = realtime_notes([_settings("broadcast_secret s", "allowed_origins http://a")], [8080])
    assert "broadcast_secret and allowed_origins without wire" in note
    assert "wire envelope" in note
    assert realtime_notes([_settings("broadcast_secret s", "wire raw")], [8080]) == []


def test_two_go_handlers_have_separate_hubs() -> None:
    (note,) = realtime_notes([QUIET, QUIET], [8080])
    assert "2 go_handlers" in note


def test_tickets_that_only_one_node_knows_are_said() -> None:
    keys = ("k" * 32,)
    assert realtime_notes([replace(QUIET, resume=600.0)], [8080]) == []
    assert realtime_notes([replace(QUIET, resume=600.0, driver="redis", ticket_keys=keys)], [8080]) == []
    (note,) = realtime_notes([replace(QUIET, resume=600.0, driver="redis")], [8080])
    assert "set the same ticket_key on all" in note
    (note,) = realtime_notes([replace(QUIET, ticket_keys=keys)], [8080])
    assert note == "ticket_key does nothing without resume"
