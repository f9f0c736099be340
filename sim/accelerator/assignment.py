"""What a consumer group keeps for one of its members, worked out.

The twin of :class:`~sim.components.log.Group`: fetches in turn over the member's partitions, commits, ways
back to what is committed, records that expire or are passed over. What the member does in between is told in
:mod:`sim.accelerator.working`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sim.accelerator.inflow import Inflow
from sim.accelerator.lane import Lane
from sim.components.polling import turn_at
from sim.components.timelines import Outage
from sim.engine.quantities import UNLIMITED
from sim.vocabulary import Outcome

if TYPE_CHECKING:
    from sim.accelerator.group_pool import GroupPool

Records = list[tuple[Lane, int, int]]
"""What a fetch brings: from one position of a partition to another."""


class Assignment:
    """The partitions of one member.

    Args:
        owner: the pool.
        lanes: the partitions.

    Attributes:
        lanes: the same.
        inflow: what arrives in them.
    """

    def __init__(self, owner: GroupPool, lanes: list[Lane]) -> None:
        self.lanes = lanes
        self.inflow = Inflow(lanes)
        self._commits: list[float] = []
        self._bases: list[tuple[list[int], int]] = []
        self._written = np.zeros((1, len(lanes)))
        self._owner = owner
        self._limit = owner.limit
        self._interval = owner.interval
        self._poll = owner.poll
        self._retention = owner.retention
        self._turn = 0
        self._last_commit: float = 0.0
        self._timers: list[float] = []
        self._has_to_join = owner.joins_late

    def _take(self, limit: int, now: float) -> Records:
        """Fetch; the twin of ``Group.take``."""
        lanes, found = self.lanes, 0
        if now >= self._last_commit + self._interval:
            self._commit(now)
        records: Records = []
        if any(windows.covers(now) for windows in self._owner.pauses):
            return records
        if self._has_to_join:
            self._has_to_join = False
            for lane in lanes:
                self._expire(lane, now)
                self._pass_over(lane, now)
            self._commit(now)
        for step in range(len(lanes)):
            lane = lanes[(self._turn + step) % len(lanes)]
            position = lane.fetched
            if position >= lane.arrived:
                continue
            self._expire(lane, now)
            if lane.fetched > position and self._owner.resets_to_end:
                self._pass_over(lane, now)
            position = lane.fetched
            lane.fetched = max(min(lane.arrived, position + limit - found), position)
            if lane.fetched > position:
                records.append((lane, position, lane.fetched))
                found += lane.fetched - position
            if found >= limit:
                self._turn = (self._turn + step + 1) % len(lanes)
                break
        if not records and any(lane.done > lane.committed for lane in lanes):
            due = max(self._last_commit + self._interval, now)
            self._timers.append(turn_at(self._poll, now, due) if self._poll else due)
        return records

    def _expire(self, lane: Lane, now: float) -> None:
        """Go past what the log has deleted; the twin of ``Group._expire``."""
        if self._retention == UNLIMITED:
            return
        position = lane.fetched
        while position < lane.arrived:
            gone = lane.times.item(position) + self._retention
            if gone > now:
                break
            if position >= lane.passed:
                self._remove(lane, position, Outcome.EXPIRED, max(gone, lane.rewound))
            position += 1
        if position > lane.fetched:
            lane.step_over(position)

    def _pass_over(self, lane: Lane, now: float) -> None:
        """Go on behind the newest record; the twin of ``Group._pass_over``."""
        for position in range(max(lane.fetched, lane.passed), lane.arrived):
            self._remove(lane, position, Outcome.DROPPED, now)
        self._owner.repeats.unbegun.update(lane.order[lane.begun : lane.arrived].tolist())
        lane.step_over(max(lane.arrived, lane.fetched))

    def _remove(self, lane: Lane, position: int, fate: Outcome, now: float) -> None:
        owner = self._owner
        owner.end(owner.copies.item(lane.order.item(position)), fate, now)
        owner.log.removed.append(now)

    def _stop(self, outage: Outage, now: float) -> None:
        """The twin of ``Group.stopped``."""
        if outage.in_hand == "finish":
            self._commit(now)
        elif outage.in_hand == "lose":
            self._go_back(now)
        if outage.in_hand != "resume":
            self._count_from(outage.end)

    def _crash(self, now: float) -> None:
        """The twin of ``Group.crashed``."""
        self._go_back(now)
        self._count_from(now)

    def _go_back(self, now: float) -> None:
        """To the committed offsets."""
        if self._owner.pool.idempotent:
            self._owner.write(self.lanes)
        for lane in self.lanes:
            lane.rewind(lane.committed, now)

    def _commit(self, now: float) -> None:
        """The twin of ``Group._commit``."""
        self._count_from(now)
        lanes = self.lanes
        if any(lane.done > lane.committed for lane in lanes):
            self._commits.append(now)
            self._commits.extend(lane.done for lane in lanes)
            for lane in lanes:
                lane.committed = lane.done

    def _count_from(self, now: float) -> None:
        """The commit interval begins anew; timers from before do nothing any more."""
        if now != self._last_commit:
            self._timers.clear()
        self._last_commit = now

    def write_commits(self) -> None:
        """The checkpoints since the last time."""
        commits, lanes = self._commits, self.lanes
        self._rebase()
        rows = np.fromiter(commits, float, len(commits)).reshape(-1, 1 + len(lanes))
        commits.clear()
        bases, counts = zip(*self._bases, strict=True)
        offsets = rows[:, 1:] + np.repeat(np.array(bases), np.diff(counts, prepend=0), axis=0)
        self._bases.clear()
        before = np.concatenate((self._written, offsets))
        at, where = np.nonzero(offsets > before[:-1])
        self._written = before[-1:]
        of_lane = np.array([lane.number for lane in lanes])
        checkpoints = np.stack((rows[at, 0], of_lane[where], offsets[at, where]), axis=1)
        self._owner.log.commits.frombytes(checkpoints.tobytes())

    def _rebase(self) -> None:
        """What has been committed so far counts from the present bases of the partitions."""
        bases = [lane.base for lane in self.lanes]
        self._bases.append((bases, len(self._commits) // (1 + len(bases))))

    def let_go(self) -> None:
        """Forget what is committed, and what has arrived."""
        self._rebase()
        for lane in self.lanes:
            lane.let_go()
        self.inflow.let_go()

    def close(self) -> None:
        """What nobody came to fetch before its retention was over is gone all the same."""
        for lane in self.lanes:
            lane.arrived = len(lane.order)
            self._expire(lane, self._limit)
