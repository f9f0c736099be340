"""The lines of ``sim selfcheck``: case, metric, expected, observed, interval, verdict.

Lines and not a table, so that each case is told as soon as it is known. A name that is too long for its
column goes on in the next line; what was not run has its reason in place of the numbers.
"""

from __future__ import annotations

import math
import re

from sim.selfcheck.check import Check, counts
from sim.selfcheck.tolerance import FAIL, NOT_RUN, PASS

_CASE, _NUMBER, _INTERVAL, _VERDICT = 4, 10, 24, 7
_LEAST_NAME = 24


def heading(width: int) -> list[str]:
    """The names of the columns, and a rule."""
    name = _name_width(width)
    columns = [
        "case".ljust(_CASE),
        "metric".ljust(name),
        "expected".rjust(_NUMBER),
        "observed".rjust(_NUMBER),
        "interval".center(_INTERVAL),
        "verdict",
    ]
    text = " ".join(columns)
    return [text.rstrip(), "─" * len(text)]


def lines(check: Check, width: int) -> list[str]:
    """One check in so many columns; what does not fit or needs a remark stands below, indented."""
    room = _name_width(width)
    first, *rest = _folded(check.metric, room)
    start = f"{check.case:{_CASE}} {first:{room}} {_number(check, check.expected):>{_NUMBER}} "
    if check.verdict == NOT_RUN:
        told = [start + f"not run: {check.why}"]
    else:
        interval = "" if math.isnan(check.low) else f"{_figure(check.low)} … {_figure(check.high)}"
        seen = _number(check, check.observed)
        told = [start + f"{seen:>{_NUMBER}} {interval:^{_INTERVAL}} {check.verdict}"]
    indent = " " * (_CASE + 1)
    told += [f"{indent}{part}" for part in rest]
    if check.is_control:
        told.append(f"{indent}  what a wrong model gives: must lie outside of the interval")
    if check.note:
        told.append(f"{indent}  with {check.note}, by the same formula")
    if check.verdict == FAIL:
        told.append(f"{indent}  {check.why}")
    return told


def summary(checks: list[Check], seconds: float) -> str:
    """How many checks ended how, and how long it took."""
    found = counts(checks)
    numbers = ", ".join(f"{found[verdict]} {verdict}" for verdict in (PASS, FAIL, NOT_RUN))
    return f"{numbers} in {seconds:.0f} s"


def _name_width(width: int) -> int:
    taken = _CASE + 2 * _NUMBER + _INTERVAL + _VERDICT + 5
    return max(width - taken, _LEAST_NAME)


def _folded(name: str, width: int) -> list[str]:
    """A name in pieces of a width, cut behind underscores and blanks where possible."""
    pieces = [""]
    for part in re.findall(r"[^_ ]*[_ ]?", name):
        if len(pieces[-1]) + len(part.rstrip()) > width:
            pieces.append("  ")
        pieces[-1] += part
    return [piece.rstrip() for piece in pieces]


def _number(check: Check, value: float) -> str:
    if isinstance(check.expected, bool) and not math.isnan(value):
        return "yes" if value else "no"
    return _figure(value)


def _figure(value: float) -> str:
    if math.isnan(value):
        return "–"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.5g}"
