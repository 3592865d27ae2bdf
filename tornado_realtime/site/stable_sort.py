"""Stable sorting by a comparison that need not be transitive, by the steps that Go's library takes.

Python's ``sorted`` assumes a consistent comparison. Where there is none the result depends on the algorithm,
so a file that was written for Caddy keeps its order only when the same comparisons are made: insertion sort
in blocks of twenty, then in-place merging (P.-S. Kim and A. Kutzner, "Stable Minimum Storage Merging by
Symmetric Comparisons", ESA 2004).
"""

from __future__ import annotations

from collections.abc import Callable, MutableSequence
from typing import TypeVar

T = TypeVar("T")

_BLOCK = 20


def stable_sort(items: MutableSequence[T], less: Callable[[T, T], bool]) -> None:
    """Sort in place.

    Args:
        items: What to sort.
        less: Whether its first argument has to go before its second.
    """
    size = _BLOCK
    for start in range(0, len(items), size):
        _insertion_sort(items, start, min(start + size, len(items)), less)
    while size < len(items):
        for start in range(0, len(items) - size, 2 * size):
            _merge(items, start, start + size, min(start + 2 * size, len(items)), less)
        size *= 2


def _insertion_sort(items: MutableSequence[T], start: int, end: int, less: Callable[[T, T], bool]) -> None:
    for here in range(start + 1, end):
        at = here
        while at > start and less(items[at], items[at - 1]):
            items[at - 1], items[at] = items[at], items[at - 1]
            at -= 1


def _merge(
    items: MutableSequence[T], start: int, middle: int, end: int, less: Callable[[T, T], bool]
) -> None:
    """Merge the sorted runs before and after ``middle``."""
    if middle - start == 1:
        _sink(items, start, middle, end, less)
    elif end - middle == 1:
        _lift(items, start, middle, less)
    else:
        _merge_halves(items, start, middle, end, less)


def _sink(items: MutableSequence[T], start: int, middle: int, end: int, less: Callable[[T, T], bool]) -> None:
    """Move the single first item behind those of the right run that go before it."""
    place = _first(middle, end, lambda at: not less(items[at], items[start]))
    items[start:place] = [*items[start + 1 : place], items[start]]


def _lift(items: MutableSequence[T], start: int, middle: int, less: Callable[[T, T], bool]) -> None:
    """Move the single last item before those of the left run that it goes before."""
    place = _first(start, middle, lambda at: less(items[middle], items[at]))
    items[place : middle + 1] = [items[middle], *items[place:middle]]


def _merge_halves(
    items: MutableSequence[T], start: int, middle: int, end: int, less: Callable[[T, T], bool]
) -> None:
    """Exchange what is on the wrong side of the centre, then merge each half."""
    centre = (start + end) // 2
    total = centre + middle
    low, high = (total - end, centre) if middle > centre else (start, middle)
    left = _first(low, high, lambda at: less(items[total - 1 - at], items[at]))
    right = total - left
    if left < middle < right:
        items[left:right] = [*items[middle:right], *items[left:middle]]
    if start < left < centre:
        _merge(items, start, left, centre, less)
    if centre < right < end:
        _merge(items, centre, right, end, less)


def _first(low: int, high: int, holds: Callable[[int], bool]) -> int:
    """The first index from which on something holds, by binary search; ``high`` when nowhere."""
    while low < high:
        at = (low + high) // 2
        if holds(at):
            high = at
        else:
            low = at + 1
    return low
