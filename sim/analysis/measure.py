"""All metrics of one run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sim.analysis.lag import Holder, ages, backlogs, drain_times, holders, offset_lags
from sim.analysis.outcomes import outcomes
from sim.analysis.status import status_lookups
from sim.analysis.throughput import throughput, utilization
from sim.vocabulary import METRICS

if TYPE_CHECKING:
    from sim.engine.record import Record


def measure(record: Record, known: list[Holder] | None = None) -> dict[tuple[str, str], float]:
    """Compute every metric of ``summary.csv`` for one run.

    Args:
        record: the run.
        known: what :func:`~sim.analysis.lag.holders` says of it, where more is asked of it.

    Returns:
        Values by (metric, scope), in the order of ``METRICS`` and then of the record. Statistics over
        nothing are NaN. A metric that has no scope here (the lag of an architecture without streams) has
        one NaN under the empty scope.
    """
    scopes = [*record.effects, *(copies.name for copies in record.copies)]
    assert len(set(scopes)) == len(scopes), "an effect and a component share a name"
    known = known or holders(record)
    values = outcomes(record) | backlogs(record, known) | ages(record)
    values |= offset_lags(record, known) | drain_times(record, known)
    values |= throughput(record) | utilization(record) | status_lookups(record)
    return in_order(values)


def in_order(values: Mapping[tuple[str, str], float]) -> dict[tuple[str, str], float]:
    """Values in the order of ``METRICS``; NaN under the empty scope for a metric that has none."""
    by_metric: dict[str, dict[tuple[str, str], float]] = {name: {} for name in METRICS}
    for (metric, scope), value in values.items():
        by_metric[metric][metric, scope] = value
    for metric, rows in by_metric.items():
        if not rows:
            rows[metric, ""] = float("nan")
    return {row: value for rows in by_metric.values() for row, value in rows.items()}
