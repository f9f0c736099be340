"""Counts that go up and down over time, held as two sorted lists of instants.

Changes at the same instant are netted: a copy that is accepted and taken at once never waits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.engine.columns import is_sorted

_BLOCK = 1 << 15
_RUN = 512
"""Instants that are compared with a point at a time."""
_SHORT = 128
"""The same where only one run has to be looked at for each point."""
_MIXED = 4
"""How often each instant may be looked at before sorting is faster."""


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

    def maximum(self, before: int = 0, seen: int = 0) -> int:
        """The greatest count over all time.

        Args:
            before: the count at the start.
            seen: a count that was reached earlier, at least ``before``.
        """
        reached, step = seen, 1
        while self._reaches(reached + step - before):
            reached, step = reached + step, 2 * step
        while step > 1:
            step //= 2
            reached += step * self._reaches(reached + step - before)
        return reached

    def _reaches(self, count: int) -> bool:
        """Whether it is ever so high: whether the i-th rise comes before the (i + 1 - count)-th fall."""
        pairs = len(self.rises) - count + 1
        if pairs <= 0 or len(self.falls) < pairs:
            return pairs > 0
        rises = self.rises[count - 1 :]
        blocks = range(0, pairs, _BLOCK)
        return any(
            bool((rises[at : at + _BLOCK] < self.falls[at : min(at + _BLOCK, pairs)]).any()) for at in blocks
        )

    def mean(self, start: float, end: float) -> float:
        """The count averaged over the time from start to end; NaN over no time."""
        return self.area(start, end) / (end - start) if end > start else float("nan")

    def area(self, start: float, end: float) -> float:
        """The count integrated over the time from start to end."""
        # The i-th rise and the i-th fall enclose one unit, whichever copy each of them belongs to.
        first = int(np.searchsorted(self.falls, start, side="right"))
        last = max(int(np.searchsorted(self.rises, end)), first)
        whole_from = min(max(int(np.searchsorted(self.rises, start)), first), last)
        whole_to = max(min(int(np.searchsorted(self.falls, end, side="right")), last), whole_from)
        whole = self.falls[whole_from:whole_to] - self.rises[whole_from:whole_to]
        total = float(whole.sum())
        for edge in (slice(first, whole_from), slice(whole_to, last)):
            falls = np.full(edge.stop - edge.start, float(end))
            known = self.falls[edge]
            np.minimum(known, end, out=falls[: len(known)])
            total += float((falls - np.maximum(self.rises[edge], start)).sum())
        return total

    def first_at_most(self, level: float, since: float) -> float:
        """The first time from ``since`` on at which the count is at or below a level; NaN if never."""
        after = self.falls[np.searchsorted(self.falls, since, side="right") :]
        times = np.concatenate((np.array([since]), after))
        low = np.flatnonzero(self.at(times) <= level)
        return float(times[low[0]]) if len(low) else float("nan")


class Counts:
    """How many instants have come at each point of a grid; each column is counted once, whoever asks.

    Args:
        grid: sorted seconds, shape (points,).
    """

    def __init__(self, grid: np.ndarray) -> None:
        self._grid = grid
        self._known: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def level(self, rises: list[np.ndarray], falls: list[np.ndarray]) -> np.ndarray:
        """The count just after each point of what goes up and down at instants in any order, from zero."""
        return self._total(rises) - self._total(falls)

    def _total(self, parts: list[np.ndarray]) -> np.ndarray:
        total = np.zeros(len(self._grid), dtype=np.int64)
        for part in parts:
            if id(part) not in self._known:  # it is kept, so that its identity stays its own
                self._known[id(part)] = part, count_until([part], self._grid)
            total += self._known[id(part)][1]
        return total


def count_until(parts: list[np.ndarray], grid: np.ndarray) -> np.ndarray:
    """How many instants have come at each point of a grid, without sorting what is nearly sorted.

    Args:
        parts: seconds; NaN stands for never.
        grid: sorted seconds, shape (points,).
    """
    total = np.zeros(len(grid), dtype=np.int64)
    for part in parts:
        total += _count_until(part, grid) if len(part) else 0
    return total


def _count_until(times: np.ndarray, grid: np.ndarray) -> np.ndarray:
    if is_sorted(times):
        return np.searchsorted(times, grid, side="right")
    whole = len(times) // _RUN * _RUN
    runs = times[:whole].reshape(-1, _RUN)
    earliest: np.ndarray = runs.min(axis=1)
    latest: np.ndarray = runs.max(axis=1)
    # only at points between its first and its last instant is a run neither wholly before nor wholly behind
    first, until = np.searchsorted(grid, earliest), np.searchsorted(grid, latest)
    sizes = until - first
    if int(sizes.sum()) * _RUN > _MIXED * len(times) or np.isnan(earliest).any():
        return np.searchsorted(_sorted([times]), grid, side="right")
    run = np.repeat(np.arange(len(runs)), sizes)
    point = np.arange(len(run)) - np.repeat(np.cumsum(sizes) - sizes, sizes) + first[run]
    total = _RUN * np.searchsorted(np.sort(latest), grid, side="right")
    np.add.at(total, point, np.count_nonzero(runs[run] <= grid[point, None], axis=1))
    return total + np.searchsorted(_sorted([times[whole:]]), grid, side="right")


def first_later(times: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Of times in any order the place of the first that is later than each point; n if there is none.

    Args:
        times: seconds; NaN stands for never, which is later than any point. shape (n,).
        grid: sorted seconds.
    """
    whole = len(times) // _SHORT * _SHORT
    if len(grid) * _SHORT > whole:  # a column of running maxima is cheaper
        return np.searchsorted(_running_maxima(times), grid, side="right")
    runs = times[:whole].reshape(-1, _SHORT)
    latest = _running_maxima(runs.max(axis=1))
    run = np.searchsorted(latest, grid, side="right")
    place = np.full(len(grid), whole)
    is_there = run < len(runs)
    run = run[is_there]
    place[is_there] = run * _SHORT + np.argmin(runs[run] <= grid[is_there, None], axis=1)
    place[~is_there] += np.searchsorted(_running_maxima(times[whole:]), grid[~is_there], side="right")
    return place


def _running_maxima(times: np.ndarray) -> np.ndarray:
    """The latest time so far, infinity from the first NaN on."""
    latest = np.maximum.accumulate(times)
    return np.where(np.isnan(latest), np.inf, latest) if len(latest) and np.isnan(latest[-1]) else latest


def _sorted(parts: list[np.ndarray]) -> np.ndarray:
    parts = [part for part in parts if len(part)]
    if len(parts) == 1 and is_sorted(parts[0]):
        return parts[0]
    times = np.sort(parts[0] if len(parts) == 1 else np.concatenate([np.empty(0), *parts]))
    return times[: int(np.searchsorted(times, np.inf, side="right"))]  # NaN comes last
