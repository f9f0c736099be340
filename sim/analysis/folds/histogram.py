"""Percentiles from a histogram over the bits of floating-point numbers.

The upper bits of a positive float, read as an integer, grow with it, and from one power of two to the next
they divide it evenly: cut off, they are the number of a bucket that is at most 2^-11 of its values wide
(the idea behind HdrHistogram, without its fixed range). Each bucket keeps how many values it has and their
sum. An order statistic is told as the mean of its bucket, between two of them lies a straight line as in
``np.quantile``; so a percentile is off by 2^-11 of itself (0.05 %) at most, and not at all where all values
of its bucket are equal, as they are where nothing is random. What is less than a nanosecond counts as 0.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_SHIFT = 41
ERROR = 2.0 ** (_SHIFT - 52)
"""The greatest relative error of a percentile."""
LEAST = 2.0**-30
"""Seconds below which a delay counts as 0; it keeps rounding errors from taking room."""


class Histogram:
    """Counts of values >= 0; 16 bytes for each of the 2048 buckets of every factor of two that occurs."""

    def __init__(self) -> None:
        self._first = 0
        self._counts = np.zeros(0, dtype=np.int64)
        self._sums = np.zeros(0)
        self.zeros = 0
        self.count = 0

    def add(self, values: np.ndarray) -> None:
        """Take in a piece: finite numbers >= 0, shape (n,)."""
        self.count += len(values)
        if not len(values):
            return
        if not values.min() >= LEAST:
            assert values.min() >= 0, "a histogram of negative numbers"
            positive = values[values >= LEAST]
            self.zeros += len(values) - len(positive)
            values = positive
        if not len(values):
            return
        bucket = np.ascontiguousarray(values).view(np.int64) >> _SHIFT
        first, last = int(bucket.min()), int(bucket.max())
        self._widen(first, last)
        bucket -= first
        here = slice(first - self._first, last + 1 - self._first)
        self._counts[here] += np.bincount(bucket)
        self._sums[here] += np.bincount(bucket, weights=values)

    def quantiles(self, shares: Sequence[float]) -> list[float]:
        """Values below which those shares of all lie; NaN where there are none."""
        if not self.count:
            return [float("nan")] * len(shares)
        places = np.array(shares) * (self.count - 1)
        below = np.floor(places)
        low, high = self._at(below), self._at(np.minimum(below + 1, self.count - 1))
        return (low + (high - low) * (places - below)).tolist()

    def _at(self, ranks: np.ndarray) -> np.ndarray:
        """Order statistics, counted from 0."""
        used = np.flatnonzero(self._counts)
        values = np.append(0.0, self._sums[used] / self._counts[used])
        until = np.cumsum(np.append(self.zeros, self._counts[used]))
        return values[np.searchsorted(until, ranks, side="right")]

    def _widen(self, first: int, last: int) -> None:
        """Make room for buckets, whole factors of two at a time."""
        step = 1 << (52 - _SHIFT)
        first, last = first // step * step, (last // step + 1) * step
        if len(self._counts):
            first, last = min(first, self._first), max(last, self._first + len(self._counts))
        if (first, last - first) == (self._first, len(self._counts)):
            return
        before = self._first - first if len(self._counts) else 0
        widths = (before, last - first - before - len(self._counts))
        self._counts, self._sums = np.pad(self._counts, widths), np.pad(self._sums, widths)
        self._first = first
