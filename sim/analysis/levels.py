"""Counts that go up and down over time, held as two sorted lists of instants.

Changes at the same instant are netted: a copy that is accepted and taken at once never waits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Level:
    """A count over time that starts at zero.

    Attributes:
        rises: sorted seconds at which it goes up by one.
        falls: sorted seconds at which it goes down by one.
    """

    rises: np.ndarray
    falls: np.ndarray

    @classmethod
    def of(cls, rises: list[np.ndarray], falls: list[np.ndarray]) -> Level:
        """Build a level from instants in any order; NaN stands for never."""
        return cls(_sorted(rises), _sorted(falls))

    @classmethod
    def total(cls, levels: list[Level]) -> Level:
        """The sum of several levels."""
        return cls.of([level.rises for level in levels], [level.falls for level in levels])

    def at(self, times: np.ndarray) -> np.ndarray:
        """The count just after each time, integers of the same shape."""
        up = np.searchsorted(self.rises, times, side="right")
        return up - np.searchsorted(self.falls, times, side="right")

    def maximum(self) -> float:
        """The greatest count over all time."""
        return float(max(self.at(self.rises).max(initial=0), 0))

    def mean(self, start: float, end: float) -> float:
        """The count averaged over the time from start to end; NaN over no time."""
        if end <= start:
            return float("nan")
        # The i-th rise and the i-th fall enclose one unit, whichever copy each of them belongs to.
        falls = np.full(len(self.rises), np.inf)
        falls[: len(self.falls)] = self.falls
        units = np.clip(falls, start, end) - np.clip(self.rises, start, end)
        return float(units.sum()) / (end - start)

    def first_at_most(self, level: float, since: float) -> float:
        """The first time from ``since`` on at which the count is at or below a level; NaN if never."""
        after = self.falls[np.searchsorted(self.falls, since, side="right") :]
        times = np.concatenate((np.array([since]), after))
        low = np.flatnonzero(self.at(times) <= level)
        return float(times[low[0]]) if len(low) else float("nan")


def _sorted(parts: list[np.ndarray]) -> np.ndarray:
    times = np.concatenate([np.empty(0), *parts])
    return np.sort(times[~np.isnan(times)], kind="stable")
