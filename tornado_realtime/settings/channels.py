"""Who may use which channel: the blocks ``channel PATTERN { ... }``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tornado_realtime.channels import Pattern, parse_pattern
from tornado_realtime.settings.option import (
    Block,
    Converter,
    Option,
    did_you_mean,
    duration,
    no_words,
    one_of,
    read_number,
    url,
)
from tornado_realtime.traits import Retention, Slow, Traits
from tornado_realtime.units import parse_duration, parse_size

MOST_ENTRIES = 100_000
MOST_SECONDS = 365 * 86400.0
HISTORY_BYTES = 16 * 1024 * 1024
LEAST_HISTORY_BYTES = 1024
SLOW = tuple(slow.value for slow in Slow)
"""What may stand behind ``slow_consumer``."""
USUAL_MEMBERS = 200
MOST_MEMBERS = 10_000
LEAST_LEASE = 1.0
MOST_LEASE = 600.0


@dataclass(frozen=True, slots=True)
class Access:
    """Who may do one thing on the channels of a pattern.

    Attributes:
        who: One of ``WHO``.
        argument: What stands behind it: the claim's name, or the endpoint's address.
    """

    who: str
    argument: str = field(default="", repr=False)

    def __str__(self) -> str:
        """As written, without what may be secret in an address."""
        if self.who != "endpoint":
            return f"{self.who} {self.argument}".rstrip()
        scheme, _, rest = self.argument.partition("://")
        place = rest.partition("?")[0]
        host, slash, path = place.partition("/")
        return f"{self.who} {scheme}://{host.rpartition('@')[2]}{slash}{path}"


@dataclass(frozen=True, slots=True)
class Who:
    """One kind of access.

    Attributes:
        argument: How the word behind it is called; empty where there is none.
        purpose: For the reference: whom it lets.
    """

    argument: str
    purpose: str


WHO: Mapping[str, Who] = {
    "nobody": Who("", "No client at all."),
    "anyone": Who("", "Every client that is connected, also those that `anonymous on` lets in."),
    "authenticated": Who("", "Every client that is logged in."),
    "user": Who(
        "", "The one user whose id stands in the channel's name where the pattern has `{user}`; nobody else."
    ),
    "claim": Who(
        "NAME",
        "Whose token, or whose answer of the auth endpoint, has under NAME a pattern, or a list of patterns, "
        "one of which matches the channel.",
    ),
    "endpoint": Who("URL", "Whom the application lets: it is asked with a GET, see below."),
    "token": Who("", "Who shows a token for this channel, see below."),
}
"""What may stand behind ``subscribe`` and ``publish``."""


@dataclass(frozen=True, slots=True)
class ChannelRule:
    """One block: what holds on the channels that its pattern matches, unless a more specific one does.

    Attributes:
        pattern: Which channels.
        subscribe: Who may subscribe to them.
        publish: Who may publish on them from a client.
        history: What is kept of them; None for nothing.
        slow_consumer: What becomes of their slow clients; empty for what go_handler's option says.
        presence: Up to how many users are told by name; 0 for no presence.
        said: Which of ``subscribe`` and ``publish`` the block says itself.
    """

    pattern: Pattern
    subscribe: Access = Access("authenticated")
    publish: Access = Access("nobody")
    history: Retention | None = None
    slow_consumer: str = ""
    presence: int = 0
    said: tuple[str, ...] = field(default=(), compare=False)

    def traits(self, usual: Slow) -> Traits:
        """What holds on them, beyond who may use them.

        Args:
            usual: What becomes of slow clients where the block does not say.
        """
        slow = Slow(self.slow_consumer) if self.slow_consumer else usual
        return Traits(self.history, slow, self.presence)

    @property
    def accesses(self) -> tuple[tuple[str, Access], ...]:
        """Both, with their names."""
        return (("subscribe", self.subscribe), ("publish", self.publish))


def _access(name: str) -> Converter:
    def convert(words: Sequence[str]) -> dict[str, Any]:
        who = WHO.get(words[0])
        if who is None:
            choices = ", ".join(WHO)
            raise ValueError(
                f"must be one of {choices}, not {words[0]!r}{did_you_mean(words[0], tuple(WHO))}"
            )
        if len(words) != 1 + bool(who.argument):
            usage = f"{name} {words[0]} {who.argument}".rstrip()
            raise ValueError(f"{words[0]} has a word too many or too few: write {usage}")
        if words[0] == "endpoint":
            url("")(words[1:])
        return {name: Access(*words)}

    return convert


def _history(words: Sequence[str]) -> dict[str, Any]:
    if len(words) < 2:
        raise ValueError(f"needs a number and a duration: write history {words[0]} 10m")
    entries, seconds = read_number(words[0], MOST_ENTRIES), parse_duration(words[1])
    if not 1 <= seconds <= MOST_SECONDS:
        raise ValueError(f"must keep publications for 1s to 365d, not {words[1]!r}")
    size_bytes = parse_size(words[2]) if len(words) > 2 else HISTORY_BYTES
    if size_bytes < LEAST_HISTORY_BYTES:
        raise ValueError(f"must be allowed at least {LEAST_HISTORY_BYTES} bytes, not {words[2]!r}")
    return {"history": Retention(entries, seconds, size_bytes)}


def _presence(words: Sequence[str]) -> dict[str, Any]:
    if words[0] not in ("on", "off"):
        raise ValueError(f"must be on or off, not {words[0]!r}{did_you_mean(words[0], ('on', 'off'))}")
    if len(words) == 1:
        return {"presence": USUAL_MEMBERS if words[0] == "on" else 0}
    if words[0] == "off":
        raise ValueError(f"off has a word too many: {words[1]!r}")
    return {"presence": read_number(words[1], MOST_MEMBERS)}


def _lease(words: Sequence[str]) -> dict[str, Any]:
    seconds = parse_duration(words[0])
    if not LEAST_LEASE <= seconds <= MOST_LEASE:
        raise ValueError(f"must be {LEAST_LEASE:g}s to {MOST_LEASE / 60:g}m, not {words[0]!r}")
    return {"presence_lease": seconds}


def _channel(words: Sequence[str], values: Mapping[str, Any]) -> dict[str, Any]:
    said = tuple(name for name in ("subscribe", "publish") if name in values)
    rule = ChannelRule(parse_pattern(words[0]), **values, said=said)
    for action, access in rule.accesses:
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
        "PATTERN { subscribe WHO; publish WHO; history SIZE TTL; presence on }",
        "",
        "Who may use the channels that PATTERN matches, and what is kept of them; there may be many.",
        block=Block(
            (
                Option(
                    "subscribe", _access("subscribe"), "WHO", "authenticated", "Who may subscribe.", most=2
                ),
                Option(
                    "publish", _access("publish"), "WHO", "nobody", "Who may publish from a client.", most=2
                ),
                Option(
                    "history",
                    _history,
                    "SIZE TTL [BYTES]",
                    "",
                    "How many publications are kept for clients that come back, how long, and in how much "
                    "memory (16MiB).",
                    most=3,
                ),
                Option(
                    "slow_consumer",
                    one_of("slow_consumer", *SLOW),
                    "|".join(SLOW),
                    "",
                    "What happens here to a slow consumer; without it what `slow_consumer` beside the blocks "
                    "says.",
                ),
                Option(
                    "presence",
                    _presence,
                    "on [LIMIT]|off",
                    "off",
                    "Whether clients are told who is there; above LIMIT (200) users only how many.",
                    most=2,
                ),
            ),
            _channel,
            words=1,
            repeats=True,
        ),
    ),
    Option(
        "presence_delay",
        duration("presence_delay"),
        "DURATION",
        "5s",
        "How long users whose last connection ended are present still, so that a page that is loaded again "
        "does not flicker.",
    ),
    Option(
        "presence_lease",
        _lease,
        "DURATION",
        "10s",
        "How soon the users of a node that died are gone, with `driver redis`.",
    ),
)
