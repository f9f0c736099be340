"""Backlogs of slices: their maximum, their averages over stretches of time, and when a fault's is gone.

Instants behind the watermark wait until it has passed them; whatever is before it is complete. To average,
the i-th rise and the i-th fall enclose one unit (:class:`~sim.analysis.levels.Level`), so that rises without
their fall are kept: as many as wait.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sim.analysis.folds.sums import Sum
from sim.analysis.levels import Level
from sim.engine.record import FaultWindow

Stretch = tuple[float, float]
"""Start and end, s."""


@dataclass(frozen=True)
class Part:
    """What happened to a level between two watermarks.

    Attributes:
        before: the count at the first.
        changes: the rises and falls since then.
    """

    before: int
    changes: Level


class LevelFold:
    """One level.

    Args:
        stretches: of time, over which it is averaged.
    """

    def __init__(self, stretches: list[Stretch]) -> None:
        self.greatest = 0
        self._count = 0
        self._late = Level(np.empty(0), np.empty(0))
        self._unpaired = Level(np.empty(0), np.empty(0))
        self._areas = {stretch: Sum() for stretch in stretches}

    def add(self, changes: Level, watermark: float) -> Part:
        """Take in the instants of a slice; what is now known up to the watermark."""
        waiting = Level.total([self._late, changes]) if _size(self._late) else changes
        now, self._late = _cut(waiting, *(int(np.searchsorted(each, watermark)) for each in _both(waiting)))
        part = Part(self._count, now)
        self.greatest = now.maximum(self._count, self.greatest)
        self._count += len(now.rises) - len(now.falls)
        pairs = Level(*(np.concatenate(each) for each in zip(_both(self._unpaired), _both(now), strict=True)))
        number = min(len(pairs.rises), len(pairs.falls))
        whole, self._unpaired = _cut(pairs, number, number)
        for stretch, area in self._areas.items():
            area.add(whole.area(*stretch))
        return part

    def mean(self, stretch: Stretch) -> float:
        """The average over a stretch that the watermark has passed; NaN over no time."""
        start, end = stretch
        if end <= start:
            return float("nan")
        return (self._areas[stretch].value + self._unpaired.area(start, end)) / (end - start)


class DrainFold:
    """When the backlog of the holders that a fault hits is first back at its average before the fault.

    Every end of a window may be the last: the search begins anew at each.

    Args:
        stretch: of time, over which it is averaged.
        levels: of the holders.
    """

    def __init__(self, stretch: Stretch, levels: list[LevelFold]) -> None:
        self._stretch = stretch
        self._levels = levels
        self._since = math.nan
        self._found = math.nan
        self._watermark = -math.inf

    def add(self, parts: list[Part], fault: FaultWindow, watermark: float) -> None:
        """Look at what happened since the watermark before.

        Args:
            parts: of the levels.
            fault: its windows up to the watermark; without one, up to the end of the run.
            watermark: of the slice.
        """
        ends = fault.ends[(fault.ends >= self._watermark) & (fault.ends < watermark)]
        self._watermark = watermark
        start = np.empty(0)
        if len(ends):
            self._since, self._found, start = float(ends.max()), math.nan, ends.max(keepdims=True)
        if math.isnan(self._since) or not math.isnan(self._found):
            return
        total = Level.total([part.changes for part in parts])
        after = total.falls[np.searchsorted(total.falls, self._since, side="right") :]
        times = np.concatenate((start, after))
        counts = sum(part.before for part in parts) + total.at(times)
        low = np.flatnonzero(counts <= self._before() * (1 + 1e-12))
        if len(low):
            self._found = float(times[low[0]])

    def value(self, fault: FaultWindow, *, is_censored: bool) -> float:
        """Seconds from its last end; NaN where it is not known."""
        if is_censored or not len(fault.starts) or math.isinf(fault.ends.max()) or math.isnan(self._before()):
            return math.nan
        return self._found - self._since

    def _before(self) -> float:
        return sum(level.mean(self._stretch) for level in self._levels)


def _both(level: Level) -> tuple[np.ndarray, np.ndarray]:
    return level.rises, level.falls


def _size(level: Level) -> int:
    return len(level.rises) + len(level.falls)


def _cut(level: Level, rises: int, falls: int) -> tuple[Level, Level]:
    """The first so many rises and falls, and the others."""
    return (
        Level(level.rises[:rises], level.falls[:falls]),
        Level(level.rises[rises:], level.falls[falls:]),
    )
