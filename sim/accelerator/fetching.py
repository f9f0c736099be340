"""The hot loop of a consumer group's member: fetches and what is fetched, as long as all goes well.

A record goes well if it is begun for the first time, its attempt succeeds, and it ends before anything can
interfere. What may go otherwise has work of infinity, so that one comparison at the end of a fetch finds it:
the fetch is taken back, and the careful way (:mod:`sim.accelerator.member`) makes it again. To ask again at
the same time changes nothing, so that the loop can stop wherever the member has just asked.

Mostly a member fetches all that it has seen arrive. Then its records are those of one line, whatever their
partitions, and one look at the head of the line tells whether there is something. Only a fetch that is full
leaves some of them: what has arrived is counted by partition until a fetch comes to their ends.

Plain lists and arrays, one per partition: what a compiled kernel could replace.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from dataclasses import dataclass, field
from itertools import accumulate
from math import inf, nextafter

import numpy as np

from sim.accelerator.inflow import PAD, Inflow
from sim.accelerator.lane import Lane
from sim.components.polling import turn_at

_FEW, _MANY = 8, 24
"""Records of a fetch that are faster one by one; that are faster as an array."""


Column = tuple[int, "array[float]", "array[float]"]
"""Of one partition: which of the member's it is, work on each record, starts so far."""


@dataclass(slots=True)
class Fetches:
    """What the loop reads and writes; one list or number per partition of the member.

    Attributes:
        inflow: what arrives.
        rounds: the columns of all partitions in turn, by the partition at which a fetch begins.
        commits: the time of each commit, and then the position in each partition.
        interval: least time between two commits.
        batch: records fetched at once.
        hop: once for each fetch, s.
        poll: how long a member sleeps that asked in vain; 0 if it waits.
        retention: how long records stay; infinity where that is for ever.
        oldest: no record that has not been fetched is older, s.
        arrived: records.
        positions: of the next record to be fetched.
        committed: offsets.
        turn: the partition at which the next fetch begins.
        last_commit: when.
        timers: when a member that is idle then commits, if it has not by then.
    """

    inflow: Inflow
    rounds: list[list[Column]]
    commits: list[float]
    interval: float
    batch: int
    hop: float
    poll: float
    retention: float
    oldest: float = inf
    arrived: list[int] = field(default_factory=list[int])
    positions: list[int] = field(default_factory=list[int])
    committed: list[int] = field(default_factory=list[int])
    turn: int = 0
    last_commit: float = 0.0
    timers: list[float] = field(default_factory=list[float])


def rounds(lanes: list[Lane]) -> list[list[Column]]:
    """The columns of partitions, which stay the same lists, by the one that comes first; the first again."""
    columns = [(number, lane.work, lane.starts) for number, lane in enumerate(lanes)]
    return [columns[first:] + columns[:first] for first in range(len(columns) + 1)]


def _in_a_row(costs: array[float], start: float, begun: array[float]) -> float:
    """Begin records, each when the one before it has ended; when the last of them does."""
    if len(costs) < _MANY:
        begun.extend(accumulate(costs, initial=start))
    else:
        times = np.empty(len(costs) + 1)
        times[0] = start
        times[1:] = np.frombuffer(costs)
        np.add.accumulate(times, out=times)  # one after another, as a worker's clock does
        begun.frombytes(times.tobytes())
    return begun.pop()


def fetch(state: Fetches, now: float, quiet: float) -> float:  # noqa: C901, PLR0912, PLR0915 - the hot loop
    """Fetch and work, as long as all of it ends before ``quiet``.

    Args:
        state: changed in place.
        now: when the member asks.
        quiet: see above.

    Returns:
        When the member asks for something that the loop leaves undone.
    """
    inflow, in_turn, positions, arrived = state.inflow, state.rounds, state.positions, state.arrived
    times, numbers, commits = inflow.times, inflow.numbers, state.commits
    interval, batch, hop, poll = state.interval, state.batch, state.hop, state.poll
    assert isinstance(numbers, bytearray)
    retention, can_expire, is_single = state.retention, state.retention < inf, batch == 1
    columns = in_turn[0]
    timers = state.timers
    turn, last = state.turn, state.last_commit
    due = last + interval
    timer = -inf
    seen = inflow.seen
    has_all = positions == arrived
    is_behind = positions != state.committed
    asked = until = now
    while True:
        if now >= due:
            if is_behind:
                commits.append(now)
                commits += positions
                is_behind = False
            last, due = now, now + interval
            if timers:
                timers.clear()
        if has_all:
            head, stop = times[seen], seen + 1
            if head >= until:  # nothing is there: wait for the next record
                if head >= quiet:
                    break
                if times[stop] == head:
                    while times[stop] == head and numbers[stop] == numbers[seen]:
                        stop += 1
                    if times[stop] == head:
                        break
                    stop = seen + 1
                if poll:
                    asks = now + poll
                    wakes = asks if head <= asks else turn_at(poll, now, head)
                    if wakes >= quiet:
                        break
                    if is_behind:
                        timers.append(asks if due <= asks else turn_at(poll, now, due))
                        idle = min([time for time in timers if time >= now]) if len(timers) > 1 else timers[0]
                        if idle < wakes:
                            commits.append(idle)
                            commits += positions
                            is_behind = False
                            last, due = idle, idle + interval
                            timers.clear()
                    asked, now, until = now, wakes, nextafter(wakes, inf)
                    continue
                if is_behind:
                    timer = due
                    if due <= head:
                        commits.append(due)
                        commits += positions
                        is_behind = False
                        last, due = due, due + interval
                        if timers:
                            timers.clear()
                if head >= due:
                    last, due = head, head + interval
                    if timers:
                        timers.clear()
                number, costs, begun = columns[numbers[seen]]
                at = positions[number]
                start = head + hop
                end = start + costs[at]
                if end >= quiet or end <= head:
                    break
                begun.append(start)
                positions[number] = at + 1
                turn = number + 1
                seen = stop
                is_behind = True
                asked = until = now = end
                continue
            if can_expire and head + retention <= now:
                break
            if times[stop] >= until:  # one record
                number, costs, begun = columns[numbers[seen]]
                at = positions[number]
                start = now + hop
                end = start + costs[at]
                if end >= quiet or end <= now:
                    break
                begun.append(start)
                positions[number] = at + 1
                if is_single:
                    turn = number + 1
                seen = stop
                is_behind = True
                asked = until = now = end
                continue
            stop = bisect_left(times, until, stop + 1, seen + PAD)
            if stop == seen + PAD:
                stop = bisect_left(times, until, stop)
            if stop - seen < batch:
                end = now + hop
                for number, costs, begun in in_turn[turn]:
                    count = numbers.count(number, seen, stop)
                    if count:
                        first = positions[number]
                        positions[number] = position = first + count
                        if count < _FEW:
                            for cost in costs[first:position]:
                                begun.append(end)
                                end += cost
                        else:
                            end = _in_a_row(costs[first:position], end, begun)
                if end >= quiet or end <= now:
                    for number, _, begun in columns:
                        count = numbers.count(number, seen, stop)
                        if count:
                            del begun[-count:]
                            positions[number] -= count
                    break
                seen = stop
                is_behind = True
                asked = until = now = end
                continue
            arrived, has_all = positions[:], False
        # a fetch may be full
        if can_expire and state.oldest + retention <= now:
            break
        stop = bisect_left(times, until, seen)
        there = [count + numbers.count(number, seen, stop) for number, count in enumerate(arrived)]
        before, room, number = positions[:], batch, 0
        end = now + hop
        for number, costs, begun in in_turn[turn]:
            first = positions[number]
            position = min(there[number], first + room)
            if position > first:
                end = _in_a_row(costs[first:position], end, begun)
                positions[number] = position
                room -= position - first
                if not room:
                    break
        if room < batch and (end >= quiet or end <= now):
            for number, _, begun in columns:
                if positions[number] > before[number]:
                    del begun[before[number] - positions[number] :]
            positions[:] = before
            break
        seen, arrived = stop, there
        has_all = positions == arrived
        if room < batch:
            if not room:
                turn = number + 1
            is_behind = True
            asked = until = now = end
    if timer == due:
        timers.append(timer)
    state.turn, state.last_commit = turn % len(columns), last
    state.arrived = positions if has_all else arrived
    inflow.seen = seen
    return asked
