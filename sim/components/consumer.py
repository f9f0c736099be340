"""A pool of workers: each takes messages from its source, does the effects in order, and says how it went.

A worker is one process. What a source is (a queue, a subscriber's memory, a consumer group's partitions) and
what it does after success, failure or a crash is the source's business; how work is done, interrupted and
lost is told here, once for all architectures. Left out: scaling while the run goes on, rebalancing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Sequence
from enum import IntEnum
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import Field
from simpy.events import Event

from sim.components.effect import FAILS, SUCCEEDS, Effect
from sim.components.faults import Crash, Slow
from sim.components.site import Site
from sim.components.timelines import Outage, first_outage
from sim.engine.environment import Alarm, Process
from sim.engine.ledger import PoolUse
from sim.engine.quantities import Block, Count, Duration
from sim.vocabulary import Role

Item = TypeVar("Item")


class PoolOptions(Block):
    """A pool of workers."""

    count: Annotated[Count, Field(ge=1)] = 1
    """Workers in the pool."""
    speeds: Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=1)] | None = None
    """Speed of each worker, 1 is normal; repeated in turn when there are more workers."""


class ConsumerOptions(PoolOptions):
    """A pool of workers that consume messages."""

    retry_delay: Duration = 1.0
    """Pause before the next attempt of `retry` and `nack`."""
    idempotent: bool = False
    """Whether an effect that was already applied is recognised and skipped."""


class QueueConsumers(ConsumerOptions):
    """Workers that pull from a queue."""

    batch: Annotated[Count, Field(ge=1)] = 1
    """Messages received at once; they are worked on one after the other."""
    on_error: Literal["wait", "nack", "skip", "dead_letter", "retry"] = "wait"
    """After a failed attempt: wait until the message is visible again, give it back, drop it, dead-letter
    it, or try again in place."""


class StreamConsumers(ConsumerOptions):
    """A consumer group: workers that share the partitions of a stream."""

    batch: Annotated[Count, Field(ge=1)] = 500
    """Records fetched at once; they are worked on one after the other."""
    on_error: Literal["retry", "skip", "dead_letter"] = "retry"
    """After a failed attempt: try again in place, skip the record, or dead-letter it."""
    commit_interval: Duration = 5.0
    """A worker commits its offsets when it fetches and so long has passed; 0s commits at every fetch."""


class PushConsumers(ConsumerOptions):
    """Workers of a service to which a topic pushes."""

    on_error: Literal["nack", "skip", "retry"] = "nack"
    """After a failed attempt: tell the topic, which retries; drop the message; or try again in place."""


class Work(IntEnum):
    """How work on one copy ended."""

    DONE = 0
    FAILED = 1
    CRASHED = 2


class Worker:
    """One worker of a pool.

    Attributes:
        index: counted from 0.
        speed: 1 is normal.
        outages: when it is away, sorted by start.
        away: the outage that a crash with a probability has brought about.
        parked: what it waits for while its source has nothing; None while it works.
        is_away: whether it sits out an outage.
    """

    __slots__ = ("_next", "away", "index", "is_away", "outages", "parked", "speed")

    def __init__(self, index: int, speed: float, outages: list[Outage]) -> None:
        self.index = index
        self.speed = speed
        self.outages = outages
        self.parked: Event | None = None
        self.is_away = False
        self.away: Outage | None = None
        self._next = 0

    def outage_at(self, now: float) -> Outage | None:
        """The outage in which a time lies, of several the one that lasts longest."""
        outages, found = self.outages, self.away
        if found is not None and found.end <= now:
            found = None
        while self._next < len(outages) and outages[self._next].end <= now:
            self._next += 1
        for index in range(self._next, len(outages)):
            if outages[index].start > now:
                break
            if outages[index].end > now and (found is None or outages[index].end > found.end):
                found = outages[index]
        return found


class Source(Generic[Item]):
    """Where the workers of a pool get messages: the workers that wait, and what a holder must answer.

    An item is one delivery of a copy, as the holder likes to write it.
    """

    def __init__(self, site: Site) -> None:
        self.waiting: deque[Worker] = deque()
        self._wake = site.wake

    def take(self, worker: Worker, limit: int, now: float) -> Sequence[Item] | None:
        """Up to ``limit`` items for a worker that is free now, or None."""
        raise NotImplementedError

    def message_of(self, item: Item) -> int:
        """The message that an item is of."""
        raise NotImplementedError

    def is_late(self, item: Item) -> bool:
        """Whether this delivery is not the copy's first."""
        raise NotImplementedError

    def done(self, item: Item, now: float) -> None:
        """All effects of an item were applied."""
        raise NotImplementedError

    def failed(self, item: Item, effect: int) -> None:
        """An effect of an item failed and the worker goes on with something else."""
        raise NotImplementedError

    def crashed(self, worker: Worker, items: Sequence[Item]) -> None:
        """A worker vanished with these items in hand."""
        raise NotImplementedError

    def give_back(self, worker: Worker, items: Sequence[Item]) -> None:
        """A worker that stops in good order gives back what it has not begun."""
        raise NotImplementedError

    def stopped(self, worker: Worker, outage: Outage) -> None:
        """A worker that holds nothing goes away."""

    def wait(self, worker: Worker, arrival: Event) -> None:
        """A worker waits for an event that succeeds with the items handed to it."""
        worker.parked = arrival
        self.waiting.append(worker)

    def longest_waiting(self, now: float) -> Worker | None:
        """The worker that has waited longest; it waits no more."""
        waiting = self.waiting
        while waiting:
            worker = waiting.popleft()
            if not worker.outages or worker.outage_at(now) is None:
                return worker
            # else its outage begins at this very instant, which will rouse it
        return None

    def hand(self, worker: Worker, items: Sequence[Item] | None) -> None:
        """Wake a worker that waited, with the items it gets."""
        arrival, worker.parked = worker.parked, None
        self._wake(arrival, items)

    def rouse(self, worker: Worker) -> None:
        """Wake a waiting worker without handing it anything."""
        if worker in self.waiting:
            self.waiting.remove(worker)
        self.hand(worker, None)


class Pool(Generic[Item]):
    """Workers that take from one source and do the same effects.

    Args:
        site: where the pool stands.
        name: ``consumers`` or ``index_consumers``.
        effects: what its workers do, in order.
        source: where they get messages.
        options: how many workers there are, and how they work.
        hop: network delay between source and worker, s.
        batch: messages taken at once.
        retries_in_place: whether a failed attempt is repeated by the same worker.
        is_api: whether the workers are the API server's own request handlers.
    """

    def __init__(
        self,
        site: Site,
        name: str,
        effects: list[Effect],
        source: Source[Item],
        options: PoolOptions,
        *,
        hop: float = 0.0,
        batch: int = 1,
        retries_in_place: bool = False,
        is_api: bool = False,
    ) -> None:
        self.name = name
        self.effects = effects
        self.busy = 0.0
        self._site = site
        self._source = source
        self._hop = hop
        self._batch = batch
        self._retries_in_place = retries_in_place
        self._retry_delay = options.retry_delay if isinstance(options, ConsumerOptions) else 0.0
        self._idempotent = isinstance(options, ConsumerOptions) and options.idempotent
        names = tuple(effect.name for effect in effects)
        self._slow = site.faults.conditions(Role.CONSUMERS, names, Slow)
        self._crashes = [
            (effect, condition)
            for effect in effects
            for condition in site.faults.conditions(Role.CONSUMERS, (effect.name,), Crash)
            if condition.fault.probability is not None
        ]
        self._api_dies: Callable[[int], int] | None = None
        speeds = options.speeds or (1.0,)
        outages = site.faults.outages(names, options.count, is_api=is_api)
        self.workers = [
            Worker(index, speeds[index % len(speeds)], outages[index]) for index in range(options.count)
        ]
        self._can_stop = bool(self._crashes) or any(outages)
        self._is_undisturbed = not (
            self._can_stop or self._slow or hop or retries_in_place or is_api or site.is_careful
        )
        for worker in self.workers:
            site.process(self._work_undisturbed(worker) if self._is_undisturbed else self._work(worker))
            if worker.outages:
                site.process(self._watch(worker))
        site.pools.append(self)
        site.unfinished.append(self._is_working)

    def die_between_effects(self, after: Callable[[int], int]) -> None:
        """The handler of a message dies after so many effects (0: never)."""
        self._api_dies = after

    def is_down(self) -> bool:
        """Whether every worker is away now."""
        now = self._site.now
        return self._can_stop and all(worker.outage_at(now) is not None for worker in self.workers)

    def use(self) -> PoolUse:
        """How busy the pool was."""
        names = tuple(effect.name for effect in self.effects)
        return PoolUse(name=self.name, effects=names, workers=len(self.workers), busy=self.busy)

    def _is_working(self) -> bool:
        return any(worker.parked is None and not worker.is_away for worker in self.workers)

    def _work(self, worker: Worker) -> Process:
        """The life of a worker: receive, do the effects in order, report; for ever."""
        site, source = self._site, self._source
        while True:
            if self._can_stop and (outage := worker.outage_at(site.now)) is not None:
                source.stopped(worker, outage)
                worker.is_away = True
                yield site.at(outage.end)
                worker.is_away = False
                continue
            items = source.take(worker, self._batch, site.now)
            if items is None:
                arrival = Event(site)
                source.wait(worker, arrival)
                items = yield arrival
                if items is None:
                    continue
            yield from self._work_on(worker, items)

    def _work_undisturbed(self, worker: Worker) -> Process:
        """The same life where nothing can interrupt it: no outage, no slowdown, no hop, nothing in place.

        Only shorter than :meth:`_work`, not different: the tests compare the two.
        """
        site, source, batch, speed = self._site, self._source, self._batch, worker.speed
        effects, idempotent, (low, high) = self.effects, self._idempotent, site.window
        while True:
            now = site.now
            items = source.take(worker, batch, now)
            if items is None:
                arrival = Event(site)
                source.wait(worker, arrival)
                items = yield arrival
                now = site.now
            for item in items:
                message = source.message_of(item)
                for effect in effects:
                    if idempotent and effect.applications[message]:
                        continue
                    duration, attempt = effect.begin(message, now)
                    if duration > 0:
                        begun, now = now, now + duration / speed
                        yield Alarm(site, now)
                        if begun >= low and now <= high:
                            self.busy += now - begun
                        else:
                            self._count_busy(begun, now)
                    if attempt is not FAILS:
                        effect.apply(message, now, effect.attempts[message] > 1 or source.is_late(item))
                    if attempt is not SUCCEEDS:
                        source.failed(item, effect.number)
                        break
                else:
                    source.done(item, now)

    def _work_on(self, worker: Worker, items: Sequence[Item]) -> Process:
        """One after the other; a crash or a stop in good order ends it early."""
        site, source = self._site, self._source
        if self._hop and (yield from self._spend(worker, self._hop, is_busy=False)):
            source.crashed(worker, items)
            return
        last = len(items) - 1
        for position, item in enumerate(items):
            message = source.message_of(item)
            failed_effect = 0
            work = Work.DONE
            for effect in self.effects:
                if self._idempotent and effect.applications[message]:
                    continue
                work = yield from self._perform(worker, effect, message, is_late=source.is_late(item))
                if work is not Work.DONE:
                    failed_effect = effect.number
                    break
            if work is Work.DONE:
                source.done(item, site.now)
            elif work is Work.FAILED:
                source.failed(item, failed_effect)
            else:
                source.crashed(worker, items[position:])
                return
            if position < last and self._can_stop and worker.outage_at(site.now) is not None:
                source.give_back(worker, items[position + 1 :])
                return

    def _perform(
        self, worker: Worker, effect: Effect, message: int, *, is_late: bool
    ) -> Generator[Event, Any, Work]:
        """One effect of one message, again and again where failures are retried in place."""
        site = self._site
        while True:
            now = site.now
            duration, attempt = effect.begin(message, now)
            duration /= worker.speed
            for condition in self._slow:
                if condition.hits(message, effect.attempts[message] - 1, now):
                    assert isinstance(condition.fault, Slow)
                    duration *= condition.fault.factor
            crash = self._crash_during(effect, message) if self._crashes else None
            if crash is not None:
                duration *= crash[0]
            if duration > 0 and (yield from self._spend(worker, duration)):
                return Work.CRASHED
            if crash is not None:
                worker.away = Outage(site.now, site.now + crash[1], "lose")
                return Work.CRASHED
            if attempt is not FAILS:
                effect.apply(message, site.now, is_late or effect.attempts[message] > 1)
            if attempt is SUCCEEDS:
                dies = self._api_dies is not None and self._api_dies(message) == effect.number + 1
                return Work.CRASHED if dies else Work.DONE
            if not self._retries_in_place:
                return Work.FAILED
            if (yield from self._spend(worker, self._retry_delay, is_busy=False)):
                return Work.CRASHED

    def _spend(self, worker: Worker, duration: float, *, is_busy: bool = True) -> Generator[Event, Any, bool]:
        """Let time pass for a worker; True if it crashed meanwhile."""
        site = self._site
        start = site.now
        end = start + duration
        outages = worker.outages
        for index in range(first_outage(outages, start), len(outages)) if outages else ():
            outage = outages[index]
            if end <= outage.start:
                break
            if outage.in_hand == "finish" or (outage.start < start and outage.end <= start):
                continue
            pause = max(outage.start, start)
            if pause > site.now:
                yield site.at(pause)
            if is_busy:
                self._count_busy(start, pause)
            if outage.in_hand == "lose":
                return True
            yield site.at(outage.end)
            start, end = outage.end, outage.end + (end - pause)
        yield site.at(end)
        if is_busy:
            self._count_busy(start, end)
        return False

    def _count_busy(self, start: float, end: float) -> None:
        low, high = self._site.window
        start = max(start, low)
        end = min(end, high)
        if start < end:
            self.busy += end - start

    def _crash_during(self, effect: Effect, message: int) -> tuple[float, float] | None:
        """The share of the attempt after which its worker crashes, and how long it is away then."""
        attempt = effect.attempts[message] - 1
        for crashing, condition in self._crashes:
            if crashing is effect and condition.hits(message, attempt, self._site.now):
                return condition.fraction(message, attempt), condition.fault.duration or 0.0
        return None

    def _watch(self, worker: Worker) -> Process:
        """Send a worker away that has nothing to do when its outage begins."""
        site = self._site
        for outage in worker.outages:
            yield site.at(max(outage.start, site.now))
            if worker.parked is not None:
                if outage.end == outage.start:  # a crash and a restart at the same instant
                    self._source.stopped(worker, outage)
                self._source.rouse(worker)
