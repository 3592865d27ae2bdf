"""Build the browser's client, ``realtime.js``, of its parts in ``browser/``.

With --check say whether it is built. What comes out is committed, so that neither a server nor a wheel needs
this: ``realtime.js`` to be read, all parts in one module, and ``realtime.min.js`` to be served. Both are
of tornado_realtime/browser/, the npm package.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

import minify

CHECKOUT = Path(__file__).resolve().parents[1]
SOURCES = CHECKOUT / "browser"
PACKAGE = CHECKOUT / "tornado_realtime" / "browser"

PARTS = ("values", "login", "requests", "page", "stream", "subscription", "realtime")
"""In an order in which each comes after what it imports."""
PUBLIC = ("Realtime", "RealtimeError")
HEADER = """\
// The browser's side of a tornado_realtime server. MIT licence.
//
//   import { Realtime } from '/realtime.js';
//   new Realtime('/ws').subscribe('news', (payload) => console.log(payload));
//
// realtime.d.ts says what each part takes and gives. V1 to V8 are sections of docs/realtime-v1.md, the wire.
// This file is put together by tools/browser.py, of the parts in browser/.
"""

_IMPORT = re.compile(r"^import [^;]*;\n", re.MULTILINE)
_EXPORT = re.compile(rf"^export (?!class ({'|'.join(PUBLIC)})\b)", re.MULTILINE)


def joined() -> str:
    """The parts as one module that exports what is public."""
    parts = ((SOURCES / f"{name}.js").read_text(encoding="utf-8") for name in PARTS)
    return "\n".join((HEADER, *(_EXPORT.sub("", _IMPORT.sub("", part)).strip() + "\n" for part in parts)))


def minified(module: str) -> str:
    """The same without what only people need; inside of a function, as only names there are shortened."""
    names = ",".join(PUBLIC)
    body = re.sub(r"^export ", "", module, flags=re.MULTILINE)
    wrapped = f"const{{{names}}}=(()=>{{{body}\nreturn{{{names}}}}})();export{{{names}}}"
    return str(minify.string("application/javascript", wrapped)) + "\n"


def built() -> dict[Path, str]:
    """What each file of the package has to be."""
    module = joined()
    return {
        PACKAGE / "realtime.js": module,
        PACKAGE / "realtime.min.js": minified(module),
        PACKAGE / "LICENSE": (CHECKOUT / "LICENSE").read_text(encoding="utf-8"),
    }


def stale() -> list[Path]:
    """The files that are not what their parts make of them."""
    return [path for path, text in built().items() if not path.exists() or path.read_text("utf-8") != text]


def main() -> int:
    """Exit code 1 with --check if something is stale."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing")
    if parser.parse_args().check:
        for path in stale():
            print(f"{path.relative_to(CHECKOUT)} is stale: make browser", file=sys.stderr)
        return bool(stale())
    for path, text in built().items():
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
