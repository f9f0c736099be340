"""Ranges of a sweep: ``100/s..1000/s:10`` are 10 even steps, both ends included, in the unit of the ends.

Steps are exact fractions until they are written, so that ``0..1:11`` holds 0.3 and not 0.30000000000000004; a
third is written with six digits.
Ends in different units (``500ms..2s:4``) become seconds, messages per second or bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from sim.engine.quantities import parse_count, parse_duration, parse_rate, parse_size

EXAMPLE = "100/s..1000/s:10"
PATTERN = r"^\s*\S.*\.\.\s*\S.*:\s*[0-9]+\s*$"
"""What a range looks like, for editors."""

_RANGE = re.compile(r"\s*(\S.*?)\s*\.\.\s*(\S.*?)\s*:\s*([0-9]+)\s*")
_AMOUNT = re.compile(r"([0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)\s*([^0-9.\s]*)")
_FAMILIES: tuple[tuple[Callable[[Any], float], str], ...] = (
    (parse_duration, "s"),
    (parse_rate, "/s"),
    (parse_size, "B"),
)
_DIGITS = 12
_ROUNDED = 6
"""Significant digits of a step that no short number is equal to, such as a third."""
_MOST = 10_000


def is_range(text: str) -> bool:
    """Whether a text is meant as a range."""
    return ".." in text


def even_steps(text: str) -> list[Any]:
    """The values of a range, from its first end to its last.

    Returns:
        Numbers where the ends are plain, else text with the unit.

    Raises:
        ValueError: the text is no range, with what would be one.
    """
    found = _RANGE.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no range: write first, last and how many values, such as {EXAMPLE}")
    first, last, count = found[1], found[2], int(found[3])
    if not 2 <= count <= _MOST:
        raise ValueError(f"a range has 2 to {_MOST:,} values, not {count:,}: its ends are among them")
    low, high, unit = _ends(first, last)
    if low == high:
        raise ValueError(f"{text!r} begins where it ends: write a list, such as [{first}]")
    return [_written(low + (high - low) * step / (count - 1), unit) for step in range(count)]


def _ends(first: str, last: str) -> tuple[Fraction, Fraction, str]:
    low, high = _AMOUNT.fullmatch(first), _AMOUNT.fullmatch(last)
    if low and high and low[2] == high[2]:
        return Fraction(low[1]), Fraction(high[1]), low[2]
    plain = _plain(first), _plain(last)
    if plain[0] is not None and plain[1] is not None:
        return plain[0], plain[1], ""
    for parse, unit in _FAMILIES:
        try:
            return Fraction(repr(parse(first))), Fraction(repr(parse(last))), unit
        except ValueError:
            continue
    raise ValueError(f"{first!r} and {last!r} are no two ends of a range: write both in one unit ({EXAMPLE})")


def _plain(text: str) -> Fraction | None:
    """A number without a unit, or a count such as ``50k``."""
    found = _AMOUNT.fullmatch(text)
    if found is None:
        return None
    if not found[2]:
        return Fraction(found[1])
    try:
        return Fraction(parse_count(text))
    except ValueError:
        return None


def _written(number: Fraction, unit: str) -> Any:
    """A value as a person would write it: exact where few digits do, else rounded."""
    exact = f"{float(number):.{_DIGITS}g}"
    text = exact if Fraction(exact) == number else f"{float(number):.{_ROUNDED}g}"
    if number.denominator == 1:
        text = str(int(number))
    if unit:
        return f"{text}{unit}"
    return int(text) if number.denominator == 1 else float(text)
