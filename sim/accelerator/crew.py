"""The workers of a pool as those see them who hand out messages: who is free, since when, and who is away.

The oldest message goes to the worker that has been free longest. Those are kept in a heap: by the time since
which they are free, at one instant in the order in which they got free, and last those that come back from an
outage. Workers that are all alike need no names: a heap of times is enough.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from heapq import heapify, heappush, heapreplace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.accelerator import plain
from sim.accelerator.block import Block
from sim.accelerator.hands import Delivery
from sim.accelerator.publishing import Inexact
from sim.components.consumer import Pool
from sim.components.timelines import Windows, absences
from sim.components.worker import Worker
from sim.engine.quantities import UNLIMITED

_ALL = slice(None)
_NEVER = UNLIMITED, UNLIMITED

UnderWay = tuple[float, float, Delivery]
"""A delivery that goes on at a time; its turn among all of the crew."""


class Crew:
    """The workers of one pool.

    Args:
        pool: whose workers they are.
        pauses: when nobody can receive anything, because the broker is down.
        gives_back: whether what has failed is given back, in the order in which work ends.

    Attributes:
        is_alike: whether it does not matter which of them does what.
        times: heap of the times since when they are free, if they are alike.
        free: heap of the workers, if they are not.
        speeds: of each worker.
        bounds: how far the hot loop may go; its count orders those who get free at the same instant.
        ends: end, when that was scheduled, and start of single deliveries; None where they do not matter.
        has_unfinished_work: whether somebody is still at work when the run ends.
        under_way: heap of the deliveries that are not worked out to their end.
        go_on: works out the next of them, as far as it is known then.
    """

    go_on: Callable[[], None]

    def __init__(self, pool: Pool[Any], pauses: Sequence[Windows] = (), *, gives_back: bool = False) -> None:
        self.pool, self.workers = pool, pool.workers
        self.is_alike = pool.is_anonymous
        self.speeds = [worker.speed for worker in pool.workers]
        self.has_unfinished_work = False
        self._limit = pool.site.limit
        self._pauses = pauses
        self.times = [0.0] * len(self.speeds)
        self.free: list[plain.Free] = [(0.0, 0.0, number, number) for number in range(len(self.speeds))]
        self.bounds = plain.Bounds(limits=[-UNLIMITED] * len(self.speeds), count=float(len(self.speeds)))
        self._is_disturbed = True
        self._starts_again_at = -UNLIMITED
        self.under_way: list[UnderWay] = []
        self._is_chained = pool.site.ledger.after[pool.effects[0].number] >= 0 and len(pool.effects) == 1
        is_one_stretch = len(pool.effects) == 1 and not (pool.hop or pool.retries_in_place)
        is_heard = gives_back or any(effect.on_applied for effect in pool.effects)
        self.ends: list[tuple[float, float, float]] | None = None
        if not (is_one_stretch or (self.is_alike and not is_heard)):
            self.ends = []
        self._ends_in_blocks: list[tuple[NDArray[Any], ...]] = []
        known = pool.workers if pool.all_lose else ()
        self._absences = [absences(worker.outages) for worker in known] or [iter(()) for _ in pool.workers]
        self._absence = [next(each, _NEVER) for each in self._absences]

    def note(self, ends: NDArray[Any], scheduled: NDArray[Any], starts: NDArray[Any]) -> None:
        """Deliveries of the hot loop: their ends, when those were scheduled, their starts."""
        if self.ends is not None:
            self._ends_in_blocks.append((ends, scheduled, starts))

    def note_one(self, end: float, scheduled: float, start: float) -> None:
        """The same for one."""
        if self.ends is not None:
            self.ends.append((end, scheduled, start))

    def check(self, until: float = UNLIMITED) -> None:
        """Two ends that were scheduled at one instant for one instant must be in the order of their starts.

        It is not always where deliveries consist of several stretches: then what came before them decides.
        What ends later than a time is looked at again the next time; what is still to come does.
        """
        if self.ends is None:
            return
        parts = [*self._ends_in_blocks, tuple(np.array(self.ends).reshape(-1, 3).T)]
        late = [np.flatnonzero(part[0] >= until) for part in parts]
        self.ends = []
        self._ends_in_blocks = [
            tuple(column[those] for column in part)
            for part, those in zip(parts, late, strict=True)
            if len(those)
        ]
        in_order = np.concatenate([part[0] for part in parts])
        in_order.sort()
        is_shared = in_order[1:] == in_order[:-1]
        if not is_shared.any():
            return
        shared = np.unique(in_order[1:][is_shared])
        tied = [(part, np.flatnonzero(np.isin(part[0], shared))) for part in parts]
        columns = zip(*([column[those] for column in part] for part, those in tied), strict=True)
        ends, scheduled, starts = map(np.concatenate, columns)
        turn = np.lexsort((starts, scheduled, ends))
        ends, scheduled, starts = ends[turn], scheduled[turn], starts[turn]
        is_tie = (ends[1:] == ends[:-1]) & (scheduled[1:] == scheduled[:-1]) & (starts[1:] > starts[:-1])
        if is_tie.any():
            raise Inexact("workers get free at one instant, in an order that goes back far")

    def free_since(self) -> float:
        """Since when the worker is free, or will be, that is next."""
        return self.times[0] if self.is_alike else self.free[0][0]

    def deliver(self, block: Block, again: plain.Again, care: plain.Care, part: slice = _ALL) -> None:
        """The hot loop over a block or a part of it; see :mod:`sim.accelerator.plain`."""
        starts, choose, bounds, speeds = block.starts, block.chosen.append, self.bounds, self.speeds
        visible, stages, hop = block.visible[part], block.stages, self.pool.hop
        if stages is None:
            work = block.work[part]
            if self.is_alike:
                plain.alike_one(self.times, visible, work, bounds, starts, again, care)
            else:
                plain.each_one(self.free, visible, work, speeds, bounds, starts, choose, again, care)
            return
        columns = [each[part] for each in stages]
        if self.is_alike:
            plain.alike_many(self.times, visible, zip(*columns, strict=True), bounds, starts, again, care)
        elif len(columns) == 2 and not hop:
            first, second = columns
            plain.each_two(self.free, visible, first, second, speeds, bounds, starts, choose, again, care)
        else:
            together = zip(*columns, strict=True)
            plain.each_many(self.free, visible, together, speeds, hop, bounds, starts, choose, again, care)

    def take_all(self, block: Block, limit: float) -> bool:
        """Deliver a whole block in fewer steps, if all of it ends well by a limit; else nothing is done."""
        if not (self.is_alike and block.is_plain and block.stages is None):
            return False
        free = self.times.copy()
        since = np.fromiter(plain.alike_undisturbed(free, block.visible, block.work), float, block.size)
        if max(free) > limit:  # what was taken off the heap is no later than what is left
            return False
        self.times[:] = free
        block.started = np.maximum(block.seen, since)
        return True

    def can_do(self, block: Block, limit: float) -> bool:
        """Whether the next message of a block ends by a limit and before its worker is disturbed."""
        position = block.position
        end = max(block.visible[position], self.free_since())
        goes_on_at = self.goes_on_at()
        if end >= goes_on_at:
            return False
        if self.is_alike:
            limit = min(limit, goes_on_at)
        number = 0 if self.is_alike else self.free[0][3]
        speed = 1.0 if self.is_alike else self.speeds[number]
        if self.pool.hop and not self.is_alike:
            end += self.pool.hop
        for stage in block.stages or (block.work,):
            end += stage[position] / speed
        self.bounds.limits[number] = min(limit, self.workers[number].undisturbed_until)
        return end <= self.bounds.limits[number]

    def set_limit(self, limit: float) -> None:
        """No delivery of the hot loop may end later."""
        if self.is_alike:
            limit = min(limit, self.goes_on_at())
        if limit != self.bounds.limit or self._is_disturbed:
            self.bounds.limit = limit
            self.bounds.limits[:] = [min(limit, worker.undisturbed_until) for worker in self.workers]
            for _, _, delivery in self.under_way:
                self.bounds.limits[delivery.worker.index] = -UNLIMITED
            self._is_disturbed = False

    def goes_on_at(self) -> float:
        """When the next delivery goes on that is under way."""
        return self.under_way[0][0] if self.under_way else UNLIMITED

    def disturb(self) -> None:
        """Somebody is away, or soon will be, at other times than before."""
        self._is_disturbed = True

    def run(self, block: Block, start: int, stop: int, limit: float) -> None:
        """The same for a part of a block, until one of its messages would not end by a limit."""
        self.bounds.due = UNLIMITED
        self.set_limit(limit)
        self.deliver(block, _never, _stop, slice(start, stop))

    def run_bounded(self, block: Block, start: int, stop: int, limit: float, leaves: deque[float]) -> None:
        """The same for work of one stage and a memory that may be full, see :mod:`sim.accelerator.plain`."""
        assert block.stages is None
        visible, work, starts = block.visible[start:stop], block.work[start:stop], block.starts
        if self.is_alike:
            plain.alike_bounded(self.times, visible, work, limit, leaves, starts)
            return
        self.set_limit(limit)
        limits, count, choose = self.bounds.limits, self.bounds.count, block.chosen.append
        plain.each_bounded(self.free, visible, work, self.speeds, limits, leaves, count, starts, choose)
        self.bounds.count += block.position - start

    def next(self, seen: float) -> tuple[float, Worker]:
        """When a message that is visible from a time on is taken, and by whom: the first of the heap."""
        workers, pauses = self.workers, self._pauses
        while True:
            if self.is_alike:
                since, number = self.times[0], 0
            else:
                since, _, _, number = self.free[0]
            start, worker = seen if seen > since else since, workers[number]  # noqa: FURB136 - a call costs more
            if start >= self._limit:
                return start, worker
            paused_until = max([windows.end_at(start) for windows in pauses]) if pauses else start
            if self.under_way and self.under_way[0][0] <= max(start, paused_until):
                self.go_on()
            elif paused_until > start:
                self._wait_until(paused_until)
                seen = max(seen, paused_until)
            elif self.is_alike or start < worker.undisturbed_until:
                return start, worker
            else:
                if start == seen == worker.undisturbed_until and worker.outage_at(start) is None:
                    raise Inexact("a message is there when an idle worker starts again at once")
                heapreplace(self.free, self._after_outage(self.free[0], start))

    def occupy(self, seen: float, start: float, delivery: Delivery) -> plain.Turn:
        """The worker that is first in the heap takes a message.

        Args:
            seen: since when the message was visible.
            start: when it is taken.
            delivery: how it goes; if it ends at once, the worker goes on with what is visible already.

        Returns:
            The turn of its end among all that happens at its instant.
        """
        end, scheduled, worker = delivery.end, delivery.scheduled, delivery.worker
        count = self.bounds.count
        self.bounds.count = count + 1
        if delivery.work is None:
            self._leave_open(count, delivery)
        if end >= self._limit:
            self.has_unfinished_work = True
        if scheduled < end < UNLIMITED and delivery.work is not None:
            self.note_one(end, scheduled, start)
        if self.is_alike:
            is_only_one = self.is_only_one_at(start)
            heapreplace(self.times, end)
            if end > start:
                return scheduled, count
            return UNLIMITED, count if start == seen else 0 if is_only_one else plain.UNKNOWN
        entry = self.free[0]
        if end > start:
            entry = (end, scheduled, count, worker.index)
        elif entry[1] == -UNLIMITED:
            raise Inexact("work that takes no time, at the instant at which a broker is back")
        elif start == self._starts_again_at:
            raise Inexact("work that takes no time, as a worker that had work starts again at once")
        elif start == seen and self._is_chained:
            raise Inexact("work that takes no time, on what is reported at that instant")
        elif start == seen:  # done as soon as it came: nothing else is visible, and others waited longer
            entry = (end, UNLIMITED, count, worker.index)
        heapreplace(self.free, entry)
        return entry[1:3]

    def still_occupy(self, since: float, count: float, delivery: Delivery) -> None:
        """A worker has gone on with a delivery that was under way.

        Args:
            since: when it did.
            count: its turn among all of the crew.
            delivery: how it goes on.
        """
        end, scheduled, number = delivery.end, delivery.scheduled, delivery.worker.index
        if delivery.work is None:
            self._leave_open(count, delivery)
        if end >= self._limit:
            self.has_unfinished_work = True
        if scheduled < end < UNLIMITED and delivery.work is not None:
            self.note_one(end, scheduled, delivery.start)
        if self.is_alike:
            self.times[self.times.index(since)] = end
            heapify(self.times)
            return
        place = next(place for place, entry in enumerate(self.free) if entry[3] == number)
        self.free[place] = (end, scheduled, count, number)
        heapify(self.free)
        if delivery.work is not None:
            self.bounds.limits[number] = self._undisturbed(number)

    def _leave_open(self, count: float, delivery: Delivery) -> None:
        """A delivery goes on when all is known that happens before; its worker takes nothing until then."""
        heappush(self.under_way, (delivery.end, count, delivery))
        if self.is_alike:
            self.bounds.limit = min(self.bounds.limit, delivery.end)
        else:
            self.bounds.limits[delivery.worker.index] = -UNLIMITED

    def _undisturbed(self, number: int) -> float:
        return min(self.bounds.limit, self.workers[number].undisturbed_until)

    def leave(self, worker: Worker) -> None:
        """A worker that has just crashed is away, and free again when it is back."""
        place = next(place for place, entry in enumerate(self.free) if entry[3] == worker.index)
        now = self.free[place][0]
        entry = self.back(worker, now)
        if entry[0] > now:
            self.free[place] = entry
            heapify(self.free)

    def absent(self, number: int, now: float) -> plain.Free | None:
        """When a worker is back whose next absence begins now; None if that is not told as easily."""
        absence = self._absence[number]
        while absence[0] < now:
            absence = next(self._absences[number], _NEVER)
        self._absence[number] = absence
        begin, end = absence
        if not begin == now < end:
            return None
        following = self._absence[number] = next(self._absences[number], _NEVER)
        if following[0] == end < UNLIMITED:
            return None
        self.workers[number].undisturbed_until = until = following[0]
        limit = self.bounds.limit
        self.bounds.limits[number] = until if until < limit else limit  # noqa: FURB136 - a call costs more
        return end, UNLIMITED, number, number

    def back(self, worker: Worker, now: float) -> plain.Free:
        """When a worker is back that is away at a time: no outage follows at once.

        If it then starts again in no time, it waits anew, unless there is something to take: that is seen
        when it takes something next (:meth:`_after_outage`).
        """
        while now < UNLIMITED and (outage := worker.outage_at(now)) is not None:
            now = outage.end
        if worker.passed and worker.outages[worker.passed - 1].start == now:
            worker.undisturbed_until = now
        self.bounds.limits[worker.index] = self._undisturbed(worker.index)
        return now, UNLIMITED, worker.index, worker.index

    def turn_of_arrival(self) -> plain.Turn:
        """The turn of what happens at once when a message arrives."""
        return UNLIMITED, self.bounds.count

    def is_only_one_at(self, start: float) -> bool:
        """Of workers that are all alike: whether only the next one gets free at a time."""
        return start not in self.times[1:3]

    def _after_outage(self, entry: plain.Free, start: float) -> plain.Free:
        """A worker that takes nothing before a time goes away when an outage begins, and waits anew then."""
        since, _, _, number = entry
        worker = self.workers[number]
        is_idle = since < worker.undisturbed_until or since == worker.undisturbed_until < start
        begin = worker.undisturbed_until if is_idle else since
        if (back := self.absent(number, begin)) is not None:
            return back
        if worker.outage_at(begin) is not None:
            return self.back(worker, begin)
        self.bounds.limits[number] = self._undisturbed(number)
        if not is_idle:
            self._starts_again_at = begin
            return entry
        again = (begin, UNLIMITED, len(self.workers) + number, number)  # behind those that are back then
        if any(other[:2] == again[:2] and other[2] >= len(self.workers) for other in self.free):
            raise Inexact("two idle workers start again at one instant")
        return again

    def _wait_until(self, end: float) -> None:
        """Nobody receives anything before a broker is back; who is free longest stays first."""
        if self.is_alike:
            self.times[:] = [max(since, end) for since in self.times]
            heapify(self.times)
            return
        waiting = sorted(self._wait_through(entry, end) for entry in self.free)
        self.free[:] = [
            (end, -UNLIMITED, place, entry[3]) if entry[0] < end else entry
            for place, entry in enumerate(waiting)
        ]
        heapify(self.free)

    def _wait_through(self, entry: plain.Free, end: float) -> plain.Free:
        """A worker goes away in the outages that begin while it waits until a time."""
        while entry[0] < end and self.workers[entry[3]].undisturbed_until < end:
            entry = self._after_outage(entry, end)
        return entry


def _never(until: float) -> float:
    """Where nothing comes back."""
    return until


def _stop() -> bool:
    """Where whoever called the hot loop sees to what it leaves."""
    return False
