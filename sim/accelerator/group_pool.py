"""A consumer group on a log, worked out in blocks: the twin of :class:`~sim.components.log.Group`.

Why it is exact. Members own their partitions and share nothing, so that each can be worked out alone
(:mod:`sim.accelerator.member`). A member that asks at a time gets what was accepted before it; what arrives
at the very instant wakes members that are idle, one record each, in the order of arrival. Blocks take time in
turns of so many arrivals, so that the columns of draws are shared and what is committed is let go.

Left to processes (:class:`~sim.accelerator.publishing.Inexact`), because the order within an instant decides:

- a record arrives at the instant of an idle member's outage of no length;
- a member works in no time on one of several reports that arrive at one instant; one arrives without a hop
  when an idle member asks, or when the broker comes back;
- other pools wait for two members that end with work at one instant, both having begun at the same time or
  one of them then.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.accelerator.block import hit_by_chance, rows_of
from sim.accelerator.hands import Hands, timed
from sim.accelerator.lane import Lane
from sim.accelerator.member import Member
from sim.accelerator.publishing import Inexact, accept
from sim.accelerator.repeats import Repeats
from sim.components.consumer import Pool
from sim.components.log import Group
from sim.components.timelines import ends_of
from sim.engine.ledger import Ledger
from sim.engine.quantities import UNLIMITED
from sim.vocabulary import Outcome

_BLOCK = 1 << 16
_FEW = 8
"""Members."""
_NONE, _NOWHERE = np.empty(0), np.empty(0, dtype=np.int64)


class GroupPool:
    """One consumer group and its pool.

    Args:
        pool: whose source is a :class:`~sim.components.log.Group`.

    Attributes:
        has_unfinished_work: whether a member holds something when the run is cut off.
        messages: numbers of the messages, in the order of their arrival.
        copies: those of their copies.
        is_double: by number of the message, whether the log holds it twice; None if it holds none.
        is_written: whether single deliveries were written down since the columns were filled last.
    """

    def __init__(self, pool: Pool[Any]) -> None:
        assert isinstance(pool.source, Group)
        assert len(pool.effects) == 1
        self.pool, self.group = pool, pool.source
        self.hands = Hands(pool)
        self.effect = pool.effects[0]
        site, records, consumers = pool.site, self.group.records_of, self.group.consumers
        self.limit = site.limit
        self.interval = consumers.commit_interval
        self.poll = consumers.poll
        self.hop = pool.hop
        self.batch = pool.batch
        self.retention = records.retention if records.retention <= site.limit else UNLIMITED
        self.resets_to_end = consumers.reset == "latest"
        self.joins_late = self.resets_to_end and consumers.starts > 0
        self.skipped = Outcome.DEAD_LETTERED if consumers.on_error == "dead_letter" else Outcome.DROPPED
        self.pauses = records.pauses
        self._resumes = ends_of(records.pauses)
        self.windows = timed(pool)
        self.all_lose = pool.all_lose
        self._by_chance = pool.conditions
        self.repeats = Repeats(pool, self.hands, self._by_chance)
        producer = site.producer
        assert producer is not None
        links = [link for _, link in producer.reports if link.broker is records]
        self._is_fed_by_pools = bool(links)
        self.is_fed_at_once = any(not link.hop for link in links)
        self._is_asked_when = self.is_fed_at_once or self.retention < UNLIMITED
        self.log = self.group.log
        self._partition_of = records.partition_of
        self.messages = self.copies = np.empty(0, dtype=np.int64)
        self._first: int | None = None
        self.is_double: NDArray[Any] | None = None
        self._lanes = [Lane(number) for number in range(records.partitions)]
        self._members: list[Member] = []
        speeds = np.ones(records.partitions)
        members, numbers = np.zeros((2, records.partitions), dtype=np.int64)
        for worker, owned in zip(pool.workers, self.group.shares, strict=True):
            if owned:
                members[list(owned)], numbers[list(owned)] = len(self._members), range(len(owned))
                self._members.append(Member(self, worker, [self._lanes[number] for number in owned]))
                speeds[list(owned)] = worker.speed
        self._speeds, self._has_speeds = speeds, bool((speeds != 1).any())
        self._smallest = np.min_scalar_type(records.partitions)  # numbers of one byte are sorted fast
        self._member_of, self._number_of = members.astype(self._smallest), numbers.astype(self._smallest)
        self.has_unfinished_work = self._has_copies = self.is_written = False

    def advance(self, messages: NDArray[Any], times: NDArray[Any], until: float = UNLIMITED) -> None:
        """Take in records, and work out all that happens before a time.

        Args:
            messages: numbers of the messages, in the order of their arrival.
            times: when they are accepted, sorted, of the same shape.
            until: later records are not yet known, s; without it nothing comes after this.
        """
        if self._is_fed_by_pools and np.isin(times, self._resumes).any():
            raise Inexact("a report arrives when the broker comes back")
        low, copies = len(self.messages), self._store(messages, times)
        if low:
            self._keep(np.concatenate((self.messages, messages)), np.concatenate((self.copies, copies)))
        else:
            self._keep(messages, copies)
        for start in range(0, len(messages), _BLOCK):
            stop = min(start + _BLOCK, len(messages))
            self._extend(low + start, messages[start:stop], times[start:stop])
            self._go_on(float(times[stop - 1]) if stop < len(messages) else until)
        if not len(messages):
            self._go_on(until)
        if until == UNLIMITED:
            for member in self._members:
                member.advance(until)
                member.close()
        for member in self._members:
            member.write_commits()
        if self.hands.tells:
            self._check_order()
        if until == UNLIMITED:
            self._members.clear()  # they know the pool: a circle of which the memory is needed at once

    def _go_on(self, until: float) -> None:
        """Members do all that happens before a time; what is committed is let go."""
        for member in self._members:
            member.advance(until)
        self.write(self._lanes)
        for member in self._members:
            member.let_go()

    def final(self, stored: int) -> int:
        """Of so many messages that it was given, how many, from the first, nothing can happen to any more."""
        left = [lane.order[lane.committed :] for lane in self._lanes]
        return int(min([self.messages[order].min() for order in left if len(order)], default=stored))

    def turn_page(self, ledger: Ledger, final: int) -> None:
        """Go on with a ledger in which the first so many messages of the present one are left out."""
        self.log = self.group.log = ledger.named(self.log.name)
        assert self.log.partitions is not None
        self._partition_of = self.log.partitions
        self.hands.turn_page(ledger, final)
        kept = [lane.order.item(0) for lane in self._lanes if len(lane.order)]
        gone = min(kept, default=len(self.messages))
        self._keep(self.messages[gone:] - final, self.copies[gone:] - final)
        for lane in self._lanes:
            lane.order -= gone
        self.repeats.leave_out(gone, self._lanes, final)

    def _keep(self, messages: NDArray[Any], copies: NDArray[Any]) -> None:
        """These messages and copies are known, in the order of their arrival."""
        self.messages, self.copies = messages, copies
        rows = rows_of(messages) if len(messages) else None
        self._first = rows.start if isinstance(rows, slice) else None

    def end(self, copy: int, fate: Outcome, now: float) -> None:
        """A record is done with for good."""
        self.log.ended[copy] = now
        self.log.fate[copy] = fate

    def next_resume(self, now: float) -> float:
        """When the broker comes back for the first time after a time."""
        found = bisect_right(self._resumes, now)
        return self._resumes[found] if found < len(self._resumes) else UNLIMITED

    # --- what arrives -------------------------------------------------------------------------------------

    def _store(self, messages: NDArray[Any], times: NDArray[Any]) -> NDArray[Any]:
        """Give every arrival its copy, and say which; a message that arrives again gets a further one."""
        is_sorted = bool(np.all(messages[1:] > messages[:-1]))
        first = messages if is_sorted else np.unique(messages, return_index=True)[1]
        copies, self.is_double = messages, None
        if len(first) < len(messages):
            self.is_double = np.zeros(self.log.messages, dtype=bool)
            copies, self._has_copies = messages.copy(), True
            again = np.ones(len(messages), dtype=bool)
            again[first] = False
            self.is_double[messages[again]] = True
            copies[again] = np.arange(np.count_nonzero(again)) + self.log.messages
            for message, time in zip(messages.tolist(), times.tolist(), strict=True):
                self.log.store(message, time)
            return copies
        accept(self.log, messages, times)
        return copies

    def _extend(self, low: int, messages: NDArray[Any], times: NDArray[Any]) -> None:
        """Tell the partitions what arrives in a block."""
        first, stop = int(messages.min()), int(messages.max()) + 1
        rows, work = rows_of(messages), self.effect.first_attempts(first, stop)
        if not isinstance(rows, slice):
            work = work[messages - first]
        elif self._by_chance or self.is_double is not None:
            work = work.copy()  # it may be the effect's own
        for condition in self._by_chance:
            work[hit_by_chance(condition, first, stop, messages)] = np.inf
        if self.is_double is not None:
            work[self.is_double[messages]] = np.inf
        partitions = self._partition_of[rows].astype(self._smallest, copy=False)
        order = np.argsort(partitions, kind="stable")
        sorted_partitions = partitions[order]
        work = work[order]
        if self._has_speeds:
            work /= self._speeds[sorted_partitions]
        sorted_times = times[order] if self._is_asked_when else _NONE
        order += low
        numbers = np.arange(len(self._lanes) + 1, dtype=self._smallest)
        bounds = np.searchsorted(sorted_partitions, numbers).tolist()
        for lane, start, stop in zip(self._lanes, bounds, bounds[1:], strict=False):
            lane.extend(sorted_times[start:stop], order[start:stop], work[start:stop])
        self._flow_in(partitions, times)

    def _flow_in(self, partitions: NDArray[Any], times: NDArray[Any]) -> None:
        """Tell the members what arrives in a block, in line."""
        partitions = partitions.astype(np.intp)  # whole numbers that index fast
        members, numbers = self._member_of[partitions], self._number_of[partitions]
        if len(self._members) <= _FEW:  # to look for each of them takes less than to sort them
            for number, member in enumerate(self._members):
                those = np.flatnonzero(members == number)
                member.inflow.extend(times[those], numbers[those])
            return
        order = np.argsort(members, kind="stable")
        starts = np.arange(len(self._members) + 1, dtype=self._smallest)
        bounds = np.searchsorted(members[order], starts).tolist()
        all_times, numbers = times[order], numbers[order]
        for member, start, stop in zip(self._members, bounds, bounds[1:], strict=False):
            member.inflow.extend(all_times[start:stop], numbers[start:stop])

    # --- what is written ----------------------------------------------------------------------------------

    def write(self, lanes: list[Lane]) -> None:
        """The columns of all that went well since the last time."""
        plain = [stretch for lane in lanes for stretch in lane.plain_since()] or [(_NONE, _NOWHERE, _NONE)]
        starts, order, work = map(np.concatenate, zip(*plain, strict=True))
        work += starts
        messages, ended = self.messages[order] if self._first is None else order + self._first, work
        copies = self.copies[order] if self._has_copies else messages
        log, hands = self.log, self.hands
        np.frombuffer(log.taken)[copies] = starts
        np.frombuffer(log.ended)[copies] = ended
        np.frombuffer(log.fate, dtype=np.uint8)[copies] = Outcome.APPLIED
        deliveries = np.frombuffer(log.deliveries, dtype=np.uint32)
        applications = hands.applications[self.effect]
        hands.first_applied[self.effect][messages] = ended
        if self._has_copies or self.is_written:
            deliveries[copies] += 1
            applications[messages] += 1
            np.frombuffer(hands.late[self.effect], dtype=np.uint8)[messages] = 0
            self.is_written = False
        else:
            deliveries[copies] = 1
            applications[messages] = 1
        self._note(starts, ended, messages)
        begun, ended, places = self.repeats.take()
        messages, one = self.messages[places], np.uint32(1)  # of the column's type: 40 times as fast
        np.add.at(deliveries, self.copies[places], one)
        np.add.at(applications, messages, one)
        self._note(begun, ended, messages)

    def _note(self, begun: NDArray[Any], ended: NDArray[Any], messages: NDArray[Any]) -> None:
        """Busy time, and what others wait for."""
        self.pool.count_busy_times(begun, ended)
        if self.hands.tells:
            self.hands.tell(ended, begun, np.zeros(len(ended)), messages)

    def _check_order(self) -> None:
        """Whether the order in which members report is known."""
        times, starts, _, messages = self.hands.told()
        members = np.array([number for number, owned in enumerate(self.group.shares) for _ in owned])
        member = members[self._partition_of[messages]]
        is_tied = (times[1:] == times[:-1]) & (member[1:] != member[:-1])
        is_tied &= (starts[1:] == starts[:-1]) | (starts[1:] == times[1:])
        if is_tied.any():
            raise Inexact("two members report at one instant")
