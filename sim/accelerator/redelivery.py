"""Messages of a block whose first delivery surely fails, and their second delivery, where that goes well.

The hot loop takes failures as work like any other, and so it takes what may outlive its visibility timeout.
When such a message is visible again, it goes before what becomes visible later. Attempts are known from their
draws, so that the second delivery is a comparison and an entry in the heap of workers, and the columns are
filled block by block: whatever becomes of a message later, those of its first delivery too. What does not go
well the second time is handed to the pool (:mod:`sim.accelerator.queue_pool`).
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Generator
from dataclasses import dataclass
from heapq import heapreplace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.accelerator.block import OUTLIVES, Block
from sim.accelerator.columns import Columns
from sim.accelerator.crew import Crew
from sim.accelerator.hands import NEXT, Hands
from sim.accelerator.publishing import Inexact
from sim.accelerator.returns import Returns
from sim.components.effect import Effect
from sim.engine.quantities import UNLIMITED
from sim.vocabulary import Outcome

GoWrong = Callable[[int, int, float, tuple[float, ...], bool], None]
"""Sees to a copy whose second delivery does not go well. Arguments: its position in the block, where its
first delivery failed, when it is visible again, what its second delivery takes, and whether that fails."""


@dataclass(frozen=True, slots=True)
class First:
    """The first delivery of a message.

    Attributes:
        position: of the message in its block.
        attempts: at how many effects an attempt was made.
        gone: when the worker deletes the message; infinity if that is not to be.
        worker: the number of that worker.
    """

    position: int
    attempts: int
    gone: float = UNLIMITED
    worker: int = -1


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
        self._next = 0
        self.due = (
            block.visible[self._failing.positions[0]] + timeout if self._failing.positions else UNLIMITED
        )
        self._indices, self._workers = array("i"), array("i")
        self._starts, self._orders = array("d"), array("d")

    def again(  # noqa: C901, PLR0912, PLR0915
        self, returns: Returns, step: Callable[[], None], go_wrong: GoWrong
    ) -> Generator[float, float]:
        """See to all that comes back by the times that are sent.

        A generator, so that all it needs stays at hand: the hot loop sends it a time with every fiftieth
        message or so.

        Args:
            returns: copies that come back and are none of these.
            step: lets the next one of all happen, whatever it is.
            go_wrong: see there.

        Yields:
            When anything comes back next; not later than that.
        """
        block, crew, failing, hands, timeout = (
            self.block,
            self._crew,
            self._failing,
            self._hands,
            self._timeout,
        )
        starts, each, under_way, bounds = block.starts, failing.each, crew.under_way, crew.bounds
        hop, retention, is_alike, limits = self._pool.hop, self._retention, crew.is_alike, crew.bounds.limits
        times, free, speeds, count = crew.times, crew.free, crew.speeds, len(failing.each)
        note_index, note_start = self._indices.append, self._starts.append
        note_worker, note_order = self._workers.append, self._orders.append
        until = yield UNLIMITED
        while True:
            other = returns.due
            if under_way and under_way[0][0] < other:
                other = under_way[0][0]
            delivered = len(starts)
            hands.order = max(hands.order, block.first + delivered - 1)
            index, due = self._next, self.due
            while due <= until:
                if index == count:
                    due = UNLIMITED
                    break
                position, failed_at, durations, fails = each[index]
                if position >= delivered:
                    due = block.visible[position] + timeout
                    break
                since = starts[position]
                if since != since:  # noqa: PLR0124 - NaN: it did not take the hot loop
                    index += 1
                    continue
                due = since + timeout
                if failed_at == OUTLIVES and self._end_of_only(index) <= due:
                    index += 1
                    continue
                if due > until or due >= other or failed_at == OUTLIVES:
                    break
                if is_alike:
                    free_since, worker, limit = times[0], 0, bounds.limit
                else:
                    free_since, _, _, worker = free[0]
                    limit = limits[worker]
                start = due if due > free_since else free_since  # noqa: FURB136 - a call costs more
                begun = end = start + hop
                speed = speeds[worker]
                for duration in durations:
                    begun, end = end, end + duration / speed
                if fails or not (
                    start < end <= limit
                    and end <= start + timeout
                    and end <= block.times[position] + retention
                ):
                    go_wrong(position, failed_at, due, durations, fails)
                    other = min(other, returns.due)
                    index += 1
                    continue
                if is_alike:
                    heapreplace(times, end)
                else:
                    heapreplace(free, (end, begun, bounds.count, worker))
                bounds.count += 1
                hands.order += NEXT
                note_index(index)
                note_start(start)
                note_worker(worker)
                note_order(hands.order)
                index += 1
            self._next, self.due = index, due
            due = min(due, other)
            if due <= until:
                step()
            else:
                until = yield due

    def _end_of_only(self, index: int) -> float:
        """When the only attempt of a message ends that might outlive its visibility timeout."""
        position, _, (work,), _ = self._failing.each[index]
        return self.block.starts[position] + work / self._crew.speeds[self._worker(position)]

    def _worker(self, position: int) -> int:
        """Who took a message; those who are alike are all the first."""
        return 0 if self._crew.is_alike else self.block.chosen[position]

    def pop(self) -> First:
        """The next of them, for the pool to see to."""
        index = self._next
        self._next += 1  # the one after it is due later
        position, failed_at = self._failing.positions[index], self._failing.effects[index]
        if failed_at != OUTLIVES:
            return First(position, failed_at + 1)
        return First(position, 1, self._end_of_only(index), self._worker(position))

    def has_more(self) -> bool:
        """Whether any is left that was delivered, and not well; says when it is due, in turn."""
        failing, starts = self._failing, self.block.starts
        for index in range(self._next, len(failing.positions)):
            due = starts[failing.positions[index]] + self._timeout
            is_well = failing.effects[index] == OUTLIVES and self._end_of_only(index) <= due
            if not (math.isnan(due) or is_well):
                self._next, self.due = index, due
                return True
        return False

    def write(self, columns: Columns) -> None:
        """Fill in first deliveries, and the second of those for whom it went well."""
        if not self._failing.positions:
            return
        positions, failed_at = np.array(self._failing.positions), np.array(self._failing.effects)
        starts = np.frombuffer(self.block.starts)[positions]
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
            self._apply(
                effect, (place < failed_at).nonzero()[0], rows, now, begun, block.first + positions, late=0
            )
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
        everywhere = np.arange(len(rows))
        speeds = self._speeds(workers)
        begun = now = starts + pool.hop if pool.hop else starts
        for effect, durations in zip(pool.effects, self._failing.seconds, strict=True):
            begun, now = now, now + durations[indices] / speeds
            pool.count_busy_times(begun, now)
            self._apply(effect, everywhere, rows, now, begun, orders, late=1)
        self._crew.note(now, begun, starts)
        columns.ended[rows] = now
        columns.fate[rows] = Outcome.APPLIED

    def _speeds(self, workers: Any) -> Any:
        """Of workers, by their numbers, of whom those who are alike have none."""
        return self._crew.speeds[0] if self._crew.is_alike else np.array(self._crew.speeds)[workers]

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
        is_done = applications[rows] > 0
        if (is_done & (times == first[rows])).any():
            raise Inexact("an effect happens twice at one instant")
        is_first = ~is_done | (times < first[rows])
        first[rows[is_first]] = times[is_first]
        np.frombuffer(hands.late[effect], dtype=np.uint8)[rows[is_first]] = late
        applications[rows] += 1
        if hands.tells:
            hands.tell(times, begun[chosen], orders[chosen].astype(float), rows)
