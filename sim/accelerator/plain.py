"""The hot loop: deliveries of fresh messages to free workers, as long as all goes well.

A delivery goes well if it is a message's first, all its attempts surely succeed or one surely fails, and it
ends before anything can interfere: its visibility timeout, an outage of its worker, the next window of a
fault, the end of its retention, the end of the run. What may go otherwise has a duration of infinity, so that
one comparison with a limit finds it. The oldest visible message goes to the worker that has been free
longest, which is the first of a heap. To a worker failures are work like any other; when the message comes
back is the pool's business.

Two things interrupt a loop, and are left to whoever drives it: ``again`` sees to what is due back before the
next message, and says when anything is due next; ``care`` sees to a message that the loop must not take, says
in :class:`Bounds` how to go on, and whether to go on at all.

Separate loops, because each of them would pay for what only another needs: one stage of work or several,
workers that are all alike or not, a memory that is bounded or not. Plain lists and arrays: what a compiled
kernel could replace.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from heapq import heapreplace

Free = tuple[float, float, float, int]
"""A worker in the heap: free since, when that was scheduled, order among what was scheduled then, number.

So workers that get free at one instant stand in the order of the events that free them.
"""

Turn = tuple[float, float]
"""The two in the middle: what orders that which happens at one instant."""

UNKNOWN = -1
"""The place of what takes no time and is done by one of several who get free at once and have no names."""

Again = Callable[[float], float]
"""Sees to all that is due back by a time; when anything is due next, later than that."""
Care = Callable[[], bool]
"""Sees to the next message, or to the bounds; whether to go on."""


@dataclass(slots=True)
class Bounds:
    """How far a loop may go.

    Attributes:
        due: when the next copy comes back; messages that are visible from then on follow it.
        limit: no delivery may end later.
        limits: the same for each worker, where they are not alike.
        is_handled: whether the message that needed care has been seen to; else the loop tries it again.
        count: deliveries so far, where workers are not alike; counted in floats, which is faster.
    """

    due: float = math.inf
    limit: float = -math.inf
    limits: list[float] = field(default_factory=list[float])
    is_handled: bool = False
    count: float = 0.0


def alike_one(  # noqa: PLR0917 - plain data
    free: list[float],
    visible: Iterable[float],
    work: Iterable[float],
    bounds: Bounds,
    starts: list[float],
    again: Again,
    care: Care,
) -> None:
    """Deliver messages to workers that are all alike and do one thing.

    Args:
        free: heap of the times since when workers are free; changed in place.
        visible: when each message is visible.
        work: how long each delivery takes.
        bounds: how far to go; read anew after every interruption.
        starts: gets the start of each message that goes well.
        again: see there.
        care: see there.
    """
    due, limit = bounds.due, bounds.limit
    for seen, duration in zip(visible, work, strict=True):
        while True:
            if seen >= due:
                due = again(seen)
                limit = bounds.limit
            since = free[0]
            start = seen if seen > since else since  # noqa: FURB136 - a call costs more
            end = start + duration
            if end <= limit:
                heapreplace(free, end)
                starts.append(start)
                break
            if not care():
                return
            due, limit = bounds.due, bounds.limit
            if bounds.is_handled:
                break


def alike_undisturbed(free: list[float], visible: Iterable[float], work: Iterable[float]) -> list[float]:
    """What :func:`alike_one` does where nothing can interfere: since when who takes each message was free."""
    return [
        heapreplace(free, seen + duration) if seen > free[0] else heapreplace(free, free[0] + duration)
        for seen, duration in zip(visible, work, strict=True)
    ]


def alike_many(  # noqa: PLR0917 - plain data
    free: list[float],
    visible: Iterable[float],
    stages: Iterable[tuple[float, ...]],
    bounds: Bounds,
    starts: list[float],
    again: Again,
    care: Care,
) -> None:
    """The same for work of several stages: a hop, several effects."""
    due, limit = bounds.due, bounds.limit
    for seen, durations in zip(visible, stages, strict=True):
        while True:
            if seen >= due:
                due = again(seen)
                limit = bounds.limit
            since = free[0]
            start = end = seen if seen > since else since  # noqa: FURB136
            for duration in durations:
                end += duration
            if end <= limit:
                heapreplace(free, end)
                starts.append(start)
                break
            if not care():
                return
            due, limit = bounds.due, bounds.limit
            if bounds.is_handled:
                break


def each_one(  # noqa: PLR0917 - plain data
    free: list[Free],
    visible: Iterable[float],
    work: Iterable[float],
    speeds: list[float],
    bounds: Bounds,
    starts: list[float],
    choose: Callable[[int], None],
    again: Again,
    care: Care,
) -> None:
    """Deliver messages to workers of different speed and with outages of their own.

    Args:
        free: heap of workers; changed in place.
        visible: when each message is visible.
        work: how long each delivery takes at normal speed.
        speeds: of each worker.
        bounds: how far to go; read anew after every interruption.
        starts: gets the start of each message that goes well.
        choose: gets the number of its worker.
        again: see there.
        care: see there.
    """
    due, limits, count = bounds.due, bounds.limits, bounds.count
    for seen, duration in zip(visible, work, strict=True):
        while True:
            if seen >= due:
                bounds.count = count
                due = again(seen)
                count = bounds.count
            head = free[0]
            since, worker = head[0], head[3]
            start = seen if seen > since else since  # noqa: FURB136
            end = start + duration / speeds[worker]
            if end <= limits[worker]:
                heapreplace(free, (end, start, count, worker))
                count += 1.0
                starts.append(start)
                choose(worker)
                break
            bounds.count = count
            if not care():
                return
            due, count = bounds.due, bounds.count
            if bounds.is_handled:
                break
    bounds.count = count


def each_two(  # noqa: PLR0913, PLR0917 - plain data
    free: list[Free],
    visible: Iterable[float],
    firsts: Iterable[float],
    seconds: Iterable[float],
    speeds: list[float],
    bounds: Bounds,
    starts: list[float],
    choose: Callable[[int], None],
    again: Again,
    care: Care,
) -> None:
    """The same for work of two stages; if only one is reached, the first one takes no time."""
    due, limits, count = bounds.due, bounds.limits, bounds.count
    for seen, first, second in zip(visible, firsts, seconds, strict=True):
        while True:
            if seen >= due:
                bounds.count = count
                due = again(seen)
                count = bounds.count
            head = free[0]
            since, worker = head[0], head[3]
            speed = speeds[worker]
            start = seen if seen > since else since  # noqa: FURB136
            middle = start + first / speed
            end = middle + second / speed
            if end <= limits[worker]:
                heapreplace(free, (end, middle, count, worker))
                count += 1.0
                starts.append(start)
                choose(worker)
                break
            bounds.count = count
            if not care():
                return
            due, count = bounds.due, bounds.count
            if bounds.is_handled:
                break
    bounds.count = count


def each_many(  # noqa: PLR0913, PLR0917 - plain data
    free: list[Free],
    visible: Iterable[float],
    stages: Iterable[tuple[float, ...]],
    speeds: list[float],
    hop: float,
    bounds: Bounds,
    starts: list[float],
    choose: Callable[[int], None],
    again: Again,
    care: Care,
) -> None:
    """The same for work of any number of stages, after a hop."""
    due, limits = bounds.due, bounds.limits
    for seen, durations in zip(visible, stages, strict=True):
        while True:
            if seen >= due:
                due = again(seen)
            since, _, _, worker = free[0]
            start = end = seen if seen > since else since  # noqa: FURB136
            if hop:
                end += hop
            begun, speed = start, speeds[worker]
            for duration in durations:
                if duration:
                    begun = end
                    end += duration / speed
            if end <= limits[worker]:
                heapreplace(free, (end, begun, bounds.count, worker))
                bounds.count += 1.0
                starts.append(start)
                choose(worker)
                break
            if not care():
                return
            due = bounds.due
            if bounds.is_handled:
                break


def alike_bounded(
    free: list[float],
    visible: Iterable[float],
    durations: Iterable[float],
    limit: float,
    leaves: deque[float],
    starts: list[float],
) -> None:
    """As :func:`alike_one`, for a memory that is bounded: stops at a message that finds it full.

    Args:
        free: see there.
        visible: see there.
        durations: see there.
        limit: see there.
        leaves: when the last ones to be accepted leave the memory, as many as it holds; changed in place.
        starts: see there.
    """
    for seen, duration in zip(visible, durations, strict=False):
        since = free[0]
        start = seen if seen > since else since  # noqa: FURB136
        end = start + duration
        if end > limit or (start > seen and (not leaves or leaves[0] > seen)):
            return
        leaves.append(start)
        heapreplace(free, end)
        starts.append(start)


def each_bounded(  # noqa: PLR0917 - plain data
    free: list[Free],
    visible: Iterable[float],
    durations: Iterable[float],
    speeds: list[float],
    limits: list[float],
    leaves: deque[float],
    count: float,
    starts: list[float],
    choose: Callable[[int], None],
) -> None:
    """As :func:`each_one`, for a memory that is bounded: see :func:`alike_bounded`."""
    for seen, duration in zip(visible, durations, strict=False):
        since, _, _, worker = free[0]
        start = seen if seen > since else since  # noqa: FURB136
        end = start + duration / speeds[worker]
        if end > limits[worker] or (start > seen and (not leaves or leaves[0] > seen)):
            return
        leaves.append(start)
        heapreplace(free, (end, start, count, worker))
        count += 1.0
        starts.append(start)
        choose(worker)
