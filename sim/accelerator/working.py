"""What a member of a consumer group makes of the records that it has fetched.

As long as all goes well, stretches of records are worked out at once: times are sums of the work, added up in
the order in which it is done, as a worker's clock does. What may go otherwise, and what does not end before
something may interfere, is told step by step: the twin of a worker's process between two fetches. What the
group keeps for its member stands in :mod:`sim.accelerator.assignment`.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from itertools import accumulate
from typing import TYPE_CHECKING

from sim.accelerator.assignment import Assignment, Records
from sim.accelerator.lane import Lane
from sim.accelerator.row import MANY, Floats, Row
from sim.components.consumer import CRASHED, DONE
from sim.components.worker import Worker
from sim.engine.quantities import UNLIMITED
from sim.vocabulary import Outcome

if TYPE_CHECKING:
    from sim.accelerator.group_pool import GroupPool

_STRETCH = 256


class Working(Assignment):
    """A member at work.

    Args:
        owner: the pool.
        worker: who it is.
        lanes: its partitions.

    Attributes:
        is_over: whether the run ends before what it does.
    """

    def __init__(self, owner: GroupPool, worker: Worker, lanes: list[Lane]) -> None:
        super().__init__(owner, lanes)
        self._worker = worker
        self._now: float = 0.0
        self._row = Row()
        self.is_over = False

    def _work_off(self, records: Records) -> None:
        """Work on what has been fetched until something sends the member back."""
        worker, hop = self._worker, self._owner.hop
        if hop:
            end, is_lost, _ = worker.spend(self._now, hop)
            if self._ends_late(end):
                return
            self._now = end
            if is_lost:
                self._crash(self._now)
                return
        for number, (lane, start, stop) in enumerate(records, start=1):
            position = start
            while position < stop:
                position = self._go_well(lane, position, stop)
                if position == stop:
                    break
                if self._is_cut_off(lane, position):
                    return
                if not self._careful(lane, position):
                    return
                position += 1
                if self._now >= worker.undisturbed_until and worker.outage_at(self._now) is not None:
                    if position < stop or number < len(records):
                        for each in self.lanes:
                            each.rewind(each.done, self._now)
                    return

    def _quiet_until(self) -> float:
        """When something may interfere with work; what ends before is plain."""
        quiet = min(self._limit, self._worker.undisturbed_until)
        for windows in self._owner.windows:
            quiet = min(quiet, windows.quiet_until(self._now))
        return quiet

    def _go_well(self, lane: Lane, position: int, stop: int) -> int:
        """Work on records as long as all goes well; the first one that does not."""
        quiet = self._quiet_until()
        if quiet <= self._now:
            return position
        while position < stop:
            until = min(position + _STRETCH, stop)
            if position >= lane.begun:
                starts = self._spend(lane.work[position:until], quiet)
                position += len(starts)
                lane.run(position, starts)
            elif position < lane.passed and self._owner.repeats.can_be_plain:
                until = min(until, lane.passed)
                position = self._repeat(lane, position, until, quiet)
            else:
                break
            if position < until:
                break
        return position

    def _repeat(self, lane: Lane, position: int, stop: int, quiet: float) -> int:
        """The same for records that have been done before."""
        owner, speed = self._owner, self._worker.speed
        work = owner.repeats.look_ahead(lane, position, stop, owner.messages, owner.is_double)
        starts = self._spend(work if speed == 1 else [each / speed for each in work], quiet)
        owner.repeats.note(lane, position, starts, self._now)
        lane.done += len(starts)
        return position + len(starts)

    def _spend(self, work: memoryview[float] | list[float], quiet: float) -> Floats:
        """Work as long as all of it ends before something may interfere: when each record is begun."""
        stop = len(work)
        if stop < MANY:
            times: Floats = array("d", accumulate(work, initial=self._now))
        else:
            numbers = self._row.reserve(stop + 1)
            numbers[0] = self._now
            numbers[1 : stop + 1] = work if isinstance(work, memoryview) else array("d", work)
            times = self._row.sums(stop + 1)
        count = stop if times[stop] < quiet else bisect_left(times, quiet) - 1
        self._now = times[count]
        return times[:count]

    def _is_cut_off(self, lane: Lane, position: int) -> bool:
        """Whether a crash cuts off a record that is begun for the first time; then it is seen to."""
        owner, now, crash = self._owner, self._now, self._worker.undisturbed_until
        if not (
            position >= lane.begun
            and now < crash < now + lane.work[position] < UNLIMITED
            and owner.all_lose
            and self._quiet_until() == crash < self._limit
        ):
            return False
        order = lane.order.item(position)
        copy = owner.copies.item(order)
        lane.begin(position)
        owner.hands.count_attempt(owner.effect, owner.messages.item(order), now)
        owner.pool.count_busy(now, crash)
        owner.log.taken[copy] = now
        owner.log.deliveries[copy] += 1
        owner.log.returned.append(crash)
        owner.is_written = True
        self._now = crash
        self._crash(crash)
        return True

    def _careful(self, lane: Lane, position: int) -> bool:
        """Work on one record, whatever happens; whether the member goes on with the next one."""
        owner, now, unbegun = self._owner, self._now, self._owner.repeats.unbegun
        order = lane.order.item(position)
        message, copy = owner.messages.item(order), owner.copies.item(order)
        is_late, has_ended = position < lane.begun, position < lane.passed
        if not is_late:
            lane.begin(position)
        elif order in unbegun:
            is_late = False
            unbegun.remove(order)
        else:
            owner.repeats.begin(lane, position, message)
        if not has_ended:
            if is_late:
                owner.log.retaken.append(now)
            else:
                owner.log.taken[copy] = now
        owner.log.deliveries[copy] += 1
        owner.is_written = True
        delivery = owner.hands.work(self._worker, message, now, is_late=is_late)
        owner.repeats.end(lane, position, message)
        if self._ends_late(delivery.end):
            return False
        self._now = delivery.end
        if delivery.work is CRASHED:
            if not has_ended:
                owner.log.returned.append(self._now)
            self._crash(self._now)
            return False
        lane.done += 1
        if delivery.work is not DONE:
            owner.repeats.unapplied.add(order)
        if not has_ended:
            lane.passed = lane.done
            owner.end(copy, Outcome.APPLIED if delivery.work is DONE else owner.skipped, self._now)
        return True

    def _ends_late(self, end: float) -> bool:
        """Whether the run ends before this work does."""
        if end < self._limit:
            return False
        self.is_over = self._owner.has_unfinished_work = True
        return True
