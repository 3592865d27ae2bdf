"""``transport`` in reverse_proxy: how to speak with the upstreams."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from tornado_realtime.caddyfile.directive import Directive
from tornado_realtime.site.arguments import (
    choice,
    expect,
    flag,
    no_block,
    one_word,
    seconds,
    some_words,
    unknown,
    wrong_count,
)
from tornado_realtime.site.proxy.spec import HttpTransport

__all__ = ["FastcgiTransport", "HttpTransport", "parse_transport"]


@dataclass(frozen=True, slots=True)
class FastcgiTransport:
    """FastCGI.

    Attributes:
        root: Folder of the files, with placeholders; empty for the variable ``root``.
        split: Endings after which a path is split; empty splits nowhere.
        env: More variables, values with placeholders.
        resolve_root_symlink: Whether links in the root are resolved.
        dial_timeout: Seconds for connecting; None for the default.
        read_timeout: Seconds that an answer may take; None for the default.
        write_timeout: Seconds that sending may take; None for the default.
    """

    root: str = ""
    split: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    resolve_root_symlink: bool = False
    dial_timeout: float | None = None
    read_timeout: float | None = None
    write_timeout: float | None = None


def parse_transport(line: Directive) -> HttpTransport | FastcgiTransport:
    """Read ``transport http|fastcgi { ... }``.

    Raises:
        ConfigError: When there is no such transport or option, or it is not supported.
    """
    if len(line.args) != 1:
        raise wrong_count(line, "transport http|fastcgi")
    if choice(line.args[0], "transport", ("http", "fastcgi")) == "http":
        return _http(line)
    return _fastcgi(line)


def _http(line: Directive) -> HttpTransport:
    transport = HttpTransport()
    for option in line.block or ():
        read = _HTTP_OPTIONS.get(option.word)
        if read is None and option.word in _LACKING:
            raise option.error(f"option {option.word} of transport http is known but not supported")
        if read is None:
            raise unknown(option.name, "option of transport http", _HTTP_OPTIONS)
        transport = replace(transport, **read(option))  # type: ignore[arg-type]
    return transport


def _fastcgi(line: Directive) -> FastcgiTransport:
    transport = FastcgiTransport()
    for option in line.block or ():
        if option.word == "env":
            key, value = expect(option, 2, 2, "env KEY VALUE")
            transport = replace(transport, env=(*transport.env, (key, value)))
        elif option.word in _FASTCGI_OPTIONS:
            transport = replace(transport, **_FASTCGI_OPTIONS[option.word](option))  # type: ignore[arg-type]
        else:
            raise unknown(option.name, "option of transport fastcgi", (*_FASTCGI_OPTIONS, "env"))
    return transport


_Reader = Callable[[Directive], dict[str, object]]


def _duration(name: str) -> _Reader:
    def read(option: Directive) -> dict[str, object]:
        one_word(option, f"{option.word} 10s")
        return {name: seconds(option.args[0])}

    return read


def _word(name: str) -> _Reader:
    return lambda option: {name: one_word(option, f"{option.word} VALUE")}


def _words(name: str) -> _Reader:
    return lambda option: {name: some_words(option, f"{option.word} VALUE...")}


def _true(name: str) -> _Reader:
    return lambda option: {name: flag(option)}


def _insecure(option: Directive) -> dict[str, object]:
    return {"tls": True, "insecure": flag(option)}


def _server_name(option: Directive) -> dict[str, object]:
    return {"tls": True, "server_name": one_word(option, "tls_server_name NAME")}


def _trusted_files(option: Directive) -> dict[str, object]:
    return {"tls": True, "trusted_ca_files": some_words(option, "tls_trusted_ca_certs FILE...")}


def _keepalive(option: Directive) -> dict[str, object]:
    if one_word(option, "keepalive off|2m") == "off":
        return {"keepalive": 0.0}
    return {"keepalive": seconds(option.args[0])}


def _keepalive_count(option: Directive) -> dict[str, object]:
    word = one_word(option, f"{option.word} NUMBER")
    if not (word.isascii() and word.isdigit()):
        raise option.args[0].error(f"{word!r} is not a whole number")
    return {"keepalive_count": int(word)}


def _compression(option: Directive) -> dict[str, object]:
    one_word(option, "compression off")
    return {"compression": choice(option.args[0], "value of compression", ("on", "off")) == "on"}


def _versions(option: Directive) -> dict[str, object]:
    some_words(option, "versions 1.1")
    if "1.1" not in option.words:
        raise option.error("transport http speaks HTTP/1.1 only; write: versions 1.1")
    return {}


def _ignored(option: Directive) -> dict[str, object]:
    no_block(option)
    return {}


_HTTP_OPTIONS: dict[str, _Reader] = {
    "tls": _true("tls"),
    "tls_insecure_skip_verify": _insecure,
    "tls_server_name": _server_name,
    "tls_trusted_ca_certs": _trusted_files,
    "dial_timeout": _duration("dial_timeout"),
    "response_header_timeout": _duration("response_header_timeout"),
    "read_timeout": _duration("read_timeout"),
    "write_timeout": _duration("write_timeout"),
    "keepalive": _keepalive,
    "keepalive_idle_conns": _keepalive_count,
    "keepalive_idle_conns_per_host": _keepalive_count,
    "compression": _compression,
    "versions": _versions,
    "read_buffer": _ignored,
    "write_buffer": _ignored,
    "max_response_header": _ignored,
    "keepalive_interval": _ignored,
    "dial_fallback_delay": _ignored,
    "expect_continue_timeout": _ignored,
}
_LACKING = (
    "proxy_protocol",
    "forward_proxy_url",
    "network_proxy",
    "resolvers",
    "tls_client_auth",
    "tls_curves",
    "tls_timeout",
    "tls_renegotiation",
    "tls_except_ports",
    "max_conns_per_host",
    "tls_trust_pool",
    "local_address",
)
_FASTCGI_OPTIONS: dict[str, _Reader] = {
    "root": _word("root"),
    "split": _words("split"),
    "resolve_root_symlink": _true("resolve_root_symlink"),
    "dial_timeout": _duration("dial_timeout"),
    "read_timeout": _duration("read_timeout"),
    "write_timeout": _duration("write_timeout"),
    "capture_stderr": _ignored,
}
