"""A pool to which messages are brought, in blocks: a free worker takes each, or the memory, or nobody.

Why it is exact. What is in memory is taken in the order in which it came, and nothing overtakes it. So a
message that is accepted can be given its worker at once, the one that will be free first, although it may
have to wait for it; and who is in memory at a time are those accepted whose start lies after it. Outages are
known beforehand, and so is when the memory is lost.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sim.accelerator.block import Block
from sim.accelerator.columns import Columns
from sim.accelerator.crew import Crew
from sim.accelerator.doors import Doors
from sim.accelerator.hands import Delivery, Hands, timed
from sim.accelerator.plain import UNKNOWN, Turn
from sim.components.consumer import CRASHED, Pool
from sim.components.site import Site
from sim.components.timelines import Windows
from sim.engine.ledger import CopyLog
from sim.engine.quantities import UNLIMITED

_SHORTEST, _LONGEST = 1 << 4, 1 << 11
"""Messages that the hot loop is given at once: more where it takes all of them, fewer where it stops."""


LARGEST_MEMORY = 1 << 20
"""Messages that fit into a memory whose places are counted while it is not known how many will come."""


def is_full_one_day(buffer: float, site: Site) -> bool:
    """Whether a memory of so many messages can be full; without messages nobody knows how many come."""
    return buffer < (len(site.messages) or LARGEST_MEMORY)


@dataclass(frozen=True, slots=True)
class Stay:
    """What becomes of a message that is accepted.

    Attributes:
        lost: when it is lost with the memory; infinity if it is not.
        start: when a worker takes it; infinity if none does before the run ends.
        delivery: how that ends; None without a start.
        turn: of that end among all that happens at its instant.
    """

    lost: float = UNLIMITED
    start: float = UNLIMITED
    delivery: Delivery | None = None
    turn: Turn = (UNLIMITED, UNKNOWN)


class Service:
    """The workers of a pool and its memory.

    Args:
        pool: who works.
        log: of the copies.
        buffer: messages that wait in memory at most.
        shut: times at which nothing is taken in, beside those at which all workers are away.
    """

    def __init__(
        self,
        pool: Pool[Any],
        log: CopyLog,
        buffer: float = UNLIMITED,
        shut: Sequence[Windows] = (),
    ) -> None:
        self.pool = pool
        self.hands = Hands(pool)
        self.crew = Crew(pool)
        self.columns = Columns(log, self.hands)
        self._doors = Doors(pool, shut)
        self._limit = pool.site.limit
        self._last = float(np.nextafter(pool.site.limit, 0.0))
        self._windows = timed(pool)
        self._run = _LONGEST
        self._stopped_at: tuple[Block, int] | None = None
        self._leaves: deque[float] | None = None
        if buffer < UNLIMITED:
            self._leaves = deque([-UNLIMITED] * int(buffer), maxlen=int(buffer))

    def serve(self, block: Block, stop: int) -> bool:
        """Let the hot loop take what comes next, not beyond a position; whether it took any."""
        start = block.position
        if self._stopped_at == (block, start):
            return False
        stop = min(stop, start + self._run, block.next_careful())
        if start >= stop:
            return False
        seen = block.visible[start]
        limit = self._quiet_from(seen)
        if limit <= seen:
            return False
        shut = self._doors.shut_from(seen)
        if shut < UNLIMITED:
            stop = bisect_left(block.visible, shut, start, stop)
        if self._leaves is None:
            self.crew.run(block, start, stop, limit)
        else:
            self.crew.run_bounded(block, start, stop, limit, self._leaves)
        taken = block.position - start
        if start + taken == stop:
            self._run = min(2 * self._run, _LONGEST)
        else:
            self._run = max(2 * taken, _SHORTEST)
            self._stopped_at = block, start + taken
        return taken > 0

    def take(self, message: int, seen: float, *, is_late: bool) -> Stay | None:
        """What becomes of a message that arrives at a time before the end; None if it is refused."""
        if self._doors.shut_from(seen) <= seen:
            return None
        start, worker = self.crew.next(seen)
        leaves = self._leaves
        if leaves is not None and start > seen and (not leaves or leaves[0] > seen):
            return None
        lost = self._doors.lost_after(seen)
        if leaves is not None:
            leaves.append(min(start, lost))
        if lost <= start:
            return Stay(lost=lost) if lost < self._limit else Stay()
        if start >= self._limit:
            return Stay()
        delivery = self.hands.deliver(worker, message, start, is_late=is_late)
        turn = self.crew.occupy(seen, start, delivery)
        if delivery.work is CRASHED:
            self.crew.disturb()
        if delivery.work is CRASHED and self.pool.crashes and delivery.end < self._limit:
            self._doors.crash(worker, delivery.end)
        return Stay(start=start, delivery=delivery, turn=turn)

    def _quiet_from(self, seen: float) -> float:
        """Until when nothing interferes with a message that arrives then; not later where something does."""
        start = max(seen, self.crew.free_since())
        limit = min(self._last, self._doors.lost_after(seen))
        for windows in self._windows:
            limit = min(limit, windows.quiet_until(start))
        return limit if limit > start else seen
