"""One target under atheris (libFuzzer): ``python -m tests.fuzz.libfuzzer TARGET [libFuzzer's own options]``.

It ends with an exit code that is not 0 as soon as it has found something, and writes the input to a file.
"""

from __future__ import annotations

import sys
from importlib import import_module

import atheris

# What is not instrumented is not explored. Targets import these, so they come first.
INSTRUMENTED = ["tornado_realtime", "tests.fuzz.targets", "jwt.api_jws", "jwt.api_jwt"]


def main(target: str, options: list[str]) -> None:
    """Fuzz until an option says that it is enough."""
    atheris.enabled_hooks.add("str")
    with atheris.instrument_imports(include=INSTRUMENTED):
        targets = import_module("tests.fuzz.targets").TARGETS
    atheris.Setup([target, *options], targets[target])
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
