"""Messages of a block whose first delivery surely fails, and their second delivery, where that goes well.

The hot loop takes failures as work like any other. When such a message is visible again, it goes before what
becomes visible later. Attempts are known from their draws, so that the second delivery is a comparison and an
entry in the heap of workers, and the columns are filled block by block: whatever becomes of a message later,
those of its first delivery too. What does not go well the second time is handed to the pool
(:mod:`sim.accelerator.queue_pool`).
"""

from __future__ import annotations

from array import array
from heapq import heapreplace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.accelerator.block import Block
from sim.accelerator.columns import Columns
from sim.accelerator.crew import Crew
from sim.accelerator.hands import NEXT, Hands
from sim.components.effect import Effect
from sim.engine.quantities import UNLIMITED
from sim.vocabulary import Outcome


class Redeliveries:
    """Those of one block.

    Args:
        hands: who works.
        crew: the same as they are seen from the queue.
        block: the messages.
        timeout: of their visibility, s.
        retention: of the queue, s.

    Attributes:
        block: the messages.
        due: when the next of them is visible again; not later than that.
    """

    def __init__(self, hands: Hands, crew: Crew, block: Block, timeout: float, retention: float) -> None:
        self._hands, self._pool, self._crew, self.block = hands, hands.pool, crew, block
        self._timeout, self._retention = timeout, retention
        self._failing = block.failing
        self.due = UNLIMITED
        self._next = 0
        self._done: list[int] = []
        self._starts = array("d")
        self._workers = array("i")
        self._orders = array("d")
        self.look()

    def look(self) -> None:
        """Find out when the next of them is due."""
        self.again(-UNLIMITED, UNLIMITED)

    def again(self, until: float, other: float) -> None:
        """Deliver those again that are visible by a time, as long as all goes well.

        Args:
            until: that time.
            other: when anything else comes back, which goes before.
        """
        block, crew, failing, hands = self.block, self._crew, self._failing, self._hands
        starts, positions, timeout = block.starts, failing.positions, self._timeout
        bounds, is_alike, index, due = crew.bounds, crew.is_alike, self._next, UNLIMITED
        delivered = len(starts)
        hands.order = max(hands.order, block.first + delivered - 1)
        while index < len(positions):
            position = positions[index]
            if position >= delivered:
                due = block.visible[position] + timeout
                break
            since = starts[position]
            if since != since:  # noqa: PLR0124 - NaN: it did not take the hot loop
                index += 1
                continue
            due = since + timeout
            if due > until or due >= other:
                break
            if is_alike:
                free_since, worker, limit = crew.times[0], 0, bounds.limit
            else:
                free_since, _, _, worker = crew.free[0]
                limit = bounds.limits[worker]
            start = due if due > free_since else free_since  # noqa: FURB136 - a call costs more
            begun = end = start + self._pool.hop
            speed = crew.speeds[worker]
            for duration in failing.stages[index]:
                begun, end = end, end + duration / speed
            if failing.fails[index] or not (
                start < end <= limit
                and end <= start + timeout
                and end <= block.times[position] + self._retention
            ):
                break
            if is_alike:
                heapreplace(crew.times, end)
            else:
                heapreplace(crew.free, (end, begun, bounds.count, worker))
            bounds.count += 1
            hands.order += NEXT
            self._done.append(index)
            self._starts.append(start)
            self._workers.append(worker)
            self._orders.append(hands.order)
            index, due = index + 1, UNLIMITED
        self._next, self.due = index, due

    def pop(self) -> tuple[int, int]:
        """The next of them, for the pool to see to: its position in the block, at which effect it failed."""
        index = self._next
        self._next += 1
        self.look()
        return self._failing.positions[index], self._failing.effects[index]

    def write(self, columns: Columns) -> None:
        """Fill in first deliveries, and the second of those for whom it went well."""
        if not self._failing.positions:
            return
        positions, failed_at = np.array(self._failing.positions), np.array(self._failing.effects)
        starts = np.frombuffer(self.block.starts)[positions]
        taken = ~np.isnan(starts)
        self._write_first(columns, positions[taken], failed_at[taken], starts[taken])
        if self._done:
            self._write_second(columns, positions[self._done])

    def _write_first(
        self, columns: Columns, positions: NDArray[Any], failed_at: NDArray[Any], starts: NDArray[Any]
    ) -> None:
        """Deliveries that end with a failed attempt; later ones of the same messages may be there already."""
        block, pool = self.block, self._pool
        rows = block.messages[positions]
        columns.taken[rows] = starts
        columns.deliveries[rows] = np.maximum(columns.deliveries[rows], 1)
        speeds = self._speeds(block.chosen, positions)
        now = scheduled = starts + pool.hop if pool.hop else starts
        for place, (effect, durations) in enumerate(zip(pool.effects, block.durations, strict=True)):
            begun, now = now, now + durations[positions] / speeds  # which is none after the failure
            scheduled = np.where(place <= failed_at, begun, scheduled)
            pool.count_busy_times(begun, now)
            self._apply(
                effect, (place < failed_at).nonzero()[0], rows, now, begun, block.first + positions, late=0
            )
        self._crew.note(now, scheduled, starts)

    def _write_second(self, columns: Columns, positions: NDArray[Any]) -> None:
        """Deliveries that end well."""
        pool, log, starts = self._pool, columns.log, np.frombuffer(self._starts)
        rows = self.block.messages[positions]
        columns.deliveries[rows] = 2
        log.returned.frombytes((columns.taken[rows] + self._timeout).tobytes())
        log.retaken.frombytes(self._starts.tobytes())
        stages = np.array([self._failing.stages[index] for index in self._done])
        everywhere = np.arange(len(rows))
        speeds = self._speeds(self._workers, everywhere)
        begun = now = starts + pool.hop if pool.hop else starts
        for place, effect in enumerate(pool.effects):
            begun, now = now, now + stages[:, place] / speeds
            pool.count_busy_times(begun, now)
            self._apply(effect, everywhere, rows, now, begun, np.frombuffer(self._orders), late=1)
        self._crew.note(now, begun, starts)
        columns.ended[rows] = now
        columns.fate[rows] = Outcome.APPLIED

    def _speeds(self, workers: array[int], chosen: NDArray[Any]) -> Any:
        """Of some of the workers who took a message each."""
        if self._crew.is_alike:
            return self._crew.speeds[0]
        return np.array(self._crew.speeds)[np.frombuffer(workers, dtype=np.int32)[chosen]]

    def _apply(
        self,
        effect: Effect,
        chosen: NDArray[Any],
        rows: NDArray[Any],
        times: NDArray[Any],
        begun: NDArray[Any],
        orders: NDArray[Any],
        *,
        late: int,
    ) -> None:
        """An effect happens at the chosen deliveries; that it happens later may be written already."""
        hands = self._hands
        rows, times = rows[chosen], times[chosen]
        applications, first = hands.applications[effect], hands.first_applied[effect]
        is_first = (applications[rows] == 0) | (times < first[rows])
        first[rows[is_first]] = times[is_first]
        np.frombuffer(hands.late[effect], dtype=np.uint8)[rows[is_first]] = late
        applications[rows] += 1
        if hands.tells:
            hands.tell(times, begun[chosen], orders[chosen].astype(float), rows)
