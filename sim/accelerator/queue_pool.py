"""A pool on a queue, worked out in blocks: the twin of :class:`~sim.components.queue.Queue` and its workers.

Why it is exact. Copies are received in the order in which they became visible, by the worker that has been
free longest, so that receives never go backwards in time: when a copy is received, everything that could be
visible before it is known. A receive tells at once how the delivery ends (:mod:`sim.accelerator.hands`), and
so whether and when the copy comes back. What is due back waits in line and is merged with the arrivals by
time; at one instant arrivals come first, then what became visible again, then what was given back.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import deque
from dataclasses import dataclass
from heapq import heapify, heappop, heappush, heapreplace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.accelerator import plain
from sim.accelerator.hands import Delivery, Hands
from sim.accelerator.publishing import Inexact
from sim.components.consumer import CRASHED, DONE, FAILED, TICKS, Pool
from sim.components.queue import Queue
from sim.components.timelines import Condition, Windows
from sim.components.worker import Worker
from sim.engine.environment import MOST_WORKERS
from sim.engine.quantities import UNLIMITED
from sim.vocabulary import Outcome

_BLOCK = 1 << 15
_RUN = 1 << 11
_AWAY = 1 << 60
"""Workers that come back follow those that get free at the same instant."""


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
        self._window = site.window
        self._timeout = options.visibility_timeout
        self._retention = options.retention
        self._on_error = self.queue.consumers.on_error
        self._exhausted = Outcome.DEAD_LETTERED if options.dead_letter else Outcome.DROPPED
        log = self.queue.log
        self.log = log
        self._accepted = np.frombuffer(log.accepted)
        self._taken = np.frombuffer(log.taken)
        self._ended = np.frombuffer(log.ended)
        self._fate = np.frombuffer(log.fate, dtype=np.uint8)
        self._deliveries = np.frombuffer(log.deliveries, dtype=np.uint32)
        self._rare: dict[int, _Rare] = {}
        self._again: deque[tuple[float, int]] = deque()
        self._given_back: list[tuple[float, float, int, int]] = []
        self._delivered = 0
        self.has_unfinished_work = False
        speeds = [worker.speed for worker in pool.workers]
        self._speeds = speeds
        self._is_alike = pool.is_anonymous
        self._free_since = [0.0] * len(speeds)
        self._free: list[plain.Free] = [(0.0, number, number) for number in range(len(speeds))]
        self._count = len(speeds)
        self._last = float(np.nextafter(site.limit, 0.0))
        self._windows = [*_timed(pool), *self.queue.pauses]

    def advance(self, messages: NDArray[Any], times: NDArray[Any], until: float = UNLIMITED) -> None:
        """Take in what arrives before ``until``, and deliver everything that is visible before it.

        Args:
            messages: numbers of the messages, in the order of their arrival.
            times: when they are accepted, sorted, of the same shape.
            until: later arrivals are not yet known.
        """
        if len(np.unique(messages)) < len(messages) or np.any(np.isfinite(self._accepted[messages])):
            raise Inexact("a message is stored twice")
        self._accepted[messages] = times
        for start in range(0, len(messages), _BLOCK):
            block = _Block(self, messages[start : start + _BLOCK], times[start : start + _BLOCK])
            while block.position < block.size:
                due = self._next_due()
                if due < block.visible[block.position]:
                    self.hands.order = self._delivered + block.position - 0.5
                    self._come_back()
                else:
                    self._fresh(block, due)
            self._write(block)
            self._delivered += block.size
        self.hands.order = self._delivered - 0.5
        while self._next_due() < min(until, self._limit):
            self._come_back()

    # --- what is delivered for the first time -------------------------------------------------------------

    def _fresh(self, block: _Block, due: float) -> None:
        """Deliver fresh messages, as far as they are visible before the next copy comes back."""
        start, stop = block.position, block.next_careful()
        if due < UNLIMITED:
            stop = min(stop, bisect_right(block.visible, due, start))
        if start < stop:
            limit = self._quiet_from(block)
            if limit > 0:
                self._run(block, start, min(stop, start + _RUN), limit)
        if block.position == start:
            self._receive_fresh(block)

    def _quiet_from(self, block: _Block) -> float:
        """Until when nothing interferes with the message at the head; 0 where something does."""
        seen = block.visible[block.position]
        since = self._free_since[0] if self._is_alike else self._free[0][0]
        start = max(seen, since)
        limit = min(self._last, block.times[block.position] + self._retention)
        for windows in self._windows:
            limit = min(limit, windows.quiet_until(start))
        return limit if limit > start else 0.0

    def _run(self, block: _Block, start: int, stop: int, limit: float) -> None:
        """The hot loop."""
        visible, push = block.visible[start:stop], block.starts.append
        work: Any = (block.work if block.stages is None else block.stages)[start:stop]
        if self._is_alike:
            loop: Any = plain.alike_one if block.stages is None else plain.alike_many
            loop(self._free_since, visible, work, limit, push)
            return
        limits = [min(limit, worker.undisturbed_until) for worker in self.pool.workers]
        speeds, count, choose = self._speeds, self._count, block.chosen.append
        if block.stages is None:
            plain.each_one(self._free, visible, work, speeds, limits, count, push, choose)
        else:
            plain.each_many(self._free, visible, work, speeds, limits, self.pool.hop, count, push, choose)
        self._count += block.position - start

    def _receive_fresh(self, block: _Block) -> None:
        position = block.position
        block.starts.append(math.nan)
        block.chosen.append(0)
        self.hands.order = self._delivered + position
        self._receive(block.message(position), block.visible[position])

    def _write(self, block: _Block) -> None:
        """The columns of all that went well."""
        starts = np.array(block.starts)
        good: Any = slice(None)
        if self._rare or np.isnan(starts).any():
            good = ~np.isnan(starts)
        messages, starts = block.rows(good), starts[good]
        self._taken[messages] = starts
        self._deliveries[messages] = 1
        speeds: Any = self._speeds[0]
        if not self._is_alike:
            speeds = np.array(self._speeds)[np.array(block.chosen, dtype=np.int64)[good]]
        now = starts + self.pool.hop if self.pool.hop else starts
        for effect, durations in zip(self.pool.effects, block.durations, strict=True):
            begun = now
            now = begun + durations[good] / speeds
            self.hands.first_applied[effect][messages] = now
            self.hands.applications[effect][messages] = 1
            self._count_busy(begun, now)
            if self.hands.tells:
                orders = np.arange(self._delivered, self._delivered + block.size, dtype=float)
                self.hands.tell(now, begun, orders[good], block.messages[good])
        self._ended[messages] = now
        self._fate[messages] = Outcome.APPLIED

    def _count_busy(self, begun: NDArray[Any], ended: NDArray[Any]) -> None:
        low, high = self._window
        spent = np.minimum(ended, high) - np.maximum(begun, low)
        self.pool.busy_ticks += int((spent[spent > 0] * TICKS).astype(np.int64).sum())

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
        if due >= self._limit:
            self._end_if_gone(copy, rare, self._limit)
        elif not self._end_if_gone(copy, rare, due):
            self.log.returned.append(due)
            if due >= self._accepted[copy] + self._retention:
                self._remove(copy, Outcome.EXPIRED, due)
            else:
                self._receive(copy, due)

    def _end_if_gone(self, copy: int, rare: _Rare, by: float) -> bool:
        """Whether somebody has deleted a copy by then that was not visible meanwhile."""
        if rare.gone > by or rare.gone >= self._limit:
            return False
        self._end(copy, Outcome.APPLIED, rare.gone)
        return True

    def _receive(self, copy: int, seen: float) -> None:
        """The copy that has been visible longest goes to the worker that has been free longest."""
        start, worker = self._next_worker(seen)
        rare = self._rare.get(copy)
        gone = UNLIMITED if rare is None else rare.gone
        expires = float(self._accepted[copy]) + self._retention
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
        self._deliveries[copy] = rare.deliveries
        if rare.deliveries > 1:
            self.log.retaken.append(start)
        else:
            self._taken[copy] = start
        delivery = self.hands.deliver(worker, copy, start, is_late=rare.deliveries > 1)
        self._occupy(worker, delivery.end)
        self._settle(copy, rare, delivery, start + self._timeout, worker)

    def _is_own_end(self, rare: _Rare, start: float, worker: Worker) -> bool:
        """Whether a worker ends with a copy, and so deletes it, just before it would receive it again."""
        if self._is_alike:
            return start not in self._free_since[1:3]  # the only one that gets free then
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
            heappush(self._given_back, (back, delivery.last_start, self._count, copy))
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
        self._ended[copy] = now
        self._fate[copy] = fate
        self._rare.pop(copy, None)

    # --- workers ------------------------------------------------------------------------------------------

    def _next_worker(self, seen: float) -> tuple[float, Worker]:
        """When a copy that is visible then is received, and by whom."""
        workers = self.pool.workers
        while True:
            since, _, number = (self._free_since[0], 0, 0) if self._is_alike else self._free[0]
            start, worker = max(seen, since), workers[number]
            if start >= self._limit:
                return start, worker
            paused_until = max([windows.end_at(start) for windows in self.queue.pauses], default=start)
            if paused_until > start:
                self._wait_until(paused_until)
                seen = max(seen, paused_until)
            elif self._is_alike or start < worker.undisturbed_until:
                return start, worker
            else:
                heapreplace(self._free, self._after_outage(self._free[0]))

    def _after_outage(self, entry: plain.Free) -> plain.Free:
        """A worker that is free goes away when an outage begins, and waits anew when it is back."""
        since, _, number = entry
        worker = self.pool.workers[number]
        is_idle = since < worker.undisturbed_until
        begin = worker.undisturbed_until if is_idle else since
        outage = worker.outage_at(begin)
        if outage is not None:
            return (outage.end, _AWAY + number, number)
        return (begin, _AWAY + number, number) if is_idle else entry

    def _wait_until(self, end: float) -> None:
        """Nobody receives anything before a broker is back; who is free longest stays first."""
        if self._is_alike:
            self._free_since[:] = [max(since, end) for since in self._free_since]
            heapify(self._free_since)
            return
        waiting = sorted(self._wait_through(entry, end) for entry in self._free)
        self._free[:] = [
            (end, place - MOST_WORKERS, number) if since < end else (since, order, number)
            for place, (since, order, number) in enumerate(waiting)
        ]
        heapify(self._free)

    def _wait_through(self, entry: plain.Free, end: float) -> plain.Free:
        """A worker goes away in the outages that begin while it waits until a time."""
        while entry[0] < end and self.pool.workers[entry[2]].undisturbed_until < end:
            entry = self._after_outage(entry)
        return entry

    def _occupy(self, worker: Worker, end: float) -> None:
        """The worker that is first in the heap is free again at a time."""
        if end >= self._limit:
            self.has_unfinished_work = True
        if self._is_alike:
            heapreplace(self._free_since, end)
        else:
            heapreplace(self._free, (end, self._count, worker.index))
        self._count += 1


class _Block:
    """Arrivals of one block: what the hot loop reads, and what it writes.

    Attributes:
        messages, times, visible: numbers, when accepted, when visible.
        durations: per effect, at normal speed, shape (size,).
        work: of each message, or infinity where the hot loop must not take it.
        stages: per message the durations of several stages; None where there is only one.
        starts: of the messages so far, NaN where the careful way took them.
        chosen: by which worker.
    """

    def __init__(self, owner: QueuePool, messages: NDArray[Any], times: NDArray[Any]) -> None:
        pool, queue = owner.pool, owner.queue
        self.messages, self.size = messages, len(messages)
        self._low = int(messages.min())
        high = int(messages.max()) + 1
        self._is_range = high - self._low == self.size and bool(np.all(np.diff(messages) == 1))
        self.times: list[float] = times.tolist()
        self.visible = (times + queue.options.delay).tolist() if queue.options.delay else self.times
        self.durations = [effect.first_attempts(self._low, high) for effect in pool.effects]
        if not self._is_range:
            self.durations = [each[messages - self._low] for each in self.durations]
        total = np.sum(self.durations, axis=0) / min(worker.speed for worker in pool.workers) + pool.hop
        careful = total > queue.options.visibility_timeout * (1 - 1e-12)
        for effect in pool.effects:
            for condition in pool.slow[effect]:
                careful |= _by_chance(condition, self._low, high, messages)
        for _, condition in pool.crashes:
            careful |= _by_chance(condition, self._low, high, messages)
        work = self.durations[-1].copy()
        work[careful | np.isinf(total)] = np.inf
        self.work: list[float] = work.tolist()
        self.stages: list[tuple[float, ...]] | None = None
        self._set_stages(pool, work)
        self.starts: list[float] = []
        self.chosen: list[int] = []
        self._careful: list[int] = [*np.flatnonzero(np.isinf(work)).tolist(), self.size]
        self._next = 0

    def next_careful(self) -> int:
        """The position of the next message that the hot loop must not take."""
        while self._careful[self._next] < len(self.starts):
            self._next += 1
        return self._careful[self._next]

    @property
    def position(self) -> int:
        """How many messages have been delivered."""
        return len(self.starts)

    def message(self, position: int) -> int:
        """The number of a message."""
        return int(self.messages[position])

    def rows(self, good: Any) -> Any:
        """Where the messages stand in the columns."""
        if isinstance(good, slice) and self._is_range:
            return slice(self._low, self._low + self.size)
        return self.messages[good]

    def _set_stages(self, pool: Pool[Any], last: NDArray[Any]) -> None:
        durations = [*self.durations[:-1], last]
        if pool.is_anonymous:
            speed = pool.workers[0].speed
            durations = [each / speed for each in durations]
            if pool.hop:
                durations.insert(0, np.full(self.size, pool.hop))
        if len(durations) > 1 or pool.hop:
            self.stages = list(zip(*(each.tolist() for each in durations), strict=True))
        else:
            self.work = durations[0].tolist()


def _by_chance(condition: Condition, low: int, high: int, messages: NDArray[Any]) -> NDArray[Any]:
    """Which of the messages a condition may hit whatever the time."""
    if condition.windows is not None:
        return np.zeros(len(messages), dtype=bool)
    hit = condition.may_hit(low, high)
    return np.ones(len(messages), dtype=bool) if hit is None else hit[messages - low]


def _timed(pool: Pool[Any]) -> list[Windows]:
    """Everything that can hit attempts of a pool for a time."""
    found = [condition for effect in pool.effects for condition in effect.conditions]
    found += [condition for effect in pool.effects for condition in pool.slow[effect]]
    found += [condition for _, condition in pool.crashes]
    return [condition.windows for condition in found if condition.windows is not None]
