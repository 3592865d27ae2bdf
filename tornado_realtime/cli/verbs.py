"""What each command does, and the arguments it takes."""

from __future__ import annotations

import argparse
import difflib
import json
import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tornado_realtime.caddyfile import format_text, load
from tornado_realtime.cli.bench import bench_arguments, run_bench
from tornado_realtime.cli.envfile import load_envfile
from tornado_realtime.cli.logs import set_up_logging
from tornado_realtime.cli.publish import publish_arguments, run_publish
from tornado_realtime.cli.subscribe import run_subscribe, subscribe_arguments
from tornado_realtime.errors import ConfigError, RealtimeError
from tornado_realtime.server import run_server, validate_config
from tornado_realtime.site.adapter import adapt
from tornado_realtime.site.tokens_report import plan_report, tokens_report
from tornado_realtime.version import __version__

DEFAULT_FILE = "Caddyfile"


@dataclass(frozen=True, slots=True)
class Verb:
    """One command.

    Attributes:
        name: As typed.
        help: One sentence.
        arguments: Declares its arguments.
        run: Does it; the exit code.
    """

    name: str
    help: str
    arguments: Callable[[ArgumentParser], None]
    run: Callable[[Namespace], int]


def _config_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "-c", "--config", metavar="FILE", help=f"the configuration (default: ./{DEFAULT_FILE})"
    )
    parser.add_argument("-a", "--adapter", choices=["caddyfile"], help=argparse.SUPPRESS)
    parser.add_argument(
        "--envfile",
        metavar="FILE",
        action="append",
        default=[],
        help="read NAME=VALUE lines into the environment; what is set already stays",
    )


def _config_file(named: str | None) -> str:
    """The file that was named, or the one in this folder.

    Raises:
        ConfigError: None was named, and there is none here.
    """
    if named is not None:
        return named
    if not Path(DEFAULT_FILE).exists():
        raise ConfigError(f"there is no {DEFAULT_FILE} in this folder; name one with --config FILE")
    return DEFAULT_FILE


def _prepare(arguments: Namespace) -> str:
    for path in arguments.envfile:
        load_envfile(path, os.environ)
    return _config_file(arguments.config)


# -- run ---------------------------------------------------------------------------------------------


def _run_arguments(parser: ArgumentParser) -> None:
    _config_arguments(parser)
    parser.add_argument(
        "--bind",
        metavar="HOST[,HOST]",
        default="",
        help="where sites without `bind` listen, instead of all interfaces; one that is not here is skipped",
    )


def _run(arguments: Namespace) -> int:
    file = _prepare(arguments)
    set_up_logging()
    return run_server(file, tuple(host.strip("[]") for host in arguments.bind.split(",") if host))


# -- validate, adapt -----------------------------------------------------------------------------------


def _validate(arguments: Namespace) -> int:
    file = _prepare(arguments)
    for warning in validate_config(file):
        print(f"warning: {warning}", file=sys.stderr)
    print("Valid configuration")
    return 0


def _adapt_arguments(parser: ArgumentParser) -> None:
    _config_arguments(parser)
    parser.add_argument("file", nargs="?", metavar="FILE", help="the same as --config FILE")
    parser.add_argument(
        "--tokens", action="store_true", help="print addresses, directives and the sorted handlers"
    )
    parser.add_argument("-p", "--pretty", action="store_true", help="indent the JSON")
    parser.add_argument("--validate", action="store_true", help="also check what `validate` checks")


def _adapt(arguments: Namespace) -> int:
    if arguments.file is not None and arguments.config is not None:
        raise ConfigError("name the file once: with --config, or without")
    arguments.config = arguments.config if arguments.config is not None else arguments.file
    file = _prepare(arguments)
    document = load(file, os.environ)
    plan = adapt(document)
    for warning in plan.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    if arguments.validate:
        validate_config(file)
    report = tokens_report(document, plan) if arguments.tokens else plan_report(plan)
    print(json.dumps(report, ensure_ascii=False, indent=2 if arguments.pretty else None))
    return 0


# -- fmt -----------------------------------------------------------------------------------------------


def _fmt_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "file", nargs="?", default=DEFAULT_FILE, metavar="FILE", help="a file, or - for standard input"
    )
    parser.add_argument("-w", "--overwrite", action="store_true", help="write the result into the file")
    parser.add_argument("-d", "--diff", action="store_true", help="print the difference")


def _fmt(arguments: Namespace) -> int:
    if arguments.file == "-":
        text = sys.stdin.buffer.read().decode("utf-8", "surrogateescape")
    else:
        text = _read(arguments.file)
    formatted = format_text(text)
    if arguments.overwrite and arguments.file != "-":
        _write(arguments.file, formatted)
        return 0
    if arguments.diff:
        _print(_difference(text, formatted, arguments.file))
    else:
        _print(formatted)
    if text == formatted or arguments.file == "-":
        return 0
    print(f"{arguments.file}: not formatted; use --overwrite to write the result", file=sys.stderr)
    return 1


def _difference(old: str, new: str, name: str) -> str:
    lines = difflib.unified_diff(old.splitlines(True), new.splitlines(True), name, f"{name} (formatted)")
    return "".join(line if line.endswith("\n") else line + "\n" for line in lines)


def _print(text: str) -> None:
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape"))
    sys.stdout.buffer.flush()


def _read(path: str) -> str:
    try:
        return Path(path).read_bytes().decode("utf-8", "surrogateescape")
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", path) from error


def _write(path: str, text: str) -> None:
    try:
        Path(path).write_bytes(text.encode("utf-8", "surrogateescape"))
    except OSError as error:
        raise RealtimeError(f"{path}: cannot be written: {error.strerror}") from error


# -- version -------------------------------------------------------------------------------------------


def _version(_arguments: Namespace) -> int:
    print(f"tornado-realtime {__version__}")
    return 0


VERBS = (
    Verb("run", "serve what the configuration says, until told to stop", _run_arguments, _run),
    Verb(
        "validate",
        "check a configuration, down to its files and users, and exit",
        _config_arguments,
        _validate,
    ),
    Verb("adapt", "print what a configuration means as JSON", _adapt_arguments, _adapt),
    Verb("fmt", "print a configuration in the usual layout", _fmt_arguments, _fmt),
    Verb("subscribe", "print what is published on channels, as it comes", subscribe_arguments, run_subscribe),
    Verb("publish", "publish a message on a channel", publish_arguments, run_publish),
    Verb("bench", "measure what a running server carries, on this machine", bench_arguments, run_bench),
    Verb("version", "print the version and exit", lambda _parser: None, _version),
)
