"""A pool on a queue, worked out in blocks: the twin of :class:`~sim.components.queue.Queue` and its workers.

Why it is exact. Copies are received in the order in which they became visible, by the worker that has been
free longest, so that receives never go backwards in time: when a copy is received, everything that could be
visible before it is known. A receive tells at once how the delivery ends (:mod:`sim.accelerator.hands`), and
so whether and when the copy comes back. What is due back waits in line (:mod:`sim.accelerator.returns`) and
is merged with the arrivals by time; at one instant what became visible again comes first, then what was given
back, then arrivals. But what workers report without a hop arrives before all that, as their work ends. A
delivery of several attempts that outlives its visibility timeout is worked out attempt by attempt, because
others may make attempts at the same message meanwhile: it is under way, and goes on at the time of its next
attempt, which is one more thing in line.
"""

from __future__ import annotations

import math
from functools import partial
from heapq import heappop
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.accelerator.block import Block, pieces
from sim.accelerator.columns import Columns
from sim.accelerator.crew import Crew
from sim.accelerator.hands import NEXT, Delivery, Hands, timed
from sim.accelerator.plain import Again
from sim.accelerator.publishing import Inexact, instant_reports
from sim.accelerator.redelivery import Redeliveries
from sim.accelerator.returns import Returns
from sim.accelerator.rough import Rare, Rough
from sim.components.consumer import CRASHED, DONE, FAILED, Pool
from sim.components.queue import Queue
from sim.components.worker import Worker
from sim.engine.ledger import Ledger
from sim.engine.quantities import UNLIMITED
from sim.vocabulary import Outcome


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
        self._rare: dict[int, Rare] = {}
        self._returns = Returns()
        self._delivered = 0
        self.crew = Crew(pool, self.queue.pauses, gives_back=self._on_error == "nack")
        self.crew.go_on = self._go_on
        self._last = float(np.nextafter(site.limit, 0.0))
        self._windows = [*timed(pool), *self.queue.pauses]
        self._max_receives = options.max_receives
        self._may_fail = (
            self._on_error == "wait" and options.max_receives > 1 and not pool.idempotent and _is_sure(pool)
        )
        self._has_one_attempt = len(pool.effects) == 1 and not (pool.hop or pool.retries_in_place)
        self._rough = Rough(
            self.hands, self.crew, self._returns, self._rare, options, is_common=self._may_fail
        )
        self._redeliveries: Redeliveries | None = None
        self._reports = [] if options.delay else instant_reports(pool.site.producer, self.queue)
        self._arrives_first = bool(self._reports)

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
        self.hands.order = max(self.hands.order, self._delivered - 1)
        until = min(until, self._limit)
        while self._next_due() < until:
            self._step()
        self._rough.write(self.columns)
        if until == self._limit:  # of what is in flight then, somebody may have deleted some before
            for copy, rare in list(self._rare.items()):
                self._end_if_gone(copy, rare, until)
        self.crew.check(until)
        if self._arrives_first:
            self._check_reports(messages[np.isin(times, np.frombuffer(self.log.returned))].tolist())

    def _check_reports(self, messages: list[int]) -> None:
        """What arrives when others come back must do so in the turn in which work ends.

        It does not where it is reported again after a refusal, and where that work takes no time.
        """
        for effect, link in self._reports if messages else ():
            if not (link.is_plain and all(effect.outcome(message, 0)[0] > 0 for message in messages)):
                raise Inexact("messages arrive and come back at one instant")

    def final(self, stored: int) -> int:
        """Of so many messages that it was given, how many, from the first, nothing can happen to any more."""
        under_way = (delivery.message for _, _, delivery in self.crew.under_way)
        return min(chain(self._rare, under_way), default=stored)

    def turn_page(self, ledger: Ledger, final: int) -> None:
        """Go on with a ledger in which the first so many messages of the present one are left out."""
        self.log = self.queue.log = ledger.named(self.queue.log.name)
        self.columns.attach(self.log)
        self.hands.turn_page(ledger, final)
        left = [(copy - final, rare) for copy, rare in self._rare.items()]
        self._rare.clear()
        self._rare.update(left)
        self._returns.turn_page(final)
        for _, _, delivery in self.crew.under_way:
            delivery.message -= final

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
            may_outlive=self._may_fail and self._has_one_attempt,
        )

    def _deliver(self, block: Block) -> None:
        crew, bounds = self.crew, self.crew.bounds
        self._redeliveries = redeliveries = Redeliveries(self.hands, crew, block, self._timeout)
        bounds.due = self._after_arrivals(self._next_due())
        crew.set_limit(bounds.limit)
        if not (
            bounds.due > block.visible[-1] and self._can_go_on(block) and crew.take_all(block, bounds.limit)
        ):
            again, care = self._rough.interruptions(
                self.log,
                block,
                redeliveries,
                self._step,
                self._receive,
                partial(self._care, block),
                arrives_first=self._arrives_first,
            )
            if self._arrives_first:
                again = self._in_turn(again)
            crew.deliver(block, again, care)
        while redeliveries.has_more():
            self._take_up(redeliveries)
        self._redeliveries = None
        self.columns.write(block, crew)
        redeliveries.write(self.columns)
        self._rough.write(self.columns)
        crew.check(block.visible[-1])

    def _in_turn(self, again: Again) -> Again:
        """The same where arrivals come first."""
        return lambda seen: self._after_arrivals(again(math.nextafter(seen, -UNLIMITED)))

    def _care(self, block: Block) -> bool:
        """The hot loop stops at a message that it must not take, and that is of no common kind."""
        bounds = self.crew.bounds
        bounds.is_handled = not self._can_go_on(block)
        if bounds.is_handled:
            seen = block.visible[block.position]
            self._receive(block.skip(), seen)
        self.crew.set_limit(bounds.limit)
        bounds.due = self._after_arrivals(self._next_due())
        return True

    def _can_go_on(self, block: Block) -> bool:
        """Whether the hot loop can take the next message after all, with a new limit."""
        position = block.position
        if block.work[position] == UNLIMITED:
            return False
        start, _ = self.crew.next(block.visible[position])
        limit = min(self._last, block.times[position] + self._retention)
        for windows in self._windows:
            limit = min(limit, windows.quiet_until(start))
        self.crew.set_limit(limit)
        return self.crew.can_do(block, limit)

    def _after_arrivals(self, due: float) -> float:
        """From when on messages follow what is due: later, where those of that instant come first."""
        return math.nextafter(due, UNLIMITED) if self._arrives_first else due

    # --- what comes back ----------------------------------------------------------------------------------

    def _next_other(self) -> float:
        """When the next copy comes back that is not in the present block, or a delivery goes on."""
        due = self._returns.due
        return min(due, self.crew.under_way[0][0]) if self.crew.under_way else due

    def _next_due(self) -> float:
        """When anything of that happens next; not later than that."""
        other, redeliveries = self._next_other(), self._redeliveries
        if redeliveries is None or other < redeliveries.due:
            return other
        return redeliveries.due

    def _step(self) -> None:
        """The next thing of all happens: a copy is visible again, or a delivery goes on."""
        redeliveries, under_way = self._redeliveries, self.crew.under_way
        other = self._next_other()
        if redeliveries is not None and redeliveries.due <= other:  # it does not go well again
            other = redeliveries.due
            self._take_up(redeliveries)
        if under_way and under_way[0][0] == other:
            self._go_on()
        else:
            due, copy = self._returns.pop()
            self._return(copy, due)

    def _take_up(self, redeliveries: Redeliveries) -> None:
        """A copy whose first delivery did not go well, and is not written yet, is rare from now on."""
        index = redeliveries.pop()
        order = redeliveries.block.first + redeliveries.each[index][0]
        self._returns.add(redeliveries.due, order, self._rough.begin(redeliveries, index))

    def _return(self, copy: int, due: float) -> None:
        """A copy is visible again, unless it is gone."""
        rare = self._rare[copy]
        self.hands.order += NEXT
        if due < self._limit and not self._end_if_gone(copy, rare, due):
            self.log.returned.append(due)
            if due >= self.log.accepted[copy] + self._retention:
                self._remove(copy, Outcome.EXPIRED, due)
            else:
                self._receive(copy, due)

    def _go_on(self) -> None:
        """The next delivery that is under way goes on."""
        since, count, delivery = heappop(self.crew.under_way)
        order = self.hands.order
        self.hands.go_on(delivery, self._others_go_on(delivery.message))
        self.hands.order = order
        self.crew.still_occupy(since, count, delivery)
        if delivery.work is CRASHED:
            self.crew.leave(delivery.worker)
        rare, due = self._rare.get(delivery.message), delivery.start + self._timeout
        if rare is not None and since > due:
            self._settle_late(rare, delivery)
        elif rare is not None:
            self._settle(delivery.message, rare, delivery, due)

    def _end_if_gone(self, copy: int, rare: Rare, by: float) -> bool:
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
            rare = self._rare[copy] = Rare()
        if rare.deliveries >= self._max_receives:
            self._remove(copy, self._exhausted, start)
            return
        self._hand(copy, rare, seen, start, worker)

    def _hand(self, copy: int, rare: Rare, seen: float, start: float, worker: Worker) -> None:
        """A worker receives a copy."""
        rare.deliveries += 1
        self.log.deliveries[copy] = rare.deliveries
        if rare.deliveries > 1:
            self.log.retaken.append(start)
        else:
            self.log.taken[copy] = start
        due = start + self._timeout
        known = others = UNLIMITED
        if not self._has_one_attempt:
            others = self._others_go_on(copy)
            known = max(start, min(math.nextafter(due, -UNLIMITED), others))
        delivery = self.hands.deliver(
            worker, copy, start, is_late=rare.deliveries > 1, known=known, settled=others
        )
        self.crew.occupy(seen, start, delivery)
        if delivery.work is CRASHED:
            self.crew.leave(worker)
        self._settle(copy, rare, delivery, due)

    def _others_go_on(self, copy: int) -> float:
        """When somebody goes on next who has a copy in hand."""
        if not self.crew.under_way:
            return UNLIMITED
        return min(
            (time for time, _, other in self.crew.under_way if other.message == copy), default=UNLIMITED
        )

    def _is_own_end(self, rare: Rare, start: float, worker: Worker) -> bool:
        """Whether a worker ends with a copy, and so deletes it, just before it would receive it again."""
        if self.crew.is_alike:
            return self.crew.is_only_one_at(start)
        return worker.index == rare.by

    def _settle(self, copy: int, rare: Rare, delivery: Delivery, due: float) -> None:
        """What the end of a delivery means for its copy, which is visible again when it is due."""
        end = delivery.end
        if end > due and due < self._limit:
            self._returns.add(due, delivery.order, copy)
            self._settle_late(rare, delivery)
            return
        if delivery.work is None:
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
            self._returns.add(due, delivery.order, copy)
        else:
            assert delivery.work is FAILED
            self._reject(copy, delivery)

    def _settle_late(self, rare: Rare, delivery: Delivery) -> None:
        """What the end of a delivery means whose copy was visible before."""
        if delivery.work is DONE and self.queue.options.late_delete and delivery.end < rare.gone:
            rare.gone, rare.by = delivery.end, delivery.worker.index

    def _reject(self, copy: int, delivery: Delivery) -> None:
        """A worker says that it has failed."""
        if self._on_error == "nack":
            back = delivery.end + self.queue.consumers.retry_delay
            self._returns.give_back(back, delivery.scheduled, self.crew.bounds.count, copy)
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


def _is_sure(pool: Pool[Any]) -> bool:
    """Whether no fault hits attempts by chance."""
    return all(effect.is_sure for effect in pool.effects) and all(
        condition.windows is not None for condition in pool.conditions
    )
