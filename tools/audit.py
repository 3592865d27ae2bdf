"""Ask PyPI's vulnerability database about what is installed: ``make audit``. It advises, and never fails.

pip-audit says "no known vulnerabilities" even where it could not ask about a single package, so its report
is read here.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from typing import Any

TIMEOUT = 300


def report(dependencies: Iterable[Mapping[str, Any]], own: str = "tornado-realtime") -> list[str]:
    """What pip-audit's ``dependencies`` say, line by line.

    Args:
        dependencies: As in its JSON: a name with ``version`` and ``vulns``, or with ``skip_reason``.
        own: This package, which nobody else knows.
    """
    others = [each for each in dependencies if each["name"] != own]
    asked = [each for each in others if "vulns" in each]
    unknown = [each["name"] for each in others if "vulns" not in each]
    found = [_finding(each, vulnerability) for each in asked for vulnerability in each["vulns"]]
    if not asked:
        return ["NOTHING WAS AUDITED: the vulnerability database cannot be reached from here."]
    lines = found or [f"no known vulnerability in {len(asked)} packages"]
    if unknown:
        lines.append(f"not audited, because the database could not be asked about them: {', '.join(unknown)}")
    return lines


def _finding(package: Mapping[str, Any], vulnerability: Mapping[str, Any]) -> str:
    fixed = ", ".join(vulnerability.get("fix_versions") or ()) or "no version yet"
    return f"{package['name']} {package['version']}: {vulnerability['id']}, fixed in {fixed}"


def main() -> None:
    """Run pip-audit on this environment and tell what it found."""
    command = [sys.executable, "-m", "pip_audit", "--format", "json", "--progress-spinner", "off"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
        lines = report(json.loads(done.stdout)["dependencies"])
    except (subprocess.TimeoutExpired, ValueError, KeyError):
        lines = report(())
    print("\n".join(lines))


if __name__ == "__main__":
    main()
