"""Messages of a block whose first delivery surely fails, and their second delivery, where that goes well.

The hot loop takes failures as work like any other, and so it takes what may outlive its visibility timeout.
When such a message is visible again, it goes before what becomes visible later. Attempts are known from their
draws, so that the second delivery is a comparison and an entry in the heap of workers, and the columns are
filled block by block. What does not go well then, and what has outlived its timeout, is handed to the careful
way of the pool (:mod:`sim.accelerator.queue_pool`).
"""

from __future__ import annotations

import math
from array import array
from typing import Any

import numpy as np

from sim.accelerator.block import OUTLIVES, Block
from sim.accelerator.columns import Columns
from sim.accelerator.crew import Crew
from sim.accelerator.hands import NEXT, Hands
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
        other: when anything else comes back.
    """

    def __init__(self, hands: Hands, crew: Crew, block: Block, timeout: float, retention: float) -> None:
        self._hands, self._pool, self._crew, self.block = hands, hands.pool, crew, block
        self._timeout, self._retention = timeout, retention
        self._failing = block.failing
        self._positions = block.failing.positions
        self.other = UNLIMITED
        self._next = 0
        self._done: list[int] = []
        self._starts = array("d")
        self._workers = array("i")
        self._orders = array("d")

    def due(self) -> float:
        """When the next of them is visible again; not later than that."""
        starts = self.block.starts
        while self._next < len(self._positions):
            position = self._positions[self._next]
            if position >= len(starts):
                return self.block.visible[position] + self._timeout
            since = starts[position]
            if not (math.isnan(since) or self._is_well(self._next, since)):
                return since + self._timeout
            self._next += 1  # it took the careful way, or went well
        return UNLIMITED

    def _is_well(self, index: int, since: float) -> bool:
        """Whether a first delivery that might outlive its visibility timeout does not."""
        if self._failing.effects[index] != OUTLIVES:
            return False
        _, stages, speed = self.first(index)
        return since + self._pool.hop + stages[0] / speed <= since + self._timeout

    def again(self, until: float) -> float:
        """Deliver those again that are visible by a time and before all others, as long as all goes well.

        Returns:
            When anything comes back next; if that is by then, the pool has to see to it.
        """
        block, crew, failing, hands = self.block, self._crew, self._failing, self._hands
        starts, positions, timeout, other = block.starts, self._positions, self._timeout, self.other
        hop, delivered, index, due = self._pool.hop, len(starts), self._next, UNLIMITED
        hands.order = max(hands.order, block.first + delivered - 1)
        while index < len(positions):
            position = positions[index]
            if position >= delivered:
                due = block.visible[position] + timeout
                break
            since = starts[position]
            due = since + timeout
            if due > until or due >= other:
                break
            is_late = failing.effects[index] == OUTLIVES
            if math.isnan(since) or (is_late and self._is_well(index, since)):
                index, due = index + 1, UNLIMITED
                continue
            if is_late:
                break
            start, speed, limit, worker = crew.undisturbed(due)
            begun = end = start + hop
            for duration in failing.stages[index]:
                begun, end = end, end + duration / speed
            expires = block.times[position] + self._retention
            if failing.fails[index] or not start < end <= min(limit, start + timeout, expires):
                break
            crew.take(start, begun, end)
            hands.order += NEXT
            self._done.append(index)
            block.bad.append(position)
            self._starts.append(start)
            self._workers.append(worker)
            self._orders.append(hands.order)
            index, due = index + 1, UNLIMITED
        self._next = index
        return min(other, due)

    def pop(self, until: float) -> tuple[int, float] | None:
        """The next of them that is visible again by a time, to be seen to: its place among them, and when."""
        due = self.due()
        if due > until or due == UNLIMITED:
            return None
        self._next += 1
        self.block.bad.append(self._positions[self._next - 1])
        return self._next - 1, due

    def first(self, index: int) -> tuple[float, list[float], float]:
        """The first delivery of one of them: its start, what each attempt takes, speed of the worker."""
        block, position = self.block, self._positions[index]
        last = self._failing.effects[index]
        count = len(block.durations) if last == OUTLIVES else last + 1
        stages = [float(each[position]) for each in block.durations[:count]]
        speed = self._crew.speeds[0 if self._crew.is_alike else block.chosen[position]]
        return block.starts[position], stages, speed

    def write(self, columns: Columns) -> None:
        """Fill in both deliveries of those for whom the second went well."""
        if not self._done:
            return
        block, pool, crew, hands = self.block, self._pool, self._crew, self._hands
        done = np.array(self._done)
        positions = np.array(self._positions)[done]
        rows = block.messages[positions]
        failed_at = np.array(self._failing.effects)[done]
        firsts = np.frombuffer(block.starts)[positions]
        seconds = np.frombuffer(self._starts)
        speeds: Any = crew.speeds[0]
        first_speeds = speeds
        if not crew.is_alike:
            first_speeds = np.array(crew.speeds)[np.frombuffer(block.chosen, dtype=np.int32)[positions]]
            speeds = np.array(crew.speeds)[np.frombuffer(self._workers, dtype=np.int32)]
        columns.taken[rows] = firsts
        columns.deliveries[rows] = 2
        columns.log.returned.frombytes((firsts + self._timeout).tobytes())
        columns.log.retaken.frombytes(seconds.tobytes())
        before = begun = firsts + pool.hop if pool.hop else firsts
        now = second_begun = seconds + pool.hop if pool.hop else seconds
        scheduled = before
        stages = np.array([self._failing.stages[index] for index in self._done])
        orders = block.first + positions.astype(float)
        for place, (effect, durations) in enumerate(zip(pool.effects, block.durations, strict=True)):
            takes_part = place <= failed_at
            begun, before = before, before + durations[positions] / first_speeds
            scheduled = np.where(takes_part, begun, scheduled)
            second_begun, now = now, now + stages[:, place] / speeds
            pool.count_busy_times(begun, before)
            pool.count_busy_times(second_begun, now)
            is_done = place < failed_at
            hands.first_applied[effect][rows] = np.where(is_done, before, now)
            hands.applications[effect][rows] = np.where(is_done, 2, 1)
            np.frombuffer(hands.late[effect], dtype=np.uint8)[rows] = ~is_done
            if hands.tells:
                hands.tell(before[is_done], begun[is_done], orders[is_done], rows[is_done])
                hands.tell(now, second_begun, np.frombuffer(self._orders), rows)
        crew.note(before, scheduled, firsts)
        crew.note(now, second_begun, seconds)
        columns.ended[rows] = now
        columns.fate[rows] = Outcome.APPLIED
