from __future__ import annotations

from pathlib import Path

import pytest

from tornado_realtime.errors import ConfigError
from tornado_realtime.server.server import read_plan


def test_a_site_that_needs_a_certificate_is_refused_before_anything_starts(tmp_path: Path) -> None:
    file = tmp_path / "Caddyfile"
    file.write_text("localhost {\n}\n")
    with pytest.raises(ConfigError, match="site localhost needs a certificate"):
        read_plan(str(file))
