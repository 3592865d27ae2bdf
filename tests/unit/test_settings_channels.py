"""Channel blocks: what they say, and what is said where they say nothing that can be."""

from __future__ import annotations

import pytest

from tornado_realtime.caddyfile import parse_block
from tornado_realtime.carriers import traits_of
from tornado_realtime.errors import ConfigError
from tornado_realtime.realtime import Realtime
from tornado_realtime.settings import Access, Settings, settings_from_directive, settings_from_options
from tornado_realtime.settings.channels import HISTORY_BYTES
from tornado_realtime.traits import Retention

BLOCKS = """go_handler {
    channel news {
        subscribe anyone
    }
    channel user.{user}.* {
        subscribe user
        publish user
    }
    channel {user} {
    }
    channel private-* {
        publish authenticated
        subscribe nobody
    }
}"""


def read(text: str) -> Settings:
    return settings_from_directive(parse_block(text, "Caddyfile", {}))


def test_blocks() -> None:
    settings = read(BLOCKS)
    assert [(rule.pattern.text, rule.subscribe.who, rule.publish.who) for rule in settings.channels] == [
        ("news", "anyone", "nobody"),
        ("user.{user}.*", "user", "user"),
        ("{user}", "authenticated", "nobody"),
        ("private-*", "nobody", "authenticated"),
    ]
    assert settings.given == {"channel"}
    written = settings.written("channel", "private-*")
    assert written is not None and (written.file, written.line) == ("Caddyfile", 11)


def test_as_keyword_arguments() -> None:
    blocks = {
        "news": {"subscribe": "anyone"},
        "user.{user}.*": {"subscribe": "user", "publish": "user"},
        "{user}": {},
        "private-*": {"publish": "authenticated", "subscribe": "nobody"},
    }
    settings = settings_from_options(channel=blocks)
    assert settings == read(BLOCKS)
    assert settings.written("channel", "news") is None


def test_who_is_present() -> None:
    settings = read(
        "go_handler {\nchannel a {\npresence on\n}\nchannel b* {\npresence on 50\n}\n"
        "channel c {\npresence off\n}\npresence_delay 2s\npresence_lease 1m\n}"
    )
    assert settings == settings_from_options(
        channel={"a": {"presence": "on"}, "b*": {"presence": ["on", 50]}, "c": {"presence": "off"}},
        presence_delay=2,
        presence_lease="1m",
    )
    traits = traits_of(settings)
    assert [traits.of(name).presence for name in ("a", "b1", "c", "d")] == [200, 50, 0, 0]
    assert traits.has_presence
    assert not traits_of(read("go_handler {\nchannel c {\npresence off\n}\n}")).has_presence
    assert (settings.presence_delay, settings.presence_lease) == (2.0, 60.0)


def test_what_is_kept() -> None:
    settings = read("go_handler {\nchannel a {\nhistory 50 10m\n}\nchannel b* {\nhistory 9 1d 1MiB\n}\n}")
    assert settings == settings_from_options(
        channel={"a": {"history": [50, "10m"]}, "b*": {"history": [9, "1d", "1MiB"]}}
    )
    traits = traits_of(settings)
    assert traits.of("a").retention == Retention(50, 600.0, 16 << 20)
    assert traits.of("bee").retention == Retention(9, 86400.0, 1 << 20)
    assert traits.of("c").retention is None


def test_who_is_too_slow() -> None:
    settings = read(
        "go_handler {\nslow_consumer drop_oldest\n"
        "channel a {\nslow_consumer latest\n}\nchannel b {\n}\n"
        "channel c {\nslow_consumer disconnect\nhistory 9 1m\n}\n}"
    )
    traits = traits_of(settings)
    assert [traits.of(channel).slow.value for channel in "abcd"] == [
        "latest",
        "drop_oldest",
        "disconnect",
        "drop_oldest",
    ]
    assert traits.of("c").retention is not None


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            "channel news",
            "2: channel needs a block: "
            "write channel PATTERN { subscribe WHO; publish WHO; history SIZE TTL; presence on }",
        ),
        (
            "channel news {\nsubscribe everybody\n}",
            "3: subscribe must be one of nobody, anyone, authenticated, user, claim, endpoint, token, "
            "not 'everybody'",
        ),
        (
            "channel news {\npublish autenticated\n}",
            "3: publish must be one of nobody, anyone, authenticated, user, claim, endpoint, token, "
            "not 'autenticated' (did you mean authenticated?)",
        ),
        (
            "channel a {\nsubscribe claim\n}",
            "3: subscribe claim has a word too many or too few: write subscribe claim NAME",
        ),
        (
            "channel a {\npublish nobody ada\n}",
            "3: publish nobody has a word too many or too few: write publish nobody",
        ),
        (
            "channel a {\nsubscribe endpoint /may.php\n}",
            "3: subscribe must be an http:// or https:// address, not '/may.php'",
        ),
        ("channel news {\npast 10\n}", "3: unknown option past of channel"),
        (
            "channel news {\nhistory 10\n}",
            "3: history needs a number and a duration: write history 10 10m",
        ),
        ("channel a {\npresence onn\n}", "3: presence must be on or off, not 'onn' (did you mean on?)"),
        ("channel a {\npresence off 5\n}", "3: presence off has a word too many: '5'"),
        ("channel a {\npresence on 0\n}", "3: presence needs a whole number from 1 to 10000, not '0'"),
        ("presence_delay 0s", "2: presence_delay must be longer than nothing, not '0s'"),
        ("presence_lease 500ms", "2: presence_lease must be 1s to 10m, not '500ms'"),
        ("presence_lease 1h", "2: presence_lease must be 1s to 10m, not '1h'"),
        ("channel a {\nhistory 0 1m\n}", "3: history needs a whole number from 1 to 100000, not '0'"),
        (
            "channel a {\nhistory 9 10\n}",
            "3: history duration '10' has no unit: write 10s for seconds or 10ms for milliseconds",
        ),
        ("channel a {\nhistory 9 10ms\n}", "3: history must keep publications for 1s to 365d, not '10ms'"),
        (
            "channel a {\nhistory 9 1m 1\n}",
            "3: history must be allowed at least 1024 bytes, not '1'",
        ),
        (
            "channel a {\nslow_consumer oldest\n}",
            "3: slow_consumer must be disconnect or drop_oldest or latest, not 'oldest' "
            "(did you mean drop_oldest?)",
        ),
        (
            "channel news.* {\npublish user\n}",
            "2: channel news.* has no {user}, so publish user would let nobody in: "
            "write a pattern such as user.{user}.*, or publish authenticated",
        ),
        (
            "channel *.{user} {\n}",
            "2: channel '*.{user}' leaves open where {user} begins: no * may stand before it",
        ),
        ("channel a {\n}\nchannel a {\n}", "4: channel a is given twice (first in line 2)"),
        (
            "channel a {\nsubscribe user\nsubscribe nobody\n}",
            "4: subscribe is given twice (first in line 3)",
        ),
    ],
)
def test_what_is_wrong_in_them(lines: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(f"go_handler {{\n{lines}\n}}")
    assert str(caught.value) == f"Caddyfile:{message}"


@pytest.mark.parametrize(("said", "name"), [("subscribe nobody", "subscribe"), ("publish anyone", "publish")])
def test_beside_a_function_blocks_do_not_say_who_may(said: str, name: str) -> None:
    def may(user: object, channel: str, action: str) -> bool:
        return True

    reason = f"channel news: authorize decides who may {name}, so leave {name} out of the block"
    with pytest.raises(ConfigError) as caught:
        Realtime(channel={"a": {"history": [10, "1m"]}, "news": dict([said.split()])}, authorize=may)
    assert str(caught.value) == reason
    text = f"go_handler {{\nchannel a {{\n}}\nchannel news {{\nhistory 10 1m\n{said}\n}}\n}}"
    with pytest.raises(ConfigError) as caught:
        Realtime.from_caddyfile(text, authorize=may)
    assert str(caught.value) == f"go_handler:4: {reason}"


def test_beside_a_function_blocks_say_everything_else() -> None:
    blocks = {"news": {"history": [10, "1m"], "presence": "on"}, "chat": {}}
    instance = Realtime(channel=blocks, authorize=lambda user, channel, action: channel == "news")
    rule = instance.settings.channels[0]
    assert (rule.history, rule.presence, rule.said) == (Retention(10, 60, HISTORY_BYTES), 200, ())


@pytest.mark.parametrize(
    ("access", "text"),
    [
        (Access("authenticated"), "authenticated"),
        (Access("claim", "rooms"), "claim rooms"),
        (Access("endpoint", "http://me:secret@a.b:1/c/d?key=secret"), "endpoint http://a.b:1/c/d"),
    ],
)
def test_an_access_is_shown_as_it_is_written_but_for_secrets(access: Access, text: str) -> None:
    assert str(access) == text
    assert "secret" not in repr(access)


def test_what_stands_behind_a_word_is_found() -> None:
    settings = settings_from_options(
        channel={
            "a": {"subscribe": ["claim", "rooms"], "publish": ["claim", "writes"]},
            "b": {"subscribe": ["claim", "rooms"], "publish": "token"},
        }
    )
    assert [list(settings.asks_channels(who)) for who in ("claim", "token", "endpoint")] == [
        ["rooms", "writes"],
        [""],
        [],
    ]


def test_tokens_need_a_key() -> None:
    lines = "channel a {\nsubscribe token\n}"
    with pytest.raises(ConfigError) as caught:
        Realtime.from_caddyfile(f"go_handler {{\n{lines}\n}}")
    message = "channel a: subscribe token needs a jwt block, whose key signs the tokens"
    assert str(caught.value) == f"go_handler:2: {message}"
    Realtime.from_caddyfile(f"go_handler {{\njwt {{\nsecret {'k' * 32}\n}}\n{lines}\n}}")
