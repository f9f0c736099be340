"""A pool of workers: each takes messages from its source, does the effects in order, and says how it went.

A worker is one process. What a source is (a queue, a subscriber's memory, a consumer group's partitions) and
what it does after success, failure or a crash is the source's business; how work is done, interrupted and
lost is told here, once for all architectures. Left out: scaling while the run goes on, rebalancing.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Generator
from typing import Annotated, Any, Generic, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from sim.components.effect import FAILS, SUCCEEDS, Effect
from sim.components.faults import Crash, Slow
from sim.components.site import Site
from sim.components.timelines import Condition, Outage, all_lose, names
from sim.components.wiring import Edge, Node
from sim.components.worker import Item, Source, Worker
from sim.engine.environment import MOST_WORKERS, Loop, Process, Steps, work_rank
from sim.engine.quantities import UNLIMITED, Block, Count, Duration, DurationOrNone
from sim.engine.record import PoolUse
from sim.vocabulary import Role


class PoolOptions(Block):
    """A pool of workers."""

    count: Annotated[Count, Field(ge=1, le=MOST_WORKERS)] = 1
    """Workers in the pool."""
    speeds: Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=1)] | None = None
    """Speed of each worker, 1 is normal; repeated in turn when there are more workers."""


class ConsumerOptions(PoolOptions):
    """A pool of workers that consume messages."""

    retry_delay: Duration = 1.0
    """Pause before the next attempt of `retry` and `nack`."""
    idempotent: bool = False
    """Whether an effect that was already applied is recognised: it is skipped, and never happens twice."""


class QueueConsumers(ConsumerOptions):
    """Workers that pull from a queue."""

    batch: Annotated[Count, Field(ge=1)] = 1
    """Messages received at once; they are worked on one after the other."""
    on_error: Literal["wait", "nack", "skip", "dead_letter", "retry"] = "wait"
    """After a failed attempt: wait until the message is visible again, give it back, drop it, dead-letter
    it, or try again in place."""
    poll: Duration = 0.0
    """A worker that receives nothing asks again after so long; 0s waits for the next message."""
    heartbeat: Annotated[DurationOrNone, Field(gt=0)] = None
    """A live worker hides what it holds for another visibility timeout every so often after the receive."""


class StreamConsumers(ConsumerOptions):
    """A consumer group: workers that share the partitions of a stream."""

    batch: Annotated[Count, Field(ge=1)] = 500
    """Records fetched at once; they are worked on one after the other."""
    on_error: Literal["retry", "skip", "dead_letter"] = "retry"
    """After a failed attempt: try again in place, skip the record, or dead-letter it."""
    commit_interval: Duration = 5.0
    """A worker commits its offsets when it fetches and so long has passed; 0s commits at every fetch."""
    poll: Duration = 0.0
    """A worker that fetches nothing asks again after so long; 0s waits for the next record."""
    starts: Duration = 0.0
    """The group joins so long after the start of the run; nobody fetches for it before."""
    reset: Literal["earliest", "latest"] = "earliest"
    """Where a group goes on that joins late or whose offset has expired: at the oldest record that is left,
    or behind the newest, which drops what lies between."""


class PushConsumers(ConsumerOptions):
    """Workers of a service to which a topic pushes."""

    on_error: Literal["nack", "skip", "retry"] = "nack"
    """After a failed attempt: tell the topic, which retries; drop the message; or try again in place."""


_LARGEST_SUM = 2.0**62
_PART = 1 << 14
"""Stretches that are counted together: what is made on the way fits into the cache."""
TICKS = 2.0**36
"""Of a second: busy time is counted in whole ticks, so that sums do not depend on the order of adding up."""

Work = Literal["done", "failed", "crashed"]
"""How work on one copy ended."""
DONE: Work = "done"
FAILED: Work = "failed"
CRASHED: Work = "crashed"


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

    Attributes:
        slow: for each effect what makes its attempts last longer.
        crashes: (effect, what makes the worker crash during an attempt at it).
        is_anonymous: whether it does not matter which of the workers does what.
        busy_ticks: time spent on effects inside the window, see :data:`TICKS`.
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
        self.busy_ticks = 0
        self._busy_times = array("d")
        self.is_cut_off = False
        self.site = site
        self.source = source
        self.hop = hop
        self.batch = batch
        self.retries_in_place = retries_in_place
        self.retry_delay = options.retry_delay if isinstance(options, ConsumerOptions) else 0.0
        self.idempotent = isinstance(options, ConsumerOptions) and options.idempotent
        its_effects = tuple(effect.name for effect in effects)
        self.slow = {
            effect: site.faults.conditions(Role.CONSUMERS, (effect.name,) if is_api else its_effects, Slow)
            for effect in effects
        }
        self.crashes = [
            (effect, condition)
            for effect in effects
            for condition in site.faults.conditions(Role.CONSUMERS, (effect.name,), Crash)
            if condition.fault.probability is not None
        ]
        self._api_dies: Callable[[int], int] | None = None
        speeds = options.speeds or (1.0,)
        outages = site.faults.outages(its_effects, options.count, is_api=is_api)
        if isinstance(options, StreamConsumers) and options.starts:
            outages = [[Outage(0.0, options.starts, "finish"), *each] for each in outages]
        self.is_anonymous = not (len(set(speeds)) > 1 or any(outages) or self.crashes)
        self._rank = work_rank(forerunners(site, effects))
        self.workers = [
            Worker(index, speeds[index % len(speeds)], outages[index]) for index in range(options.count)
        ]
        self.is_plain = not (any(self.slow.values()) or self.crashes or site.is_careful)
        self._enter(options, its_effects, is_api=is_api)
        site.pools.append(self)
        site.starting.append((self, self._start))

    def _start(self) -> None:
        """Send the workers to work."""
        site = self.site
        site.at_work.append(self)
        self.source.start()
        for effect in self.effects:
            effect.start()
        for worker in self.workers:
            worker.loop = Loop(site, self._work(worker), self._rank)
            if worker.outages:
                site.process(self._watch(worker))
        site.unfinished.append(self.is_working)
        site.closing.append(self._close)

    def _enter(self, options: PoolOptions, effects: tuple[str, ...], *, is_api: bool) -> None:
        """Say where the workers take messages and what they do with them."""
        site, source = self.site, self.source
        away = site.faults.of_pool(effects, options.count, is_api=is_api)
        slowed = names(condition for conditions in self.slow.values() for condition in conditions)
        node = Node(self.name, "api" if is_api else "pool", effects, options, (*away, *slowed))
        site.wiring.add(node)
        site.wiring.connect(Edge(source.node, self.name, source.flow, shares=source.shares))
        for effect in self.effects:
            calls = site.faults.refused_calls(effect.name, options.count) if is_api else []
            refusals = names(calls)
            site.wiring.connect(Edge(self.name, effect.node, "apply", faults=refusals, refusals=refusals))

    @property
    def all_lose(self) -> bool:
        """Whether whoever goes away loses what is in hand, at times that are known."""
        return not self.crashes and all(all_lose(worker.outages) for worker in self.workers)

    @property
    def conditions(self) -> list[Condition]:
        """Everything that slows its workers down or makes them crash during an attempt."""
        slow = [condition for effect in self.effects for condition in self.slow[effect]]
        return [*slow, *(condition for _, condition in self.crashes)]

    def die_between_effects(self, after: Callable[[int], int]) -> None:
        """The handler of a message dies after so many effects (0: never)."""
        self._api_dies = after
        self.is_plain = False

    def dies_after(self, effect: Effect, message: int) -> bool:
        """Whether the handler of a message dies as soon as this effect has happened."""
        return self._api_dies is not None and self._api_dies(message) == effect.number + 1

    def is_down(self) -> bool:
        """Whether every worker is away now."""
        now = self.site.now
        return all(worker.outage_at(now) is not None for worker in self.workers)

    def use(self) -> PoolUse:
        """How busy the pool was."""
        effects = tuple(effect.name for effect in self.effects)
        return PoolUse(
            name=self.name, effects=effects, workers=len(self.workers), busy=self.busy_ticks / TICKS
        )

    def _close(self) -> None:
        """Add up how long its workers were at it; of work that the end of the run cuts off, what was done."""
        self._add_up(np.array(self._busy_times))
        for worker in self.workers:
            if not (worker.is_parked or worker.is_away):
                self.count_busy(worker.busy_from, self.site.now)

    def is_working(self) -> bool:
        """Whether a worker holds a message; of a pool that is worked out, whether one does at the end."""
        if self not in self.site.at_work:
            return self.is_cut_off
        return any(not worker.is_parked and not worker.is_away for worker in self.workers)

    def _work(self, worker: Worker) -> Steps:  # noqa: C901, PLR0912, PLR0915 - the hot loop, kept in one frame
        """The life of a worker: receive, do the effects in order, report; for ever."""
        site, source, batch, hop = self.site, self.source, self.batch, self.hop
        take, begin, done = source.take, source.begin, source.done
        effects, speed, idempotent, (low, high) = self.effects, worker.speed, self.idempotent, site.window
        is_plain, busy, now = self.is_plain, self._busy_times.append, site.now
        while True:
            if now >= worker.undisturbed_until and (outage := worker.outage_at(now)) is not None:
                source.stopped(worker, outage)
                worker.is_away = True
                yield worker.loop.at(outage.end, self._rank + 1 + worker.index)
                worker.is_away = False
                now = site.now
                continue
            items = take(worker, batch, now)
            if items is None:
                source.wait(worker)
                worker.is_parked = True
                items = yield
                now = site.now
                if items is None:
                    continue
            if hop:
                is_lost = yield from self._spend(worker, hop, is_busy=False)
                now = site.now
                if is_lost:
                    source.crashed(worker, items)
                    continue
            for item in items:
                message, is_late = begin(item)
                for effect in effects:
                    if idempotent and effect.applications[message]:
                        continue
                    duration = UNLIMITED if effect.attempts[message] else effect.certain[message]
                    end = now + duration / speed
                    if is_plain and now < end <= worker.undisturbed_until and duration < UNLIMITED:
                        effect.attempts[message] = 1  # what _perform does, where nothing can interfere
                        worker.busy_from = now
                        yield end
                        if now >= low and end <= high:
                            busy(end - now)
                        else:
                            self.count_busy(now, end)
                        now = end
                        if not (idempotent and effect.applications[message]):
                            effect.apply(message, now, is_late)
                        continue
                    work = yield from self._perform(worker, effect, message, is_late)
                    now = site.now
                    if work is DONE:
                        continue
                    if work is FAILED:
                        source.failed(item, effect.number)
                    break
                else:
                    done(item, now)
                    work = DONE
                if work is CRASHED:
                    source.crashed(worker, items[items.index(item) :])
                    break
                if now >= worker.undisturbed_until and worker.outage_at(now) is not None:
                    left = items[items.index(item) + 1 :]
                    if left:
                        source.give_back(worker, left)
                    break

    def _perform(
        self, worker: Worker, effect: Effect, message: int, is_late: bool
    ) -> Generator[float, Any, Work]:
        """One effect of one message, with all that can happen to its worker meanwhile.

        Args:
            worker: who does it.
            effect: what is done.
            message: for which message.
            is_late: whether the message had been delivered before.
        """
        site = self.site
        while True:
            duration, attempt, number = effect.begin(message, site.now)
            duration /= worker.speed
            for condition in self.slow[effect]:
                if condition.hits(message, number, site.now):
                    assert isinstance(condition.fault, Slow)
                    duration *= condition.fault.factor
            crash = (
                self.crash_during(effect, message, number, site.now)
                if self.crashes and duration > 0
                else None
            )
            if crash is not None:
                duration *= crash[0]
            if duration > 0 and (yield from self._spend(worker, duration)):
                return CRASHED
            if crash is not None:
                worker.crash(site.now, crash[1])
                return CRASHED
            if attempt is not FAILS and not (self.idempotent and effect.applications[message]):
                effect.apply(message, site.now, is_late or number > 0)
            if attempt is SUCCEEDS:
                return CRASHED if self.dies_after(effect, message) else DONE
            if not self.retries_in_place:
                return FAILED
            if (yield from self._spend(worker, self.retry_delay, is_busy=False)):
                return CRASHED
            if self.idempotent and effect.applications[message]:
                return DONE  # another worker was faster

    def _spend(self, worker: Worker, duration: float, *, is_busy: bool = True) -> Generator[float, Any, bool]:
        """Let time pass for a worker; True if it crashed meanwhile."""
        end, is_lost, stretches = worker.spend(self.site.now, duration)
        last = None if is_lost or not is_busy else stretches.pop()
        if is_busy:
            for start, until in stretches:
                self.count_busy(start, until)
        worker.busy_from = UNLIMITED if last is None else last[0]
        yield end
        if last is not None:
            self.count_busy(*last)
        return is_lost

    def count_busy(self, start: float, end: float) -> None:
        """A worker was at it from one time to another: what lies in the window counts."""
        low, high = self.site.window
        start = max(start, low)
        end = min(end, high)
        if start < end:
            self.busy_ticks += int((end - start) * TICKS)

    def count_busy_times(
        self, starts: NDArray[Any], ends: NDArray[Any], left_out: NDArray[Any] | None = None
    ) -> None:
        """The same for many stretches, each from one time to another; both of shape (stretches,).

        Args:
            starts: s.
            ends: s.
            left_out: the places of those that do not count, sorted.
        """
        low, high = self.site.window
        for first in range(0, len(starts), _PART):
            stop = first + _PART
            begun, done = starts[first:stop], ends[first:stop]
            if begun.min() >= low and done.max() <= high:
                spent = done - begun
            else:
                spent = np.maximum(np.minimum(done, high) - np.maximum(begun, low), 0.0)
            if left_out is not None:
                these = slice(*left_out.searchsorted((first, stop)))
                spent[left_out[these] - first] = 0.0
            self._add_up(spent)

    def _add_up(self, spent: NDArray[Any]) -> None:
        """Count stretches of so many seconds, each in whole ticks; the sum may need more than 64 bits."""
        spent *= TICKS
        ticks = spent.astype(np.int64)
        if float(spent.max(initial=0)) * len(spent) < _LARGEST_SUM:
            self.busy_ticks += int(ticks.sum())
        else:
            self.busy_ticks += (int((ticks >> 32).sum()) << 32) + int((ticks & 0xFFFFFFFF).sum())

    def crash_during(
        self, effect: Effect, message: int, attempt: int, now: float
    ) -> tuple[float, float] | None:
        """The share of the attempt after which its worker crashes, and how long it is away then."""
        for crashing, condition in self.crashes:
            if crashing is effect and condition.hits(message, attempt, now):
                return condition.fraction(message, attempt), condition.fault.mean_duration
        return None

    def _watch(self, worker: Worker) -> Process:
        """Send a worker away that has nothing to do when its outage begins."""
        site = self.site
        for outage in worker.outages:
            yield site.at(max(outage.start, site.now))
            if worker.is_parked:
                if outage.end == outage.start:  # a crash and a restart at the same instant
                    self.source.stopped(worker, outage)
                self.source.rouse(worker)
            elif worker.is_away and outage.in_hand == "lose":
                self.source.stopped(worker, outage)


def forerunners(site: Site, effects: list[Effect]) -> int:
    """How many effects must be complete, one after the other, before a pool gets a message."""
    after = site.ledger.after
    own = {effect.number for effect in effects}
    count, number = 0, after[effects[0].number]
    while number >= 0 and number not in own:
        count, number = count + 1, after[number]
    return count
