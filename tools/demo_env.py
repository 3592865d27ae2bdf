"""Write the demo application's secrets into a file of mode 0600, once: demo_env.py FILE."""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path

NAMES = ("JWT_SECRET_KEY", "BROADCAST_SECRET_KEY")


def main(path: Path) -> None:
    """Create ``path`` with fresh secrets; an existing file is left alone."""
    if path.exists():
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.writelines(f"{name}={secrets.token_hex(32)}\n" for name in NAMES)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
