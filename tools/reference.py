"""Write the generated parts of the documentation anew, or with --check say whether they are up to date.

A generated part stands between ``<!-- generated: NAME -->`` and ``<!-- end -->``. Its words are those that
the program itself knows, what is said about them stands in ``reference.toml``, and whether a directive can be
served is found out by having the program build one.
"""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from tornado_realtime import metrics
from tornado_realtime.caddyfile import parse
from tornado_realtime.cli.verbs import VERBS
from tornado_realtime.errors import ConfigError
from tornado_realtime.server.generation import Generation
from tornado_realtime.settings import OPTIONS, Option
from tornado_realtime.settings.channels import WHO
from tornado_realtime.settings.jwt import JWT_BLOCK
from tornado_realtime.site import matcher_parser, options, server_options, shorthands
from tornado_realtime.site.adapter import adapt
from tornado_realtime.site.directives import DIRECTIVES
from tornado_realtime.site.order import DEFAULT_ORDER

ROOT = Path(__file__).resolve().parent.parent
TEXTS: dict[str, Any] = tomllib.loads((ROOT / "tools" / "reference.toml").read_text(encoding="utf-8"))
_PART = re.compile(r"(<!-- generated: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)
_NOT_SUPPORTED = "known but not supported"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _code(text: str) -> str:
    return "`" + text.replace("|", "\\|") + "`"


def _same_names(what: str, known: Iterable[str], described: Iterable[str]) -> None:
    """Fail unless the program knows exactly the words that are described."""
    difference = set(known) ^ set(described)
    if difference:
        raise SystemExit(f"tools/reference.toml and the program differ in {what}: {sorted(difference)}")


# -- go_handler, command line ----------------------------------------------------------------------------


def go_handler_table() -> str:
    """The options of go_handler."""
    return _options_table(OPTIONS)


def jwt_table() -> str:
    """The options in a jwt block."""
    return _options_table(JWT_BLOCK.options)


def _options_table(options: Iterable[Option]) -> str:
    rows = [
        (
            _code(f"{option.name} {option.words}"),
            option.purpose,
            _code(option.default) if option.default else "none",
        )
        for option in options
    ]
    return _table(("option", "what it is for", "default"), rows)


def channel_access_table() -> str:
    """What may stand behind subscribe and publish."""
    rows = ((_code(f"{name} {who.argument}".rstrip()), who.purpose) for name, who in WHO.items())
    return _table(("WHO", "may"), rows)


def command_line() -> str:
    """The commands and their arguments."""
    return "\n".join(f"- **{verb.name}**: {verb.help}.{_arguments(verb.arguments)}" for verb in VERBS) + "\n"


def _arguments(declare: Callable[[argparse.ArgumentParser], None]) -> str:
    parser = argparse.ArgumentParser(add_help=False)
    declare(parser)
    lines = [
        f"\n  - {_code(_spelling(action))}: {action.help % vars(action) if action.help else ''}."
        for action in parser._actions
        if action.help != argparse.SUPPRESS
    ]
    return "".join(lines)


def _spelling(action: argparse.Action) -> str:
    value = f" {action.metavar}" if action.metavar and action.nargs != 0 else ""
    return ", ".join(action.option_strings) + value if action.option_strings else str(action.metavar)


# -- directives ------------------------------------------------------------------------------------------


@cache
def can_serve(name: str) -> bool:
    """Whether the program can serve a directive: it builds the handlers of a site that uses it."""
    example = TEXTS["directives"].get(name, {}).get("example", name)
    try:
        Generation(adapt(parse(f":8080 {{\n{example}\n}}", "example", {})))
    except ConfigError as error:
        if _NOT_SUPPORTED in str(error):
            return False
        raise
    return True


def directives_table() -> str:
    """The directives that are described, with their status."""
    _same_names("directives", set(DIRECTIVES) - set(_lacking()), {*TEXTS["directives"], *TEXTS["aliases"]})
    rows = [
        (_code(word["syntax"]), "supported" if can_serve(name) else "known, not supported", word["purpose"])
        for name, word in TEXTS["directives"].items()
    ]
    return _table(("directive", "status", "what it does"), rows)


def _lacking() -> list[str]:
    described = {*TEXTS["directives"], *TEXTS["aliases"]}
    return [name for name in DIRECTIVES if name not in described and not can_serve(name)]


def lacking_directives() -> str:
    """The names of directives that the program knows, and refuses."""
    return _names(_lacking())


def directive_order() -> str:
    """In which order directives are tried, those that exist here."""
    return _names(name for name in DEFAULT_ORDER if name not in _lacking())


def _names(names: Iterable[str]) -> str:
    return _folded(", ".join(_code(name) for name in names) + ".")


def _folded(text: str) -> str:
    """Lines of at most 110 characters."""
    lines = [""]
    for word in text.split(" "):
        if len(lines[-1]) + len(word) > 109:
            lines.append("")
        lines[-1] += (" " if lines[-1] else "") + word
    return "\n".join(lines) + "\n"


# -- options, matchers, placeholders -----------------------------------------------------------------------


def _pairs(head: str, section: str) -> str:
    rows = [(_code(word["syntax"]), word["purpose"]) for word in TEXTS[section].values()]
    return _table((head, "what it is for"), rows)


def global_options_table() -> str:
    """The global options that do something."""
    without_use = TEXTS["without_use"]["global_options"]
    _same_names("global options", options._READERS, (*TEXTS["global_options"], *without_use))
    return _pairs("option", "global_options")


def global_options_without_effect() -> str:
    """The names of the global options that are accepted and do nothing."""
    return _names(sorted((*TEXTS["without_use"]["global_options"], *options._WITHOUT_EFFECT)))


def server_options_table() -> str:
    """The options of ``servers``."""
    _same_names("options of servers", server_options._READERS, TEXTS["server_options"])
    return _pairs("option", "server_options")


def server_options_without_effect() -> str:
    """The names of the options of ``servers`` that are accepted and do nothing."""
    return _names(server_options._WITHOUT_EFFECT)


def matchers_table() -> str:
    """The kinds of matchers."""
    _same_names("matchers", matcher_parser._KINDS, TEXTS["matchers"])
    return _pairs("kind", "matchers")


def placeholders_list() -> str:
    """The short names of placeholders; those about a client's certificate have no value here."""
    fixed = [f"{{{name}}}" for name in shorthands._FIXED if not name.startswith("tls_client")]
    named = [f"{{{name}.NAME}}" for name in (*shorthands._PREFIXES, *shorthands._DOTTED_PREFIXES)]
    return _names([*fixed, *named])


def metrics_table() -> str:
    """What is counted."""
    counters = metrics.Counters.__dataclass_fields__ | metrics.BrokerCounters.__dataclass_fields__
    rows = [
        (_code(metrics.PREFIX + name + ("_total" if name in counters else "")), text)
        for name, text in metrics._HELP.items()
    ]
    return _table(("name", "what it is"), rows)


PARTS: dict[str, Callable[[], str]] = {
    "go_handler": go_handler_table,
    "jwt": jwt_table,
    "channel-access": channel_access_table,
    "command-line": command_line,
    "directives": directives_table,
    "lacking-directives": lacking_directives,
    "order": directive_order,
    "global-options": global_options_table,
    "global-options-without-effect": global_options_without_effect,
    "server-options": server_options_table,
    "server-options-without-effect": server_options_without_effect,
    "matchers": matchers_table,
    "placeholders": placeholders_list,
    "metrics": metrics_table,
}


def regenerate(text: str) -> str:
    """``text`` with every generated part made anew."""
    return _PART.sub(lambda found: found[1] + "\n" + PARTS[found[2]]() + "\n" + found[3], text)


def pages() -> list[Path]:
    """Every page that may have generated parts."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]


def main() -> int:
    """Write or check the pages."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="change nothing; exit 1 if something would change"
    )
    check = parser.parse_args().check
    stale = []
    for path in pages():
        text = path.read_text(encoding="utf-8")
        fresh = regenerate(text)
        if fresh != text:
            stale.append(str(path.relative_to(ROOT)))
            if not check:
                path.write_text(fresh, encoding="utf-8")
    if check and stale:
        print(f"not up to date, run `make docs`: {', '.join(stale)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
