"""Directives for files on disk: root, file_server."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tornado_realtime.caddyfile.directive import Directive
from tornado_realtime.site.arguments import (
    choice,
    expect,
    flag,
    integer,
    no_block,
    one_word,
    some_words,
    unknown,
)
from tornado_realtime.site.browse import MOST_ENTRIES, BrowseOptions, Order
from tornado_realtime.site.directives.rewrites import two_word_form
from tornado_realtime.site.plan import Kit, Route, Step
from tornado_realtime.site.scope import Scope
from tornado_realtime.site.static import FileServer, FileServerOptions
from tornado_realtime.site.variables import set_root

if TYPE_CHECKING:
    from tornado_realtime.site.exchange import Handler


@dataclass(frozen=True, slots=True)
class RootStep(Step):
    """``root``: the folder that the site's files are in, with placeholders; kept as the variable ``root``."""

    path: str = ""

    def modules(self) -> list[str]:
        """``vars``."""
        return ["vars"]

    def build(self, kit: Kit) -> Handler:
        """Sets the variable."""
        return set_root(self.path)


def parse_root(segment: Directive, scope: Scope) -> Route:
    """Read ``root [matcher] PATH``; a lone argument is never a matcher."""
    no_block(segment)
    matcher, path = two_word_form(segment, scope, "root [MATCHER] PATH")
    return Route(RootStep(segment, path), matcher)


@dataclass(frozen=True, slots=True)
class BrowseSpec:
    """How folders without an index file are listed.

    Attributes:
        reveal_symlinks: Whether to show where links lead.
        sort: Words of :data:`SORTS`, as given.
        limit: At most so many entries; 0 for the default.
    """

    reveal_symlinks: bool = False
    sort: tuple[str, ...] = ()
    limit: int = 0


SORTS = ("name", "namedirfirst", "size", "time", "asc", "desc")
ENCODINGS = ("br", "zstd", "gzip")


@dataclass(frozen=True, slots=True)
class FileServerStep(Step):
    """``file_server``: static files.

    Attributes:
        root: Folder, with placeholders; empty for the variable ``root``, or the working directory.
        hide: Never served, beside the configuration files: names, globs, or paths (those with a slash).
        index: Names tried for a folder.
        browse: How folders are listed; None: they are not.
        precompressed: Encodings of which ready-made files (``x.js.gz``) are looked for, most wanted first.
        status: Answer with this status instead, a number or a placeholder; empty for the usual one.
        canonical: Whether a folder without slash and a file with one are redirected.
        pass_thru: Whether a missing file is left to the next handler instead of being a 404.
        etag_extensions: Endings of files beside the served one that hold its ETag.
    """

    root: str = ""
    hide: tuple[str, ...] = ()
    index: tuple[str, ...] = ("index.html", "index.txt")
    browse: BrowseSpec | None = None
    precompressed: tuple[str, ...] = ()
    status: str = ""
    canonical: bool = True
    pass_thru: bool = False
    etag_extensions: tuple[str, ...] = ()

    def modules(self) -> list[str]:
        """``file_server``."""
        return ["file_server"]

    def build(self, kit: Kit) -> Handler:
        """Serves the files; never those that the site was read from."""
        options = FileServerOptions(
            root=self.root,
            hide=self.hide,
            index=self.index,
            browse=_browse_options(self.browse) if self.browse is not None else None,
            precompressed=self.precompressed,
            status=self.status,
            canonical=self.canonical,
            pass_thru=self.pass_thru,
            config_files=kit.site.files,
            etag_extensions=self.etag_extensions,
        )
        return FileServer(options)


def _browse_options(spec: BrowseSpec) -> BrowseOptions:
    keys = [word for word in spec.sort if word not in ("asc", "desc")]
    order = Order(keys[-1] if keys else Order().key, descending="desc" in spec.sort)
    return BrowseOptions(order, spec.limit or MOST_ENTRIES, spec.reveal_symlinks)


def parse_file_server(segment: Directive, scope: Scope) -> Step:
    """Read ``file_server [matcher] [browse] { ... }``."""
    words = expect(segment, 0, 1, "file_server [MATCHER] [browse]")
    step = FileServerStep(segment)
    if words:
        choice(segment.args[0], "argument of file_server", ("browse",))
        step = replace(step, browse=BrowseSpec())
    for option in segment.block or ():
        read = _OPTIONS.get(option.word)
        if read is None:
            raise unknown(option.name, "option of file_server", _OPTIONS)
        step = read(step, option, scope)
    return step


def _hide(step: FileServerStep, option: Directive, scope: Scope) -> FileServerStep:
    return replace(step, hide=(*step.hide, *some_words(option, "hide NAME...")))


def _browse(step: FileServerStep, option: Directive, scope: Scope) -> FileServerStep:
    if step.browse is not None:
        raise option.error("browse is given twice")
    if expect(option, 0, 1, "browse"):
        raise option.args[0].error("browse with a template of your own is known but not supported")
    browse = BrowseSpec()
    for line in option.block or ():
        browse = _browse_line(browse, line)
    return replace(step, browse=browse)


def _browse_line(browse: BrowseSpec, line: Directive) -> BrowseSpec:
    if line.word == "reveal_symlinks":
        return replace(browse, reveal_symlinks=flag(line))
    if line.word == "sort":
        some_words(line, "sort name|namedirfirst|size|time [asc|desc]")
        return replace(browse, sort=tuple(choice(token, "sort option", SORTS) for token in line.args))
    if line.word == "file_limit":
        one_word(line, "file_limit NUMBER")
        return replace(browse, limit=integer(line.args[0], 1))
    raise unknown(line.name, "option of browse", ("reveal_symlinks", "sort", "file_limit"))


def _precompressed(step: FileServerStep, option: Directive, scope: Scope) -> FileServerStep:
    no_block(option)
    formats = tuple(choice(token, "encoding", ENCODINGS) for token in option.args)
    return replace(step, precompressed=formats or ENCODINGS)


def _fs(step: FileServerStep, option: Directive, scope: Scope) -> FileServerStep:
    raise option.error("option fs of file_server is known but not supported")


_OPTIONS: dict[str, Callable[[FileServerStep, Directive, Scope], FileServerStep]] = {
    "root": lambda step, option, scope: replace(step, root=one_word(option, "root PATH")),
    "hide": _hide,
    "index": lambda step, option, scope: replace(step, index=some_words(option, "index NAME...")),
    "browse": _browse,
    "precompressed": _precompressed,
    "status": lambda step, option, scope: replace(step, status=one_word(option, "status NUMBER")),
    "disable_canonical_uris": lambda step, option, scope: replace(step, canonical=not flag(option)),
    "pass_thru": lambda step, option, scope: replace(step, pass_thru=flag(option)),
    "etag_file_extensions": lambda step, option, scope: replace(
        step, etag_extensions=some_words(option, "etag_file_extensions .sha256")
    ),
    "fs": _fs,
}
