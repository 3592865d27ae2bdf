"""Verdicts for people: a table, what must not be, and a picture of each run."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tests.benchmarks.svg import Drawing
from tests.chaos.checker import KINDS, Verdict
from tests.chaos.faults import Run
from tests.chaos.history import Span

SHOWN = 5  # findings of one kind
HEAD = (
    "fault",
    "acknowledged",
    "rejected",
    "unknown",
    "delivered",
    "lost (unmarked)",
    "lost of streams",
    "asked for",
    "twice",
    "disorder",
    "marked",
    "red after",
    "recovered after",
    "verdict",
)


def cells(run: Run) -> tuple[str, ...]:
    """The line of one run."""
    verdict = run.verdict
    unknown = f"{verdict.outcomes['unknown']:,}"
    return (
        run.fault.name,
        f"{verdict.outcomes['acknowledged']:,}",
        f"{verdict.outcomes['rejected']:,}",
        f"{unknown} ({verdict.late:,} came)" if verdict.late else unknown,
        f"{verdict.delivered:,}",
        f"{verdict.lost:,} ({verdict.count('loss'):,})",
        f"{verdict.count('stream loss'):,}",
        f"{verdict.recovered:,}",
        f"{verdict.count('duplicate'):,}",
        f"{verdict.count('disorder'):,}",
        _seconds(max(verdict.marked.values(), default=None)),
        _seconds(verdict.red),
        _seconds(verdict.recovery),
        judgement(verdict),
    )


def judgement(verdict: Verdict) -> str:
    """In a word or two."""
    if not verdict.findings:
        return "good"
    return "BAD: " + ", ".join(kind for kind in KINDS if verdict.count(kind))


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} s"


def table(runs: Sequence[Run]) -> str:
    """All runs, in columns that stand under one another; Markdown, too."""
    rows = [HEAD, *(cells(run) for run in runs)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    lines = [
        "| " + " | ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines) + "\n"


def findings(runs: Sequence[Run]) -> str:
    """What must not be, the first of each kind; and how to see it again."""
    lines = []
    for run in runs:
        for kind in KINDS:
            found = [finding.text for finding in run.verdict.findings if finding.kind == kind]
            lines += [f"{run.fault.name}: {kind}: {text}" for text in found[:SHOWN]]
            if len(found) > SHOWN:
                lines.append(f"{run.fault.name}: {kind}: and {len(found) - SHOWN:,} more")
    return "".join(f"{line}\n" for line in lines)


# -- the picture ---------------------------------------------------------------------------------------

_WIDTH, _LEFT, _RIGHT, _TOP, _HEIGHT = 960.0, 130.0, 20.0, 60.0, 90.0
_STEP = 0.1  # seconds of one bar


def timeline(run: Run) -> str:
    """Answers and deliveries over the time; below, what was done, and what each node said."""
    history = run.history
    start = min(sending.at for sending in history.sendings)
    end = max(sending.answered for sending in history.sendings)
    lanes = sorted({sending.node for sending in history.sendings})
    drawing = Drawing(_WIDTH, _TOP + 2 * _HEIGHT + 80 + 22 * (len(lanes) + 1), run.fault.title)
    scale = (_WIDTH - _LEFT - _RIGHT) / max(end - start, 1.0)

    def x(moment: float) -> float:
        return _LEFT + min(max(moment - start, 0.0), end - start) * scale

    good = [sending.answered for sending in history.sendings if sending.outcome == "acknowledged"]
    bad = [sending.answered for sending in history.sendings if sending.outcome != "acknowledged"]
    heard = [at for _, at in history.deliveries()]
    _bars(drawing, x, start, _TOP + _HEIGHT, "answers", ((good, "g"), (bad, "ours")))
    _bars(drawing, x, start, _TOP + 2 * _HEIGHT + 20, "deliveries", ((heard, "c"),))
    y = _TOP + 2 * _HEIGHT + 45
    fault = [Span(history.began, history.restored)]
    for name, spans, style in (("fault", fault, "ours"), *((n, _of(history.marks, n), "b") for n in lanes)):
        drawing.text(_LEFT - 10, y + 10, name if name == "fault" else f"{name} marked", "small", "end")
        for span in spans:
            drawing.bar(x(span.start), y, x(span.end) - x(span.start), 12, style)
        y += 22
    for second in range(0, int(end - start) + 1, 5):
        drawing.text(x(start + second), y + 12, f"{second} s", "small", "middle")
    return drawing.render()


def _of(spans: Sequence[Span], node: str) -> list[Span]:
    return [span for span in spans if span.node == node]


def _bars(
    drawing: Drawing,
    x: Callable[[float], float],
    start: float,
    base: float,
    title: str,
    layers: Sequence[tuple[Sequence[float], str]],
) -> None:
    counts = [_binned(moments, start) for moments, _ in layers]
    highest = max((sum(count.get(slot, 0) for count in counts) for slot in set().union(*counts)), default=1)
    drawing.text(_LEFT - 10, base - _HEIGHT / 2, title, "small", "end")
    drawing.text(_LEFT - 10, base - _HEIGHT / 2 + 14, f"at most {highest / _STEP:,.0f}/s", "small", "end")
    below: dict[int, float] = {}
    for count, (_, style) in zip(counts, layers, strict=True):
        for slot, number in count.items():
            left = start + slot * _STEP
            height = number / highest * (_HEIGHT - 10)
            bottom = base - below.get(slot, 0.0)
            drawing.bar(x(left), bottom - height, max(1.0, x(left + _STEP) - x(left) - 0.5), height, style)
            below[slot] = below.get(slot, 0.0) + height


def _binned(moments: Sequence[float], start: float) -> dict[int, int]:
    found: dict[int, int] = {}
    for moment in moments:
        slot = int((moment - start) / _STEP)
        found[slot] = found.get(slot, 0) + 1
    return found
