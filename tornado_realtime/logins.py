"""From settings to what tells who somebody is and what they may, and the key files that it reads."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from tornado_realtime.auth import (
    Authenticate,
    Authenticator,
    Authorize,
    Authorizer,
    EndpointAuthenticator,
    FunctionAuthenticator,
    FunctionAuthorizer,
    RuleAuthorizer,
)
from tornado_realtime.auth.backend import Care
from tornado_realtime.auth.channel_endpoint import ChannelEndpoint
from tornado_realtime.auth.channel_tokens import ChannelTokens
from tornado_realtime.auth.claims import TokenRule
from tornado_realtime.auth.jwks import PublishedKeys
from tornado_realtime.auth.jwt import TokenReader
from tornado_realtime.auth.keys import Key, Keys, OneKey, read_key_file, read_public_key, secret_key
from tornado_realtime.auth.login import Login
from tornado_realtime.auth.revocations import Revocations
from tornado_realtime.auth.tickets import Tickets
from tornado_realtime.errors import ConfigError
from tornado_realtime.metrics import Registry
from tornado_realtime.settings import JwtRule, Settings
from tornado_realtime.settings.jwt import check_secret


def read_keys(settings: Settings) -> bytes:
    """The content of the key file that the settings name, or nothing.

    A changed one makes a configuration another one, though its words are the same.

    Raises:
        ConfigError: It cannot be used; with its place, where it has one.
    """
    rule = settings.jwt
    if rule is None or rule.jwks_url:
        return b""
    name = next(name for name in ("secret_file", "public_key", "secret") if getattr(rule, name))
    try:
        content = _content(rule)
        _key(rule, content)
    except ValueError as error:
        place, message = settings.place("jwt", name), f"{name} {error}"
        raise ConfigError(message) if place is None else place.error(message) from error
    return content


def make_authenticator(
    settings: Settings,
    keys: bytes,
    function: Authenticate | None,
    tickets: Tickets | None,
    revocations: Revocations,
    metrics: Registry,
) -> Login:
    """What tells who somebody is.

    Args:
        settings: Of the instance.
        keys: What ``read_keys`` returned.
        function: The application's own; it is asked instead of everything else.
        tickets: What ``make_tickets`` returned.
        revocations: Whose logins do not count any more.
        metrics: Where questions and refusals are counted.
    """
    tokens: TokenReader | None = None
    application: Authenticator | None = None
    if function is not None:
        application = FunctionAuthenticator(
            function, settings.auth_timeout, settings.anonymous, _claims(settings)
        )
    else:
        if settings.jwt is not None:
            tokens = TokenReader(_keys(settings, settings.jwt, keys), _rule(settings, settings.jwt))
        if settings.asks_endpoint:
            application = _endpoint(settings, metrics)
    return Login(
        tokens,
        application,
        anonymous=settings.anonymous,
        asks_about_all=function is not None,
        tickets=tickets,
        revocations=revocations,
        counters=metrics.counters,
        path=settings.prefix + settings.socket_path,
    )


def make_tickets(settings: Settings, function: Authenticate | None) -> Tickets | None:
    """What makes and reads resume tickets; None without ``resume``.

    Raises:
        ConfigError: A function is asked: it may look at what tickets are not bound to.
    """
    if not settings.resume:
        return None
    if function is not None:
        raise ConfigError(
            "resume needs auth_endpoint or jwt: an authenticate function may know visitors by more than "
            "Authorization and cookies, and a ticket is bound to nothing else"
        )
    path = settings.prefix + settings.socket_path
    rule = settings.jwt
    source = (rule.jwks_url, rule.public_key, rule.issuer) if rule is not None else ()
    return Tickets(
        [key.encode() for key in settings.ticket_keys],
        settings.resume,
        realm=repr((path, settings.auth_endpoint, source)),
        path=path,
        trusted_proxies=settings.trusted_proxies,
    )


def _endpoint(settings: Settings, metrics: Registry) -> Authenticator:
    found = EndpointAuthenticator(
        settings.auth_endpoint,
        _care(settings),
        settings.trusted_proxies,
        remembered=settings.auth_cache,
        claims=_claims(settings),
        counters=metrics.counters,
    )
    metrics.add(
        {
            "auth_questions_running": lambda: found.backend.turns.running,
            "auth_questions_waiting": lambda: found.backend.turns.waiting,
            "auth_endpoint_down": lambda: int(found.backend.is_down),
        }
    )
    return found


def make_authorizer(settings: Settings, keys: bytes, function: Authorize | None) -> Authorizer:
    """What tells who may use which channel.

    Args:
        settings: Of the instance.
        keys: What ``read_keys`` returned.
        function: The application's own; it is asked instead of everything else.
    """
    if function is not None:
        return FunctionAuthorizer(function, settings.auth_timeout)
    tokens = None
    if settings.jwt is not None and settings.asks_channels("token"):
        tokens = ChannelTokens(_keys(settings, settings.jwt, keys), _rule(settings, settings.jwt))
    endpoints = {
        url: ChannelEndpoint(url, _care(settings), settings.auth_cache)
        for url in settings.asks_channels("endpoint")
    }
    places = _places(settings)
    placed = ((rule, places.get(rule.pattern.text, "")) for rule in settings.channels)
    return RuleAuthorizer(placed, tokens, endpoints)


def _places(settings: Settings) -> Mapping[str, str]:
    """Where the block of each pattern was written, as ``FILE:LINE``."""
    block = (settings.directive.block or ()) if settings.directive is not None else ()
    return {
        segment.words[0]: f"{segment.file}:{segment.line}" for segment in block if segment.word == "channel"
    }


def _claims(settings: Settings) -> Collection[str]:
    """What users have to keep of their claims."""
    return settings.asks_channels("claim")


def _care(settings: Settings) -> Care:
    return Care(settings.auth_timeout, settings.auth_concurrency, settings.auth_queue)


def _rule(settings: Settings, rule: JwtRule) -> TokenRule:
    return TokenRule(
        rule.issuer,
        rule.audience,
        rule.leeway,
        rule.user_claim,
        _claims(settings),
        channel_tokens=bool(settings.asks_channels("token")),
    )


def _keys(settings: Settings, rule: JwtRule, content: bytes) -> Keys:
    if not rule.jwks_url:
        return OneKey(_key(rule, content))
    published = PublishedKeys(rule.jwks_url, rule.algorithms, settings.auth_timeout)
    published.begin()
    return published


def _content(rule: JwtRule) -> bytes:
    file = rule.secret_file or rule.public_key
    return read_key_file(file, is_secret=bool(rule.secret_file)) if file else b""


def _key(rule: JwtRule, content: bytes) -> Key:
    if rule.public_key:
        return read_public_key(content).only(rule.algorithms)
    secret = content if rule.secret_file else rule.secret.encode()
    check_secret(secret, rule.algorithms)
    return secret_key(secret, rule.algorithms)
