"""The hot loop: deliveries of fresh messages to free workers, as long as all goes well.

A delivery goes well if it is a message's first, all its attempts succeed, and it ends before anything can
interfere: its visibility timeout, an outage of its worker, the next window of a fault, the end of its
retention, the end of the run. What may go otherwise has a duration of infinity, so that one comparison with a
limit finds it; the loop stops there and the careful way takes over. The oldest visible message goes to the
worker that has been free longest, which is the first of a heap.

Separate loops, because each of them would pay for what only another needs: one stage of work or several,
workers that are all alike or not, a memory that is bounded or not. Plain lists and floats, no attributes:
what a compiled kernel could replace.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from heapq import heapreplace

Free = tuple[float, int, int]
"""A worker in the heap: free since, order among those free since the same instant, number."""


def alike_one(
    free: list[float],
    visible: Iterable[float],
    durations: Iterable[float],
    limit: float,
    push: Callable[[float], None],
) -> None:
    """Start messages on workers that are all alike and do one thing, until one would end after the limit.

    Args:
        free: heap of the times since when workers are free; changed in place.
        visible: when each message is visible.
        durations: of the work on each.
        limit: see above.
        push: gets the start of each message that goes well.
    """
    for seen, duration in zip(visible, durations, strict=False):
        since = free[0]
        start = max(since, seen)
        end = start + duration
        if end > limit:
            return
        heapreplace(free, end)
        push(start)


def alike_many(
    free: list[float],
    visible: Iterable[float],
    stages: Iterable[tuple[float, ...]],
    limit: float,
    push: Callable[[float], None],
) -> None:
    """The same for work of several stages: a hop, several effects."""
    for seen, durations in zip(visible, stages, strict=False):
        since = free[0]
        start = end = max(since, seen)
        for duration in durations:
            end += duration
        if end > limit:
            return
        heapreplace(free, end)
        push(start)


def each_one(  # noqa: PLR0917 - plain data
    free: list[Free],
    visible: Iterable[float],
    durations: Iterable[float],
    speeds: list[float],
    limits: list[float],
    count: int,
    push: Callable[[float], None],
    choose: Callable[[int], None],
) -> None:
    """Start messages on workers of different speed and with outages of their own.

    Args:
        free: heap of workers; changed in place.
        visible: when each message is visible.
        durations: of the work on each, at normal speed.
        speeds: of each worker.
        limits: of each worker.
        count: deliveries so far.
        push: gets the start of each message that goes well.
        choose: gets the number of its worker.
    """
    for seen, duration in zip(visible, durations, strict=False):
        since, _, worker = free[0]
        start = max(since, seen)
        end = start + duration / speeds[worker]
        if end > limits[worker]:
            return
        heapreplace(free, (end, count, worker))
        count += 1
        push(start)
        choose(worker)


def each_many(  # noqa: PLR0917 - plain data
    free: list[Free],
    visible: Iterable[float],
    stages: Iterable[tuple[float, ...]],
    speeds: list[float],
    limits: list[float],
    hop: float,
    count: int,
    push: Callable[[float], None],
    choose: Callable[[int], None],
) -> None:
    """The same for work of several stages, after a hop."""
    for seen, durations in zip(visible, stages, strict=False):
        since, _, worker = free[0]
        start = end = max(since, seen)
        if hop:
            end += hop
        speed = speeds[worker]
        for duration in durations:
            end += duration / speed
        if end > limits[worker]:
            return
        heapreplace(free, (end, count, worker))
        count += 1
        push(start)
        choose(worker)


def alike_bounded(
    free: list[float],
    visible: Iterable[float],
    durations: Iterable[float],
    limit: float,
    leaves: deque[float],
    push: Callable[[float], None],
) -> None:
    """As :func:`alike_one`, for a memory that is bounded: stops at a message that finds it full.

    Args:
        free: see there.
        visible: see there.
        durations: see there.
        limit: see there.
        leaves: when the last ones to be accepted leave the memory, as many as it holds; changed in place.
        push: see there.
    """
    for seen, duration in zip(visible, durations, strict=False):
        since = free[0]
        start = max(since, seen)
        end = start + duration
        if end > limit or (start > seen and (not leaves or leaves[0] > seen)):
            return
        leaves.append(start)
        heapreplace(free, end)
        push(start)


def each_bounded(  # noqa: PLR0917 - plain data
    free: list[Free],
    visible: Iterable[float],
    durations: Iterable[float],
    speeds: list[float],
    limits: list[float],
    leaves: deque[float],
    count: int,
    push: Callable[[float], None],
    choose: Callable[[int], None],
) -> None:
    """As :func:`each_one`, for a memory that is bounded: see :func:`alike_bounded`."""
    for seen, duration in zip(visible, durations, strict=False):
        since, _, worker = free[0]
        start = max(since, seen)
        end = start + duration / speeds[worker]
        if end > limits[worker] or (start > seen and (not leaves or leaves[0] > seen)):
            return
        leaves.append(start)
        heapreplace(free, (end, count, worker))
        count += 1
        push(start)
        choose(worker)
