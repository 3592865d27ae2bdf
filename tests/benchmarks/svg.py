"""Just enough SVG for a few plots that are readable on light and on dark pages."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from itertools import pairwise

_STYLE = """
text { font: 13px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1f2328; }
.title { font-size: 16px; font-weight: 600; }
.small { font-size: 12px; fill: #59636e; }
.strong { font-weight: 600; }
.page { fill: #ffffff; }
.grid { stroke: #d1d9e0; stroke-width: 1; }
.range { stroke: #1f2328; stroke-width: 1.5; }
.ours { --c: #d1480a; } .a { --c: #0f766e; } .b { --c: #6d5bd0; } .c { --c: #0b6bcb; }
.d { --c: #9a6700; } .e { --c: #57606a; } .f { --c: #bf3989; } .g { --c: #2da44e; } .h { --c: #8c959f; }
.bar { fill: var(--c); } .line { stroke: var(--c); fill: none; stroke-width: 2; } .dot { fill: var(--c); }
.label { fill: var(--c); font-size: 12px; }
.ours .line, .ours.line { stroke-width: 3; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; } .small { fill: #9198a1; } .page { fill: #0d1117; }
  .grid { stroke: #3d444d; } .range { stroke: #e6edf3; }
  .ours { --c: #ff8c42; } .a { --c: #2dd4bf; } .b { --c: #b3a5ff; } .c { --c: #58a6ff; }
  .d { --c: #e3b341; } .e { --c: #b1bac4; } .f { --c: #ff80c8; } .g { --c: #56d364; } .h { --c: #8b949e; }
}
"""


class Drawing:
    """A picture that is drawn piece by piece.

    Args:
        width: Pixels.
        height: Pixels.
        title: Its heading, and what it is called by a screen reader.
    """

    def __init__(self, width: float, height: float, title: str) -> None:
        self._size = (width, height)
        self._title = title
        self._parts: list[str] = []
        self.text(20, 30, title, "title")

    def text(self, x: float, y: float, words: str, style: str = "", anchor: str = "start") -> None:
        """One line of words; ``y`` is its baseline."""
        place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
        self._parts.append(f'<text {place} class="{style}">{escape(words)}</text>')

    def bar(self, x: float, y: float, width: float, height: float, style: str) -> None:
        """A filled rectangle, never thinner than a hairline."""
        size = f'width="{max(width, 1):.1f}" height="{height:.1f}"'
        self._parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" {size} rx="2" class="bar {style}"/>')

    def stroke(self, start: tuple[float, float], end: tuple[float, float], style: str) -> None:
        """A straight line."""
        (x1, y1), (x2, y2) = start, end
        self._parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{style}"/>')

    def line(self, points: Sequence[tuple[float, float]], style: str) -> None:
        """Points joined by lines."""
        joined = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self._parts.append(f'<polyline points="{joined}" class="line {style}"/>')
        dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in points)
        self._parts.append(f'<g class="dot {style}">{dots}</g>')

    def render(self) -> str:
        """The whole file."""
        width, height = self._size
        head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" role="img"'
        name = f"<title>{escape(self._title)}</title>"
        page = f'<rect class="page" width="{width:g}" height="{height:g}" rx="8"/>'
        body = "\n".join(self._parts)
        return f"{head}>\n{name}\n<style>{_STYLE}</style>\n{page}\n{body}\n</svg>\n"


def nice_steps(largest: float, about: int = 5) -> list[float]:
    """Round values from 0 to at least ``largest``."""
    if largest <= 0:
        return [0.0, 1.0]
    rough = largest / about
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * unit for factor in (1, 2, 5, 10) if factor * unit >= rough)
    return [step * number for number in range(math.ceil(largest / step) + 1)]


def spread_out(wanted: Sequence[float], least: float) -> list[float]:
    """Places near the wanted ones, at least ``least`` apart, in the same order; for labels beside lines."""
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    places = list(wanted)
    for before, index in pairwise(order):
        places[index] = max(places[index], places[before] + least)
    return places
