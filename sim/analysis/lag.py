"""Backlog, age and lag over time, computed after the run from the instants in the ledger.

*Backlog* are the copies that could be taken and are not, *age* is how long ago the oldest copy that is not
yet removed was meant to be published, *lag* is end offset - committed offset of a consumer group. Maxima are
exact and run to the end of the run, averages are over [warm-up, horizon).
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from sim.analysis import window
from sim.analysis.levels import Level
from sim.vocabulary import LAG_COLUMNS

if TYPE_CHECKING:
    from sim.engine.record import Copies, FaultWindow, Record

Values = dict[tuple[str, str], float]
"""Values by (metric, scope)."""

_POINTS = 400


def visible(copies: Copies) -> Level:
    """Copies that wait: from ``delay`` after acceptance or from a return until they are taken or removed."""
    appears = np.fmin(copies.accepted + copies.delay, copies.taken)
    appears[np.isnan(copies.accepted) | _was_never_visible(copies)] = np.nan
    return Level.of([appears, copies.returned], [copies.taken, copies.retaken, copies.removed])


def in_flight(copies: Copies) -> Level:
    """Copies in the hands of a worker."""
    ended = np.where(np.isnan(copies.accepted) | _was_never_visible(copies), np.nan, copies.ended)
    return Level.of([copies.taken, copies.retaken, copies.removed], [copies.returned, ended])


def _was_never_visible(copies: Copies) -> np.ndarray:
    """Copies that ended before their delay was over; ``removed`` holds only those that were visible."""
    return np.isnan(copies.taken) & (copies.ended < copies.accepted + copies.delay)


def backlogs(record: Record) -> Values:
    """``backlog_max`` and ``backlog_mean`` of every component."""
    values: Values = {}
    for copies in record.copies:
        level = visible(copies)
        values["backlog_max", copies.name] = level.maximum()
        values["backlog_mean", copies.name] = level.mean(record.warmup, record.horizon)
    return values


def ages(record: Record) -> Values:
    """``age_max`` of every component, of every effect over the components that hold it, and of the whole.

    NaN where no copy was ever held.
    """
    values = {("age_max", copies.name): _greatest_age(copies, record) for copies in record.copies}
    for scope in ("", *record.effects):
        held = [copies.name for copies in record.copies if not scope or scope in copies.effects]
        values["age_max", scope] = _greatest([values["age_max", name] for name in held])
    return values


def offset_lags(record: Record) -> Values:
    """``lag_max`` of every consumer group, over its partitions."""
    return {
        ("lag_max", copies.name): _greatest([level for _, level in _partition_lags(copies)])
        for copies in record.copies
        if copies.commits is not None
    }


def drain_times(record: Record) -> Values:
    """``drain_time`` of every scheduled fault that touches components; the scope is the fault."""
    levels = {copies.name: visible(copies) for copies in record.copies}
    return {
        ("drain_time", fault.name): _drain_time(record, fault, levels)
        for fault in record.faults
        if fault.is_scheduled and fault.components
    }


def grid_step(horizon: float) -> float:
    """A step of 1, 2 or 5 times a power of ten, nearest to a four-hundredth of the horizon."""
    wanted = horizon / _POINTS
    power = math.floor(math.log10(wanted))
    steps = [float(f"{digit}e{power}") for digit in (1, 2, 5, 10)]
    return min(steps, key=lambda step: abs(math.log(step / wanted)))


def lag_series(record: Record, step: float) -> pd.DataFrame:
    """Backlog, copies in flight, age and lag of every component at 0, step, 2 step … to the end of the run.

    Age is 0 where nothing is held; lag is summed over partitions, and NaN for anything but a stream.

    Args:
        record: the run.
        step: seconds between points; the last point is at or after the end.

    Returns:
        ``LAG_COLUMNS``, ordered by component as in the record and then by time.
    """
    grid = window.grid(record.end, step)
    tables = [
        pd.DataFrame(
            {
                "architecture": record.architecture,
                "replication": record.replication,
                "component": copies.name,
                "time": grid,
                "backlog": visible(copies).at(grid),
                "in_flight": in_flight(copies).at(grid),
                "age": age_at(copies, record.published, grid),
                "lag": lag_at(copies, grid),
            }
        )
        for copies in record.copies
    ]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(LAG_COLUMNS))


def age_at(copies: Copies, published: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Age of the oldest copy with accepted <= t < ended, 0 where there is none.

    A copy covers an interval of grid points. Intervals are cut into two halves of 2^k points that may
    overlap; the minimum of the publish times is noted at each half's first point and then handed down from
    the long halves to the short ones.

    Args:
        copies: of one holder.
        published: per message, seconds.
        grid: sorted times in seconds, shape (points,).

    Returns:
        Seconds, shape (points,).
    """
    held = np.isfinite(copies.accepted)
    ended = np.where(np.isnan(copies.ended), np.inf, copies.ended)[held]
    first = np.searchsorted(grid, copies.accepted[held], side="left")
    last = np.searchsorted(grid, ended, side="left")
    covers = last > first
    first, last, born = first[covers], last[covers], published[copies.message[held][covers]]
    power = np.frexp(last - first)[1] - 1  # floor of the binary logarithm
    oldest = np.full((int(power.max(initial=0)) + 1, len(grid)), np.inf)
    np.minimum.at(oldest, (power, first), born)
    np.minimum.at(oldest, (power, last - (1 << power)), born)
    for level in range(len(oldest) - 1, 0, -1):
        half = 1 << (level - 1)
        np.minimum(oldest[level - 1], oldest[level], out=oldest[level - 1])
        np.minimum(oldest[level - 1, half:], oldest[level, :-half], out=oldest[level - 1, half:])
    return np.where(np.isinf(oldest[0]), 0.0, grid - oldest[0])


def lag_at(copies: Copies, grid: np.ndarray) -> np.ndarray:
    """End offset - committed offset, summed over partitions; NaN for anything but a stream."""
    if copies.commits is None:
        return np.full(len(grid), np.nan)
    total = np.zeros(len(grid))
    for (accepted, times, offsets), _ in _partition_lags(copies):
        total += _lag(accepted, times, offsets, grid)
    return total


def _partition_lags(
    copies: Copies,
) -> list[tuple[tuple[np.ndarray, np.ndarray, np.ndarray], float]]:
    """Sorted acceptances, commit times and offsets of each partition, and its greatest lag."""
    assert copies.commits is not None
    assert copies.partition is not None
    held = np.isfinite(copies.accepted)
    where, accepted = copies.partition[copies.message[held]], copies.accepted[held]
    order = np.lexsort((accepted, where))
    where, accepted = where[order], accepted[order]
    commits = copies.commits[np.lexsort((copies.commits[:, 0], copies.commits[:, 1]))]
    found: list[tuple[tuple[np.ndarray, np.ndarray, np.ndarray], float]] = []
    for partition in np.union1d(where, commits[:, 1]):
        mine = accepted[slice(*np.searchsorted(where, [partition, partition + 1]))]
        rows = commits[slice(*np.searchsorted(commits[:, 1], [partition, partition + 1]))]
        times, offsets = rows[:, 0], rows[:, 2]
        changes = np.concatenate((mine, times))
        greatest = float(_lag(mine, times, offsets, changes).max(initial=0))
        found.append(((mine, times, offsets), greatest))
    return found


def _lag(accepted: np.ndarray, times: np.ndarray, offsets: np.ndarray, at: np.ndarray) -> np.ndarray:
    committed = np.concatenate((np.zeros(1), offsets))
    return np.searchsorted(accepted, at, side="right") - committed[np.searchsorted(times, at, side="right")]


def _greatest_age(copies: Copies, record: Record) -> float:
    held = np.isfinite(copies.accepted)
    ended = np.where(np.isnan(copies.ended), record.end, copies.ended)[held]
    age = ended - record.published[copies.message[held]]
    return float(age.max()) if len(age) else float("nan")


def _greatest(values: list[float]) -> float:
    return max((value for value in values if not math.isnan(value)), default=float("nan"))


def _drain_time(record: Record, fault: FaultWindow, levels: dict[str, Level]) -> float:
    if record.is_censored or not len(fault.starts):
        return float("nan")
    end = float(fault.ends.max())
    backlog = Level.total([levels[name] for name in fault.components])
    before = backlog.mean(record.warmup, float(fault.starts[0]))
    if math.isinf(end) or math.isnan(before):
        return float("nan")
    return backlog.first_at_most(before * (1 + 1e-12), end) - end
