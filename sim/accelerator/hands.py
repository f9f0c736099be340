"""What a worker makes of one delivery: the life of :class:`~sim.components.consumer.Pool`, at one go.

Effects and attempts in order, slow and failing sinks, outages and crashes of the worker: all of it follows
from timelines and draws, so that the end of a delivery is known when it starts. The careful way of the
accelerator; what goes well takes the hot loop (:mod:`sim.accelerator.plain`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.accelerator.publishing import Inexact
from sim.components.consumer import CRASHED, DONE, FAILED, Pool, Work
from sim.components.effect import FAILS, SUCCEEDS, Effect
from sim.components.faults import Slow
from sim.components.timelines import Windows
from sim.components.worker import Worker
from sim.engine.ledger import Ledger
from sim.engine.quantities import UNLIMITED

NEXT = 2.0**-20
"""From the order of one further delivery to that of the next, between those of two messages in line."""

Told = tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]
"""What followers wait for: when it happens, when that was scheduled, place of the delivery, message."""


@dataclass(slots=True)
class Delivery:
    """A delivery, as far as it is worked out.

    Attributes:
        worker: who has it.
        message: its number.
        is_late: whether it is not the first of its copy.
        order: its place among all of its pool.
        start: when the worker took it.
        known: attempts that begin later are not worked out yet: others may make one before them.
        end: when it ends, infinity if the end of the run comes first; while it is under way, when the next
            attempt begins.
        scheduled: when that end became certain to a worker's clock: when its last stretch began.
        settled: if it ends later, it is under way until then, because others may still end before it.
        work: how it ends; None while it is under way.
        effect: the next one, as a place among those of the pool.
        result: how it ends, if that is known while it is under way.
    """

    worker: Worker
    message: int
    is_late: bool
    order: float
    start: float
    known: float
    end: float
    scheduled: float
    settled: float = UNLIMITED
    work: Work | None = None
    effect: int = 0
    result: Work | None = None


class Hands:
    """The workers of a pool, who also write down what they apply.

    Attributes:
        order: place of the delivery under way among all of its pool: of the first ones a whole number.
    """

    def __init__(self, pool: Pool[Any]) -> None:
        self.pool = pool
        self.effects = pool.effects
        self._limit = pool.site.limit
        self._attempts: dict[Effect, dict[int, int]] = {effect: {} for effect in self.effects}
        self._begun: dict[Effect, dict[int, tuple[float, float]]] = {effect: {} for effect in self.effects}
        self.tells = any(effect.on_applied for effect in self.effects)
        self.order = 0.0
        self._told: list[tuple[float, float, float, int]] = []
        self._told_in_blocks: list[Told] = []
        self._attach(pool.site.ledger)

    def _attach(self, ledger: Ledger) -> None:
        self.first_applied = {
            effect: np.frombuffer(ledger.first_applied[effect.number]) for effect in self.effects
        }
        self.applications = {
            effect: np.frombuffer(ledger.applications[effect.number], dtype=np.uint32)
            for effect in self.effects
        }
        self.late = {effect: ledger.late[effect.number] for effect in self.effects}
        # the same memory, which takes single values in a third of the time
        self._first = {effect: ledger.first_applied[effect.number] for effect in self.effects}
        self._times = {effect: ledger.applications[effect.number] for effect in self.effects}

    def turn_page(self, ledger: Ledger, final: int) -> None:
        """Go on with a ledger in which the first so many messages of the present one are left out."""
        for effect in self.effects:
            _leave_out(self._attempts[effect], final)
            _leave_out(self._begun[effect], final)
        if self.tells:
            times, starts, orders, messages = self.told()
            self._told, self._told_in_blocks = [], [(times, starts, orders, messages - final)]
        self._attach(ledger)

    def attempts_at(self, effect: Effect) -> dict[int, int]:
        """How many attempts at an effect each message has had, of those that were not plain."""
        return self._attempts[effect]

    def deliver(
        self,
        worker: Worker,
        message: int,
        start: float,
        *,
        is_late: bool,
        known: float = UNLIMITED,
        settled: float = UNLIMITED,
    ) -> Delivery:
        """A worker takes a message: the hop, then every effect, until one of them fails.

        Args:
            worker: who.
            message: its number.
            start: when.
            is_late: whether it was delivered before.
            known: attempts that begin later are left for :meth:`go_on`.
            settled: so is the end if it is later.
        """
        delivery = Delivery(worker, message, is_late, self.order, start, known, start, start, settled)
        if self.pool.hop:
            delivery.end, is_lost = self._spend(delivery, start, self.pool.hop, is_busy=False)
            if is_lost:
                return self._over(delivery, delivery.end, CRASHED)
        return self._work(delivery)

    def work(self, worker: Worker, message: int, start: float, *, is_late: bool) -> Delivery:
        """A worker who has a message in hand does every effect, until one of them fails."""
        return self._work(Delivery(worker, message, is_late, self.order, start, UNLIMITED, start, start))

    def go_on(self, delivery: Delivery, known: float) -> None:
        """With a delivery that is under way; all attempts that begin before its next one are known now.

        Args:
            delivery: which.
            known: when others go on who have the message, too.
        """
        delivery.known, delivery.settled, self.order = delivery.end, known, delivery.order
        delivery.work = delivery.result
        if delivery.work is None:
            self._work(delivery)

    def _work(self, delivery: Delivery) -> Delivery:
        pool, effects, message, now = self.pool, self.effects, delivery.message, delivery.end
        while delivery.effect < len(effects):
            effect = effects[delivery.effect]
            if now >= self._limit:
                return self._over(delivery, now, CRASHED)
            if now > delivery.known:
                delivery.end = now
                return delivery
            if not (pool.idempotent and self._is_applied(effect, message, now)):
                now, work = self._attempt(delivery, effect, now)
                if work is None:
                    continue
                if work is not DONE:
                    return self._over(delivery, now, work)
            delivery.effect += 1
        return self._over(delivery, now, DONE)

    def _over(self, delivery: Delivery, now: float, work: Work) -> Delivery:
        """What would end after the end of the run never does."""
        delivery.end = UNLIMITED if now >= self._limit else now
        if delivery.settled < delivery.end:
            delivery.result = work
        else:
            delivery.work = work
        return delivery

    def _spend(
        self, delivery: Delivery, start: float, duration: float, *, is_busy: bool = True
    ) -> tuple[float, bool]:
        """Let time pass for a worker: when it is over, and whether it crashed meanwhile."""
        delivery.scheduled = start
        worker = delivery.worker
        if start + duration <= worker.undisturbed_until:
            if is_busy:
                self.pool.count_busy(start, start + duration)
            return start + duration, False
        end, is_lost, stretches = worker.spend(start, duration)
        if is_busy:
            for stretch in stretches:
                self.pool.count_busy(*stretch)
        return end, is_lost

    def tell(
        self, times: NDArray[Any], starts: NDArray[Any], orders: NDArray[Any], messages: NDArray[Any]
    ) -> None:
        """Note what followers wait for: when it happened, when that was scheduled, place of the delivery."""
        self._told_in_blocks.append((times, starts, orders, messages))

    def told(self) -> Told:
        """What was applied: time, when that was scheduled, place of the delivery, message; in order.

        What ends at one instant happens in the order in which it began, and that in the order of delivery.
        """
        single = np.array(self._told).reshape(-1, 4).T
        parts = [(*single[:3], single[3].astype(np.int64)), *self._told_in_blocks]
        times, starts, orders, messages = (np.concatenate(column) for column in zip(*parts, strict=True))
        turn = np.argsort(times, kind="stable")  # they are nearly sorted
        rising = times[turn]
        if (rising[1:] == rising[:-1]).any():
            turn = np.lexsort((orders, starts, times))
        return rising, starts[turn], orders[turn], messages[turn]

    def first_untold(self) -> float:
        """The first message that was applied and not told of yet; infinity without any."""
        messages = self.told()[3] if self.tells else ()
        return float(np.min(messages)) if len(messages) else UNLIMITED

    def completions(self, until: float = UNLIMITED) -> tuple[NDArray[Any], NDArray[Any]]:
        """What was applied before a time and not told yet: numbers of messages, and times, s, in order."""
        told = self.told()
        now = int(np.searchsorted(told[0], until))
        times, starts, orders, messages = told
        self._told = []
        self._told_in_blocks = [(times[now:], starts[now:], orders[now:], messages[now:])]
        times, scheduled, messages = times[:now], starts[:now], messages[:now]
        mixed = (times[1:] == times[:-1]) & (scheduled[1:] == times[1:]) & (scheduled[:-1] < times[:-1])
        if np.any(mixed):
            raise Inexact("of what happens at one instant, some takes no time")
        return messages, times

    def _attempt(self, delivery: Delivery, effect: Effect, now: float) -> tuple[float, Work | None]:
        """One attempt at an effect; the twin of one round of ``Pool._perform``.

        Returns:
            When it ends, and how; None if the same worker tries again then.
        """
        pool, worker, message = self.pool, delivery.worker, delivery.message
        number = self.count_attempt(effect, message, now)
        duration, ends = effect.attempt(message, number, now)
        duration /= worker.speed
        for condition in pool.slow[effect]:
            if condition.hits(message, number, now):
                assert isinstance(condition.fault, Slow)
                duration *= condition.fault.factor
        crash = pool.crash_during(effect, message, number, now) if duration > 0 and pool.crashes else None
        if crash is not None:
            duration *= crash[0]
        if duration > 0:
            now, is_lost = self._spend(delivery, now, duration)
            if is_lost:
                return now, CRASHED
        if now >= self._limit:
            return now, CRASHED
        if crash is not None:
            worker.crash(now, crash[1])
            return now, CRASHED
        if ends is not FAILS and not (pool.idempotent and self._is_applied(effect, message, now)):
            self.apply(effect, message, now, delivery.scheduled, delivery.is_late or number > 0)
        if ends is SUCCEEDS:
            return now, CRASHED if pool.dies_after(effect, message) else DONE
        if not pool.retries_in_place:
            return now, FAILED
        now, is_lost = self._spend(delivery, now, pool.retry_delay, is_busy=False)
        return now, CRASHED if is_lost else None

    def count_attempt(self, effect: Effect, message: int, now: float) -> int:
        """Which attempt begins now, counted from 0.

        They are counted as deliveries are worked out, which is in the order in which attempts begin.
        """
        attempts = self._attempts[effect]
        number = attempts.get(message, 0)
        attempts[message] = number + 1
        if number:
            before, order = self._begun[effect].get(message, (-UNLIMITED, self.order))
            if now < before or (now == before and order != self.order):
                raise Inexact("two workers make attempts at one message, the later delivery first")
        self._begun[effect][message] = now, self.order
        return number

    def _is_applied(self, effect: Effect, message: int, now: float) -> bool:
        if not self._times[effect][message]:
            return False
        if self._first[effect][message] == now:
            raise Inexact("an effect happens at the instant at which somebody asks whether it has")
        return self._first[effect][message] < now

    def apply(self, effect: Effect, message: int, now: float, scheduled: float, is_late: bool) -> None:
        """An effect happens.

        Args:
            effect: which.
            message: to which.
            now: when.
            scheduled: when that was certain to a worker's clock.
            is_late: whether it took more than one attempt.
        """
        first, times = self._first[effect], self._times[effect]
        if times[message]:
            if self.pool.idempotent:
                raise Inexact("an effect that is applied once happens earlier by a later delivery")
            if now == first[message]:
                raise Inexact("an effect happens twice at one instant")
        if not times[message] or now < first[message]:
            first[message] = now
            self.late[effect][message] = is_late
        times[message] += 1
        if self.tells:
            self._told.append((now, scheduled, self.order, message))

    def apply_all(
        self,
        effect: Effect,
        rows: NDArray[Any],
        times: NDArray[Any],
        begun: NDArray[Any],
        orders: NDArray[Any],
        *,
        is_late: bool,
    ) -> None:
        """An effect happens to several messages, once to each; that it also happens later may be known.

        Args:
            effect: which.
            rows: numbers of the messages, all different.
            times: when.
            begun: when that was certain to a worker's clock.
            orders: places of the deliveries; empty where nobody is told.
            is_late: whether it took more than one attempt.
        """
        applications, first = self.applications[effect], self.first_applied[effect]
        is_done = applications[rows] > 0
        if (is_done & (times == first[rows])).any():
            raise Inexact("an effect happens twice at one instant")
        is_first = ~is_done | (times < first[rows])
        first[rows[is_first]] = times[is_first]
        np.frombuffer(self.late[effect], dtype=np.uint8)[rows[is_first]] = is_late
        applications[rows] += 1
        if self.tells:
            self.tell(times, begun, orders, rows)


def _leave_out(by_message: dict[int, Any], final: int) -> None:
    """Leave out so many messages, and number the others anew; whoever knows the mapping sees that."""
    left = [(message - final, value) for message, value in by_message.items() if message >= final]
    by_message.clear()
    by_message.update(left)


def timed(pool: Pool[Any]) -> list[Windows]:
    """Everything that can hit attempts of a pool for a time."""
    found = [condition for effect in pool.effects for condition in effect.conditions]
    found += pool.conditions
    return [condition.windows for condition in found if condition.windows is not None]
