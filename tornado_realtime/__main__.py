"""``python -m tornado_realtime`` is ``tornado-realtime``."""

import sys

from tornado_realtime.cli import main

if __name__ == "__main__":
    sys.exit(main())
