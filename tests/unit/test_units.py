"""Durations and sizes, the right ones and the wrong ones."""

from __future__ import annotations

import pytest

from tornado_realtime.units import parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("-0", 0.0),
        ("5s", 5.0),
        ("+5s", 5.0),
        ("-1.5h", -5400.0),
        ("500ms", 0.5),
        ("1h30m", 5400.0),
        ("2d", 172800.0),
        (".5s", 0.5),
        ("1.s", 1.0),
        ("1h1m1s1ms", 3661.001),
        ("1s1s", 2.0),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("unit", ["us", "µs", "μs"])
def test_microseconds_in_three_spellings(unit: str) -> None:
    assert parse_duration(f"7{unit}") == pytest.approx(7e-6)
    assert parse_duration("7ns") == pytest.approx(7e-9)


@pytest.mark.parametrize(
    "text",
    ["", "s", "-", "+", "5 s", "1x", "1S", "5m30", "1e3s", "--1s", "٣s", "1s ", " 1s", "1" * 100 + "s"],
)
def test_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration: write something like 10s"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["5", "-5", "00"])
def test_a_number_without_unit_says_which_units_there_are(text: str) -> None:
    with pytest.raises(ValueError, match=f"'{text}' has no unit: write {text}s for seconds"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("0", 0),
        ("512", 512),
        ("512b", 512),
        ("512B", 512),
        ("16k", 16_000),
        ("16kb", 16_000),
        ("16 KB", 16_000),
        ("16KiB", 16_384),
        ("16ki", 16_384),
        ("1MiB", 1_048_576),
        ("1.5mb", 1_500_000),
        (".5KiB", 512),
        ("1,000", 1000),
        ("2gib", 2 << 30),
        ("1TB", 10**12),
        ("1pib", 1 << 50),
        ("1e", 10**18),
    ],
)
def test_sizes(text: str, size_bytes: int) -> None:
    assert parse_size(text) == size_bytes


@pytest.mark.parametrize("text", ["", "b", "MiB", "-1", "1xb", "1bb", "1iib", "1 2", ",1", "1kkb", "1" * 101])
def test_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size: write something like 512"):
        parse_size(text)
