"""What a worker makes of one delivery: the life of :class:`~sim.components.consumer.Pool`, worked out at once.

Effects and attempts in order, slow and failing sinks, outages and crashes of the worker: all of it follows
from timelines and draws, so that the end of a delivery is known when it starts. The careful way of the
accelerator; what goes well takes the hot loop (:mod:`sim.accelerator.plain`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sim.components.consumer import CRASHED, DONE, FAILED, Pool, Work
from sim.components.effect import FAILS, SUCCEEDS, Effect
from sim.components.faults import Slow
from sim.components.worker import Worker
from sim.engine.quantities import UNLIMITED


@dataclass(slots=True)
class Delivery:
    """How a delivery ends.

    Attributes:
        end: when; infinity if the end of the run comes first.
        work: how.
        last_start: when the last attempt began.
    """

    end: float
    work: Work
    last_start: float


class Hands:
    """The workers of a pool, who also write down what they apply.

    Attributes:
        applied: (time, start of the attempt, message) of everything that followers wait for, in any order.
    """

    def __init__(self, pool: Pool[Any]) -> None:
        self.pool = pool
        self.effects = pool.effects
        self._limit = pool.site.limit
        ledger = pool.site.ledger
        self.first_applied = {
            effect: np.frombuffer(ledger.first_applied[effect.number]) for effect in self.effects
        }
        self.applications = {
            effect: np.frombuffer(ledger.applications[effect.number], dtype=np.uint32)
            for effect in self.effects
        }
        self.late = {effect: ledger.late[effect.number] for effect in self.effects}
        self._attempts: dict[Effect, dict[int, int]] = {effect: {} for effect in self.effects}
        self.tells = any(effect.on_applied for effect in self.effects)
        self.applied: list[tuple[float, float, int]] = []

    def attempts_at(self, effect: Effect) -> dict[int, int]:
        """How many attempts at an effect each message has had, of those that were not plain."""
        return self._attempts[effect]

    def deliver(self, worker: Worker, message: int, start: float, *, is_late: bool) -> Delivery:
        """A worker takes a message: the hop, then every effect, until one of them fails."""
        pool, now = self.pool, start
        if pool.hop:
            now, is_lost, _ = worker.spend(now, pool.hop)
            if is_lost:
                return self._cut(Delivery(now, CRASHED, start))
        return self.work(worker, message, now, is_late=is_late)

    def work(self, worker: Worker, message: int, start: float, *, is_late: bool) -> Delivery:
        """A worker who has a message in hand does every effect, until one of them fails."""
        delivery = Delivery(start, DONE, start)
        for effect in self.effects:
            if self.pool.idempotent and self.applications[effect][message]:
                continue
            delivery = self._perform(worker, effect, message, delivery.end, is_late=is_late)
            if delivery.work is not DONE:
                break
        return self._cut(delivery)

    def _perform(
        self, worker: Worker, effect: Effect, message: int, now: float, *, is_late: bool
    ) -> Delivery:
        """One effect of one message; the twin of ``Pool._perform``."""
        pool, attempts = self.pool, self._attempts[effect]
        while now < self._limit:
            number = attempts.get(message, 0)
            attempts[message] = number + 1
            start = now
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
                now, is_lost, stretches = worker.spend(now, duration)
                for stretch in stretches:
                    pool.count_busy(*stretch)
                if is_lost:
                    return Delivery(now, CRASHED, start)
            if crash is not None:
                if now < self._limit:
                    worker.crash(now, crash[1])
                return Delivery(now, CRASHED, start)
            if now >= self._limit:
                break
            if ends is not FAILS and not (pool.idempotent and self.applications[effect][message]):
                self._apply(effect, message, start, now, is_late or number > 0)
            if ends is SUCCEEDS:
                return Delivery(now, DONE, start)
            if not pool.retries_in_place:
                return Delivery(now, FAILED, start)
            now, is_lost, _ = worker.spend(now, pool.retry_delay)
            if is_lost:
                return Delivery(now, CRASHED, start)
            if pool.idempotent and self.applications[effect][message]:
                return Delivery(now, DONE, start)
        return Delivery(UNLIMITED, CRASHED, now)

    def _apply(self, effect: Effect, message: int, start: float, now: float, is_late: bool) -> None:
        first = self.first_applied[effect]
        if not self.applications[effect][message] or now < first[message]:
            first[message] = now
            self.late[effect][message] = is_late
        self.applications[effect][message] += 1
        if self.tells:
            self.applied.append((now, start, message))

    def _cut(self, delivery: Delivery) -> Delivery:
        """What would end after the end of the run never does."""
        if delivery.end >= self._limit:
            delivery.end = UNLIMITED
        return delivery
