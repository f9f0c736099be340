"""A pool on a queue, worked out in blocks: the twin of :class:`~sim.components.queue.Queue` and its workers.

Why it is exact. Copies are received in the order in which they became visible, by the worker that has been
free longest, so that receives never go backwards in time: when a copy is received, everything that could be
visible before it is known. A receive tells at once how the delivery ends (:mod:`sim.accelerator.hands`), and
so whether and when the copy comes back. What is due back waits in line and is merged with the arrivals by
time; at one instant what became visible again comes first, then what was given back, then arrivals.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.accelerator.block import Block, pieces
from sim.accelerator.columns import Columns
from sim.accelerator.crew import Crew
from sim.accelerator.hands import Delivery, Hands, timed
from sim.accelerator.publishing import Inexact
from sim.components.consumer import CRASHED, DONE, FAILED, Pool
from sim.components.effect import FAILS
from sim.components.queue import Queue
from sim.components.worker import Worker
from sim.engine.ledger import Ledger
from sim.engine.quantities import UNLIMITED
from sim.vocabulary import Outcome


@dataclass(slots=True)
class _Rare:
    """A copy to which something happened beside one good delivery.

    Attributes:
        deliveries: so far.
        gone: when a worker that holds a receipt from before deletes it; infinity if none does.
        by: the number of that worker.
    """

    deliveries: int = 0
    gone: float = UNLIMITED
    by: int = -1


class QueuePool:
    """One queue and its pool.

    Args:
        pool: whose source is a :class:`~sim.components.queue.Queue`.
    """

    def __init__(self, pool: Pool[Any]) -> None:
        assert isinstance(pool.source, Queue)
        self.pool, self.queue = pool, pool.source
        self.hands = Hands(pool)
        site, options = pool.site, self.queue.options
        self._limit = site.limit
        self._timeout = options.visibility_timeout
        self._retention = options.retention
        self._on_error = self.queue.consumers.on_error
        self._exhausted = Outcome.DEAD_LETTERED if options.dead_letter else Outcome.DROPPED
        self.log = self.queue.log
        self.columns = Columns(self.log, self.hands)
        self._rare: dict[int, _Rare] = {}
        self._again: deque[tuple[float, int]] = deque()
        self._given_back: list[tuple[float, float, int, int]] = []
        self._delivered = 0
        self.crew = Crew(pool, self.queue.pauses)
        self._last = float(np.nextafter(site.limit, 0.0))
        self._windows = [*timed(pool), *self.queue.pauses]
        self._max_receives = options.max_receives
        self.effect = pool.effects[0]
        self._is_simple = (
            self._on_error == "wait"
            and len(pool.effects) == 1
            and not (pool.hop or pool.idempotent or pool.crashes or any(pool.slow.values()))
            and not self.effect.conditions
        )
        self._may_fail = self._on_error == "wait" and len(pool.effects) == 1 and not pool.hop
        self._delivered = 0
        self._block: Block | None = None

    @property
    def has_unfinished_work(self) -> bool:
        """Whether somebody is still at work when the run ends."""
        return self.crew.has_unfinished_work

    def advance(self, messages: NDArray[Any], times: NDArray[Any], until: float = UNLIMITED) -> None:
        """Take in what arrives before ``until``, and deliver everything that is visible before it.

        Args:
            messages: numbers of the messages, in the order of their arrival.
            times: when they are accepted, sorted, of the same shape.
            until: later arrivals are not yet known.
        """
        self.columns.take_in(messages, times)
        for some, accepted in pieces(messages, times):
            self._deliver(self._block_of(some, accepted))
            self._delivered += len(some)
        self.hands.order = self._delivered - 0.5
        while self._next_due() < min(until, self._limit):
            self._come_back()
        self.crew.check(until)

    def final(self, stored: int) -> int:
        """Of so many messages that it was given, how many, from the first, nothing can happen to any more."""
        return min(self._rare, default=stored)

    def turn_page(self, ledger: Ledger, final: int) -> None:
        """Go on with a ledger in which the first so many messages of the present one are left out."""
        self.log = self.queue.log = ledger.named(self.queue.log.name)
        self.columns.attach(self.log)
        self.hands.turn_page(ledger, final)
        self._rare = {copy - final: rare for copy, rare in self._rare.items()}
        self._again = deque((due, copy - final) for due, copy in self._again)
        self._given_back = [(due, began, place, copy - final) for due, began, place, copy in self._given_back]

    def _block_of(self, messages: NDArray[Any], times: NDArray[Any]) -> Block:
        delay = self.queue.options.delay
        return Block(
            self.pool,
            messages,
            times,
            times + delay if delay else times,
            first=self._delivered,
            longest=self._timeout,
            may_fail=self._may_fail,
        )

    def _deliver(self, block: Block) -> None:
        crew, bounds = self.crew, self.crew.bounds
        self._block = block
        bounds.due = self._next_due()
        if bounds.due > block.visible[-1] and self._can_go_on(block) and crew.take_all(block, bounds.limit):
            self.columns.write(block, crew)
            return
        for comes_back in crew.deliveries(block, self._fail):
            if comes_back:
                self.hands.order = block.first + block.position - 0.5
                self._come_back()
            else:
                bounds.is_handled = not self._can_go_on(block)
                if bounds.is_handled:
                    self.hands.order = block.first + block.position
                    seen = block.visible[block.position]
                    self._receive(block.skip(), seen)
            bounds.due = self._next_due()
            crew.set_limit(bounds.limit)
        self.columns.write(block, crew)

    def _can_go_on(self, block: Block) -> bool:
        """Whether the hot loop can take the next message after all, with a new limit."""
        position = block.position
        if block.work[position] == UNLIMITED:
            return False
        start = max(block.visible[position], self.crew.free_since())
        limit = min(self._last, block.times[position] + self._retention)
        for windows in self._windows:
            limit = min(limit, windows.quiet_until(start))
        self.crew.set_limit(limit)
        return self.crew.can_do(block, limit)

    def _fail(self, start: float, end: float, worker: int) -> float:
        """The first delivery of a message fails: it is visible again when its timeout is over."""
        del worker
        block = self._block
        assert block is not None
        self.hands.order = block.first + block.position
        copy = block.skip()
        self.log.taken[copy] = start
        self.log.deliveries[copy] = 1
        self._rare[copy] = _Rare(1)
        self.hands.attempt(copy, 0, start, end, fails=True)
        self._again.append((start + self._timeout, copy))
        return self._next_due()

    # --- the careful way ----------------------------------------------------------------------------------

    def _next_due(self) -> float:
        """When the next copy comes back."""
        due = self._again[0][0] if self._again else UNLIMITED
        return min(due, self._given_back[0][0]) if self._given_back else due

    def _come_back(self) -> None:
        """A copy is visible again, unless it is gone."""
        if self._again and not (self._given_back and self._given_back[0][0] < self._again[0][0]):
            due, copy = self._again.popleft()
        else:
            due, started, _, copy = heappop(self._given_back)
            if self._given_back and self._given_back[0][0] == due and self._given_back[0][1] != started:
                raise Inexact("copies are given back at one instant by work that began at several")
        rare = self._rare[copy]
        if self._is_simple and self._again_at_once(copy, rare, due):
            return
        if due >= self._limit:
            self._end_if_gone(copy, rare, self._limit)
        elif not self._end_if_gone(copy, rare, due):
            self.log.returned.append(due)
            if due >= self.log.accepted[copy] + self._retention:
                self._remove(copy, Outcome.EXPIRED, due)
            else:
                self._receive(copy, due)

    def _again_at_once(self, copy: int, rare: _Rare, due: float) -> bool:
        """The short way of :meth:`_receive` for what mostly happens to a copy that comes back.

        It is received within its retention and the limit of receives, by a worker whom nothing disturbs, and
        its attempt ends, well or not, before its visibility timeout. Where that is not sure nothing is done.
        """
        crew, number = self.crew, rare.deliveries
        start, speed, limit = crew.undisturbed(due)
        if rare.gone < UNLIMITED or number >= self._max_receives or number != self.hands.attempts_of(copy):
            return False
        duration, ends = self.effect.attempt(copy, number, start)
        end = start + duration / speed
        if not (start < end <= min(limit, start + self._timeout, self.log.accepted[copy] + self._retention)):
            return False
        rare.deliveries = self.log.deliveries[copy] = number + 1
        self.log.returned.append(due)
        self.log.retaken.append(start)
        crew.take(start, end)
        self.hands.attempt(copy, number, start, end, fails=ends is FAILS)
        if ends is FAILS:
            self._again.append((start + self._timeout, copy))
        else:
            self._end(copy, Outcome.APPLIED, end)
        return True

    def _end_if_gone(self, copy: int, rare: _Rare, by: float) -> bool:
        """Whether somebody has deleted a copy by then that was not visible meanwhile."""
        if rare.gone > by or rare.gone >= self._limit:
            return False
        self._end(copy, Outcome.APPLIED, rare.gone)
        return True

    def _receive(self, copy: int, seen: float) -> None:
        """The copy that has been visible longest goes to the worker that has been free longest."""
        start, worker = self.crew.next(seen)
        rare = self._rare.get(copy)
        gone = UNLIMITED if rare is None else rare.gone
        expires = float(self.log.accepted[copy]) + self._retention
        if rare is not None and gone == start < self._limit and not self._is_own_end(rare, start, worker):
            raise Inexact("a copy is deleted and received at one instant")
        if gone <= start and gone <= expires:
            if gone < self._limit:
                self._remove(copy, Outcome.APPLIED, gone)
            return
        if expires < start:
            if expires < self._limit:
                self._remove(copy, Outcome.EXPIRED, expires, is_visible=expires >= seen)
            return
        if start >= self._limit:
            return
        if rare is None:
            rare = self._rare[copy] = _Rare()
        if rare.deliveries >= self.queue.options.max_receives:
            self._remove(copy, self._exhausted, start)
            return
        rare.deliveries += 1
        self.log.deliveries[copy] = rare.deliveries
        if rare.deliveries > 1:
            self.log.retaken.append(start)
        else:
            self.log.taken[copy] = start
        delivery = self.hands.deliver(worker, copy, start, is_late=rare.deliveries > 1)
        self.crew.occupy(worker, seen, start, delivery.end, delivery.scheduled)
        if delivery.work is CRASHED:
            self.crew.disturb()
        self._settle(copy, rare, delivery, start + self._timeout, worker)

    def _is_own_end(self, rare: _Rare, start: float, worker: Worker) -> bool:
        """Whether a worker ends with a copy, and so deletes it, just before it would receive it again."""
        if self.crew.is_alike:
            return self.crew.is_only_one_at(start)
        return worker.index == rare.by

    def _settle(self, copy: int, rare: _Rare, delivery: Delivery, due: float, worker: Worker) -> None:
        """What the end of a delivery means for its copy, which is visible again when it is due."""
        end = delivery.end
        if end > due and due < self._limit:
            self._again.append((due, copy))
            if delivery.work is DONE and self.queue.options.late_delete and end < rare.gone:
                rare.gone, rare.by = end, worker.index
            return
        is_open = end < min(rare.gone, self._limit)
        if end == rare.gone < self._limit:
            raise Inexact("two workers end with a copy at one instant")
        if delivery.work is DONE:
            if is_open:
                self._end(copy, Outcome.APPLIED, end)
            elif rare.gone < self._limit:
                self._end(copy, Outcome.APPLIED, rare.gone)
        elif delivery.work is CRASHED or self._on_error == "wait" or not is_open:
            self._again.append((due, copy))
        else:
            assert delivery.work is FAILED
            self._reject(copy, delivery)

    def _reject(self, copy: int, delivery: Delivery) -> None:
        """A worker says that it has failed."""
        if self._on_error == "nack":
            back = delivery.end + self.queue.consumers.retry_delay
            heappush(self._given_back, (back, delivery.scheduled, self.crew.bounds.count, copy))
        elif self._on_error == "skip":
            self._end(copy, Outcome.DROPPED, delivery.end)
        else:
            assert self._on_error == "dead_letter"
            self._end(copy, self._exhausted, delivery.end)

    def _remove(self, copy: int, fate: Outcome, now: float, *, is_visible: bool = True) -> None:
        if is_visible:
            self.log.removed.append(now)
        self._end(copy, fate, now)

    def _end(self, copy: int, fate: Outcome, now: float) -> None:
        self.log.ended[copy] = now
        self.log.fate[copy] = fate
        self._rare.pop(copy, None)
