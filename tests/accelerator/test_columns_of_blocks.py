"""The small columns of which blocks are made, each beside a plain list that says what it must hold."""

from __future__ import annotations

from itertools import accumulate

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sim.accelerator.lane import Lane
from sim.accelerator.row import MANY, Row
from sim.accelerator.tail import Tail


@given(st.lists(st.tuples(st.sampled_from(["append", "drop"]), st.integers(0, 60)), max_size=40))
def test_a_tail_keeps_what_has_come_and_not_gone(steps: list[tuple[str, int]]) -> None:
    """However much comes and goes, and wherever in its room it stands meanwhile."""
    tail, kept, come = Tail(np.int64), [], 0
    for what, count in steps:
        if what == "append":
            more = list(range(come, come + count))
            come, kept = come + count, kept + more
            found = tail.append(np.array(more, dtype=np.int64))
        else:
            gone = min(count, len(kept))
            del kept[:gone]
            found = tail.drop(gone)
        assert found is tail.kept
        assert found.tolist() == kept


def test_a_tail_that_is_emptied_again_and_again_stays_in_its_room() -> None:
    """Memory that was used before serves what comes next."""
    tail = Tail(float)
    room = tail.append(np.arange(100.0)).base
    for _ in range(5):
        tail.drop(90)
        assert tail.append(np.arange(90.0)).base is room
        assert tail.kept.tolist()[10:] == [*range(90)]


@given(st.lists(st.floats(0, 1e9), min_size=1, max_size=3 * MANY))
def test_sums_are_rounded_step_by_step_as_a_clock_is(numbers: list[float]) -> None:
    """Never added up in pairs, which would round otherwise."""
    row = Row()
    row.reserve(len(numbers))[: len(numbers)] = np.array(numbers).data
    assert row.sums(len(numbers)).tolist() == list(accumulate(numbers))


@given(st.lists(st.tuples(st.sampled_from(["run", "begin", "step over"]), st.integers(1, 5)), max_size=30))
def test_a_lane_tells_what_was_begun_plainly_once(steps: list[tuple[str, int]]) -> None:
    """In stretches that leave out what was begun otherwise, or passed over."""
    size = sum(count for _, count in steps)
    lane = Lane(0)
    lane.extend(np.empty(0), np.arange(size) + 1000, np.arange(size) / 8)
    plain: list[tuple[float, int, float]] = []
    told: list[tuple[float, int, float]] = []
    for number, (what, count) in enumerate(steps):
        first = lane.begun
        if what == "run":
            lane.run(first + count, np.arange(first, first + count, dtype=float).data)
            plain += [(float(place), 1000 + place, place / 8) for place in range(first, first + count)]
        elif what == "begin":
            lane.begin(first)
        else:
            lane.step_over(first + count)
        if number % 7 == 3:
            told += _rows(lane)
    assert told + _rows(lane) == plain
    assert not lane.plain_since()


def _rows(lane: Lane) -> list[tuple[float, int, float]]:
    stretches = lane.plain_since()
    return [row for each in stretches for row in zip(*(column.tolist() for column in each), strict=True)]
