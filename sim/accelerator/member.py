"""A member of a consumer group, worked out: the life of its worker.

Members share nothing, so each is worked out by itself, from one fetch to the next. While nothing can
interfere the hot loop does it (:mod:`sim.accelerator.fetching`); else this tells the same step by step, as
the twin of a worker's process: a member asks, works (:mod:`sim.accelerator.working`), waits, or is away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.accelerator.fetching import Fetches, fetch, rounds
from sim.accelerator.inflow import MOST
from sim.accelerator.lane import Lane
from sim.accelerator.publishing import Inexact
from sim.accelerator.working import Working
from sim.components.polling import turn_at
from sim.components.timelines import Outage
from sim.components.worker import Worker
from sim.engine.quantities import UNLIMITED

if TYPE_CHECKING:
    from sim.accelerator.group_pool import GroupPool


class Member(Working):
    """One member with at least one partition.

    Args:
        owner: the pool.
        worker: who it is.
        lanes: its partitions.
    """

    def __init__(self, owner: GroupPool, worker: Worker, lanes: list[Lane]) -> None:
        super().__init__(owner, worker, lanes)
        self._seen_at = 0.0
        self._waits = False
        self._asks_at = UNLIMITED
        self._since = 0.0
        self._is_in_event = False
        self._next_outage = 0
        self._fetches = Fetches(
            self.inflow,
            [],
            self._commits,
            owner.interval,
            owner.batch,
            owner.hop,
            owner.poll,
            owner.retention,
            self._row,
        )

    def advance(self, until: float) -> None:
        """Do all that happens before a time until which it is known what arrives."""
        if len(self.lanes) <= MOST:
            self._fetches.rounds = rounds(self.lanes)
        is_last = until == UNLIMITED
        until = min(until, self._limit)
        while not self.is_over:
            if is_last and all(lane.committed == len(lane.order) for lane in self.lanes):
                return  # whatever comes, nothing is left that it could change
            if self._waits:
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
        following = self._outage_from(self._now)
        starts_again = following is not None and following.start == self._now  # in no time, if it is idle
        if not starts_again and (self._now > self._seen_at or not any(lane.arrived for lane in self.lanes)):
            self._run(until)
            if self._now >= until:
                return
        if self._now > self._seen_at:
            self.inflow.see(self._now)
            self._seen_at = self._now
            self._is_in_event = False
        elif self._owner.is_fed_at_once and self._is_in_event and self._arrival() == self._now:
            raise Inexact("a member works in no time on one of several reports of an instant")
        self._fetch(self._owner.batch)

    def _run(self, until: float) -> None:
        """The hot loop."""
        owner, lanes = self._owner, self.lanes
        if self._has_to_join or (self._poll and owner.is_fed_at_once) or len(lanes) > MOST:
            return
        if any(lane.fetched < lane.begun for lane in lanes):
            return
        quiet = min(self._quiet_until(), until)
        for windows in owner.pauses:
            quiet = min(quiet, windows.quiet_until(self._now))
        if quiet <= self._now:
            return
        state = self._fetches
        state.turn, state.last_commit, state.timers = self._turn, self._last_commit, self._timers
        state.positions = [lane.fetched for lane in lanes]
        state.arrived = [lane.arrived for lane in lanes]
        state.committed = [lane.committed for lane in lanes]
        if self._retention < UNLIMITED:
            left = [lane.times.item(lane.fetched) for lane in lanes if lane.fetched < len(lane.order)]
            state.oldest = min(left, default=UNLIMITED)
        commits = len(self._commits)
        self._now = fetch(state, self._now, quiet)
        self._turn, self._last_commit = state.turn, state.last_commit
        for lane, position, arrived in zip(lanes, state.positions, state.arrived, strict=True):
            lane.fetched = lane.done = lane.passed = lane.begun = position
            lane.arrived = arrived
        if len(self._commits) > commits:
            for lane, offset in zip(lanes, self._commits[-len(lanes) :], strict=True):
                lane.committed = int(offset)

    def _fetch(self, limit: int) -> None:
        """Ask for so many records, and work them off or wait."""
        records = self._take(limit, self._now)
        self._waits = not records
        if records:
            self._work_off(records)
        else:
            self._asks_at, self._since = UNLIMITED, self._now

    # --- a member waits, or is away -----------------------------------------------------------------------

    def _wait(self, until: float) -> bool:
        """The next thing that happens to an idle member; whether there is one."""
        arrival = self._arrival()
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
            self._waits = False
        elif now == arrival:
            following = min(until, resumes, goes, commits, self._asks_at)
            if self._asks_at < UNLIMITED and now < following:  # what arrives before it asks changes nothing
                self.inflow.see(following)
            else:
                self.inflow.see_one()
                self._may_fetch()
        elif now == self._asks_at:
            if self._owner.is_fed_at_once and any(
                now in lane.times[: lane.arrived][-1:] for lane in self.lanes
            ):
                raise Inexact("a report arrives when an idle member asks")
            self._waits = False
        else:
            self._timers = [time for time in self._timers if time > now]
            self._commit(now)
        return True

    def _may_fetch(self) -> None:
        """There may be something to fetch; the twin of ``Group.appended``."""
        if self._worker.outage_at(self._now) is not None:
            return
        if not self._poll:
            self._fetch(1)
        elif self._asks_at == UNLIMITED:
            self._asks_at = turn_at(self._poll, self._since, self._now)

    def _arrival(self) -> float:
        """When the next record arrives."""
        return self.inflow.times[self.inflow.seen]

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
            self.is_over = True
