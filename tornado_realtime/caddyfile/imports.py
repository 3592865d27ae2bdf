"""Imports: snippets and files put where they are asked for, while the file is being read.

The result is one stream of logical lines without snippet definitions and without ``import``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from tornado_realtime.caddyfile.arguments import Arguments, block_name
from tornado_realtime.caddyfile.blocks import Origin, Placed, definitions, take_block
from tornado_realtime.caddyfile.directive import Token
from tornado_realtime.caddyfile.env import MAX_TEXT, substitute
from tornado_realtime.caddyfile.files import decode, read_import
from tornado_realtime.caddyfile.lexer import MAX_WORDS, Line, is_close, is_open, tokenize
from tornado_realtime.caddyfile.names import did_you_mean, shown
from tornado_realtime.caddyfile.paths import find_files
from tornado_realtime.errors import ConfigError

MAX_IMPORT_DEPTH = 100
"""Imports inside imports."""

_LONGEST_NAME = 200


class Request(NamedTuple):
    """One ``import`` line, read."""

    name: Token
    args: tuple[str, ...]
    block: list[Placed]
    parts: dict[str, list[Placed]]
    origin: Origin
    top: bool


class Budget:
    """How much all files and imports together may bring."""

    def __init__(self) -> None:
        self._words = MAX_WORDS
        self._characters = MAX_TEXT

    def words(self, token: Token, count: int) -> None:
        """Count words; raises ConfigError at ``token`` when there are too many."""
        self._words -= count
        if self._words < 0:
            raise token.error(f"the imports bring too much: more than {MAX_WORDS} words in all")

    def characters(self, token: Token, count: int) -> None:
        """Count characters that arguments bring."""
        self._characters -= count
        if self._characters < 0:
            raise token.error(f"the imports bring too much: more than {MAX_TEXT} characters of arguments")


class Splicer:
    """Reads a file and everything that it imports.

    Args:
        lines: The main file's lines.
        file: Its name.
        env: For the variables of imported files.
    """

    def __init__(self, lines: Sequence[Line], file: str, env: Mapping[str, str]) -> None:
        root = Origin(os.path.realpath(file))
        self._env = env
        self._frames: list[Iterator[Placed]] = [iter([Placed(line, root) for line in lines])]
        self._snippets: dict[str, list[Line]] = {}
        self._read_files: dict[str, list[Line]] = {}
        self._budget = Budget()
        self._warnings: dict[str, None] = {}
        self._last: Token | None = None

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was odd so far, each ``FILE:LINE: message``."""
        return tuple(self._warnings)

    def warn(self, token: Token, message: str) -> None:
        """Note something odd about a word."""
        self._warnings[f"{token.file}:{token.line}: {message}"] = None

    def last(self) -> Token:
        """The last word that was read."""
        assert self._last is not None
        return self._last

    def push_back(self, placed: Placed) -> None:
        """Make a line the next one."""
        self._frames.append(iter([placed]))

    def next_raw(self) -> Placed | None:
        """The next line as it stands; None at the end of the file."""
        while self._frames:
            placed = next(self._frames[-1], None)
            if placed is not None:
                self._last = placed.tokens[-1]
                return placed
            self._frames.pop()
        return None

    def next_line(self, top: bool) -> Placed | None:
        """The next line with imports done.

        Args:
            top: True where sites and snippets may be defined: outside of all blocks.
        """
        while (placed := self.next_raw()) is not None and placed.tokens[0].text == "import":
            self._import(placed, top)
        return placed

    def define(self, placed: Placed) -> None:
        """Keep a snippet's body.

        Raises:
            ConfigError: If it has no braces or its name is taken.
        """
        head, *rest = placed.tokens
        brace = placed.cut(rest) if rest else self.next_raw()
        if brace is None or not is_open(brace.tokens[0]):
            culprit = head if brace is None else brace.tokens[0]
            raise culprit.error(f"the snippet {shown(head.text)} needs a block: '{{' expected after its name")
        name = head.text[1:-1]
        opener, *inline = brace.tokens
        if name in self._snippets:
            raise opener.error(f"the snippet {shown(head.text)} is defined twice")
        first = brace.cut(inline) if inline else None
        body = take_block(opener, first, self.next_raw, self.last)
        self._snippets[name] = [each.line for each in body]

    def _import(self, placed: Placed, top: bool) -> None:
        request = self._request(placed, top)
        lines: list[Placed] = []
        for node, body in self._found(request.name):
            lines += self._expand(request, self._enter(request, node), body)
        self._frames.append(iter(lines))

    def _found(self, name: Token) -> Iterator[tuple[str, list[Line]]]:
        """What an import's name stands for: nodes (see `Origin`) and their lines."""
        if name.text in self._snippets:
            yield f"({name.text})", self._snippets[name.text]
        else:
            for path in self._files(name):
                yield os.path.realpath(path), self._read(str(path), name)

    def _request(self, placed: Placed, top: bool) -> Request:
        head, *words = placed.tokens
        opener = words.pop() if words and is_open(words[-1]) else None
        for token in words:
            if is_open(token):
                raise token.error("nothing may follow '{' on its line")
            if is_close(token):
                raise token.error("'}' must be alone on its line")
        if not words:
            raise head.error("import needs the name of a snippet or file")
        name, *args = words
        if not name.text:
            raise name.error("import needs the name of a snippet or file, not an empty word")
        block = take_block(opener, None, self.next_raw, self.last) if opener else []
        texts = tuple(arg.text for arg in args)
        return Request(name, texts, block, self._parts(block), placed.origin, top)

    def _parts(self, block: Sequence[Placed]) -> dict[str, list[Placed]]:
        """What ``{blocks.name}`` stands for: the words after each name of the block, and their own block."""
        parts: dict[str, list[Placed]] = {}
        lines = iter(block)
        for placed in lines:
            name, *words = placed.tokens
            if is_open(name):
                raise name.error("a block without a name cannot be passed to an import")
            opener = words.pop() if words and is_open(words[-1]) else None
            part = [placed.cut(words)] if words else []
            if opener:
                part += take_block(opener, None, lambda: next(lines, None), self.last)
            parts[name.text] = part
        return parts

    def _files(self, name: Token) -> list[Path]:
        paths = find_files(name)
        if paths is None:
            guess = did_you_mean(name.text, self._snippets)
            raise name.error(
                f"import: no such file, and no snippet above this line: {shown(name.text)}{guess}"
            )
        if not paths:
            self.warn(name, f"no file matches {shown(name.text)}")
        return paths

    def _read(self, path: str, name: Token) -> list[Line]:
        """The lines of an imported file; one that is imported often is read once."""
        if path not in self._read_files:
            self._read_files[path] = self._read_file(path, name)
        lines = self._read_files[path]
        if not lines:
            self.warn(name, f"the imported file {path} brings nothing")
        return lines

    def _read_file(self, path: str, name: Token) -> list[Line]:
        try:
            data = read_import(path)
        except ConfigError as exc:
            raise name.error(f"import: {path} {exc.message}") from exc
        try:
            return tokenize(substitute(decode(data, path), path, self._env))
        except ConfigError as exc:
            raise ConfigError(exc.message, exc.file, exc.line, _chain(name)) from exc

    def _enter(self, request: Request, node: str) -> Origin:
        name = request.name
        if request.origin.within(node):
            raise name.error(f"import: {shown(name.text)} imports itself")
        if request.origin.depth >= MAX_IMPORT_DEPTH:
            raise name.error(f"import: more than {MAX_IMPORT_DEPTH} imports inside each other")
        return Origin(node, request.origin, request.origin.depth + 1)

    def _expand(self, request: Request, origin: Origin, body: Sequence[Line]) -> list[Placed]:
        chain = _chain(request.name)
        arguments = Arguments(request.args, self.warn, self._budget.characters)
        kept = definitions(body) if request.top else frozenset()
        expanded: list[Placed] = []
        for number, line in enumerate(body):
            placed = Placed(line, origin).cut(replace(each, chain=chain) for each in line.tokens)
            self._budget.words(request.name, len(line.tokens))
            expanded += [placed] if number in kept else self._fill(placed, request, arguments)
        return expanded

    def _fill(self, placed: Placed, request: Request, arguments: Arguments) -> Iterator[Placed]:
        """One line with blocks and arguments put in; a block begins a new line."""
        words: list[Token] = []
        for token in placed.tokens:
            name = block_name(token)
            if name is None:
                words.append(token)
                continue
            yield from self._filled(placed, words, arguments)
            words = []
            part = request.parts.get(name, []) if name else request.block
            self._budget.words(token, sum(len(each.tokens) for each in part))
            yield from part
        yield from self._filled(placed, words, arguments)

    def _filled(self, placed: Placed, words: Sequence[Token], arguments: Arguments) -> Iterator[Placed]:
        tokens = tuple(arguments.fill(words))
        if tokens:
            self._budget.words(tokens[0], max(0, len(tokens) - len(words)))
            yield placed.cut(tokens)


def _chain(name: Token) -> tuple[str, ...]:
    return (f"{name.file}:{name.line} (import {_plain(name.text)})", *name.chain)


def _plain(text: str) -> str:
    """A name as it is written, unless it would break a message."""
    return text if text.isprintable() and len(text) < _LONGEST_NAME else shown(text)
