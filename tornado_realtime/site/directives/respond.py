"""Directives that answer with what stands in the Caddyfile: respond, redir."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tornado_realtime.caddyfile.directive import Directive, Token
from tornado_realtime.site.arguments import expect, flag, no_block, one_word, unknown
from tornado_realtime.site.directives.flow import is_status
from tornado_realtime.site.plan import Kit, Step
from tornado_realtime.site.respond import Redirect, Respond
from tornado_realtime.site.scope import Scope

if TYPE_CHECKING:
    from tornado_realtime.site.exchange import Handler


@dataclass(frozen=True, slots=True)
class RespondStep(Step):
    """``respond``: a fixed answer.

    Without a Content-Type from ``header`` it is application/json when the body is JSON, else text/plain.

    Attributes:
        body: With placeholders; unknown ones stay as written.
        status: A number or a placeholder; empty for 200, or the error's status in handle_errors. What is
            no number at run time is 500.
        close: Whether to close the connection afterwards.
    """

    body: str = ""
    status: str = ""
    close: bool = False

    def modules(self) -> list[str]:
        """``static_response`` with body and status."""
        return [static_response(self.body, self.status)]

    def build(self, kit: Kit) -> Handler:
        """Answers."""
        return Respond(self.body, self.status, self.close)


def static_response(body: str, status: str) -> str:
    """How the report names a fixed answer."""
    return f"static_response:{body}|{status}" if status else f"static_response:{body}"


def parse_respond(segment: Directive, scope: Scope) -> Step:
    """Read ``respond [matcher] STATUS|BODY [STATUS] { body TEXT; close }``."""
    words = expect(segment, 1, 2, "respond [MATCHER] STATUS, or respond [MATCHER] BODY [STATUS]")
    body, status = words if len(words) == 2 else ("", words[0]) if is_status(words[0]) else (words[0], "")
    if len(words) == 2:
        _warn_about_status(segment.args[1], scope)
    close = False
    for option in segment.block or ():
        if option.word == "body":
            body = _body(option, body)
        elif option.word == "close":
            close = _close(option, close)
        else:
            raise unknown(option.name, "option of respond", ("body", "close"))
    return RespondStep(segment, body, status, close)


def _warn_about_status(token: Token, scope: Scope) -> None:
    if not (is_status(token.text) or "{" in token.text):
        scope.warn(token, f"respond: {token.text!r} is not a status, so the answer will be 500")


def _body(option: Directive, before: str) -> str:
    if before:
        raise option.error("the body of respond is given twice")
    return one_word(option, "body TEXT")


def _close(option: Directive, before: bool) -> bool:
    if before:
        raise option.error("close is given twice")
    return flag(option)


@dataclass(frozen=True, slots=True)
class RedirStep(Step):
    """``redir``: send the visitor elsewhere.

    Attributes:
        to: With placeholders; the Location header.
        status: A number or a placeholder.
        html: Instead answer 200 with a small page that leads there, for browsers only; no Location.
    """

    to: str = ""
    status: str = "302"
    html: bool = False

    def modules(self) -> list[str]:
        """``static_response`` with an empty body and the status."""
        return [static_response("", self.status)]

    def build(self, kit: Kit) -> Handler:
        """Redirects."""
        return Redirect(self.to, self.status, self.html)


_NAMED_CODES = {"permanent": "301", "temporary": "302", "html": "200"}


def parse_redir(segment: Directive, scope: Scope) -> Step:
    """Read ``redir [matcher] TO [CODE]``."""
    no_block(segment)
    words = expect(segment, 1, 2, "redir [MATCHER] TO [permanent|temporary|html|CODE]")
    code = _redir_code(segment.args[1]) if len(words) == 2 else "302"
    return RedirStep(segment, words[0], code, html=words[1:] == ("html",))


def _redir_code(token: Token) -> str:
    word = token.text
    if word in _NAMED_CODES or word.startswith("{"):
        return _NAMED_CODES.get(word, word)
    if not (word.isascii() and word.isdigit()):
        raise token.error(f"redir code {word}: write permanent, temporary, html, or a number 300 to 399")
    if not (300 <= int(word[:6]) <= 399 or word == "401"):
        raise token.error(f"redir code {word} is not in the range 300 to 399, nor 401")
    return word
