"""Deliveries that go wrong in the common ways: an attempt fails, a worker crashes, a timeout is too short.

Between the hot loop (:mod:`sim.accelerator.plain`) and the careful way (:mod:`sim.accelerator.hands`), which
does the same with all that can happen. Exact for the same reason: what a delivery comes to follows from its
draws and from the outages of its worker. Only deliveries whose message nobody else can work on meanwhile are
taken: several attempts must end within the visibility timeout, one may outlive it, because attempts at a
message begin in the order of its receives. The rest is left alone: no fault has a window then, the worker is
there, and if it goes away, it loses what it has in hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heapreplace

from sim.accelerator.crew import Crew
from sim.accelerator.hands import Hands
from sim.accelerator.returns import Returns
from sim.components.queue import QueueOptions
from sim.components.timelines import all_lose
from sim.engine.ledger import CopyLog
from sim.engine.quantities import UNLIMITED
from sim.vocabulary import Outcome

_Done = tuple[int, float, Sequence[float], float, float, bool, int, float]
"""A delivery: copy, start, what its attempts take, speed of the worker, when he crashes, whether the last
attempt fails, deliveries before, place among all."""

_APPLIED = Outcome.APPLIED  # looking up a member of an enum costs as much as two calls


@dataclass(slots=True)
class Rare:
    """A copy to which something happened beside one good delivery.

    Attributes:
        deliveries: so far.
        gone: when a worker that holds a receipt from before deletes it; infinity if none does.
        by: the number of that worker.
    """

    deliveries: int = 0
    gone: float = UNLIMITED
    by: int = -1


class Rough:
    """What happens to the copies of a queue, for the commonest part.

    Args:
        hands: who works.
        crew: the same as they are seen from the queue.
        returns: what is visible again, and when.
        rare: copies to which something happened, by number; changed in place.
        options: of the queue.

    Attributes:
        effects: of the pool, each with how many attempts it has had by the number of the message.
    """

    def __init__(
        self, hands: Hands, crew: Crew, returns: Returns, rare: dict[int, Rare], options: QueueOptions
    ) -> None:
        self._hands, self._crew, self._returns, self._rare = hands, crew, returns, rare
        self._timeout, self._retention = options.visibility_timeout, options.retention
        self._late_delete = options.late_delete
        self._done: list[_Done] = []
        pool = hands.pool
        self._pool, self._hop = pool, pool.hop
        self.effects = [(effect, hands.attempts_at(effect)) for effect in pool.effects]
        self._has_one_attempt = len(pool.effects) == 1 and not pool.hop
        self._all_lose = not pool.hop and all(all_lose(worker.outages) for worker in pool.workers)

    def hand(  # noqa: C901, PLR0912, PLR0915 - one way, with everything that may stand in it
        self, log: CopyLog, copy: int, seen: float, stages: Sequence[float], fails: bool, rare: Rare | None
    ) -> bool:
        """The worker that is next takes a copy, if what it comes to is of the common kind.

        Args:
            log: of the queue.
            copy: its number.
            seen: since when it is visible, s.
            stages: what each attempt takes, s at normal speed, until one fails or all are done.
            fails: whether the last one does.
            rare: what happened to it; None before its first delivery.

        Returns:
            Whether it does; if not, nothing has changed that matters.
        """
        crew, bounds, is_alike = self._crew, self._crew.bounds, self._crew.is_alike
        if crew.under_way:
            return False
        if is_alike:
            since, worker, limit = crew.times[0], 0, bounds.limit
        else:
            since, _, _, worker = crew.free[0]
            limit = bounds.limits[worker]
        start = seen if seen > since else since  # noqa: FURB136 - a call costs more
        if start >= limit:
            if is_alike:
                return False
            start, who = crew.next(seen)  # who was first may have been away meanwhile
            worker = who.index
            limit = bounds.limits[worker]
        due, speed = start + self._timeout, crew.speeds[worker]
        gone, deliveries = (UNLIMITED, 0) if rare is None else (rare.gone, rare.deliveries)
        if start >= limit or start > log.accepted[copy] + self._retention or gone <= start or due <= start:
            return False
        begun = end = start + self._hop
        for duration in stages:
            begun, end = end, end + duration / speed
        is_lost = end > limit
        if is_lost:
            end = crew.workers[worker].undisturbed_until
            if is_alike or end > bounds.limit or not self._all_lose:
                return False
            begun = start
            for duration in stages:
                if begun + duration / speed > end:
                    break
                begun += duration / speed
        outlives = end > due
        if begun >= end or end == gone or (outlives and not self._has_one_attempt):
            return False
        if is_alike:
            heapreplace(crew.times, end)
        else:
            entry = (end, begun, bounds.count, worker)
            if is_lost:
                back = crew.back(crew.workers[worker], end)
                entry = back if back[0] > end else entry
            heapreplace(crew.free, entry)
            if crew.ends is not None:
                crew.ends.append((end, begun, start))
        bounds.count += 1
        crashes, order = end if is_lost else UNLIMITED, self._hands.order
        self._done.append((copy, start, stages, speed, crashes, fails, deliveries, order))
        if not (is_lost or fails or outlives):
            log.ended[copy] = end if end < gone else gone  # noqa: FURB136
            log.fate[copy] = _APPLIED
            if rare is not None:
                del self._rare[copy]
            return True
        if rare is None:
            rare = self._rare[copy] = Rare()
        now = start
        for (_, attempts), duration in zip(self.effects, stages, strict=False):
            if now >= end:
                break
            attempts[copy] = attempts.get(copy, 0) + 1
            now += duration / speed
        rare.deliveries = deliveries + 1
        self._returns.add(due, order, copy)
        if outlives and end < gone and self._late_delete and not (is_lost or fails):
            rare.gone, rare.by = end, worker
        return True

    def write(self, log: CopyLog) -> None:
        """Write down all deliveries since the last time: attempts, busy time, what is applied.

        Later, because what is done rarely takes three times as long as what is done over and over.
        """
        hands, order = self._hands, self._hands.order
        for copy, start, stages, speed, crashes, fails, deliveries, hands.order in self._done:
            if deliveries:
                log.retaken.append(start)
            else:
                log.taken[copy] = start
            log.deliveries[copy] = max(log.deliveries[copy], deliveries + 1)
            now, last = start + self._hop, len(stages)
            for (effect, _), duration in zip(self.effects, stages, strict=False):
                begun, now, last = now, now + duration / speed, last - 1
                if now > crashes:
                    self._pool.count_busy(begun, crashes)
                    break
                self._pool.count_busy(begun, now)
                if last or not fails:
                    hands.apply(effect, copy, now, begun, deliveries > 0)
        hands.order = order
        self._done.clear()
