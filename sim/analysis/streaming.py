"""All that is reported of a run, from slices of it: the memory does not grow with the number of messages.

:class:`Fold` takes the slices of :mod:`sim.engine.slices` and gives what
:func:`~sim.analysis.measure.measure` and :func:`~sim.analysis.lag.lag_series` give of the whole record. What
it keeps grows with the messages in flight, with the points of the series and with the spread of the delays.

- Counts, maxima, order violations, the series and drain times are the same to the last bit.
- Means and averages over time differ by rounding, less than 1e-12 of themselves: NumPy sums each slice, and
  the slices are summed with compensation (:mod:`~sim.analysis.folds.sums`).
- Percentiles come from a histogram and are off by :data:`~sim.analysis.folds.histogram.ERROR` of themselves
  at most (or by a nanosecond), not at all where a percentile falls among equal values.
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from sim.analysis import window
from sim.analysis.folds.grids import first_points
from sim.analysis.folds.holders import HolderFold
from sim.analysis.folds.levels import DrainFold, Stretch
from sim.analysis.folds.outcomes import OutcomeFold
from sim.analysis.folds.status import StatusFold
from sim.analysis.lag import with_wholes
from sim.analysis.measure import in_order
from sim.analysis.throughput import utilization
from sim.engine.fingerprint import Fingerprint
from sim.engine.record import Record
from sim.engine.slices import Slice
from sim.vocabulary import LAG_COLUMNS


@dataclass(frozen=True)
class Folded:
    """What is known of a run when all its slices have passed.

    Attributes:
        metrics: as from :func:`~sim.analysis.measure.measure`.
        lag: as from :func:`~sim.analysis.lag.lag_series`.
        status: as from :func:`~sim.analysis.status.status_series`; None where nobody asks.
        last: the last slice, with what is known at the end: pools, faults, whether the run was cut off.
        messages: how many there were.
        fingerprint: that of the whole record.
    """

    metrics: dict[tuple[str, str], float]
    lag: pd.DataFrame
    status: pd.DataFrame | None
    last: Record
    messages: int
    fingerprint: str


def fold(slices: Iterable[Slice], step: float) -> Folded:
    """Measure a run from its slices.

    Args:
        slices: all of them, in order; at least one.
        step: seconds between the points of the series.
    """
    folded = Fold(step)
    last: Slice | None = None
    for last in slices:
        folded.add(last)
    assert last is not None, "a run has at least one slice"
    return folded.result(last.record)


class Fold:
    """What is known of a run so far.

    Args:
        step: seconds between the points of the series.
    """

    def __init__(self, step: float) -> None:
        self._step = step
        self._watermark = -math.inf
        self._points = 0
        self._messages = 0
        self._outcomes = OutcomeFold()
        self._status = StatusFold(step)
        self._holders: dict[str, HolderFold] = {}
        self._drains: dict[str, DrainFold] = {}
        self._fingerprint = Fingerprint()

    def add(self, piece: Slice) -> None:
        """Take in the next slice."""
        record, watermark = piece.record, piece.watermark
        assert piece.first == self._messages, "a slice is missing"
        assert self._watermark <= watermark, "watermarks rise"
        if not self._messages and not self._holders:
            self._begin(record)
        points = self._next_points(record, watermark)
        self._fingerprint.add(record, watermark)
        self._outcomes.add(record, watermark)
        self._status.add(record)
        parts = {
            copies.name: self._holders[copies.name].add(copies, record.published, watermark, points)
            for copies in record.copies
        }
        for fault in record.faults:
            if fault.name in self._drains:
                hit = [parts[name] for name in fault.components]
                self._drains[fault.name].add(hit, fault, watermark)
        self._watermark = watermark
        self._messages += len(record.published)

    def result(self, last: Record) -> Folded:
        """What is known after the last slice.

        Args:
            last: its record.
        """
        assert math.isinf(self._watermark), "the last slice has no watermark"
        grid = window.grid(last.end, self._step)
        values = self._outcomes.values(last) | self._status.values(last) | utilization(last)
        for name, holder in self._holders.items():
            values["backlog_max", name] = float(holder.backlog.greatest)
            values["backlog_mean", name] = holder.backlog.mean((last.warmup, last.horizon))
            if holder.lag is not None:
                values["lag_max", name] = holder.lag.greatest
        ages = {name: holder.age.greatest(last.end) for name, holder in self._holders.items()}
        values |= with_wholes(ages, last)
        for fault in last.faults:
            if fault.is_scheduled and fault.components:
                drain = self._drains[fault.name].value(fault, is_censored=last.is_censored)
                values["drain_time", fault.name] = drain
        tables = [holder.series(last, name, grid) for name, holder in self._holders.items()]
        empty = pd.DataFrame(columns=list(LAG_COLUMNS))
        return Folded(
            metrics=in_order(values),
            lag=pd.concat(tables, ignore_index=True) if tables else empty,
            status=self._status.series(last, grid),
            last=last,
            messages=self._messages,
            fingerprint=self._fingerprint.digest(last),
        )

    def _begin(self, first: Record) -> None:
        """Set up what is known of each holder and of each scheduled fault."""
        before: dict[str, Stretch] = {
            fault.name: (first.warmup, float(fault.starts[0]) if len(fault.starts) else -math.inf)
            for fault in first.faults
            if fault.is_scheduled and fault.components
        }
        for copies in first.copies:
            stretches = [
                before[each.name]
                for each in first.faults
                if copies.name in each.components and each.name in before
            ]
            self._holders[copies.name] = HolderFold([(first.warmup, first.horizon), *stretches], self._step)
        for fault in first.faults:
            if fault.name in before:
                levels = [self._holders[name].backlog for name in fault.components]
                self._drains[fault.name] = DrainFold(before[fault.name], levels)

    def _next_points(self, record: Record, watermark: float) -> np.ndarray:
        """The points of the series that the watermark passes."""
        if math.isinf(watermark):
            return window.grid(record.end, self._step)[self._points :]
        until = int(first_points(np.array([watermark]), self._step)[0])
        points = np.arange(self._points, until) * self._step
        self._points = until
        return points
