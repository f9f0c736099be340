"""A member of a consumer group, worked out: the life of its worker.

Members share nothing, so each is worked out by itself, from one fetch to the next. While nothing can
interfere the hot loop does it (:mod:`sim.accelerator.fetching`); else this tells the same step by step, as
the twin of a worker's process: a member asks, waits, or is away. What its group keeps for it stands in
:mod:`sim.accelerator.assignment`.
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate
from typing import TYPE_CHECKING, Literal

from sim.accelerator.assignment import Assignment, Records
from sim.accelerator.fetching import Fetches, fetch
from sim.accelerator.lane import Lane
from sim.accelerator.publishing import Inexact
from sim.components.consumer import CRASHED, DONE
from sim.components.effect import SUCCEEDS
from sim.components.polling import turn_at
from sim.components.timelines import Outage
from sim.components.worker import Worker
from sim.engine.quantities import UNLIMITED
from sim.vocabulary import Outcome

if TYPE_CHECKING:
    from sim.accelerator.group_pool import GroupPool

_STRETCH = 64
_Step = Literal["asks", "waits", "is over"]


class Member(Assignment):
    """One member with at least one partition.

    Args:
        owner: the pool.
        worker: who it is.
        lanes: its partitions.
    """

    def __init__(self, owner: GroupPool, worker: Worker, lanes: list[Lane]) -> None:
        super().__init__(owner, lanes)
        self._worker = worker
        self._now: float = 0.0
        self._seen_at = 0.0
        self._step: _Step = "asks"
        self._asks_at = UNLIMITED
        self._since = 0.0
        self._is_in_event = False
        self._next_outage = 0

    def advance(self, until: float) -> None:
        """Do all that happens before a time until which it is known what arrives."""
        is_last = until == UNLIMITED
        until = min(until, self._limit)
        while self._step != "is over":
            if is_last and all(lane.committed == len(lane.order) for lane in self.lanes):
                return  # whatever comes, nothing is left that it could change
            if self._step == "waits":
                if not self._wait(until):
                    return
            elif self._now >= until:
                return
            else:
                self._ask(until)

    # --- a member asks ------------------------------------------------------------------------------------

    def _ask(self, until: float) -> None:
        """It is free: it goes away, or fetches."""
        worker = self._worker
        if self._now >= worker.undisturbed_until and (outage := worker.outage_at(self._now)) is not None:
            self._be_away(outage)
            return
        if self._now > self._seen_at or not any(lane.arrived for lane in self.lanes):
            self._run(until)
            if self._now >= until:
                return
        if self._now > self._seen_at:
            for lane in self.lanes:
                lane.arrived = bisect_left(lane.times, self._now)
            self._seen_at = self._now
            self._is_in_event = False
        elif self._owner.is_fed_at_once and self._is_in_event and self._arrival()[0] == self._now:
            raise Inexact("a member works in no time on one of several reports of an instant")
        self._work_off(self._take(self._owner.batch, self._now))

    def _run(self, until: float) -> None:
        """The hot loop."""
        owner, lanes = self._owner, self.lanes
        if self._has_to_join or (self._poll and owner.is_fed_at_once):
            return
        if any(lane.fetched < lane.begun for lane in lanes):
            return
        quiet = min(self._quiet_until(), until)
        for windows in owner.pauses:
            quiet = min(quiet, windows.quiet_until(self._now))
        if quiet <= self._now:
            return
        state = Fetches(
            [lane.times for lane in lanes],
            [lane.work for lane in lanes],
            [lane.starts for lane in lanes],
            [lane.base for lane in lanes],
            [lane.commit_times for lane in lanes],
            [lane.offsets for lane in lanes],
            self._interval,
            owner.batch,
            owner.hop,
            self._poll,
            self._retention,
            [lane.fetched for lane in lanes],
            [lane.committed for lane in lanes],
            self._turn,
            self._last_commit,
            self._timers,
        )
        self._now = fetch(state, self._now, quiet)
        self._turn, self._last_commit = state.turn, state.last_commit
        for lane, position, committed in zip(lanes, state.positions, state.committed, strict=True):
            lane.fetched = lane.done = lane.passed = lane.begun = position
            lane.committed = committed

    # --- a member works -----------------------------------------------------------------------------------

    def _work_off(self, records: Records) -> None:
        """Work on what has been fetched, if anything, until something sends the member back."""
        worker, hop = self._worker, self._owner.hop
        self._step = "asks"
        if not records:
            self._step, self._asks_at, self._since = "waits", UNLIMITED, self._now
            return
        if hop:
            end, is_lost, _ = worker.spend(self._now, hop)
            if self._is_over(end):
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
        if position < lane.begun:
            position = self._repeat(lane, position, min(stop, lane.passed), quiet)
            if position < lane.begun:
                return position
        while position < stop:
            until = min(position + _STRETCH, stop)
            times = list(accumulate(lane.work[position:until], initial=self._now))
            count = len(times) - 1 if times[-1] < quiet else bisect_left(times, quiet) - 1
            self._now = times[count]
            position += count
            lane.run(position, times[:count])
            if position < until:
                break
        return position

    def _repeat(self, lane: Lane, position: int, stop: int, quiet: float) -> int:
        """Repeat records that have been done, as long as all goes well; the first one that is left."""
        owner = self._owner
        if not owner.can_repeat:
            return position
        attempt, attempts, speed = owner.effect.attempt, owner.attempts, self._worker.speed
        note, now = owner.repeats.append, self._now
        while position < stop:
            order = lane.order.item(position)
            if order in owner.unbegun or order in owner.unapplied:
                break
            message = owner.message(order)
            number = attempts.get(message, 1)
            duration, ends = attempt(message, number, now)
            end = now + duration / speed
            if end >= quiet or end <= now or ends is not SUCCEEDS:
                break
            attempts[message] = number + 1
            note((now, end, order))
            now = end
            position += 1
            lane.done += 1
        self._now = now
        return position

    def _careful(self, lane: Lane, position: int) -> bool:
        """Work on one record, whatever happens; whether the member goes on with the next one."""
        owner, now = self._owner, self._now
        order = lane.order.item(position)
        message, copy = owner.message(order), owner.copy(order)
        is_late, has_ended = position < lane.begun, position < lane.passed
        if not is_late:
            lane.begin(position)
        elif order in owner.unbegun:
            is_late = False
            owner.unbegun.remove(order)
        elif lane.work[position] < UNLIMITED:
            owner.attempts.setdefault(message, 1)
        if not has_ended:
            if is_late:
                owner.log.retaken.append(now)
            else:
                owner.log.taken[copy] = now
        owner.log.deliveries[copy] += 1
        delivery = owner.hands.work(self._worker, message, now, is_late=is_late)
        if self._is_over(delivery.end):
            return False
        self._now = delivery.end
        if delivery.work is CRASHED:
            if not has_ended:
                owner.log.returned.append(self._now)
            self._crash(self._now)
            return False
        lane.done += 1
        if delivery.work is not DONE:
            owner.unapplied.add(order)
        if not has_ended:
            lane.passed = lane.done
            owner.end(copy, Outcome.APPLIED if delivery.work is DONE else owner.skipped, self._now)
        return True

    def _is_over(self, end: float) -> bool:
        """Whether the run ends before this work does."""
        if end < self._limit:
            return False
        self._step = "is over"
        self._owner.has_unfinished_work = True
        return True

    # --- a member waits, or is away -----------------------------------------------------------------------

    def _wait(self, until: float) -> bool:
        """The next thing that happens to an idle member; whether there is one."""
        arrival, lane = self._arrival()
        resumes = self._owner.next_resume(self._now)
        outage = self._outage_from(self._now)
        goes = UNLIMITED if outage is None else outage.start
        commits = min([time for time in self._timers if time >= self._now], default=UNLIMITED)
        now = min(arrival, resumes, goes, commits, self._asks_at)
        if now >= until:
            return False
        self._now = self._seen_at = now
        self._is_in_event = True
        if now == resumes:
            self._may_fetch()
        elif now == goes and outage is not None:
            self._next_outage += 1
            if outage.end == outage.start:
                if now == arrival:
                    raise Inexact("a record arrives while an idle member starts again at once")
                self._stop(outage, now)
            self._step = "asks"
        elif now == arrival and lane is not None:
            lane.arrived += 1
            self._may_fetch()
        elif now == self._asks_at:
            if self._owner.is_fed_at_once and any(
                now in lane.times[: lane.arrived][-1:] for lane in self.lanes
            ):
                raise Inexact("a report arrives when an idle member asks")
            self._step = "asks"
        else:
            self._timers = [time for time in self._timers if time > now]
            self._commit(now)
        return True

    def _may_fetch(self) -> None:
        """There may be something to fetch; the twin of ``Group.appended``."""
        if self._worker.outage_at(self._now) is not None:
            return
        if not self._poll:
            self._work_off(self._take(1, self._now))
        elif self._asks_at == UNLIMITED:
            self._asks_at = turn_at(self._poll, self._since, self._now)

    def _arrival(self) -> tuple[float, Lane | None]:
        """When the next record arrives, and where."""
        found, first = None, -1
        for lane in self.lanes:
            if lane.arrived < len(lane.order):
                order = lane.order.item(lane.arrived)
                if found is None or order < first:
                    found, first = lane, order
        return (UNLIMITED, None) if found is None else (found.times[found.arrived], found)

    def _outage_from(self, now: float) -> Outage | None:
        """The next outage that begins then or later."""
        outages = self._worker.outages
        while self._next_outage < len(outages) and outages[self._next_outage].start < now:
            self._next_outage += 1
        return outages[self._next_outage] if self._next_outage < len(outages) else None

    def _be_away(self, outage: Outage) -> None:
        """Away until the outage ends; others may begin meanwhile."""
        self._stop(outage, self._now)
        end = min(outage.end, self._limit)
        while (other := self._outage_from(self._now)) is not None and other.start < end:
            self._next_outage += 1
            if other.in_hand == "lose":
                self._stop(other, other.start)
        self._now = outage.end
        if outage.end >= self._limit:
            self._step = "is over"
