"""The four plots: throughput, latency, memory, growth."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.benchmarks.contenders import CONTENDERS
from tests.benchmarks.plan import FANOUT, GROWTH, IDLE, LATENCY, Reading, deliveries, memory
from tests.benchmarks.report import number
from tests.benchmarks.suite import Results
from tests.benchmarks.svg import Drawing, nice_steps, spread_out
from tornado_realtime.bench.statistics import Spread

_STYLES = dict(
    zip(
        ("ours", "c-joined", "nats", "socketify", "ws", "c-each", "nchan", "websockets", "tornado"),
        ("ours", "e", "c", "g", "d", "h", "f", "b", "a"),
        strict=True,
    )
)
_LABELS = 190.0
_ROW = 24.0
_NAME_ROOM = 175.0
Points = list[tuple[float, float]]


def draw_all(results: Results, folder: Path) -> dict[str, str]:
    """Draw what there is data for.

    Returns:
        What each plot shows, and its file's name.
    """
    folder.mkdir(parents=True, exist_ok=True)
    drawn = {}
    for what, name, draw in _PLOTS:
        drawing = draw(results)
        if drawing is not None:
            (folder / name).write_text(drawing.render(), encoding="utf-8")
            drawn[what] = name
    return drawn


def _names(results: Results, scenario: str) -> list[str]:
    return [name for name in CONTENDERS if results.of(scenario, name)]


def _spread(results: Results, scenario: str, name: str, read: Reading) -> Spread:
    return Spread.of([read(run) for run in results.of(scenario, name)])


# -- bars --------------------------------------------------------------------------------------------


def _bars(
    drawing: Drawing, left: float, top: float, width: float, values: dict[str, Spread], unit: str = ""
) -> None:
    """One bar a contender with its figure and, as a whisker, its range."""
    largest = max(spread.high for spread in values.values()) or 1.0
    scale = (width - 70) / largest
    for row, (name, spread) in enumerate(values.items()):
        y = top + row * _ROW
        drawing.bar(left, y, spread.median * scale, _ROW - 8, _STYLES.get(name, "h"))
        middle = y + (_ROW - 8) / 2
        if spread.high > spread.low:
            drawing.stroke((left + spread.low * scale, middle), (left + spread.high * scale, middle), "range")
        drawing.text(left + spread.high * scale + 6, middle + 4, number(spread.median) + unit, "small")


def _bar_labels(drawing: Drawing, top: float, names: Sequence[str]) -> None:
    for row, name in enumerate(names):
        style = "strong" if name == "ours" else ""
        y = top + row * _ROW + (_ROW - 8) / 2 + 5
        drawing.text(_LABELS - 10, y, CONTENDERS[name].title, style, "end")


def _throughput(results: Results) -> Drawing | None:
    names = _names(results, FANOUT)
    if not names:
        return None
    top, panel = 78.0, 255.0
    drawing = Drawing(
        _LABELS + 3 * panel + 10,
        top + len(names) * _ROW + 20,
        "Fan-out to 1,000 subscribers, deliveries a second",
    )
    _bar_labels(drawing, top, names)
    phases = (("w64", "64 in flight"), ("w16", "16 in flight"), ("w1", "one message at a time"))
    for column, (phase, heading) in enumerate(phases):
        left = _LABELS + column * panel
        drawing.text(left, top - 14, heading, "small")
        values = {name: _spread(results, FANOUT, name, deliveries(phase)) for name in names}
        _bars(drawing, left, top, panel - 12, values)
    return drawing


def _memory(results: Results) -> Drawing | None:
    names = _names(results, IDLE)
    if not names:
        return None
    top = 56.0
    drawing = Drawing(760, top + len(names) * _ROW + 20, "Memory of one idle subscribed connection")
    _bar_labels(drawing, top, names)
    values = {name: _spread(results, IDLE, name, memory) for name in names}
    _bars(drawing, _LABELS, top, 550, values, " KiB")
    return drawing


# -- lines -------------------------------------------------------------------------------------------


class _Chart:
    """Lines over a common axis, each with its name at its end."""

    def __init__(self, title: str, across: str, down: str, largest: float) -> None:
        self._left, self._top, self._width, self._height = 70.0, 66.0, 500.0, 280.0
        self._steps = nice_steps(largest)
        self.drawing = Drawing(self._left + self._width + _NAME_ROOM, self._top + self._height + 60, title)
        self._lines: list[tuple[str, Points]] = []
        bottom = self._top + self._height
        for step in self._steps:
            y = self.y(step)
            self.drawing.stroke((self._left, y), (self._left + self._width, y), "grid")
            self.drawing.text(self._left - 8, y + 4, number(step) if step else "0", "small", "end")
        self.drawing.text(self._left, self._top - 12, down, "small")
        self.drawing.text(self._left + self._width, bottom + 42, across, "small", "end")

    def x(self, part: float) -> float:
        return self._left + 12 + part * (self._width - 24)

    def y(self, value: float) -> float:
        return self._top + self._height * (1 - value / self._steps[-1])

    def tick(self, part: float, words: str) -> None:
        self.drawing.text(self.x(part), self._top + self._height + 20, words, "small", "middle")

    def add(self, name: str, points: Points) -> None:
        """A line; ``points`` are parts of the width (0..1) and values."""
        self._lines.append((name, [(self.x(part), self.y(value)) for part, value in points]))

    def finish(self) -> Drawing:
        for name, points in reversed(self._lines):
            self.drawing.line(points, _STYLES.get(name, "h"))
        places = spread_out([points[-1][1] for _, points in self._lines], 16)
        for (name, points), y in zip(self._lines, places, strict=True):
            style = f"label {_STYLES.get(name, 'h')}" + (" strong" if name == "ours" else "")
            self.drawing.text(points[-1][0] + 10, y + 4, CONTENDERS[name].title, style)
        return self.drawing


_FRACTIONS = (0.5, 0.75, 0.9, 0.95, 0.99, 0.999)


def _latency(results: Results) -> Drawing | None:
    names = _names(results, LATENCY)
    if not names:
        return None

    def at(name: str, fraction: float) -> float:
        return _spread(results, LATENCY, name, lambda run: run.phases["rate"].latency_at(fraction)).median

    def part(fraction: float) -> float:
        """Evenly for each nine: 50 % at the left, 99.9 % at the right."""
        first, last = math.log10(0.5), math.log10(1 - _FRACTIONS[-1])
        return (math.log10(1 - fraction) - first) / (last - first)

    shown = {name: [(part(f), at(name, f)) for f in _FRACTIONS] for name in names}
    # The slowest of all would press the others into the bottom: the plain handlers are cut off there.
    largest = max(value for name, points in shown.items() if name != "tornado" for _, value in points)
    chart = _Chart("Latency at 20 messages a second to 1,000 subscribers", "of all deliveries", "ms", largest)
    for fraction in _FRACTIONS:
        chart.tick(part(fraction), f"{fraction * 100:g} %")
    for name, points in shown.items():
        if name != "tornado" or max(value for _, value in points) <= largest:
            chart.add(name, points)
    return chart.finish()


def _growth(results: Results) -> Drawing | None:
    sizes = sorted({int(name.rpartition("-")[2]) for name, _ in results.runs if name.startswith(GROWTH)})
    if len(sizes) < 2:
        return None
    first, last = math.log10(sizes[0]), math.log10(sizes[-1])
    lines: dict[str, Points] = {}
    for name in CONTENDERS:
        for size in sizes:
            scenario = f"{GROWTH}-{size}"
            if results.of(scenario, name):
                part = (math.log10(size) - first) / (last - first)
                value = _spread(results, scenario, name, deliveries("w64")).median
                lines.setdefault(name, []).append((part, value))
    largest = max(value for points in lines.values() for _, value in points)
    chart = _Chart(
        "Growth with subscribers, 64 messages in flight", "subscribers", "deliveries a second", largest
    )
    for size in sizes:
        chart.tick((math.log10(size) - first) / (last - first), f"{size:,}")
    for name, points in lines.items():
        chart.add(name, points)
    return chart.finish()


_PLOTS: tuple[tuple[str, str, Callable[[Results], Drawing | None]], ...] = (
    ("Fan-out to 1,000 subscribers, deliveries a second", "bench-throughput.svg", _throughput),
    ("Latency at 20 messages a second to 1,000 subscribers", "bench-latency.svg", _latency),
    ("Memory of one idle subscribed connection", "bench-memory.svg", _memory),
    ("Growth with subscribers, 64 messages in flight", "bench-growth.svg", _growth),
)
