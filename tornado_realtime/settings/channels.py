"""Who may use which channel: the blocks ``channel PATTERN { ... }``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tornado_realtime.channels import Pattern, parse_pattern
from tornado_realtime.settings.option import Block, Converter, Option, did_you_mean, no_words


@dataclass(frozen=True, slots=True)
class Access:
    """Who may do one thing on the channels of a pattern.

    Attributes:
        who: One of ``WHO``.
    """

    who: str

    def __str__(self) -> str:
        """As written."""
        return self.who


WHO: Mapping[str, str] = {
    "nobody": "No client at all.",
    "anyone": "Every client that is connected.",
    "authenticated": "Every client that is logged in.",
    "user": "The one user whose id stands in the channel's name where the pattern has `{user}`.",
}
"""What may stand behind ``subscribe`` and ``publish``, and whom it lets do that."""


@dataclass(frozen=True, slots=True)
class ChannelRule:
    """One block: what holds on the channels that its pattern matches, unless a more specific one does.

    Attributes:
        pattern: Which channels.
        subscribe: Who may subscribe to them.
        publish: Who may publish on them from a client.
    """

    pattern: Pattern
    subscribe: Access = Access("authenticated")
    publish: Access = Access("nobody")


def _access(name: str) -> Converter:
    def convert(words: Sequence[str]) -> dict[str, Any]:
        if words[0] not in WHO:
            choices = ", ".join(WHO)
            raise ValueError(
                f"must be one of {choices}, not {words[0]!r}{did_you_mean(words[0], tuple(WHO))}"
            )
        return {name: Access(words[0])}

    return convert


def _channel(words: Sequence[str], values: Mapping[str, Any]) -> dict[str, Any]:
    rule = ChannelRule(parse_pattern(words[0]), **values)
    for action, access in (("subscribe", rule.subscribe), ("publish", rule.publish)):
        if access.who == "user" and not rule.pattern.has_user:
            raise ValueError(
                f"{words[0]} has no {{user}}, so {action} user would let nobody in: "
                f"write a pattern such as user.{{user}}.*, or {action} authenticated"
            )
    return {"channels": (rule,)}


CHANNEL_OPTIONS: tuple[Option, ...] = (
    Option(
        "channel",
        no_words,
        "PATTERN { subscribe WHO; publish WHO }",
        "",
        "Who may use the channels that PATTERN matches; there may be many.",
        block=Block(
            (
                Option("subscribe", _access("subscribe"), "WHO", "authenticated", "Who may subscribe."),
                Option("publish", _access("publish"), "WHO", "nobody", "Who may publish from a client."),
            ),
            _channel,
            words=1,
            repeats=True,
        ),
    ),
)
