"""What became of the messages, in slices: counts, delays and order.

Counts of slices add up. Order is told exactly: a message can only be overtaken by one that is published
before it is applied, so that those already applied at the watermark are settled, and the others are kept.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from sim.analysis import window
from sim.analysis.folds.histogram import Histogram
from sim.analysis.folds.sums import Mean
from sim.analysis.outcomes import (
    LEAST_MESSAGES,
    SHARES,
    Values,
    copy_counts,
    finite,
    message_counts,
    overtaken,
    pair_counts,
    repeats,
)
from sim.analysis.throughput import count_inside
from sim.engine.record import Record

_LATENCIES = ("latency_p50", "latency_p95", "latency_p99")


class OutcomeFold:
    """Everything that is counted or averaged per message, and the completions per second."""

    def __init__(self) -> None:
        self._counts: defaultdict[tuple[str, str], float] = defaultdict(float)
        self._completed: defaultdict[str, int] = defaultdict(int)
        self._latency: defaultdict[str, DelayFold] = defaultdict(DelayFold)
        self._late: defaultdict[str, Mean] = defaultdict(Mean)
        self._order: defaultdict[str, OrderFold] = defaultdict(OrderFold)
        self._response = DelayFold()

    def add(self, piece: Record, watermark: float) -> None:
        """Take in the rows of a slice."""
        counted = window.counted(piece)
        found = message_counts(piece, counted)
        for pair in piece.pairs:
            found |= pair_counts(pair, counted)
        for copies in piece.copies:
            found |= copy_counts(copies, counted)
        for row, number in found.items():
            self._counts[row] += number
        published = piece.published[counted]
        self._response.add(finite(piece.reply_time[counted] - published))
        for pair in piece.pairs:
            applied, late = pair.first_applied[counted], np.flatnonzero(pair.late[counted])
            delays = finite(applied[late] - published[late])
            self._counts["duplicate_effects", pair.effect] += repeats(pair.applications[counted])
            for scope in ("", pair.effect):
                self._late[scope].add(delays)
            self._order[pair.effect].add(piece.key[counted], published, applied, watermark)
        ends = {pair.effect: pair.first_applied for pair in piece.pairs}
        for scope, end in (ends | {"": window.last_applied(piece)}).items():
            self._latency[scope].add(finite(end[counted] - published))
            self._completed[scope] += count_inside(end, piece)

    def values(self, last: Record) -> Values:
        """All of its metrics, once the last slice was added."""
        values: Values = dict(self._counts)
        for effect in last.effects:
            values["late", effect] = float(self._late[effect].count)
            values["order_violations", effect] = float(self._order[effect].count)
        for scope in ("", *last.effects):
            values["late_mean", scope] = self._late[scope].value
            delays = self._latency[scope]
            values["latency_mean", scope] = delays.mean
            values |= {(name, scope): delays.percentile(name) for name in _LATENCIES}
            values["throughput", scope] = window.ratio(float(self._completed[scope]), window.length(last))
        for metric in ("duplicate_effects", "late", "order_violations"):
            values[metric, ""] = sum(values[metric, effect] for effect in last.effects)
        values["response_time_mean", ""] = self._response.mean
        values["response_time_p99", ""] = self._response.percentile("response_time_p99")
        return values


class DelayFold:
    """The mean of delays and their percentiles."""

    def __init__(self) -> None:
        self._mean = Mean()
        self._histogram = Histogram()

    def add(self, delays: np.ndarray) -> None:
        """Take in finite seconds."""
        self._mean.add(delays)
        self._histogram.add(delays)

    @property
    def mean(self) -> float:
        """The mean, NaN over nothing."""
        return self._mean.value

    def percentile(self, metric: str) -> float:
        """The percentile that a metric is; NaN where too few messages could tell it."""
        if self._mean.count < LEAST_MESSAGES[metric]:
            return float("nan")
        return self._histogram.quantiles([SHARES[metric]])[0]


class OrderFold:
    """Messages of one effect that were applied after a later-published one of their key."""

    def __init__(self) -> None:
        self.count = 0
        self._open: list[np.ndarray] = []

    def add(self, key: np.ndarray, published: np.ndarray, applied: np.ndarray, watermark: float) -> None:
        """Take in the messages of a slice, shape (messages,) each."""
        columns = [key, published, applied]
        if self._open:
            columns = [np.concatenate(pair) for pair in zip(self._open, columns, strict=True)]
        found = overtaken(columns[0], columns[1], columns[2])
        self.count += len(found)
        is_open = columns[2] > watermark
        is_open[found] = False
        self._open = [column[is_open] for column in columns]
