"""Numbers as people write them: thousands separators, durations, shares."""

from __future__ import annotations

import math

from sim.vocabulary import METRICS

NOTHING = "–"
MINUS = "−"


def count(value: float) -> str:
    """``9,400``; a mean that is no whole number keeps a decimal while it is small."""
    size = abs(value)
    if size >= 100 or value == round(value):
        return f"{value:,.0f}".replace("-", MINUS)
    return _significant(value, 2 if size < 1 else 1)


def duration(seconds: float) -> str:
    """``120 µs``, ``12 ms``, ``8.3 s``, ``4m 12s``, ``2h 05m``, ``3d 04h``."""
    size, sign = abs(seconds), MINUS if seconds < 0 else ""
    if math.isinf(size):
        return f"{sign}∞"
    if size == 0:
        return "0 s"
    if size < 59.95:
        for scale, name in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
            if size >= scale * 0.9995 or name == "µs":
                return f"{sign}{_three(size / scale)} {name}"
    whole = round(size)
    if whole < 3600:
        return f"{sign}{whole // 60}m {whole % 60:02d}s"
    minutes = round(size / 60)
    if minutes < 24 * 60:
        return f"{sign}{minutes // 60}h {minutes % 60:02d}m"
    hours = round(size / 3600)
    return f"{sign}{hours // 24}d {hours % 24:02d}h"


def exact_duration(seconds: float) -> str:
    """A setting in the greatest unit that leaves it whole: ``7 d``, ``90 s``, ``250 ms``."""
    if math.isinf(seconds) or seconds < 1:
        return duration(seconds)
    units = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))
    scale, name = next((unit for unit in units if seconds >= unit[0] and seconds % unit[0] == 0), units[-1])
    return f"{seconds / scale:,.10g} {name}"


def rate(per_second: float) -> str:
    """``17.3/s``; what is rarer than one in ten seconds is counted per minute or per hour."""
    units = ((1.0, "s"), (60.0, "min"), (3600.0, "h"))
    scale, name = next((unit for unit in units if per_second * unit[0] >= 0.1), units[0])
    return f"{_three(per_second * scale)}/{name}"


def percent(share: float) -> str:
    """``94.0%``; ``100%`` and ``0%`` only where nothing is missing."""
    if share in (0.0, 1.0):
        return f"{share:.0%}"
    for digits in range(1, 5):
        text = f"{share:.{digits}%}"
        if float(text[:-1]) not in (0.0, 100.0):
            return text
    return ">99.9999%" if share > 0.5 else "<0.0001%"


def value(metric: str, number: float) -> str:
    """A value of a metric in its unit."""
    if math.isnan(number):
        return NOTHING
    unit = METRICS[metric].unit
    if unit == "s":
        return duration(number)
    if unit == "1/s":
        return f"{_three(number)}/s"
    if unit == "1":
        return percent(number)
    return count(number)


def signed(text: str) -> str:
    """The text of a difference, always with its sign."""
    return text if text.startswith(MINUS) else f"+{text}"


def _three(number: float) -> str:
    """About three significant digits, no trailing zeros after the point and no exponent."""
    if number >= 100:
        return f"{number:,.0f}"
    text = f"{number:.1f}" if number >= 10 else f"{number:.2f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _significant(number: float, digits: int) -> str:
    text = f"{number:.{digits}f}" if abs(number) >= 1 else f"{number:.{digits}g}"
    return text.replace("-", MINUS)
