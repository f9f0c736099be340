"""Counts on a grid of times whose end is not yet known."""

from __future__ import annotations

import numpy as np


class GridCounts:
    """How many instants have come by 0, step, 2 step …; each is noted at the first point that sees it.

    Args:
        step: seconds between points.
    """

    def __init__(self, step: float) -> None:
        self._step = step
        self._changes = np.zeros(1, dtype=np.int64)

    def add(self, times: np.ndarray, weight: int | np.ndarray = 1) -> None:
        """Note instants.

        Args:
            times: seconds; NaN stands for never.
            weight: by how much the count rises at each of them.
        """
        is_known = ~np.isnan(times)
        if not is_known.all():
            times = times[is_known]
            weight = weight if isinstance(weight, int) else weight[is_known]
        if not len(times):
            return
        points = first_points(times, self._step)
        last = int(points.max())
        if last >= len(self._changes):
            self._changes = np.pad(
                self._changes, (0, max(last + 1, 2 * len(self._changes)) - len(self._changes))
            )
        if isinstance(weight, int):
            first = int(points.min())
            found = np.bincount(points - first)
            self._changes[first : first + len(found)] += weight * found
        else:
            np.add.at(self._changes, points, weight)

    def at(self, count: int) -> np.ndarray:
        """The counts at the first points, shape (count,)."""
        totals = np.cumsum(self._changes[:count])
        return np.pad(totals, (0, count - len(totals)), mode="edge")


def first_points(times: np.ndarray, step: float) -> np.ndarray:
    """The least whole number i >= 0 with i step >= time, for each time; shape (n,)."""
    points = np.maximum(np.ceil(times / step), 0)
    points -= (points > 0) & ((points - 1) * step >= times)  # the quotient is rounded
    points += points * step < times
    return points.astype(np.int64)
