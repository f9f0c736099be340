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

from bisect import bisect_left
from dataclasses import dataclass, field
from math import inf, nextafter

from sim.accelerator.inflow import PAD, Inflow
from sim.accelerator.lane import Lane
from sim.accelerator.row import MANY, Row
from sim.components.polling import turn_at

Column = tuple[int, "memoryview[float]", "memoryview[float]"]
"""Of one partition: which of the member's it is, work on each record, when each is begun."""


Part = tuple["memoryview[float]", "memoryview[float]", int, int]
"""Of one partition: work on each record, when each is begun; first position fetched, and that behind it."""


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
        row: where the work of a fetch is added up.
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
    row: Row
    oldest: float = inf
    arrived: list[int] = field(default_factory=list[int])
    positions: list[int] = field(default_factory=list[int])
    committed: list[int] = field(default_factory=list[int])
    turn: int = 0
    last_commit: float = 0.0
    timers: list[float] = field(default_factory=list[float])


def rounds(lanes: list[Lane]) -> list[list[Column]]:
    """The columns of partitions by the one that comes first; the first one again.

    They are to be made anew whenever partitions get records or let go of some.
    """
    columns = [(number, lane.work, lane.starts) for number, lane in enumerate(lanes)]
    return [columns[first:] + columns[:first] for first in range(len(columns) + 1)]


def _all_of(
    columns: list[Column], numbers: bytearray, seen: int, stop: int, positions: list[int]
) -> list[Part]:
    """What a fetch brings that takes all that has arrived; positions go on behind it."""
    parts: list[Part] = []
    left, last = stop - seen, columns[-1][0]
    for number, costs, begun in columns:
        count = left if number == last else numbers.count(number, seen, stop)
        if count:
            first = positions[number]
            positions[number] = then = first + count
            parts.append((costs, begun, first, then))
            left -= count
    return parts


def _first_of(
    columns: list[Column], there: list[int], room: int, positions: list[int]
) -> tuple[list[Part], int, int]:
    """The same of one that takes no more than it has room for; the room left, and the last partition."""
    parts: list[Part] = []
    number = 0
    for number, costs, begun in columns:
        first = positions[number]
        count = min(there[number] - first, room)
        if count > 0:
            positions[number] = then = first + count
            parts.append((costs, begun, first, then))
            room -= count
            if not room:
                break
    return parts, room, number


def _in_a_row(row: Row, parts: list[Part], records: int, start: float) -> float:
    """Begin so many records in all, each when the one before it has ended; when the last of them does."""
    if records < MANY:
        for costs, begun, first, then in parts:
            for at in range(first, then):
                begun[at] = start
                start += costs[at]
        return start
    work, at = row.reserve(records + 1), 1
    work[0] = start
    for costs, _, first, then in parts:
        until = at + then - first
        work[at:until] = costs[first:then]
        at = until
    times, at = row.sums(at), 0
    for _, begun, first, then in parts:
        until = at + then - first
        begun[first:then] = times[at:until]
        at = until
    return times[at]


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
    size, row = len(times), state.row
    seen: int = inflow.seen
    likely: int = PAD
    stop: int
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
                    asked = now
                    now = wakes
                    until = nextafter(wakes, inf)
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
                begun[at] = start
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
                begun[at] = start
                positions[number] = at + 1
                if is_single:
                    turn = number + 1
                seen = stop
                is_behind = True
                asked = until = now = end
                continue
            far = seen + likely
            stop = bisect_left(times, until, stop + 1, far if far < size else size)  # noqa: FURB136
            if stop == far:
                stop = bisect_left(times, until, stop)
            if stop - seen < batch:
                if stop - seen >= MANY:
                    parts = _all_of(in_turn[turn], numbers, seen, stop, positions)
                    end = _in_a_row(row, parts, stop - seen, now + hop)
                    likely = 2 * (stop - seen)  # the next one brings no more, as far as one can guess
                else:
                    end = now + hop
                    for number, costs, begun in in_turn[turn]:
                        count = numbers.count(number, seen, stop)
                        if count:
                            at = positions[number]
                            positions[number] = position = at + count
                            for cost in costs[at:position]:
                                begun[at] = end
                                end += cost
                                at += 1
                if end >= quiet or end <= now:
                    for number, _, _ in columns:
                        positions[number] -= numbers.count(number, seen, stop)
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
        before = positions[:]
        parts, room, number = _first_of(in_turn[turn], there, batch, positions)
        end = _in_a_row(row, parts, batch - room, now + hop)
        if room < batch and (end >= quiet or end <= now):
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
