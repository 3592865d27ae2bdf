"""The documentation says what is so: Caddyfiles are understood, Python compiles, links lead somewhere."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tornado_realtime.caddyfile import parse, parse_block
from tornado_realtime.errors import ConfigError
from tornado_realtime.server.generation import Generation
from tornado_realtime.settings import settings_from_directive
from tornado_realtime.site.adapter import adapt

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    *sorted((ROOT / "docs").glob("*.md")),
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")),
]
ENV = {"BROADCAST_SECRET_KEY": "secret"}
BLOCK = re.compile(r"^```(?P<kind>[a-z ]*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(#[^)\s]*)?\)")


def blocks(kind: str) -> list[tuple[str, str]]:
    """All blocks of one kind, each with the name of its page."""
    return [
        (page.name, found["text"])
        for page in PAGES
        for found in BLOCK.finditer(page.read_text(encoding="utf-8"))
        if found["kind"] == kind
    ]


def anchors(page: Path) -> set[str]:
    """The places in a page that a link can lead to."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_generated_parts_are_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "reference.py"), "--check"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("page", "text"), blocks("caddyfile"))
def test_caddyfiles_are_understood(page: str, text: str) -> None:
    if text.startswith("go_handler"):
        settings_from_directive(parse_block(text, page, ENV))
    else:
        Generation(adapt(parse(text, page, ENV)))


def test_there_are_caddyfiles_to_check() -> None:
    assert {page for page, _ in blocks("caddyfile")} >= {"README.md", "caddyfile.md"}


def errors_by_example() -> list[tuple[str, str]]:
    """Caddyfiles that are wrong, each with the message that follows it."""
    page = (ROOT / "docs" / "caddyfile.md").read_text(encoding="utf-8")
    return re.findall(r"^```caddyfile error\n(.*?)^```\n```text\n(.*?)\n```$", page, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize(("text", "message"), errors_by_example())
def test_errors_are_as_told(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Generation(adapt(parse(text, "Caddyfile", {})))
    assert str(caught.value) == message


def test_every_error_has_its_message() -> None:
    assert len(errors_by_example()) == len(blocks("caddyfile error")) > 0


@pytest.mark.parametrize(("page", "text"), blocks("python"))
def test_python_compiles(page: str, text: str) -> None:
    compile(text, page, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for path, anchor in LINK.findall(page.read_text(encoding="utf-8")):
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name}: {path}"
        assert not anchor or anchor[1:] in anchors(target), f"{page.name}: {path}{anchor}"


def quoted_log_lines() -> list[str]:
    """The first column of the tables about log lines."""
    page = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")
    part = page.partition("## Log lines")[2]
    return [found[1] for row in part.splitlines() if (found := re.match(r"\| `([^`]+)` \|", row))]


def texts_of_the_program() -> Iterator[str]:
    """Every text in the source, without docstrings; ``…`` where something is put in."""
    for path in (ROOT / "tornado_realtime").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                yield "".join(
                    str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values
                )
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and "\n" not in node.value:
                yield re.sub(r"%[a-z.0-9]+", "…", node.value)


def test_log_lines_are_as_told() -> None:
    source = re.sub("…+", "…", "\n".join(texts_of_the_program()))
    lines = quoted_log_lines()
    assert len(lines) > 20
    assert not [line for line in lines if not all(part.strip() in source for part in line.split("…: "))]


def test_reasons_for_red_are_as_told() -> None:
    page = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")
    part = page.partition("### When /ready is red")[2].partition("\n## ")[0]
    reasons = re.findall(r"^\| `([^`]+)` \|", part, re.MULTILINE)
    source = set(texts_of_the_program())
    assert len(reasons) > 5
    assert not [reason for reason in reasons if reason not in source]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_are_readable_as_text(page: Path) -> None:
    """Prose has lines that fit a screen; tables and generated parts may be longer."""
    text = re.sub(r"<!-- generated.*?<!-- end -->", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    text = BLOCK.sub("", text)
    long = [line for line in text.splitlines() if len(line) > 120 and not line.startswith("|")]
    assert not long
    assert not [line for line in text.splitlines() if line.rstrip() != line]


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [
        *project["dependencies"],
        *(word for extra in project["optional-dependencies"].values() for word in extra),
    ]
    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    names = {re.split(r"[<>=~ ]", word)[0] for word in wanted}
    assert not [name for name in names if f"`{name}`" not in page]
