"""Backlog, age and lag over time, computed after the run from the instants in the ledger.

*Backlog* are the copies that could be taken and are not, *age* is how long ago the oldest copy that is not
yet removed was meant to be published, *lag* is end offset - committed offset of a consumer group. Maxima are
exact and run to the end of the run, averages are over [warm-up, horizon).
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from sim.analysis import window
from sim.analysis.levels import Counts, Level, count_until, first_later
from sim.engine.columns import is_sorted
from sim.vocabulary import LAG_COLUMNS

if TYPE_CHECKING:
    from sim.engine.record import Commits, Copies, FaultWindow, Record

Values = dict[tuple[str, str], float]
"""Values by (metric, scope)."""

_POINTS = 400


def visible(copies: Copies) -> Level:
    """Copies that wait: from ``delay`` after acceptance or from a return until they are taken or removed."""
    return Level.of(*wait(copies))


def wait(copies: Copies) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """When copies begin to wait, and when they wait no more."""
    appears = copies.accepted
    if copies.delay or np.any(copies.taken < appears):
        appears = np.fmin(copies.accepted + copies.delay, copies.taken)
        appears[np.isnan(copies.accepted) | _was_never_visible(copies)] = np.nan
    return [appears, copies.returned], [copies.taken, copies.retaken, copies.removed]


def in_flight(copies: Copies) -> Level:
    """Copies in the hands of a worker."""
    return Level.of(*work(copies))


def in_flight_at(copies: Copies, grid: np.ndarray) -> np.ndarray:
    """Copies in the hands of a worker just after each time of a sorted grid."""
    begins, ends = work(copies)
    return count_until(begins, grid) - count_until(ends, grid)


def work(copies: Copies) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """When copies come into the hands of a worker and when they leave them."""
    ended = copies.ended
    if copies.delay:
        ended = np.where(np.isnan(copies.accepted) | _was_never_visible(copies), np.nan, ended)
    return [copies.taken, copies.retaken, copies.removed], [copies.returned, ended]


def _was_never_visible(copies: Copies) -> np.ndarray:
    """Copies that ended before their delay was over; ``removed`` holds only those that were visible."""
    return np.isnan(copies.taken) & (copies.ended < copies.accepted + copies.delay)


class Holder:
    """What is asked of the copies of a holder more than once, computed when it first is.

    Attributes:
        copies: of the holder.
    """

    def __init__(self, copies: Copies) -> None:
        self.copies = copies

    @cached_property
    def backlog(self) -> Level:
        """The copies that wait."""
        return visible(self.copies)

    @cached_property
    def partitions(self) -> list[Partition]:
        """Acceptances and checkpoints of each partition; none for anything but a consumer group."""
        return _partitions(self.copies)


def holders(record: Record) -> list[Holder]:
    """The holders of a record, for all that is computed from it."""
    return [Holder(copies) for copies in record.copies]


def backlogs(record: Record, known: list[Holder] | None = None) -> Values:
    """``backlog_max`` and ``backlog_mean`` of every component."""
    values: Values = {}
    for holder in known or holders(record):
        name, level = holder.copies.name, holder.backlog
        values["backlog_max", name] = float(level.maximum())
        values["backlog_mean", name] = level.mean(record.warmup, record.horizon)
    return values


def ages(record: Record) -> Values:
    """``age_max`` of every component, of every effect over the components that hold it, and of the whole.

    NaN where no copy was ever held.
    """
    return with_wholes({copies.name: _greatest_age(copies, record) for copies in record.copies}, record)


def with_wholes(found: dict[str, float], record: Record) -> Values:
    """``age_max`` of the components, and from it that of the effects and of the whole."""
    values = {("age_max", name): age for name, age in found.items()}
    for scope in ("", *record.effects):
        held = [copies.name for copies in record.copies if not scope or scope in copies.effects]
        values["age_max", scope] = _greatest([found[name] for name in held])
    return values


def offset_lags(record: Record, known: list[Holder] | None = None) -> Values:
    """``lag_max`` of every consumer group, over its partitions."""
    return {
        ("lag_max", holder.copies.name): _greatest([each.greatest() for each in holder.partitions])
        for holder in known or holders(record)
        if holder.copies.checkpoints is not None
    }


def drain_times(record: Record, known: list[Holder] | None = None) -> Values:
    """``drain_time`` of every scheduled fault that touches components; the scope is the fault."""
    by_name = {holder.copies.name: holder for holder in known or holders(record)}
    return {
        ("drain_time", fault.name): _drain_time(record, fault, [by_name[name] for name in fault.components])
        for fault in record.faults
        if fault.is_scheduled and fault.components
    }


def grid_step(horizon: float) -> float:
    """A step of 1, 2 or 5 times a power of ten, nearest to a four-hundredth of the horizon."""
    wanted = horizon / _POINTS
    power = math.floor(math.log10(wanted))
    steps = [float(f"{digit}e{power}") for digit in (1, 2, 5, 10)]
    return min(steps, key=lambda step: abs(math.log(step / wanted)))


def lag_series(record: Record, step: float, known: list[Holder] | None = None) -> pd.DataFrame:
    """Backlog, copies in flight, age and lag of every component at 0, step, 2 step … to the end of the run.

    Age is 0 where nothing is held; lag is summed over partitions, and NaN for anything but a stream.

    Args:
        record: the run.
        step: seconds between points; the last point is at or after the end.
        known: what :func:`holders` says of the record, where more is asked of it.

    Returns:
        ``LAG_COLUMNS``, ordered by component as in the record and then by time.
    """
    grid = window.grid(record.end, step)
    known = known or holders(record)
    counts = Counts(grid)
    tables = [
        pd.DataFrame(
            {
                "architecture": record.architecture,
                "replication": record.replication,
                "component": holder.copies.name,
                "time": grid,
                "backlog": counts.level(*wait(holder.copies)),
                "in_flight": counts.level(*work(holder.copies)),
                "age": age_at(holder.copies, record.published, grid),
                "lag": lag_at(holder.copies, grid, counts),
            }
        )
        for holder in known
    ]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(LAG_COLUMNS))


def age_at(copies: Copies, published: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Age of the oldest copy with accepted <= t < ended, 0 where there is none.

    Args:
        copies: of one holder.
        published: per message, seconds.
        grid: sorted times in seconds, shape (points,).

    Returns:
        Seconds, shape (points,).
    """
    born = copies.of_message(published)
    if len(born) and is_sorted(copies.accepted) and (born is copies.accepted or is_sorted(born)):
        return _age_in_order(copies, born, grid)
    places = held_at_a_point(copies, grid)
    return oldest_age(copies.accepted[places], copies.ended[places], born[places], grid)


def _age_in_order(copies: Copies, born: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """The same of copies that are accepted in the order of their publishing: the first left is the oldest."""
    place = first_later(copies.ended, grid)  # all before it have ended
    is_left = place < len(born)
    place[~is_left] = 0
    return np.where(is_left & (copies.accepted[place] <= grid), grid - born[place], 0.0)


def oldest_age(accepted: np.ndarray, ended: np.ndarray, born: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """The same of any copies, given when each was accepted, ended (NaN for never) and meant to be published.

    A copy covers an interval of grid points. Intervals are cut into two halves of 2^k points that may
    overlap; the minimum of the publish times is noted at each half's first point and then handed down from
    the long halves to the short ones.
    """
    if not len(grid):
        return np.empty(0)
    first = np.searchsorted(grid, accepted)
    last = np.searchsorted(grid, np.where(np.isnan(ended), np.inf, ended))
    covers = last > first
    first, last, born = first[covers], last[covers], born[covers]
    power = np.frexp(last - first)[1] - 1  # floor of the binary logarithm
    oldest = np.full((int(power.max(initial=0)) + 1, len(grid)), np.inf)
    np.minimum.at(oldest, (power, first), born)
    np.minimum.at(oldest, (power, last - (1 << power)), born)
    for level in range(len(oldest) - 1, 0, -1):
        half = 1 << (level - 1)
        np.minimum(oldest[level - 1], oldest[level], out=oldest[level - 1])
        np.minimum(oldest[level - 1, half:], oldest[level, :-half], out=oldest[level - 1, half:])
    return np.where(np.isinf(oldest[0]), 0.0, grid - oldest[0])


def held_at_a_point(copies: Copies, grid: np.ndarray) -> np.ndarray:
    """Which copies are held at any point of a grid."""
    if copies.accepted is copies.ended:  # equal columns are one
        return np.empty(0, dtype=np.int64)
    if is_sorted(copies.accepted):
        until = np.searchsorted(copies.accepted, grid, side="right")
        next_point = np.repeat(grid, np.diff(until, prepend=0))
    else:
        next_point = np.append(grid, np.nan)[np.searchsorted(grid, copies.accepted)]
    ended = copies.ended[: len(next_point)]
    return np.flatnonzero((ended > next_point) | (np.isnan(ended) & np.isfinite(next_point)))


def lag_at(copies: Copies, grid: np.ndarray, counts: Counts | None = None) -> np.ndarray:
    """End offset - committed offset, summed over partitions; NaN for anything but a stream.

    All partitions together need not be told apart: what each commit adds is summed up.

    Args:
        copies: of one holder.
        grid: sorted times in seconds, shape (points,).
        counts: of what has been counted at these points.
    """
    if copies.checkpoints is None:
        return np.full(len(grid), np.nan)
    commits = copies.checkpoints
    by_place = np.argsort(commits.partition, kind="stable")
    place, offsets = commits.partition[by_place], commits.offset[by_place].astype(np.int64)
    more = np.diff(offsets, prepend=0)
    is_first = np.ones(len(place), dtype=bool)
    is_first[1:] = place[1:] != place[:-1]
    more[is_first] = offsets[is_first]
    committed = np.zeros(len(more) + 1, dtype=np.int64)
    committed[1 + by_place] = more
    np.cumsum(committed, out=committed)
    done = committed[np.searchsorted(commits.time, grid, side="right")]
    return ((counts or Counts(grid)).level([copies.accepted], []) - done).astype(float)


@dataclass(frozen=True)
class Partition:
    """What happened to one partition.

    Attributes:
        accepted: sorted seconds at which its end offset went up by one.
        times: sorted seconds of its checkpoints.
        offsets: that were committed then.
        end_before: its end offset before all that.
        offset_before: the committed one.
    """

    accepted: np.ndarray
    times: np.ndarray
    offsets: np.ndarray
    end_before: int = 0
    offset_before: int = 0

    def lag(self, at: np.ndarray) -> np.ndarray:
        """End offset - committed offset just after each time."""
        committed = np.append(self.offset_before, self.offsets.astype(np.int64))
        done = committed[np.searchsorted(self.times, at, side="right")]
        return self.end_before + np.searchsorted(self.accepted, at, side="right") - done

    def greatest(self) -> float:
        """The greatest lag over all time."""
        committed = np.append(self.offset_before, self.offsets.astype(np.int64))
        if not is_sorted(committed):
            return float(self.lag(np.concatenate((self.accepted, self.times))).max(initial=0))
        # It only falls at checkpoints, so it is greatest just before one of them or at the end.
        ends = np.append(np.searchsorted(self.accepted, self.times, side="left"), len(self.accepted))
        return float((self.end_before + ends - committed).max(initial=0))


def _partitions(copies: Copies) -> list[Partition]:
    if copies.checkpoints is None:
        return []
    assert copies.partition is not None
    where, accepted = copies.of_message(copies.partition), copies.accepted
    held = np.isfinite(accepted)
    if not held.all():
        where, accepted = where[held], accepted[held]
    return list(by_partition(where, accepted, copies.checkpoints).values())


def by_partition(where: np.ndarray, accepted: np.ndarray, commits: Commits) -> dict[int, Partition]:
    """What happened to each partition.

    Args:
        where: the partition of each acceptance.
        accepted: seconds, of the same shape.
        commits: checkpoints, sorted by time.
    """
    order = np.argsort(where, kind="stable") if is_sorted(accepted) else np.lexsort((accepted, where))
    where, accepted = where[order], accepted[order]
    by_place = np.argsort(commits.partition, kind="stable")
    place, times, offsets = (each[by_place] for each in (commits.partition, commits.time, commits.offset))
    partitions = 1 + max((int(each.max()) for each in (where, place) if len(each)), default=-1)
    ends, rows = (np.cumsum(np.append(0, np.bincount(each, minlength=partitions))) for each in (where, place))
    found: dict[int, Partition] = {}
    for number in range(partitions):
        mine, its = slice(ends[number], ends[number + 1]), slice(rows[number], rows[number + 1])
        if mine.stop > mine.start or its.stop > its.start:
            found[number] = Partition(accepted[mine], times[its], offsets[its])
    return found


def _greatest_age(copies: Copies, record: Record) -> float:
    born = copies.of_message(record.published)
    age = float(np.fmax.reduce(copies.ended - born, initial=-np.inf))
    is_live = np.isfinite(copies.accepted) & np.isnan(copies.ended)
    if is_live.any():
        age = max(age, record.end - float(born[is_live].min()))
    return age if age > -np.inf else float("nan")


def _greatest(values: list[float]) -> float:
    return max((value for value in values if not math.isnan(value)), default=float("nan"))


def _drain_time(record: Record, fault: FaultWindow, hit: list[Holder]) -> float:
    if record.is_censored or not len(fault.starts):
        return float("nan")
    end = float(fault.ends.max())
    backlog = Level.total([holder.backlog for holder in hit])
    before = backlog.mean(record.warmup, float(fault.starts[0]))
    if math.isinf(end) or math.isnan(before):
        return float("nan")
    return backlog.first_at_most(before * (1 + 1e-12), end) - end
