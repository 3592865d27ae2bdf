"""Global options: the block without an address at the top of a Caddyfile, read into one frozen value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from tornado_realtime.caddyfile.directive import Directive, Token
from tornado_realtime.site.addresses import BindSpec
from tornado_realtime.site.arguments import (
    choice,
    expect,
    no_block,
    one_word,
    seconds,
    some_words,
    unknown,
)
from tornado_realtime.site.frankenphp import FrankenphpOptions, parse_frankenphp
from tornado_realtime.site.logspec import LogSpec, Warn, parse_log
from tornado_realtime.site.order import DEFAULT_ORDER, apply_order
from tornado_realtime.site.server_options import ServerOptions, parse_servers

AUTO_HTTPS = ("off", "disable_redirects", "disable_certs", "ignore_loaded_certs")


@dataclass(frozen=True, slots=True)
class GlobalOptions:
    """What holds for the whole process or for every site.

    Attributes:
        http_port: The port that counts as HTTP; it opens nothing. Default 80.
        https_port: The port that counts as HTTPS. Default 443.
        order: Directive names, first to last.
        debug: Whether the default log level is DEBUG.
        logs: Loggers for the process; at most one of each name.
        admin: Address of the admin endpoint as written, None when it is off. This server has none.
        auto_https: Words of :data:`AUTO_HTTPS`.
        grace_period: Seconds to wait for requests when stopping or reloading; None waits without limit.
        shutdown_delay: Seconds between the wish to stop and stopping.
        servers: Options for single servers, the one with the longest address first.
        default_bind: Hosts for sites without ``bind``; empty for all interfaces.
        email: Given for certificates; not used.
        persist_config: Not used.
        local_certs: Not used.
        skip_install_trust: Not used.
        frankenphp: PHP settings; None when the option is absent.
    """

    http_port: int = 80
    https_port: int = 443
    order: tuple[str, ...] = DEFAULT_ORDER
    debug: bool = False
    logs: tuple[LogSpec, ...] = ()
    admin: str | None = "localhost:2019"
    auto_https: tuple[str, ...] = ()
    grace_period: float | None = None
    shutdown_delay: float = 0.0
    servers: tuple[ServerOptions, ...] = field(default=())
    default_bind: tuple[BindSpec, ...] = ()
    email: str = ""
    persist_config: bool = True
    local_certs: bool = False
    skip_install_trust: bool = False
    frankenphp: FrankenphpOptions | None = None


def parse_options(lines: tuple[Directive, ...], warn: Warn) -> GlobalOptions:
    """Read the global options in file order; a repeated one replaces the earlier, except for lists.

    Raises:
        ConfigError: For the first option that is unknown or wrong.
    """
    options = GlobalOptions()
    for line in lines:
        read = _READERS.get(line.word)
        if read is not None:
            options = read(options, line, warn)
        elif line.word in _WITHOUT_EFFECT:
            warn(line.name, f"global option {line.word} has no effect here")
        else:
            raise unknown(line.name, "global option", (*_READERS, *_WITHOUT_EFFECT))
    return _with_sorted_servers(options)


def _with_sorted_servers(options: GlobalOptions) -> GlobalOptions:
    servers = sorted(options.servers, key=lambda server: -len(server.address))
    _refuse_twice(servers, lambda server: server.address, "servers options for the address")
    _refuse_twice([s for s in servers if s.name], lambda server: server.name, "the server name")
    return replace(options, servers=tuple(servers))


def _refuse_twice(servers: list[ServerOptions], key: Callable[[ServerOptions], str], what: str) -> None:
    seen: set[str] = set()
    for server in servers:
        if key(server) in seen and server.directive is not None:
            raise server.directive.error(f"{what} {key(server) or '(all)'} is given twice")
        seen.add(key(server))


def _port(name: str) -> _Reader:
    def read(options: GlobalOptions, line: Directive, warn: Warn) -> GlobalOptions:
        one_word(line, f"{name} NUMBER")
        word = line.words[0]
        if not (word.isascii() and word.isdigit() and 0 < int(word[:6]) <= 65535):
            raise line.args[0].error(f"{name}: {word!r} is no port; write a number from 1 to 65535")
        return replace(options, **{name: int(word)})  # type: ignore[arg-type]

    return read


def _order(options: GlobalOptions, line: Directive, warn: Warn) -> GlobalOptions:
    return replace(options, order=apply_order(line, options.order))


def _debug(options: GlobalOptions, line: Directive, warn: Warn) -> GlobalOptions:
    return replace(options, debug=True)


def _log(options: GlobalOptions, line: Directive, warn: Warn) -> GlobalOptions:
    log = parse_log(line, warn, is_global=True)
    if any(log.name == other.name for other in options.logs):
        raise line.error(f"global log {log.name} is given twice")
    return replace(options, logs=(*options.logs, log))


def _admin(options: GlobalOptions, line: Directive, warn: Warn) -> GlobalOptions:
    words = expect(line, 0, 1, "admin off|ADDRESS")
    if words == ("off",):
        no_block(line)
        return replace(options, admin=None)
    for option in line.block or ():
        if option.word not in ("origins", "enforce_origin"):
            raise unknown(option.name, "admin option", ("origins", "enforce_origin"))
    warn(line.name, "there is no admin endpoint here; only admin off has a meaning")
    return replace(options, admin=words[0] if words else "localhost:2019")


def _auto_https(options: GlobalOptions, line: Directive, warn: Warn) -> GlobalOptions:
    some_words(line, f"auto_https {'|'.join(AUTO_HTTPS)}")
    return replace(options, auto_https=tuple(choice(arg, "auto_https mode", AUTO_HTTPS) for arg in line.args))


def _duration(name: str) -> _Reader:
    def read(options: GlobalOptions, line: Directive, warn: Warn) -> GlobalOptions:
        one_word(line, f"{name} 10s")
        return replace(options, **{name: seconds(line.args[0])})  # type: ignore[arg-type]

    return read


def _servers(options: GlobalOptions, line: Directive, warn: Warn) -> GlobalOptions:
    return replace(options, servers=(*options.servers, parse_servers(line, warn)))


def _default_bind(options: GlobalOptions, line: Directive, warn: Warn) -> GlobalOptions:
    return replace(options, default_bind=(*options.default_bind, parse_bind(line, warn)))


def parse_bind(line: Directive, warn: Warn) -> BindSpec:
    """Read ``bind HOST...`` or ``default_bind HOST...``; without a host it means all interfaces.

    Raises:
        ConfigError: When its block has anything but ``protocols``.
    """
    for option in line.block or ():
        if option.word != "protocols":
            raise unknown(option.name, f"{line.word} option", ("protocols",))
        some_words(option, "protocols h1 h2")
        warn(option.name, "this server speaks HTTP/1.1 only; protocols has no effect")
    return BindSpec(line.args or (Token("", line.file, line.line),))


def _email(options: GlobalOptions, line: Directive, warn: Warn) -> GlobalOptions:
    return replace(options, email=one_word(line, "email ADDRESS"))


def _persist_config(options: GlobalOptions, line: Directive, warn: Warn) -> GlobalOptions:
    one_word(line, "persist_config off")
    choice(line.args[0], "persist_config value", ("off",))
    return replace(options, persist_config=False)


def _true(name: str) -> _Reader:
    def read(options: GlobalOptions, line: Directive, warn: Warn) -> GlobalOptions:
        return replace(options, **{name: True})  # type: ignore[arg-type]

    return read


def _frankenphp(options: GlobalOptions, line: Directive, warn: Warn) -> GlobalOptions:
    return replace(options, frankenphp=parse_frankenphp(line, warn))


_Reader = Callable[[GlobalOptions, Directive, Warn], GlobalOptions]
_READERS: Mapping[str, _Reader] = {
    "http_port": _port("http_port"),
    "https_port": _port("https_port"),
    "order": _order,
    "debug": _debug,
    "log": _log,
    "admin": _admin,
    "auto_https": _auto_https,
    "grace_period": _duration("grace_period"),
    "shutdown_delay": _duration("shutdown_delay"),
    "servers": _servers,
    "default_bind": _default_bind,
    "email": _email,
    "persist_config": _persist_config,
    "local_certs": _true("local_certs"),
    "skip_install_trust": _true("skip_install_trust"),
    "frankenphp": _frankenphp,
}
_WITHOUT_EFFECT = (
    "acme_ca",
    "acme_ca_root",
    "acme_dns",
    "acme_eab",
    "cert_issuer",
    "cert_lifetime",
    "default_sni",
    "dns",
    "ech",
    "events",
    "fallback_sni",
    "filesystem",
    "key_type",
    "metrics",
    "ocsp_interval",
    "ocsp_stapling",
    "on_demand_tls",
    "pki",
    "preferred_chains",
    "renew_interval",
    "renewal_window_ratio",
    "storage",
    "storage_check",
    "storage_clean_interval",
    "tls_automate_names",
    "tls_resolvers",
)
