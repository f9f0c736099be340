"""The copies of one holder in slices: backlog, copies in flight, age and lag."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd

from sim.analysis.folds.grids import GridCounts
from sim.analysis.folds.levels import LevelFold, Part, Stretch
from sim.analysis.lag import by_partition, held_at_a_point, oldest_age, visible, work
from sim.engine.record import Commits, Copies, Record


class HolderFold:
    """One holder.

    Args:
        stretches: of time, over which its backlog is averaged.
        step: seconds between the points of the series.
    """

    def __init__(self, stretches: list[Stretch], step: float) -> None:
        self.backlog = LevelFold(stretches)
        self.age = AgeFold()
        self.lag: LagFold | None = None
        self._step = step
        self._waiting: list[np.ndarray] = []
        self._in_flight = GridCounts(step)

    def add(self, copies: Copies, published: np.ndarray, watermark: float, points: np.ndarray) -> Part:
        """Take in a slice; what its backlog did since the watermark before.

        Args:
            copies: of the slice.
            published: per message of the slice.
            watermark: of the slice.
            points: of the series, which the watermark passes.
        """
        for weight, parts in zip((1, -1), work(copies), strict=True):
            for times in parts:
                self._in_flight.add(times, weight)
        self.age.add(copies, published, points)
        if copies.checkpoints is not None:
            self.lag = self.lag or LagFold(self._step)
            self.lag.add(copies, copies.checkpoints, watermark)
        part = self.backlog.add(visible(copies), watermark)
        self._waiting.append(part.before + part.changes.at(points))
        return part

    def series(self, record: Record, name: str, grid: np.ndarray) -> pd.DataFrame:
        """``LAG_COLUMNS`` of this holder, after the last slice."""
        count = len(grid)
        return pd.DataFrame(
            {
                "architecture": record.architecture,
                "replication": record.replication,
                "component": name,
                "time": grid,
                "backlog": np.concatenate(self._waiting),
                "in_flight": self._in_flight.at(count),
                "age": np.concatenate(self.age.series),
                "lag": np.full(count, np.nan) if self.lag is None else self.lag.series(count),
            }
        )


class AgeFold:
    """The age of the oldest copy; of the copies that may still be the oldest one day, the times are kept."""

    def __init__(self) -> None:
        self.series: list[np.ndarray] = []
        self._greatest = -math.inf
        self._oldest_live = math.inf
        self._kept = np.empty((3, 0))

    def add(self, copies: Copies, published: np.ndarray, points: np.ndarray) -> None:
        """Take in a slice; what is held at none of the points, nor behind them, is forgotten."""
        born = copies.of_message(published)
        self._greatest = float(np.fmax.reduce(copies.ended - born, initial=self._greatest))
        is_live = np.isfinite(copies.accepted) & np.isnan(copies.ended)
        self._oldest_live = float(born[is_live].min(initial=self._oldest_live))
        last = float(points[-1]) if len(points) else -math.inf
        here = held_at_a_point(copies, points)
        columns = (copies.accepted[here], copies.ended[here], born[here])
        held = [np.concatenate(pair) for pair in zip(self._kept, columns, strict=True)]
        self.series.append(oldest_age(held[0], held[1], held[2], points))
        later = ~(copies.ended <= last) & np.isfinite(copies.accepted)
        rows = np.stack((copies.accepted[later], copies.ended[later], born[later]))
        self._kept = np.concatenate((self._kept[:, ~(self._kept[1] <= last)], rows), axis=1)

    def greatest(self, end: float) -> float:
        """The greatest age up to the end of the run; NaN where no copy was ever held."""
        age = max(self._greatest, end - self._oldest_live)
        return age if age > -math.inf else math.nan


class LagFold:
    """End offset - committed offset of a consumer group."""

    def __init__(self, step: float) -> None:
        self.greatest = math.nan
        self._counts = GridCounts(step)
        self._late = np.empty(0), np.empty(0, dtype=np.uint8)
        self._ends: dict[int, int] = {}
        self._offsets: dict[int, int] = {}

    def add(self, copies: Copies, commits: Commits, watermark: float) -> None:
        """Take in a slice and the checkpoints before its watermark."""
        assert copies.partition is not None
        times, where = copies.accepted, copies.of_message(copies.partition)
        self._counts.add(times)
        if len(self._late[0]):
            times = np.concatenate((self._late[0], times))
            where = np.concatenate((self._late[1], where))
        is_now, is_late = times < watermark, times >= watermark
        self._late = times[is_late], where[is_late]
        for number, partition in by_partition(where[is_now], times[is_now], commits).items():
            end, offset = self._ends.get(number, 0), self._offsets.get(number, 0)
            done = np.append(offset, partition.offsets.astype(np.int64))
            self._counts.add(partition.times, -np.diff(done))
            lag = replace(partition, end_before=end, offset_before=offset).greatest()
            self.greatest = float(np.fmax(self.greatest, lag))
            self._ends[number] = end + len(partition.accepted)
            self._offsets[number] = int(done[-1])

    def series(self, count: int) -> np.ndarray:
        """The sum over partitions at the first points, after the last slice."""
        return self._counts.at(count).astype(float)
