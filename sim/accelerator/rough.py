"""What interrupts the hot loop of a queue in the common ways: attempts fail, workers crash, timeouts expire.

Between the hot loop (:mod:`sim.accelerator.plain`) and the careful way (:mod:`sim.accelerator.hands`), which
does the same with all that can happen. Exact for the same reason: what a delivery comes to follows from its
draws and from the outages of its worker. Only deliveries whose attempts all begin before somebody else can
receive the message are taken, so that attempts at it begin in the order of its receives; the last one may
outlive the visibility timeout. The rest is left alone: no fault has a window then, the worker is there, and
if it goes away, it loses what it has in hand.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from heapq import heapreplace
from math import nan, nextafter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.accelerator.block import OUTLIVES, Block
from sim.accelerator.columns import Columns
from sim.accelerator.crew import Crew
from sim.accelerator.hands import NEXT, Hands
from sim.accelerator.plain import Again, Care
from sim.accelerator.redelivery import Redeliveries
from sim.accelerator.returns import Returns
from sim.components.queue import QueueOptions
from sim.engine.ledger import CopyLog
from sim.engine.quantities import UNLIMITED
from sim.vocabulary import Outcome

_APPLIED = Outcome.APPLIED  # looking up a member of an enum costs as much as two calls
_FIELDS = 8
"""Of a delivery that is noted, before what each attempt takes: copy, start, speed of the worker, when he
crashes, attempts, how many of them go well, deliveries before, place among all."""


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
        is_common: whether anything can be of the common kind.
    """

    def __init__(
        self,
        hands: Hands,
        crew: Crew,
        returns: Returns,
        rare: dict[int, Rare],
        options: QueueOptions,
        *,
        is_common: bool,
    ) -> None:
        self._hands, self._crew, self._returns, self._rare = hands, crew, returns, rare
        self._timeout, self._retention = options.visibility_timeout, options.retention
        self._late_delete, self._max_receives = options.late_delete, options.max_receives
        self._is_common = is_common
        pool = hands.pool
        self._pool, self._hop, self._limit = pool, pool.hop, pool.site.limit
        self._effects = [(effect, hands.attempts_at(effect)) for effect in pool.effects]
        self._all_lose = not pool.hop and pool.all_lose
        self._noted: list[float] = []

    def interruptions(  # noqa: C901, PLR0915 - closures, so that all they need stays at hand
        self,
        log: CopyLog,
        block: Block,
        seconds: Redeliveries,
        step: Callable[[], None],
        receive: Callable[[int, float], None],
        care: Care,
        *,
        arrives_first: bool,
    ) -> tuple[Again, Care]:
        """What the hot loop calls, see there, when it is at a block.

        Args:
            log: of the queue.
            block: where the loop is.
            seconds: second deliveries of the block's messages.
            step: lets the next thing of all happen that comes back, whatever it is.
            receive: a worker receives a copy that is visible again since a time, in whatever way.
            care: sees to the next message of the block where it is of no common kind.
            arrives_first: whether messages of an instant come before what comes back then.

        Returns:
            What sees to all that comes back by a time, and what sees to the next message of the block.
        """
        crew, hands, bounds, rare_by = self._crew, self._hands, self._crew.bounds, self._rare
        is_alike, times, free = crew.is_alike, crew.times, crew.free
        limits, speeds, workers = bounds.limits, crew.speeds, crew.workers
        effects, hop, timeout, retention = self._effects, self._hop, self._timeout, self._retention
        all_lose, late_delete, max_receives = self._all_lose, self._late_delete, self._max_receives
        run_limit, is_common = self._limit, self._is_common
        under_way, returns, absent, begin = crew.under_way, self._returns, crew.absent, self.begin
        in_flight = returns.in_flight
        each, count, accepted, note = seconds.each, len(seconds.each), log.accepted, self._noted.extend
        starts, visible, messages, first = block.starts, block.visible, block.messages, block.first
        chosen, first_attempts = block.chosen, effects[0][1]
        stillness, safe = block.times[0] + retention, min(retention, run_limit)
        padding = [(0.0,) * (len(effects) - made) for made in range(len(effects) + 1)]
        tells, note_return = hands.tells, log.returned.append
        note_index, note_start, note_worker, note_order = seconds.notes()

        def hand(  # noqa: C901, PLR0912, PLR0915 - one way, with everything that may stand in it
            copy: int, seen: float, stages: Sequence[float], fails: bool, rare: Rare | None
        ) -> bool:
            """The worker that is next takes a copy, if what that comes to is of the common kind.

            Args:
                copy: its number.
                seen: since when it is visible, s.
                stages: what each attempt takes, s at normal speed, until one fails or all are done.
                fails: whether the last one does.
                rare: what happened to it; None before its first delivery.

            Returns:
                Whether it does; if not, nothing has changed that matters.
            """
            if under_way:
                return False
            if is_alike:
                since, worker, limit = times[0], 0, bounds.limit
            else:
                head = free[0]
                since, worker = head[0], head[3]
                limit = limits[worker]
            start = seen if seen > since else since  # noqa: FURB136 - a call costs more
            if start >= limit:
                if is_alike:
                    return False
                start, who = crew.next(seen)  # who was first may have been away meanwhile
                worker = who.index
                limit = limits[worker]
            due, speed = start + timeout, speeds[worker]
            gone, deliveries = (UNLIMITED, 0) if rare is None else (rare.gone, rare.deliveries)
            if (
                start >= limit
                or gone <= start
                or due <= start
                or (start > retention and start > accepted[copy] + retention)
            ):
                return False
            begun = end = start + hop
            for duration in stages:
                begun, end = end, end + duration / speed
            crashes = UNLIMITED
            if end > limit:
                crashes = end = workers[worker].undisturbed_until
                if is_alike or end > bounds.limit or not all_lose:
                    return False
                begun = start
                for duration in stages:
                    if begun + duration / speed > end:
                        break
                    begun += duration / speed
            outlives = end > due
            if begun >= end or end == gone or (outlives and begun >= due):
                return False
            if is_alike:
                heapreplace(times, end)
            else:
                entry = (end, begun, bounds.count, worker)
                if end == crashes:
                    back = absent(worker, end) or crew.back(workers[worker], end)
                    entry = back if back[0] > end else entry
                heapreplace(free, entry)
            bounds.count += 1.0
            made, order = len(stages), hands.order
            good, rest = made - fails, padding[made]
            note((copy, start, speed, crashes, made, good, deliveries, order, *stages, *rest))
            if not (fails or outlives or end == crashes):
                log.ended[copy] = end if end < gone else gone  # noqa: FURB136
                log.fate[copy] = _APPLIED
                if rare is not None:
                    del rare_by[copy]
                return True
            if rare is None:
                rare = rare_by[copy] = Rare()
            if made == 1:
                first_attempts[copy] = first_attempts.get(copy, 0) + 1
            else:
                now = start
                for (_, attempts), duration in zip(effects, stages, strict=False):
                    if now >= end:
                        break
                    attempts[copy] = attempts.get(copy, 0) + 1
                    now += duration / speed
            rare.deliveries = deliveries + 1
            returns.add(due, order, copy)
            if outlives and end < gone and late_delete and not (fails or end == crashes):
                rare.gone, rare.by = end, worker
            return True

        def take_next() -> bool:
            """The next message of the block, which the hot loop must not take."""
            position = len(starts)
            seen = visible[position]
            hands.order = first + position
            delivery = block.first_delivery(position) if seen < bounds.limit else None
            if delivery is None or not hand(messages.item(position), seen, *delivery, None):
                return care()
            starts.append(nan)
            chosen.append(0)
            block.has_skipped = bounds.is_handled = True
            due = returns.due if returns.due < seconds.due else seconds.due  # noqa: FURB136 - nobody is under way
            bounds.due = nextafter(due, UNLIMITED) if arrives_first else due
            return True

        def come_back(due: float) -> bool:
            """The same for the next copy in flight, which has nothing to do with the block."""
            copy = in_flight[0][2]
            rare = rare_by[copy]
            if rare.gone <= due or rare.deliveries >= max_receives or (due >= safe and is_over(copy, due)):
                return False
            in_flight.popleft()
            returns.due = in_flight[0][0] if in_flight else UNLIMITED
            hands.order += NEXT
            note_return(due)
            if due >= bounds.limit or not hand(copy, due, *self._next_attempts(copy), rare):
                receive(copy, due)
            return True

        def come_back_soon(index: int, due: float) -> None:
            """The same for a message of the block whose second delivery does not end well either."""
            position, failed_at, stages, fails, _ = each[index]
            copy = begin(seconds, index)
            if failed_at == OUTLIVES:
                stages, fails = self._next_attempts(copy)
            hands.order += NEXT
            if not (due >= safe and is_over(copy, due)) and hand(copy, due, stages, fails, rare_by[copy]):
                note_return(due)
            else:
                returns.add(due, first + position, copy)

        def is_over(copy: int, time: float) -> bool:
            """Whether a copy is not kept until a time, or the run is over."""
            return time >= run_limit or (time >= retention and time >= accepted[copy] + retention)

        def again(until: float) -> float:  # noqa: C901, PLR0912, PLR0915 - called most often by far
            """All that comes back by a time is delivered."""
            index, delivered = seconds.next, len(starts)
            while True:
                other = returns.due
                if under_way and under_way[0][0] < other:
                    other = under_way[0][0]
                while True:
                    if index == count:
                        due = UNLIMITED
                        break
                    position, failed_at, stages, _, is_well = each[index]
                    if position >= delivered:
                        due = visible[position] + timeout
                        break
                    due = starts[position] + timeout
                    if is_well and due <= until and due < other:
                        if is_alike:
                            since, worker, limit = times[0], 0, bounds.limit
                        else:
                            head = free[0]
                            since, worker = head[0], head[3]
                            limit = limits[worker]
                        start = due if due > since else since  # noqa: FURB136
                        begun = end = start + hop
                        speed = speeds[worker]
                        for duration in stages:
                            begun, end = end, end + duration / speed
                        if not (begun < end <= limit and end <= stillness):
                            break
                        if is_alike:
                            heapreplace(times, end)
                        else:
                            heapreplace(free, (end, begun, bounds.count, worker))
                        bounds.count += 1.0
                        note_index(index)
                        note_start(start)
                        note_worker(worker)
                        if tells:
                            hands.order = max(hands.order, first + delivered - 1) + NEXT
                            note_order(hands.order)
                    elif due == due and not (failed_at == OUTLIVES and seconds.end_of_only(index) <= due):  # noqa: PLR0124 - NaN: it did not take the hot loop
                        break
                    index += 1
                seconds.next, seconds.due = index, due
                if due > until and other > until:
                    return due if due < other else other  # noqa: FURB136
                if hands.order < first + delivered - 1:  # noqa: PLR1730 - a call costs more
                    hands.order = first + delivered - 1
                if due < other:
                    seconds.next = index = index + 1
                    come_back_soon(index - 1, due)
                elif not (is_common and other < due and not under_way and come_back(other)):
                    step()
                    index = seconds.next

        return again, take_next

    def _next_attempts(self, copy: int) -> tuple[list[float], bool]:
        """What the attempts of the next delivery of a copy take, until one fails, and whether it does."""
        stages: list[float] = []
        fails = False
        for effect, attempts in self._effects:
            time, fails = effect.outcome(copy, attempts.get(copy, 0))
            stages.append(time)
            if fails:
                break
        return stages, fails

    def begin(self, seconds: Redeliveries, index: int) -> int:
        """A first delivery that took the hot loop did not go well; the number of its copy."""
        position, failed_at, _, _, _ = seconds.each[index]
        copy = seconds.block.messages.item(position)
        outlives = failed_at == OUTLIVES  # which only a single attempt can
        for _, attempts in self._effects[: 1 if outlives else failed_at + 1]:
            attempts[copy] = 1
        rare = self._rare[copy] = Rare(1)
        if outlives and self._late_delete:
            rare.gone, rare.by = seconds.end_of_only(index), seconds.worker_of(index)
        return copy

    def write(self, columns: Columns) -> None:
        """Write down all deliveries since the last time: attempts, busy time, what is applied."""
        if not self._noted:
            return
        told = np.fromiter(self._noted, float, len(self._noted))
        noted = told.reshape(-1, _FIELDS + len(self._effects)).T.copy()
        self._noted = []
        _, start, speed, crashes, made, good, before, orders = noted[:_FIELDS]
        copies = noted[0].astype(np.int64)
        is_again = before > 0
        columns.log.retaken.frombytes(start[is_again].tobytes())
        columns.taken[copies[~is_again]] = start[~is_again]
        np.maximum.at(columns.deliveries, copies, (before + 1).astype(np.uint32))
        now: NDArray[Any] = start + self._hop
        last = now
        for place, ((effect, _), work) in enumerate(zip(self._effects, noted[_FIELDS:], strict=True)):
            begun, now = now, now + work / speed
            is_made = (place < made) & (begun < crashes)
            last = np.where(is_made, begun, last)
            self._pool.count_busy_times(begun[is_made], np.minimum(now, crashes)[is_made])
            is_applied = (place < good) & (now <= crashes)
            for number in np.unique(before[is_applied]):  # a copy is delivered but once for the same time
                those = np.flatnonzero(is_applied & (before == number))
                self._hands.apply_all(
                    effect, copies[those], now[those], begun[those], orders[those], is_late=bool(number)
                )
        self._crew.note(np.minimum(now, crashes), last, start)
