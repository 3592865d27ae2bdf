"""Directives that run PHP: php_server (a php-fpm of our own), php_fastcgi (one that runs already), php.

For ``adapt --tokens`` they are the routes that they are in Caddy; at run time one handler does all of it,
because what a visitor may have is judged in one place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

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
from tornado_realtime.site.directives.php_build import php_handler
from tornado_realtime.site.directives.proxy import ProxySpec, Upstream, parse_proxy_options, parse_upstream
from tornado_realtime.site.directives.respond import static_response
from tornado_realtime.site.directives.rewrites import FOUND_FILE, RewriteStep
from tornado_realtime.site.directives.static import FileServerStep
from tornado_realtime.site.filematch import FileMatcher
from tornado_realtime.site.matchers import MatcherSet, NotMatcher, PathMatcher
from tornado_realtime.site.php import PhpOptions
from tornado_realtime.site.php_paths import HIDDEN_NAMES
from tornado_realtime.site.plan import Kit, Route, Step
from tornado_realtime.site.scope import Scope

if TYPE_CHECKING:
    from tornado_realtime.site.exchange import Handler

_PATH = "{http.request.uri.path}"


@dataclass(frozen=True, slots=True)
class PhpStep(Step):
    """Run the PHP file that the path names.

    Attributes:
        upstreams: Where PHP listens; empty for a php-fpm of our own.
        root: Folder of the files, with placeholders; empty for the variable ``root``, or the working folder.
        split: Endings of PHP files; what follows them in the path is PATH_INFO.
        env: More variables for PHP, values with placeholders.
        resolve_root_symlink: Whether PHP sees the root with its links resolved.
        user: Whom the workers of our own php-fpm run as; empty to choose by the folder's owner.
        program: Path or name of php-fpm; empty looks for one.
        dial_timeout: Seconds for connecting; None for the default.
        read_timeout: Seconds that an answer may take; None for the default.
        write_timeout: Seconds that sending may take; None for the default.
        proxy: What the options of reverse_proxy say, for php_fastcgi.
    """

    upstreams: tuple[Upstream, ...] = ()
    root: str = ""
    split: tuple[str, ...] = (".php",)
    env: tuple[tuple[str, str], ...] = ()
    resolve_root_symlink: bool = False
    user: str = ""
    program: str = ""
    dial_timeout: float | None = None
    read_timeout: float | None = None
    write_timeout: float | None = None
    proxy: ProxySpec | None = None

    def modules(self) -> list[str]:
        """``php`` for the directive of that name, else what does this in Caddy."""
        return ["php"] if self.directive.word == "php" else ["reverse_proxy"]

    def build(self, kit: Kit) -> Handler:
        """Runs scripts and leaves everything else to the next step."""
        return php_handler(kit, self, PhpOptions(index="", try_files=()), None)


@dataclass(frozen=True, slots=True)
class IndexRedirect(Step):
    """Send a folder without its slash to the one with it; a part of what `PhpSequence` builds."""

    def modules(self) -> list[str]:
        """``static_response`` with 308."""
        return [static_response("", "308")]


@dataclass(frozen=True, slots=True)
class PhpSequence(Step):
    """``php_server`` and ``php_fastcgi``: redirect, rewrite, PHP and files in a fixed order.

    Attributes:
        routes: That order, as Caddy has it; the middle ones may be missing.
        php: The one that runs PHP.
        options: What the handler does before that.
        files: The one that serves files; None when there is none.
    """

    routes: tuple[Route, ...] = ()
    php: PhpStep | None = None
    options: PhpOptions = field(default_factory=PhpOptions)
    files: FileServerStep | None = None

    @property
    def is_sequence(self) -> bool:
        """Yes."""
        return True

    def modules(self) -> list[str]:
        """Those of its routes."""
        return [name for route in self.routes for name in route.step.modules()]

    def build(self, kit: Kit) -> Handler:
        """One handler that does what its routes say.

        Raises:
            ConfigError: When PHP cannot run as it is told to.
        """
        assert self.php is not None
        for option in self.directive.block or ():
            if self.directive.word == "php_fastcgi" and option.word not in (*_FASTCGI_OPTIONS, "to"):
                raise option.error(f"option {option.word} of php_fastcgi is known but not supported")
        static = self.files.build(kit) if self.files is not None else None
        return php_handler(kit, self.php, self.options, static)


@dataclass(frozen=True, slots=True)
class _Draft:
    """What a php_server or php_fastcgi block has said so far."""

    php: PhpStep
    index: str = "index.php"
    try_files: tuple[str, ...] = ()
    serves_files: bool = True


def parse_php_server(segment: Directive, scope: Scope) -> Step:
    """Read ``php_server [matcher] { ... }``."""
    expect(segment, 0, 0, "php_server [MATCHER] { ... }")
    draft = _Draft(PhpStep(segment))
    for option in segment.block or ():
        read = _SERVER_OPTIONS.get(option.word)
        if read is None:
            raise unknown(option.name, "option of php_server", _SERVER_OPTIONS)
        draft = read(draft, option, scope)
    return _sequence(segment, draft)


def parse_php(segment: Directive, scope: Scope) -> Step:
    """Read ``php [matcher] { ... }``: only the PHP, no redirect, no rewrite, no files."""
    expect(segment, 0, 0, "php [MATCHER] { ... }")
    draft = _Draft(PhpStep(segment))
    for option in segment.block or ():
        read = _PHP_OPTIONS.get(option.word)
        if read is None:
            raise unknown(option.name, "option of php", _PHP_OPTIONS)
        draft = read(draft, option, scope)
    return draft.php


def parse_php_fastcgi(segment: Directive, scope: Scope) -> Step:
    """Read ``php_fastcgi [matcher] UPSTREAM... { ... }``, whose block also takes options of reverse_proxy."""
    draft = _Draft(PhpStep(segment), serves_files=False)
    rest: list[Directive] = []
    for option in segment.block or ():
        if option.word in _FASTCGI_OPTIONS:
            draft = _FASTCGI_OPTIONS[option.word](draft, option, scope)
        else:
            rest.append(option)
    spec = parse_proxy_options(segment, rest, scope, more=tuple(_FASTCGI_OPTIONS))
    upstreams = (*(parse_upstream(token) for token in segment.args), *spec.upstreams)
    if not upstreams:
        raise wrong_count(
            segment, "php_fastcgi [MATCHER] ADDRESS, such as unix//run/php-fpm.sock or localhost:9000"
        )
    php = replace(draft.php, upstreams=upstreams, proxy=spec)
    return _sequence(segment, replace(draft, php=php))


def _sequence(segment: Directive, draft: _Draft) -> PhpSequence:
    php = draft.php
    options = PhpOptions(index="", try_files=()) if draft.index == "off" else _index_options(draft)
    routes = _index_routes(segment, php, options) if options.try_files else []
    routes.append(Route(php, MatcherSet((PathMatcher(tuple(f"*{ending}" for ending in php.split)),))))
    files = FileServerStep(segment, root=php.root, hide=HIDDEN_NAMES) if draft.serves_files else None
    if files is not None:
        routes.append(Route(files))
    return PhpSequence(segment, tuple(routes), php, options, files)


def _index_options(draft: _Draft) -> PhpOptions:
    folder_index = f"{_PATH}/{draft.index}"
    files = draft.try_files or _default_files(draft, folder_index)
    return PhpOptions(
        index=draft.index if folder_index in files else "",
        try_files=files,
        falls_back=files[-1].endswith(".php") or not draft.try_files,
    )


def _index_routes(segment: Directive, php: PhpStep, options: PhpOptions) -> list[Route]:
    policy = "first_exist_fallback" if options.falls_back else "first_exist"
    rewrite_to = FileMatcher(options.try_files, root=php.root, policy=policy, split_path=php.split)
    routes = [Route(RewriteStep(segment, FOUND_FILE), MatcherSet((rewrite_to,)))]
    if options.index:
        no_slash = NotMatcher((MatcherSet((PathMatcher(("*/",)),)),))
        has_index = FileMatcher((f"{_PATH}/{options.index}",), root=php.root)
        routes.insert(0, Route(IndexRedirect(segment), MatcherSet((no_slash, has_index))))
    return routes


def _default_files(draft: _Draft, folder_index: str) -> tuple[str, ...]:
    # Without a file server nobody could send a plain file that a rewrite has found.
    skips_path = draft.php.directive.word == "php_server" and not draft.serves_files
    return (folder_index, draft.index) if skips_path else (_PATH, folder_index, draft.index)


_Reader = Callable[[_Draft, Directive, Scope], _Draft]


def _php(field: str, read: Callable[[Directive], object]) -> _Reader:
    """Set a field of the PHP step."""
    return lambda draft, option, scope: replace(draft, php=replace(draft.php, **{field: read(option)}))  # type: ignore[arg-type]


def _env(draft: _Draft, option: Directive, scope: Scope) -> _Draft:
    no_block(option)
    key, value = expect(option, 2, 2, "env KEY VALUE")
    return replace(draft, php=replace(draft.php, env=(*draft.php.env, (key, value))))


def _symlink(option: Directive) -> bool:
    no_block(option)
    words = expect(option, 0, 1, "resolve_root_symlink [true|false]")
    return not words or choice(option.args[0], "value", ("true", "false")) == "true"


def _duration(option: Directive) -> float:
    one_word(option, f"{option.word} 10s")
    return seconds(option.args[0])


def _name(option: Directive, usage: str) -> str:
    name = one_word(option, usage)
    if not name:
        raise option.error(f"{option.word} needs a value: {usage}")
    return name


def _index(draft: _Draft, option: Directive, scope: Scope) -> _Draft:
    return replace(draft, index=one_word(option, "index NAME|off"))


def _try_files(draft: _Draft, option: Directive, scope: Scope) -> _Draft:
    return replace(draft, try_files=some_words(option, "try_files FILE..."))


def _file_server(draft: _Draft, option: Directive, scope: Scope) -> _Draft:
    one_word(option, "file_server off")
    choice(option.args[0], "value of file_server", ("off",))
    return replace(draft, serves_files=False)


def _worker(draft: _Draft, option: Directive, scope: Scope) -> _Draft:
    scope.warn(option.name, "worker has no effect here: php-fpm runs the PHP")
    return draft


def _capture_stderr(draft: _Draft, option: Directive, scope: Scope) -> _Draft:
    flag(option)
    return draft


_COMMON_OPTIONS: dict[str, _Reader] = {
    "root": _php("root", lambda option: one_word(option, "root PATH")),
    "split": _php("split", lambda option: some_words(option, "split .php")),
    "env": _env,
    "resolve_root_symlink": _php("resolve_root_symlink", _symlink),
}
_PHP_OPTIONS: dict[str, _Reader] = {
    **_COMMON_OPTIONS,
    "user": _php("user", lambda option: _name(option, "user NAME")),
    "php_fpm": _php("program", lambda option: _name(option, "php_fpm PATH")),
    "worker": _worker,
}
_SERVER_OPTIONS: dict[str, _Reader] = {
    **_PHP_OPTIONS,
    "index": _index,
    "try_files": _try_files,
    "file_server": _file_server,
}
_FASTCGI_OPTIONS: dict[str, _Reader] = {
    **_COMMON_OPTIONS,
    "index": _index,
    "try_files": _try_files,
    "dial_timeout": _php("dial_timeout", _duration),
    "read_timeout": _php("read_timeout", _duration),
    "write_timeout": _php("write_timeout", _duration),
    "capture_stderr": _capture_stderr,
}
