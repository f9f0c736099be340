"""Messages of a block whose first delivery surely fails, and their second delivery, where that goes well.

The hot loop takes failures as work like any other, and so it takes what may outlive its visibility timeout.
When such a message is visible again, it goes before what becomes visible later. Attempts are known from their
draws, so that the second delivery is a comparison and an entry in the heap of workers, and the columns are
filled block by block: whatever becomes of a message later, those of its first delivery too. When it comes
back, and what if the second delivery does not go well either, is seen to by :mod:`sim.accelerator.rough`.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.accelerator.block import OUTLIVES, Block
from sim.accelerator.columns import Columns
from sim.accelerator.crew import Crew
from sim.accelerator.hands import Hands
from sim.engine.quantities import UNLIMITED
from sim.vocabulary import Outcome

Notes = tuple[Callable[[int], None], Callable[[float], None], Callable[[int], None], Callable[[float], None]]


class Redeliveries:
    """Those of one block.

    Args:
        hands: who works.
        crew: the same as they are seen from the queue.
        block: the messages.
        timeout: of their visibility, s.

    Attributes:
        block: the messages.
        each: those whose first delivery may not end well, see :class:`~sim.accelerator.block.Failing`.
        next: the place among them of the first that is not seen to.
        due: when that is visible again; not later than that.
    """

    def __init__(self, hands: Hands, crew: Crew, block: Block, timeout: float) -> None:
        self._hands, self._pool, self._crew, self.block = hands, hands.pool, crew, block
        self._timeout = timeout
        self._failing, self.each = block.failing, block.failing.each
        self.next = 0
        self.due = block.visible[self.each[0][0]] + timeout if self.each else UNLIMITED
        self._indices, self._workers = array("i"), array("i")
        self._starts, self._orders = array("d"), array("d")

    def notes(self) -> Notes:
        """Whoever delivers one again, and well, says which, when, who took it; its place, if anybody asks."""
        return self._indices.append, self._starts.append, self._workers.append, self._orders.append

    def end_of_only(self, index: int) -> float:
        """When the only attempt of a message ends that might outlive its visibility timeout."""
        position, _, (work,), _, _ = self.each[index]
        return self.block.starts[position] + work / self._crew.speeds[self.worker_of(index)]

    def worker_of(self, index: int) -> int:
        """Who took a message; those who are alike are all the first."""
        return 0 if self._crew.is_alike else self.block.chosen[self.each[index][0]]

    def pop(self) -> int:
        """The place of the next of them, for the pool to see to; the one after it is due later."""
        self.next += 1
        return self.next - 1

    def has_more(self) -> bool:
        """Whether any is left that was delivered, and not well; says when it is due, in turn."""
        starts = self.block.starts
        for index in range(self.next, len(self.each)):
            position, failed_at, _, _, _ = self.each[index]
            due = starts[position] + self._timeout
            is_well = failed_at == OUTLIVES and self.end_of_only(index) <= due
            if not (math.isnan(due) or is_well):
                self.next, self.due = index, due
                return True
        return False

    def write(self, columns: Columns) -> None:
        """Fill in first deliveries, and the second of those for whom it went well."""
        if not self.each:
            return
        positions, failed_at = self._failing.positions, self._failing.effects.copy()
        starts = self.block.started[positions]
        taken = ~np.isnan(starts)
        failed_at[failed_at == OUTLIVES] = len(self._pool.effects)
        self._write_first(columns, positions[taken], failed_at[taken], starts[taken])
        if self._indices:
            self._write_second(columns, positions)

    def _write_first(
        self, columns: Columns, positions: NDArray[Any], failed_at: NDArray[Any], starts: NDArray[Any]
    ) -> None:
        """Deliveries that fail, or may outlive their timeout; later ones may be written already."""
        block, pool = self.block, self._pool
        rows = block.messages[positions]
        columns.taken[rows] = starts
        columns.deliveries[rows] = np.maximum(columns.deliveries[rows], 1)
        speeds = self._speeds(None if self._crew.is_alike else block.workers()[positions])
        now = scheduled = starts + pool.hop if pool.hop else starts
        for place, (effect, durations) in enumerate(zip(pool.effects, block.durations, strict=True)):
            begun, now = now, now + durations[positions] / speeds  # which is none after the failure
            scheduled = np.where(place <= failed_at, begun, scheduled)
            pool.count_busy_times(begun, now)
            done = (place < failed_at).nonzero()[0]
            orders = (block.first + positions[done]).astype(float)
            self._hands.apply_all(effect, rows[done], now[done], begun[done], orders, is_late=False)
        self._crew.note(now, scheduled, starts)
        is_well = (failed_at == len(pool.effects)) & (now <= starts + self._timeout)
        columns.ended[rows[is_well]] = now[is_well]
        columns.fate[rows[is_well]] = Outcome.APPLIED

    def _write_second(self, columns: Columns, positions: NDArray[Any]) -> None:
        """Deliveries that end well."""
        pool, log = self._pool, columns.log
        indices, workers = (np.frombuffer(each, dtype=np.int32) for each in (self._indices, self._workers))
        starts, orders = np.frombuffer(self._starts), np.frombuffer(self._orders)
        rows = self.block.messages[positions[indices]]
        columns.deliveries[rows] = 2
        log.returned.frombytes((columns.taken[rows] + self._timeout).tobytes())
        log.retaken.frombytes(starts.tobytes())
        speeds = self._speeds(workers)
        begun = now = starts + pool.hop if pool.hop else starts
        for effect, durations in zip(pool.effects, self._failing.seconds, strict=True):
            begun, now = now, now + durations[indices] / speeds
            pool.count_busy_times(begun, now)
            self._hands.apply_all(effect, rows, now, begun, orders, is_late=True)
        self._crew.note(now, begun, starts)
        columns.ended[rows] = now
        columns.fate[rows] = Outcome.APPLIED

    def _speeds(self, workers: Any) -> Any:
        """Of workers, by their numbers, of whom those who are alike have none."""
        return self._crew.speeds[0] if self._crew.is_alike else np.array(self._crew.speeds)[workers]
