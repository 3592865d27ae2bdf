"""``file``: the first of several files that exists below the root; also what ``try_files`` and PHP use."""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus

from tornado_realtime.errors import HandlerError
from tornado_realtime.site.matchers import Matcher, Test
from tornado_realtime.site.paths import clean_path, join_below
from tornado_realtime.site.placeholders import Subject, Template, template

POLICIES = ("first_exist", "first_exist_fallback", "smallest_size", "largest_size", "most_recently_modified")
_GLOB_CHARS = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class Found:
    """A file that was found.

    Attributes:
        absolute: Below the root, the root included.
        relative: As a URL path from the root, with a leading slash; not percent-encoded.
        remainder: What a split left over, as PATH_INFO; empty otherwise.
        is_directory: Whether it is one.
    """

    absolute: str
    relative: str
    remainder: str = ""
    is_directory: bool = False


@dataclass(frozen=True, slots=True)
class FileMatcher(Matcher):
    """Looks for files.

    Attributes:
        try_files: Paths below the root, tried in order; ``=404`` instead fails with that status.
        root: Folder; empty for the variable ``root``, or the working directory.
        policy: One of :data:`POLICIES`. With ``first_exist_fallback`` the last file need not exist.
        split_path: Endings such as ``.php`` after which a path is split; what follows is the remainder.
    """

    try_files: tuple[str, ...] = ("{http.request.uri.path}",)
    root: str = ""
    policy: str = "first_exist"
    split_path: tuple[str, ...] = ()
    kind = "file"
    cost = 4

    def test(self) -> Test:
        """Whether a file is found; it is kept as ``{file_match.*}``."""
        templates = tuple(template(path) for path in self.try_files)
        root = template(self.root or "{http.vars.root}")

        def judge(subject: Subject) -> bool:
            found = self._select(subject, root.expand(subject, "empty") or ".", templates)
            if found is not None:
                remember(subject, found)
            return found is not None

        return judge

    def _select(self, subject: Subject, root: str, templates: tuple[Template, ...]) -> Found | None:
        if self.policy.startswith("first_exist"):
            return self._first(subject, root, templates)
        return self._best(subject, root, templates)

    def _first(self, subject: Subject, root: str, templates: tuple[Template, ...]) -> Found | None:
        for number, path in enumerate(templates, 1):
            _raise_status(path.text)
            if self.policy == "first_exist_fallback" and number == len(templates):
                return self._candidate(root, path.expand(subject, "empty"))
            for candidate in self._candidates(subject, root, path):
                found = strictly(candidate)
                if found is not None:
                    return found
        return None

    def _best(self, subject: Subject, root: str, templates: tuple[Template, ...]) -> Found | None:
        best: tuple[float, Found] | None = None
        for path in templates:
            for candidate in self._candidates(subject, root, path):
                score = _SCORES[self.policy](candidate.absolute)
                if score is not None and (best is None or score > best[0]):
                    best = score, candidate
        return best[1] if best else None

    def _candidates(self, subject: Subject, root: str, path: Template) -> Iterator[Found]:
        wants_directory = path.text.endswith("/")
        has_glob = any(isinstance(part, str) and _GLOB_CHARS & set(part) for part in path.parts)
        text = path.expand(subject, "empty", escape=glob.escape if has_glob else None)
        candidate = self._candidate(glob.escape(root) if has_glob else root, text)
        # "{path}" must not find the file "/dir" for "/dir/": only a pattern with a slash finds folders.
        if candidate.relative.endswith("/") and candidate.relative != "/" and not wants_directory:
            return
        if not has_glob:
            yield candidate
            return
        for name in sorted(glob.glob(candidate.absolute)):  # noqa: PTH207
            yield Found(name, name.removeprefix(root), candidate.remainder)

    def _candidate(self, root: str, text: str) -> Found:
        path, remainder = split_after(clean_path(f"/{text}"), self.split_path)
        absolute = join_below(root, path)
        return Found(absolute, path, remainder)


def remember(subject: Subject, found: Found) -> None:
    """Keep what was found for the placeholders ``{file_match.*}``."""
    subject.vars["file_match.relative"] = found.relative
    subject.vars["file_match.absolute"] = found.absolute
    subject.vars["file_match.remainder"] = found.remainder
    subject.vars["file_match.type"] = "directory" if found.is_directory else "file"


def split_after(path: str, endings: tuple[str, ...]) -> tuple[str, str]:
    """The path up to and including the first ending that closes one of its segments, and the rest.

    Letter case does not matter: ``/A.PHP/info`` splits after ``.php`` into ``/A.PHP`` and ``/info``.
    """
    folded = path.lower()
    for ending in endings:
        at = folded.find(ending.lower())
        while at >= 0:
            end = at + len(ending)
            if path[end : end + 1] in ("", "/"):
                return path[:end], path[end:]
            at = folded.find(ending.lower(), at + 1)
    return path, ""


def strictly(candidate: Found) -> Found | None:
    """The candidate when it exists and is what its name says: with a trailing slash a folder, else none."""
    try:
        mode = os.stat(candidate.absolute).st_mode  # noqa: PTH116 - a str is at hand, on every request
    except (OSError, ValueError):
        return None
    is_directory = stat.S_ISDIR(mode)
    if is_directory != candidate.absolute.endswith("/"):
        return None
    return Found(candidate.absolute, candidate.relative, candidate.remainder, is_directory)


def _raise_status(text: str) -> None:
    code = text[1:]
    if text.startswith("=") and len(code) == 3 and code.isascii() and code.isdigit() and code >= "100":
        reasons = {status.value: status.phrase for status in HTTPStatus}
        raise HandlerError(int(code), reasons.get(int(code), code))


def _scorer(read: Callable[[os.stat_result], float]) -> Callable[[str], float | None]:
    def score(path: str) -> float | None:
        try:
            return read(os.stat(path))  # noqa: PTH116
        except (OSError, ValueError):
            return None

    return score


_SCORES: dict[str, Callable[[str], float | None]] = {
    "smallest_size": _scorer(lambda found: -found.st_size),
    "largest_size": _scorer(lambda found: found.st_size),
    "most_recently_modified": _scorer(lambda found: found.st_mtime),
}
