"""The workers of a pool as those see them who hand out messages: who is free, since when, and who is away.

The oldest message goes to the worker that has been free longest. Those are kept in a heap: by the time since
which they are free, at one instant in the order in which they got free, and last those that come back from an
outage. Workers that are all alike need no names: a heap of times is enough.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from heapq import heapify, heapreplace
from typing import Any

from sim.accelerator import plain
from sim.accelerator.block import Block
from sim.components.consumer import Pool
from sim.components.timelines import Windows
from sim.components.worker import Worker
from sim.engine.environment import MOST_WORKERS

_AWAY = 1 << 60
"""Workers that come back follow those that get free at the same instant."""


class Crew:
    """The workers of one pool.

    Args:
        pool: whose workers they are.
        pauses: when nobody can receive anything, because the broker is down.

    Attributes:
        is_alike: whether it does not matter which of them does what.
        speeds: of each worker.
        count: of what they have done so far; orders those who get free at the same instant.
        has_unfinished_work: whether somebody is still at work when the run ends.
    """

    def __init__(self, pool: Pool[Any], pauses: Sequence[Windows] = ()) -> None:
        self.pool, self.workers = pool, pool.workers
        self.is_alike = pool.is_anonymous
        self.speeds = [worker.speed for worker in pool.workers]
        self.has_unfinished_work = False
        self._limit = pool.site.limit
        self._pauses = pauses
        self._free_since = [0.0] * len(self.speeds)
        self._free: list[plain.Free] = [(0.0, number, number) for number in range(len(self.speeds))]
        self.count = len(self.speeds)

    def free_since(self) -> float:
        """Since when the worker is free, or will be, that is next."""
        return self._free_since[0] if self.is_alike else self._free[0][0]

    def run(self, block: Block, start: int, stop: int, limit: float) -> None:
        """The hot loop: deliver messages of a block, until one would not end by the limit."""
        visible, push = block.visible[start:stop], block.starts.append
        work: Any = (block.work if block.stages is None else block.stages)[start:stop]
        if self.is_alike:
            loop: Any = plain.alike_one if block.stages is None else plain.alike_many
            loop(self._free_since, visible, work, limit, push)
            return
        limits = [min(limit, worker.undisturbed_until) for worker in self.workers]
        speeds, count, choose = self.speeds, self.count, block.chosen.append
        if block.stages is None:
            plain.each_one(self._free, visible, work, speeds, limits, count, push, choose)
        else:
            plain.each_many(self._free, visible, work, speeds, limits, self.pool.hop, count, push, choose)
        self.count += block.position - start

    def run_bounded(self, block: Block, start: int, stop: int, limit: float, leaves: deque[float]) -> None:
        """The same for work of one stage and a memory that may be full, see :mod:`sim.accelerator.plain`."""
        assert block.stages is None
        visible, work, push = block.visible[start:stop], block.work[start:stop], block.starts.append
        if self.is_alike:
            plain.alike_bounded(self._free_since, visible, work, limit, leaves, push)
            return
        limits = [min(limit, worker.undisturbed_until) for worker in self.workers]
        plain.each_bounded(
            self._free, visible, work, self.speeds, limits, leaves, self.count, push, block.chosen.append
        )
        self.count += block.position - start

    def next(self, seen: float) -> tuple[float, Worker]:
        """When a message that is visible from a time on is taken, and by whom: the first of the heap."""
        workers = self.workers
        while True:
            since, _, number = (self._free_since[0], 0, 0) if self.is_alike else self._free[0]
            start, worker = max(seen, since), workers[number]
            if start >= self._limit:
                return start, worker
            paused_until = max([windows.end_at(start) for windows in self._pauses], default=start)
            if paused_until > start:
                self._wait_until(paused_until)
                seen = max(seen, paused_until)
            elif self.is_alike or start < worker.undisturbed_until:
                return start, worker
            else:
                heapreplace(self._free, self._after_outage(self._free[0]))

    def occupy(self, worker: Worker, end: float) -> None:
        """The worker that is first in the heap is free again at a time."""
        if end >= self._limit:
            self.has_unfinished_work = True
        if self.is_alike:
            heapreplace(self._free_since, end)
        else:
            heapreplace(self._free, (end, self.count, worker.index))
        self.count += 1

    def is_only_one_at(self, start: float) -> bool:
        """Of workers that are all alike: whether only the next one gets free at a time."""
        return start not in self._free_since[1:3]

    def _after_outage(self, entry: plain.Free) -> plain.Free:
        """A worker that is free goes away when an outage begins, and waits anew when it is back."""
        since, _, number = entry
        worker = self.workers[number]
        is_idle = since < worker.undisturbed_until
        begin = worker.undisturbed_until if is_idle else since
        outage = worker.outage_at(begin)
        if outage is not None:
            return (outage.end, _AWAY + number, number)
        return (begin, _AWAY + number, number) if is_idle else entry

    def _wait_until(self, end: float) -> None:
        """Nobody receives anything before a broker is back; who is free longest stays first."""
        if self.is_alike:
            self._free_since = [max(since, end) for since in self._free_since]
            heapify(self._free_since)
            return
        waiting = sorted(self._free)
        while waiting[0][0] < end and self.workers[waiting[0][2]].undisturbed_until < end:
            waiting[0] = self._after_outage(waiting[0])
            waiting.sort()
        self._free = [
            (end, place - MOST_WORKERS, number) if since < end else (since, order, number)
            for place, (since, order, number) in enumerate(waiting)
        ]
        heapify(self._free)
