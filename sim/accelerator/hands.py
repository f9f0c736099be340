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


@dataclass(slots=True)
class Delivery:
    """How a delivery ends.

    Attributes:
        end: when; infinity if the end of the run comes first.
        work: how.
        scheduled: when that end became certain to a worker's clock: when its last stretch began.
    """

    end: float
    work: Work
    scheduled: float


class Hands:
    """The workers of a pool, who also write down what they apply.

    Attributes:
        order: place of the delivery under way among all of its pool.
    """

    def __init__(self, pool: Pool[Any]) -> None:
        self.pool = pool
        self.effects = pool.effects
        self._limit = pool.site.limit
        self._attempts: dict[Effect, dict[int, int]] = {effect: {} for effect in self.effects}
        self._begun: dict[Effect, dict[int, tuple[float, float]]] = {effect: {} for effect in self.effects}
        self.tells = any(effect.on_applied for effect in self.effects)
        self.order = 0.0
        self._scheduled = 0.0
        self._told: list[tuple[float, float, float, int]] = []
        self._told_in_blocks: list[NDArray[Any]] = []
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
            told = self.told()
            told[:, 3] -= final
            self._told, self._told_in_blocks = [], [told]
        self._attach(ledger)

    def attempts_of(self, message: int) -> int:
        """How many attempts a message has had at the first effect of its pool."""
        return self._attempts[self.effects[0]].get(message, 0)

    def attempts_at(self, effect: Effect) -> dict[int, int]:
        """How many attempts at an effect each message has had, of those that were not plain."""
        return self._attempts[effect]

    def deliver(self, worker: Worker, message: int, start: float, *, is_late: bool) -> Delivery:
        """A worker takes a message: the hop, then every effect, until one of them fails."""
        now = self._scheduled = start
        if self.pool.hop:
            now, is_lost = self._spend(worker, start, self.pool.hop, is_busy=False)
            if is_lost:
                return self._end(now, CRASHED)
        return self._work(worker, message, now, is_late=is_late)

    def work(self, worker: Worker, message: int, start: float, *, is_late: bool) -> Delivery:
        """A worker who has a message in hand does every effect, until one of them fails."""
        self._scheduled = start
        return self._work(worker, message, start, is_late=is_late)

    def _work(self, worker: Worker, message: int, now: float, *, is_late: bool) -> Delivery:
        work: Work = DONE
        for effect in self.effects:
            if self.pool.idempotent and self._is_applied(effect, message, now):
                continue
            now, work = self._perform(worker, effect, message, now, is_late=is_late)
            if work is not DONE:
                break
        return self._end(now, work)

    def _end(self, now: float, work: Work) -> Delivery:
        """What would end after the end of the run never does."""
        return Delivery(UNLIMITED if now >= self._limit else now, work, self._scheduled)

    def _spend(
        self, worker: Worker, start: float, duration: float, *, is_busy: bool = True
    ) -> tuple[float, bool]:
        """Let time pass for a worker: when it is over, and whether it crashed meanwhile."""
        self._scheduled = start
        end, is_lost, stretches = worker.spend(start, duration)
        if is_busy:
            for stretch in stretches:
                self.pool.count_busy(*stretch)
        return end, is_lost

    def tell(
        self, times: NDArray[Any], starts: NDArray[Any], orders: NDArray[Any], messages: NDArray[Any]
    ) -> None:
        """Note what followers wait for: when it happened, when that was scheduled, place of the delivery."""
        self._told_in_blocks.append(np.stack((times, starts, orders, messages), axis=1))

    def told(self) -> NDArray[Any]:
        """What was applied: time, when that was scheduled, place of the delivery, message; in order.

        What ends at one instant happens in the order in which it began, and that in the order of delivery.
        """
        told = np.concatenate((np.array(self._told).reshape(-1, 4), *self._told_in_blocks))
        return told[np.lexsort((told[:, 2], told[:, 1], told[:, 0]))]

    def first_untold(self) -> float:
        """The first message that was applied and not told of yet; infinity without any."""
        return float(self.told()[:, 3].min(initial=UNLIMITED)) if self.tells else UNLIMITED

    def completions(self, until: float = UNLIMITED) -> tuple[NDArray[Any], NDArray[Any]]:
        """What was applied before a time and not told yet: numbers of messages, and times, s, in order."""
        told = self.told()
        now = int(np.searchsorted(told[:, 0], until))
        told, self._told, self._told_in_blocks = told[:now], [], [told[now:]]
        times, scheduled = told[:, 0], told[:, 1]
        mixed = (times[1:] == times[:-1]) & (scheduled[1:] == times[1:]) & (scheduled[:-1] < times[:-1])
        if np.any(mixed):
            raise Inexact("of what happens at one instant, some takes no time")
        return told[:, 3].astype(np.int64), told[:, 0]

    def _perform(  # noqa: C901, PLR0912 - one story, as in the twin
        self, worker: Worker, effect: Effect, message: int, now: float, *, is_late: bool
    ) -> tuple[float, Work]:
        """One effect of one message; the twin of ``Pool._perform``."""
        pool = self.pool
        while now < self._limit:
            number = self._number(effect, message, now)
            duration, ends = effect.attempt(message, number, now)
            duration /= worker.speed
            for condition in pool.slow[effect]:
                if condition.hits(message, number, now):
                    assert isinstance(condition.fault, Slow)
                    duration *= condition.fault.factor
            crash = pool.crash_during(effect, message, number, now) if duration > 0 else None
            if crash is not None:
                duration *= crash[0]
            if duration > 0:
                now, is_lost = self._spend(worker, now, duration)
                if is_lost:
                    return now, CRASHED
            if now >= self._limit:
                break
            if crash is not None:
                worker.crash(now, crash[1])
                return now, CRASHED
            if ends is not FAILS and not (pool.idempotent and self._is_applied(effect, message, now)):
                self._apply(effect, message, now, is_late or number > 0)
            if ends is SUCCEEDS:
                return now, CRASHED if pool.dies_after(effect, message) else DONE
            if not pool.retries_in_place:
                return now, FAILED
            now, is_lost = self._spend(worker, now, pool.retry_delay, is_busy=False)
            if is_lost:
                return now, CRASHED
            if pool.idempotent and self._is_applied(effect, message, now):
                return now, DONE
        return UNLIMITED, CRASHED

    def _number(self, effect: Effect, message: int, now: float) -> int:
        """Which attempt begins now, counted from 0.

        They are counted as deliveries are worked out; two workers who have a message in hand at a time may
        begin in another order.
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

    def attempt(self, message: int, number: int, start: float, end: float, *, fails: bool) -> None:
        """An attempt, known in full, at the only effect of a pool; if it is the first, it fails."""
        (effect,) = self.effects
        self.pool.count_busy(start, end)
        if fails:
            self._attempts[effect][message] = number + 1
            self._begun[effect][message] = start, self.order
            return
        self._scheduled = start
        self._apply(effect, message, end, is_late=True)

    def _is_applied(self, effect: Effect, message: int, now: float) -> bool:
        if not self._times[effect][message]:
            return False
        if self._first[effect][message] == now:
            raise Inexact("an effect happens at the instant at which somebody asks whether it has")
        return self._first[effect][message] < now

    def _apply(self, effect: Effect, message: int, now: float, is_late: bool) -> None:
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
            self._told.append((now, self._scheduled, self.order, message))


def _leave_out(by_message: dict[int, Any], final: int) -> None:
    """Leave out so many messages, and number the others anew; whoever knows the mapping sees that."""
    left = [(message - final, value) for message, value in by_message.items() if message >= final]
    by_message.clear()
    by_message.update(left)


def timed(pool: Pool[Any]) -> list[Windows]:
    """Everything that can hit attempts of a pool for a time."""
    found = [condition for effect in pool.effects for condition in effect.conditions]
    found += [condition for effect in pool.effects for condition in pool.slow[effect]]
    found += [condition for _, condition in pool.crashes]
    return [condition.windows for condition in found if condition.windows is not None]
