"""What is shipped: built of its parts, small, typed, and an npm package that has what it names."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tools.browser import CHECKOUT, PACKAGE, PARTS, SOURCES, stale
from tools.node import command
from tornado_realtime.version import __version__

MOST_BYTES = 5000
"""Of what browsers load: minified, and compressed by gzip."""
FILES = {"LICENSE", "README.md", "package.json", "realtime.d.ts", "realtime.js", "realtime.min.js"}
TSC = Path(sys.prefix) / "node_modules" / "typescript" / "bin" / "tsc"
PAGES = [CHECKOUT / name for name in ("README.md", "docs/realtime-js.md", "docs/sse.md")] + [
    PACKAGE / "README.md"
]
EXPORTS = "import * as module from {url!r}; console.log(JSON.stringify(Object.keys(module)))"


def run(*words: str, cwd: Path = PACKAGE) -> str:
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_it_is_built_of_its_parts() -> None:
    assert stale() == [], "make browser"
    assert set(PARTS) == {path.stem for path in SOURCES.glob("*.js")}


def test_it_is_small() -> None:
    assert len(gzip.compress((PACKAGE / "realtime.min.js").read_bytes(), 9)) <= MOST_BYTES


def test_both_modules_export_the_same() -> None:
    for name in ("realtime.js", "realtime.min.js"):
        script = EXPORTS.format(url=(PACKAGE / name).as_uri())
        found = run(*command("node", "--input-type=module", "--eval", script))
        assert json.loads(found) == ["Realtime", "RealtimeError"]


def test_the_types_are_those_of_the_module() -> None:
    """What should be taken is taken, and what should not is refused where the comments say so."""
    options = [
        "--noEmit",
        "--strict",
        "--exactOptionalPropertyTypes",
        "--target",
        "es2022",
        "--lib",
        "es2022,dom",
    ]
    check = CHECKOUT / "tests" / "unit" / "browser" / "types.ts"
    run(
        *command("node", str(TSC), *options, "--module", "nodenext", "--moduleDetection", "force", str(check))
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_the_pages_show_is_javascript(page: Path) -> None:
    for block in re.findall(
        r"^```js\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    ):
        done = subprocess.run(
            command("node", "--input-type=module", "--check", "-"),
            input=block,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr + block


def test_the_npm_package_has_what_it_names(tmp_path: Path) -> None:
    (packed,) = json.loads(run(*command("npm", "pack", "--json", "--pack-destination", str(tmp_path))))
    assert {each["path"] for each in packed["files"]} == FILES
    assert (packed["name"], packed["version"]) == ("tornado-realtime", __version__)
    home = tmp_path / "node_modules" / "tornado-realtime"
    home.mkdir(parents=True)
    run(
        "tar",
        "-xzf",
        str(tmp_path / packed["filename"]),
        "--strip-components=1",
        "-C",
        str(home),
        cwd=tmp_path,
    )
    script = "import { Realtime } from 'tornado-realtime'; console.log(typeof Realtime)"
    assert run(*command("node", "--input-type=module", "--eval", script), cwd=tmp_path) == "function\n"
