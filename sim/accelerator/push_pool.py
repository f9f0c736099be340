"""A service to which a topic pushes, in blocks: the twin of :class:`~sim.components.topic.Subscriber`.

Pushes are made in the order of the times at which they are due: what the topic takes in, and what it tries
again after a failure; at one instant what it takes in comes first. A topic that is down holds them back, and
they travel a hop, which changes nothing in their order. So when a push arrives, all that could be in memory
before it is known (:mod:`sim.accelerator.service`).

Left to the processes: a message that a topic takes in twice; services that are down for no time at all; and
failures at one instant of which one takes no time, because their order is that of the workers; and work that
takes no time and follows other such work without a hop, if another message arrives at that instant.
"""

from __future__ import annotations

from bisect import bisect_right
from heapq import heappop, heappush
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.accelerator.block import Block, pieces
from sim.accelerator.hands import Delivery
from sim.accelerator.plain import UNKNOWN, Turn
from sim.accelerator.publishing import Inexact
from sim.accelerator.service import Service, is_full_one_day
from sim.components.consumer import CRASHED, DONE, FAILED, Pool
from sim.components.topic import Subscriber
from sim.engine.ledger import Ledger
from sim.engine.quantities import UNLIMITED
from sim.vocabulary import Outcome

_Failure = tuple[float, float, Turn, int, int]
"""When it is due again, when it failed, its turn at that instant, place in line, copy."""


class PushPool:
    """One subscription and its pool.

    Args:
        pool: whose source is a :class:`~sim.components.topic.Subscriber`.
    """

    def __init__(self, pool: Pool[Any]) -> None:
        assert isinstance(pool.source, Subscriber)
        self.pool, self.subscriber = pool, pool.source
        self.log = pool.source.log
        is_bounded = is_full_one_day(pool.source.options.buffer, pool.site)
        self._service = Service(pool, self.log, pool.source.options.buffer if is_bounded else UNLIMITED)
        self.crew, self.hands, self._columns = self._service.crew, self._service.hands, self._service.columns
        assert self.log.pushed is not None
        self._pushed = np.frombuffer(self.log.pushed)
        self._limit = pool.site.limit
        self._failures: dict[int, int] = {}
        self._resting: list[_Failure] = []
        self._count = 0
        is_chained = pool.site.ledger.after[pool.effects[0].number] >= 0 and not self.subscriber.hop
        self._is_delicate = is_chained and (is_bounded or not pool.is_anonymous)
        self._nothing_more_at = UNLIMITED
        self._delivered = 0

    @property
    def has_unfinished_work(self) -> bool:
        """Whether somebody is still at work when the run ends."""
        return self.crew.has_unfinished_work

    def advance(self, messages: NDArray[Any], times: NDArray[Any], until: float = UNLIMITED) -> None:
        """Push everything, as often as needed before a time.

        Args:
            messages: numbers of the messages, in the order in which the topic takes them in.
            times: when it does, sorted, of the same shape.
            until: later messages are not yet known, s.
        """
        self._columns.take_in(messages, times)
        for numbers, pushed in pieces(messages, times):
            arrivals = self._arrivals(pushed)
            block = Block(self.pool, numbers, pushed, arrivals, first=self._delivered)
            while block.position < block.size:
                due = self._next_due()
                if due < block.times[block.position]:
                    self.hands.order = self._delivered + block.position - 0.5
                    self._push_again()
                else:
                    self._push(block, due)
            self._columns.write(block, self.crew)
            block.fill(self._pushed, arrivals)
            self._delivered += block.size
        self.hands.order = self._delivered - 0.5
        while self._next_due() < min(until, self._limit):
            self._push_again()
        self.crew.check(until)

    def final(self, stored: int) -> int:
        """Of so many messages that it was given, how many, from the first, nothing can happen to any more."""
        return min((copy for _, _, _, _, copy in self._resting), default=stored)

    def turn_page(self, ledger: Ledger, final: int) -> None:
        """Go on with a ledger in which the first so many messages of the present one are left out."""
        self.log = self.subscriber.log = ledger.named(self.log.name)
        assert self.log.pushed is not None
        self._pushed = np.frombuffer(self.log.pushed)
        self._columns.attach(self.log)
        self.hands.turn_page(ledger, final)
        self._failures = {copy - final: many for copy, many in self._failures.items() if copy >= final}
        self._resting = [
            (due, failed, turn, place, copy - final) for due, failed, turn, place, copy in self._resting
        ]

    def _push(self, block: Block, due: float) -> None:
        """Push for the first time, as far as that comes before the next further attempt."""
        start, stop = block.position, block.size
        if block.visible[start] == self._nothing_more_at:
            raise Inexact("work takes no time and follows other work that takes none")
        if due < UNLIMITED:
            stop = bisect_right(block.times, due, start)
        if not self._service.serve(block, stop):
            self.hands.order = self._delivered + start
            self._arrive(block.skip(), block.visible[start])

    def _next_due(self) -> float:
        return self._resting[0][0] if self._resting else UNLIMITED

    def _push_again(self) -> None:
        due, failed, turn, _, copy = heappop(self._resting)
        if self._resting:
            _, other, following, _, _ = self._resting[0]
            if other == failed and following[1] == UNKNOWN != turn[1]:
                raise Inexact("two workers fail at one instant, one of them at once")
        if self.subscriber.pauses:
            arrival = float(self._arrivals(np.array([due]))[0])
        else:
            arrival = due + self.subscriber.hop
        self._arrive(copy, arrival)

    def _arrive(self, copy: int, now: float) -> None:
        """A push arrives."""
        if now >= self._limit:
            return
        stay = self._service.take(copy, now, is_late=copy in self._failures)
        if stay is None:
            self._fail(copy, now, self.crew.turn_of_arrival())
            return
        if not self._columns.deliveries[copy]:
            self._pushed[copy] = now
        self._columns.deliveries[copy] += 1
        if stay.lost < UNLIMITED:
            self.log.removed.append(stay.lost)
            self._end(copy, Outcome.LOST, stay.lost)
        if stay.delivery is None:
            return
        if self._is_delicate and stay.delivery.end == now:
            self._nothing_more_at = now
        if np.isnan(self._columns.taken[copy]):
            self._columns.taken[copy] = stay.start
        else:
            self.log.retaken.append(stay.start)
        if stay.delivery.end < self._limit:
            self._settle(copy, stay.delivery, stay.turn)

    def _settle(self, copy: int, delivery: Delivery, turn: Turn) -> None:
        """What the end of a delivery means."""
        end = delivery.end
        if delivery.work is DONE:
            self._end(copy, Outcome.APPLIED, end)
        elif delivery.work is CRASHED:
            self._end(copy, Outcome.LOST, end)
        elif self.subscriber.is_nacking:
            assert delivery.work is FAILED
            self.log.returned.append(end)
            self._fail(copy, end, turn)
        else:
            self._end(copy, Outcome.DROPPED, end)

    def _fail(self, copy: int, now: float, turn: Turn) -> None:
        """A push has failed: once more later, or never."""
        failures = self._failures.get(copy, 0) + 1
        self._failures[copy] = failures
        options = self.subscriber.options
        if failures > options.retries:
            self.log.removed.append(now)
            self._end(copy, Outcome.DROPPED, now)
            return
        self._count += 1
        heappush(self._resting, (now + options.retry_delay, now, turn, self._count, copy))

    def _end(self, copy: int, fate: Outcome, now: float) -> None:
        self._columns.ended[copy] = now
        self._columns.fate[copy] = fate

    def _arrivals(self, times: NDArray[Any]) -> NDArray[Any]:
        """When pushes arrive that are made at these times."""
        if not self.subscriber.pauses:
            return times + self.subscriber.hop if self.subscriber.hop else times
        before: NDArray[Any] | None = None
        while before is None or not np.array_equal(before, times):
            before = times
            for windows in self.subscriber.pauses:
                times = windows.ends_at(times)
        return times + self.subscriber.hop
