"""The hot loop of a consumer group's member: fetches and what is fetched, as long as all goes well.

A record goes well if it is begun for the first time, its attempt succeeds, and it ends before anything can
interfere. What may go otherwise has work of infinity, so that one comparison at the end of a fetch finds it:
the fetch is taken back, and the careful way (:mod:`sim.accelerator.member`) makes it again. To ask again at
the same time changes nothing, so that the loop can stop wherever the member has just asked.

Plain lists and floats, one list per partition: what a compiled kernel could replace.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from itertools import accumulate
from math import inf, nextafter

from sim.accelerator.lane import PAD, Lane
from sim.components.polling import turn_at

_FEW = 6
"""Records of a fetch that are faster one by one."""


Column = tuple[int, list[float], list[float], list[float]]
"""Of one partition: which of the member's it is, when records were accepted, work on each, starts so far."""


@dataclass(slots=True)
class Fetches:
    """What the loop reads and writes; one list or number per partition of the member.

    Attributes:
        rounds: the columns of all partitions in turn, by the partition at which a fetch begins.
        bases: records before the first of each column.
        commit_times: when offsets were committed.
        offsets: which.
        interval: least time between two commits.
        batch: records fetched at once.
        hop: once for each fetch, s.
        poll: how long a member sleeps that asked in vain; 0 if it waits.
        retention: how long records stay; infinity where that is for ever.
        positions: of the next record to be fetched.
        committed: offsets.
        turn: the partition at which the next fetch begins.
        last_commit: when.
        timers: when a member that is idle then commits, if it has not by then.
    """

    rounds: list[list[Column]]
    bases: list[int]
    commit_times: list[list[float]]
    offsets: list[list[int]]
    interval: float
    batch: int
    hop: float
    poll: float
    retention: float
    positions: list[int]
    committed: list[int]
    turn: int
    last_commit: float
    timers: list[float]

    @classmethod
    def of(
        cls, lanes: list[Lane], interval: float, batch: int, hop: float, poll: float, retention: float
    ) -> Fetches:
        """Nothing has been fetched yet from some partitions, whose columns stay the same lists."""
        columns = [(number, lane.times, lane.work, lane.starts) for number, lane in enumerate(lanes)]
        return cls(
            [columns[first:] + columns[:first] for first in range(len(columns))],
            [0 for _ in lanes],
            [lane.commit_times for lane in lanes],
            [lane.offsets for lane in lanes],
            interval,
            batch,
            hop,
            poll,
            retention,
            [0 for _ in lanes],
            [0 for _ in lanes],
            0,
            0.0,
            [],
        )


def fetch(state: Fetches, now: float, quiet: float) -> float:  # noqa: C901, PLR0912, PLR0915 - the hot loop
    """Fetch and work, as long as all of it ends before ``quiet``.

    Args:
        state: changed in place.
        now: when the member asks.
        quiet: see above.

    Returns:
        When the member asks for something that the loop leaves undone.
    """
    rounds, positions = state.rounds, state.positions
    committed, bases, commit_times, offsets = state.committed, state.bases, state.commit_times, state.offsets
    interval, batch, hop, retention = state.interval, state.batch, state.hop, state.retention
    lanes = range(len(positions))
    can_expire = retention < inf
    columns = rounds[0]
    timers = state.timers
    turn, last = state.turn, state.last_commit
    due = last + interval
    timer = -inf
    asked = seen = now
    while True:
        if now >= due:
            for lane in lanes:
                if positions[lane] > committed[lane]:
                    committed[lane] = positions[lane]
                    commit_times[lane].append(now)
                    offsets[lane].append(bases[lane] + positions[lane])
            last, due = now, now + interval
            if timers:
                timers.clear()
        taken_at, room, before = now, batch, positions[:]
        now += hop
        lane = 0
        for lane, column, costs, begun in rounds[turn]:
            first = positions[lane]
            if column[first] >= seen:
                continue
            if can_expire and column[first] + retention <= taken_at:
                now = inf
                break
            position = first + 1
            if room == 1 or column[position] >= seen:
                begun.append(now)
                now += costs[first]
            else:
                position = bisect_left(column, seen, position, first + PAD)
                if position == first + PAD:
                    position = bisect_left(column, seen, position)
                if position - first > room:
                    position = first + room
                if position - first < _FEW:
                    for cost in costs[first:position]:
                        begun.append(now)
                        now += cost
                else:
                    begun.extend(accumulate(costs[first:position], initial=now))
                    now = begun.pop()
            positions[lane] = position
            room -= position - first
            if not room:
                break
        if room < batch or now == inf:
            if now >= quiet or now <= taken_at:
                for lane, _, _, begun in columns:
                    if positions[lane] > before[lane]:
                        del begun[before[lane] - positions[lane] :]
                        positions[lane] = before[lane]
                break
            if not room:
                turn = (lane + 1) % len(lanes)
            asked = seen = now
            continue
        # nothing there: wait for the next record
        now, following, at = taken_at, inf, 0
        is_behind = is_tied = False
        for lane, column, _, _ in columns:
            head = column[positions[lane]]
            if head < following:
                following, at, is_tied = head, lane, False
            elif head == following:
                is_tied = True
            if positions[lane] > committed[lane]:
                is_behind = True
        if following >= quiet or is_tied:
            break
        if state.poll:
            wakes = turn_at(state.poll, now, following)
            if wakes >= quiet:
                break
            if is_behind:
                timers.append(turn_at(state.poll, now, max(due, now)))
            commits = min([time for time in timers if time >= now], default=inf)
        else:
            wakes, commits = following, due
            if is_behind:
                timer = due
        if is_behind and commits < wakes:
            for lane in lanes:
                if positions[lane] > committed[lane]:
                    committed[lane] = positions[lane]
                    commit_times[lane].append(commits)
                    offsets[lane].append(bases[lane] + positions[lane])
            last, due = commits, commits + interval
            if timers:
                timers.clear()
        if state.poll:
            asked, now, seen = now, wakes, nextafter(wakes, inf)
            continue
        if following >= due:
            if is_behind:
                for lane in lanes:
                    if positions[lane] > committed[lane]:
                        committed[lane] = positions[lane]
                        commit_times[lane].append(following)
                        offsets[lane].append(bases[lane] + positions[lane])
            last, due = following, following + interval
            if timers:
                timers.clear()
        start = following + hop
        _, _, costs, begun = columns[at]
        end = start + costs[positions[at]]
        if end >= quiet or end <= following:
            break
        begun.append(start)
        positions[at] += 1
        turn = (at + 1) % len(lanes)
        asked = seen = now = end
    if timer == due:
        timers.append(timer)
    state.turn, state.last_commit = turn, last
    return asked
