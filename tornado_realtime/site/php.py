"""``php_server`` and ``php_fastcgi`` at run time: which file is meant, and PHP's answer on its way back.

Caddy's fixed sequence: a folder with an index gets its slash; the path is rewritten to a file, a folder's
index, or the site's index; scripts go to PHP, the rest to the file server.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import quote

from tornado.httputil import HTTPHeaders

from tornado_realtime.errors import GatewayError, HandlerError
from tornado_realtime.site.exchange import Exchange, Handler, Next
from tornado_realtime.site.fastcgi_client import FastCgiAnswer
from tornado_realtime.site.paths import clean_path
from tornado_realtime.site.php_body import BodyTaker
from tornado_realtime.site.php_params import Script, cgi_params
from tornado_realtime.site.php_paths import PHP_EXTENSIONS, Folder, Target, is_hidden, resolved
from tornado_realtime.site.placeholders import expand
from tornado_realtime.site.request import decode_path
from tornado_realtime.site.responder import bodiless

__all__ = ["PhpBackend", "PhpHandler", "PhpOptions", "PhpServer", "is_hidden"]

_PATH = "{http.request.uri.path}"
_STATUS = re.compile(r"=([1-5][0-9][0-9])")
_UNQUOTED = "/:@!$&'()*+,;=~"


class PhpBackend(Protocol):
    """Somebody who executes scripts: a php-fpm of our own, or one that runs already."""

    @property
    def problem(self) -> str:
        """Why there is no PHP at all, one sentence for visitors; empty when there is."""
        ...

    def open(
        self, params: Mapping[str, str], body: bytes | AsyncIterable[bytes] = b""
    ) -> AbstractAsyncContextManager[FastCgiAnswer]:
        """Ask it; see `FastCgiClient.open`."""
        ...


@dataclass(frozen=True, slots=True)
class PhpOptions:
    """What a block of ``php_server`` or ``php_fastcgi`` says.

    Attributes:
        root: The served folder; placeholders allowed. Empty means what ``root`` says, else the working
            directory.
        extensions: ``split``: endings of scripts.
        index: Name of a folder's index, looked for to add a missing slash; empty adds none.
        try_files: Paths to try, with placeholders, and ``=404`` for a status at the end; empty rewrites
            nothing.
        falls_back: Whether the last path is taken without looking.
        env: More variables for PHP, values with placeholders.
        hidden: Files that are hidden besides what `is_hidden` says, absolute, symbolic links resolved.
        translated: Whether PHP may get PATH_TRANSLATED; see `cgi_params`.
    """

    root: str = ""
    extensions: tuple[str, ...] = PHP_EXTENSIONS
    index: str = "index.php"
    try_files: tuple[str, ...] = (_PATH, f"{_PATH}/index.php", "index.php")
    falls_back: bool = True
    env: tuple[tuple[str, str], ...] = ()
    hidden: frozenset[str] = frozenset()
    translated: bool = False


class PhpHandler:
    """Hands scripts to PHP and its answers to visitors.

    Args:
        backend: Who executes.
        body: Takes request bodies.
        options: ``env`` and ``translated`` count here.
    """

    def __init__(self, backend: PhpBackend, body: BodyTaker, options: PhpOptions) -> None:
        self._backend = backend
        self._body = body
        self._options = options

    async def run(self, exchange: Exchange, script: Script) -> None:
        """Answer with what the script says.

        Raises:
            HandlerError: 413, 431, 507 for the request; as GatewayError 502, 503, 504 when PHP fails.
            ConnectionClosedError: When the visitor goes away; PHP is told.
        """
        if self._backend.problem:
            await exchange.respond(501, self._backend.problem.encode() + b"\n", _PLAIN_TEXT)
            return
        async with self._body.take(exchange) as body:
            params = self._params(exchange, script, body.size)
            async with self._backend.open(params, body.content) as answer:
                await _relay(exchange, answer)

    def _params(self, exchange: Exchange, script: Script, body_bytes: int) -> dict[str, str]:
        env = {name: expand(value, exchange, "empty") for name, value in self._options.env}
        if user := exchange.vars.get("http.auth.user.id"):
            env = {"REMOTE_USER": str(user), **env}
        return cgi_params(exchange.request, script, body_bytes, env, translated=self._options.translated)


_PLAIN_TEXT = {"Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-store"}


async def _relay(exchange: Exchange, answer: FastCgiAnswer) -> None:
    head = answer.head
    headers = HTTPHeaders()
    for name, value in head.fields:
        headers.add(name, value)
    silent = bodiless(exchange.request.method, head.status)
    if head.content_length is not None:
        headers["Content-Length"] = str(head.content_length)
    if answer.complete:
        await _send_whole(exchange, answer, headers, silent)
    else:
        await _send_pieces(exchange, answer, headers, silent)


async def _send_whole(exchange: Exchange, answer: FastCgiAnswer, headers: HTTPHeaders, silent: bool) -> None:
    body = b"".join([piece async for piece in answer])
    if not silent:
        headers["Content-Length"] = str(len(body))
    await exchange.start(answer.head.status, headers, b"" if silent else body)
    await exchange.finish()


async def _send_pieces(exchange: Exchange, answer: FastCgiAnswer, headers: HTTPHeaders, silent: bool) -> None:
    await exchange.start(answer.head.status, headers)
    left = answer.head.content_length
    async for piece in answer:
        kept = piece if left is None else piece[:left]
        left = None if left is None else left - len(kept)
        if kept and not silent:
            await exchange.write(kept)
    if left and not silent:
        raise GatewayError(502, f"PHP sent {left} bytes less than its Content-Length")
    await exchange.finish()


class PhpServer:
    """The step that ``php_server`` and ``php_fastcgi`` become.

    Args:
        options: Of the block.
        php: Executes scripts.
        static: Serves what is no script, from the same root; None leaves it to the next step.
    """

    def __init__(self, options: PhpOptions, php: PhpHandler, static: Handler | None) -> None:
        self._options = options
        self._php = php
        self._static = static

    async def __call__(self, exchange: Exchange, next_step: Next) -> None:
        """Answer, or call ``next_step`` for what is no script when there is no file server.

        Raises:
            HandlerError: 400 for a path with a zero byte, 404 for a script that does not exist, and what
                `PhpHandler.run` raises.
        """
        path = exchange.request.path
        if "\0" in path:
            raise HandlerError(400, "a path with a zero byte")
        folder = self._folder(exchange)
        if self._lacks_slash(folder, path):
            await exchange.respond(308, headers={"Location": _with_slash(exchange)})
            return
        target = self._rewrite(exchange, folder)
        if folder.is_script(target.path):
            await self._php.run(exchange, _script(folder, target))
        elif self._static is None:
            await next_step()
        elif folder.forbids(target.path):
            raise HandlerError(404, f"{target.path} is not for visitors")
        else:
            await self._static(exchange, next_step)

    def _folder(self, exchange: Exchange) -> Folder:
        root = expand(self._options.root or "{http.vars.root}", exchange, "empty")
        return Folder(resolved(root), self._options.extensions, self._options.hidden)

    def _lacks_slash(self, folder: Folder, path: str) -> bool:
        index = self._options.index
        return bool(index) and not path.endswith("/") and folder.has(f"{path}/{index}")

    def _rewrite(self, exchange: Exchange, folder: Folder) -> Target:
        """Find what is meant; the request's path becomes that of the file, the query stays."""
        paths = [expand(path, exchange, "empty") for path in self._options.try_files]
        target = folder.first(paths, self._options.falls_back) if paths else None
        if target is None:
            if status := _STATUS.fullmatch(paths[-1] if paths else ""):
                raise HandlerError(int(status[1]), "none of the files to try exists")
            path = exchange.request.path
            return folder.find(path) or folder.split(path)
        exchange.request.target = _encode(target.path)
        return target


def _script(folder: Folder, target: Target) -> Script:
    if not (target.filename and folder.is_script(target.filename)):
        raise HandlerError(404, f"there is no script {target.path}")
    return Script(target.filename, target.path, target.remainder, folder.root)


def _with_slash(exchange: Exchange) -> str:
    """The path as asked for, cleaned (``//host`` would lead to another site), and the slash it lacks."""
    request = exchange.request
    query = f"?{request.original_query}" if request.original_query else ""
    return _encode(clean_path(decode_path(request.original_target))) + "/" + query


def _encode(path: str) -> str:
    return quote(path, safe=_UNQUOTED, errors="surrogateescape")
