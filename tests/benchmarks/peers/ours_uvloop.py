"""This project's server on uvloop instead of asyncio's own loop.

Usage: ours_uvloop.py ARGUMENTS-OF-TORNADO-REALTIME. uvloop is found at the end of the path, in the folder
that UVLOOP_FOLDER names, so that nothing else comes from there.
"""

from __future__ import annotations

import importlib
import os
import sys

from tornado_realtime.cli import main

sys.path.append(os.environ["UVLOOP_FOLDER"])
importlib.import_module("uvloop").install()
sys.exit(main(sys.argv[1:]))
