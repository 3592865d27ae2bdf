"""From what a PHP directive says to what runs: a php-fpm of our own, or a client for another one."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tornado_realtime.errors import ConfigError
from tornado_realtime.site.directives.static import RootStep
from tornado_realtime.site.fastcgi_client import ClientLimits, FastCgiAddress, FastCgiClient
from tornado_realtime.site.php import PhpBackend, PhpHandler, PhpOptions, PhpServer
from tornado_realtime.site.php_account import WorkerAccount, choose
from tornado_realtime.site.php_body import BodyTaker
from tornado_realtime.site.php_paths import resolved
from tornado_realtime.site.phpfpm import PhpFpm
from tornado_realtime.site.phpfpm_setup import FpmOptions, default_workers
from tornado_realtime.site.placeholders import template
from tornado_realtime.site.plan import Kit, Route, Step
from tornado_realtime.site.upstreams import Upstream

if TYPE_CHECKING:
    from tornado_realtime.site.directives.php import PhpStep
    from tornado_realtime.site.exchange import Handler


def php_handler(kit: Kit, step: PhpStep, options: PhpOptions, static: Handler | None) -> Handler:
    """The handler of one PHP directive.

    Args:
        kit: Of the site.
        step: What the directive says of PHP.
        options: What it says of indexes and rewrites.
        static: Serves what is no script; None leaves it to the next step.

    Raises:
        ConfigError: When PHP cannot run as it is told to, with the directive's place.
    """
    own = not step.upstreams
    full = replace(
        options,
        root=step.root,
        extensions=step.split,
        env=step.env,
        hidden=frozenset(map(resolved, kit.site.files)),
        translated=own,
    )
    backend = own_php(kit, step) if own else running_php(step)
    return PhpServer(full, PhpHandler(backend, BodyTaker(), full), static)


def own_php(kit: Kit, step: PhpStep) -> PhpBackend:
    """The php-fpm for this directive; directives that need the same one share it, also over a reload.

    The environment is part of what must be the same: a reload after it changed starts a new one.
    """
    given = kit.plan.options.frankenphp
    options = FpmOptions(
        _workers_as(kit, step),
        program=step.program,
        workers=(given.num_threads if given else 0) or default_workers(),
        ini=given.php_ini if given else (),
        extensions=step.split,
    )
    # A hash, because keys may be shown, and an environment must not be.
    key = ("php-fpm", options, hash(frozenset(os.environ.items())))
    try:
        return kit.resource(key, lambda: PhpFpm(options))
    except ConfigError as error:
        raise step.directive.error(error.message) from error


def _workers_as(kit: Kit, step: PhpStep) -> WorkerAccount:
    try:
        return choose(Path(served_folder(kit, step)), step.user)
    except ConfigError as error:
        places = [option for option in step.directive.block or () if option.word == "user"]
        raise (places or [step.directive])[-1].error(error.message) from error


def served_folder(kit: Kit, step: PhpStep) -> str:
    """The folder whose owner PHP runs as: that of the directive, of the first ``root``, or where we are.

    A folder that does not exist, or whose name depends on the request, is passed over.
    """
    named = [step.root, *(root.path for root in _roots(kit.site.routes))]
    fixed = [resolved(text) for text in named if text and template(text).is_static]
    return next(filter(os.path.isdir, fixed), resolved(""))


def _roots(routes: Iterable[Route]) -> Iterator[RootStep]:
    for route in routes:
        if isinstance(route.step, RootStep):
            yield route.step
        yield from _roots(_inner(route.step))


def _inner(step: Step) -> Iterable[Route]:
    """The routes of a group such as ``handle``."""
    routes: Iterable[Route] = getattr(step, "routes", ())
    return routes


def running_php(step: PhpStep) -> PhpBackend:
    """A client for the addresses of a php_fastcgi."""
    defaults = ClientLimits()
    limits = ClientLimits(
        connect_timeout=_or(step.dial_timeout, defaults.connect_timeout),
        write_timeout=_or(step.write_timeout, defaults.write_timeout),
        read_timeout=_or(step.read_timeout, defaults.read_timeout),
    )
    return FastCgiClient(*(_address(step, upstream) for upstream in step.upstreams), limits=limits)


def _or(given: float | None, default: float) -> float:
    return default if given is None else given


def _address(step: PhpStep, upstream: Upstream) -> FastCgiAddress:
    if upstream.scheme or "{" in str(upstream):
        raise step.directive.error(f"upstream {upstream}: write HOST:PORT or unix//PATH for PHP")
    if upstream.network == "unix":
        return FastCgiAddress(path=upstream.host)
    return FastCgiAddress(host=upstream.host, port=int(upstream.port))
