"""The command ``tornado-realtime``: arguments in, an exit code out."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

from tornado_realtime.cli.verbs import VERBS
from tornado_realtime.errors import RealtimeError

PROGRAM = "tornado-realtime"
EXIT_FAILED = 1


class _Parser(argparse.ArgumentParser):
    """Ends with 1 for a wrong command line, as Caddy does; argparse's own 2 means "forced" here."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(EXIT_FAILED, f"{self.prog}: {message}\n")


def make_parser() -> argparse.ArgumentParser:
    """The whole command line; the documentation is made from it, too."""
    parser = _Parser(prog=PROGRAM, description="A realtime server that runs from a Caddyfile.")
    parser.add_argument("-v", "--version", action="store_true", help="print the version and exit")
    verbs = parser.add_subparsers(title="commands", dest="verb", metavar="COMMAND")
    for verb in VERBS:
        command = verbs.add_parser(verb.name, help=verb.help, description=verb.help)
        verb.arguments(command)
        command.set_defaults(run=verb.run)
    verbs.add_parser("help", help="print this help and exit")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: Words after the program's name; the process's own when left out.

    Returns:
        The exit code: 0 for success, 1 for a failure, 2 forced stop, 3 an error while stopping.
    """
    parser = make_parser()
    arguments = parser.parse_args(argv)
    if arguments.version:
        arguments = parser.parse_args(["version"])
    if arguments.verb in (None, "help"):
        parser.print_help()
        return 0
    try:
        return int(arguments.run(arguments))
    except RealtimeError as error:
        print(error, file=sys.stderr)
    except KeyboardInterrupt:
        print(file=sys.stderr)
    except BrokenPipeError:
        # Whoever read our output has seen enough (`| head`).
        sys.stderr.close()
    return EXIT_FAILED
