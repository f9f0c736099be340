"""Outages in columns: by several faults, one by one, and joined to absences."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sim.components.timelines import AllOutages, Outage, Outages, absences, all_lose, first_from

_OUTAGES = st.lists(st.tuples(st.integers(0, 40), st.sampled_from([0, 0, 1, 2, 5])), max_size=12)
_KINDS = st.sampled_from(["finish", "resume", "lose"])


def _columns(drawn: list[tuple[int, int]], in_hand: str = "lose") -> Outages:
    """Outages of one fault, which may touch, overlap and take no time."""
    starts = sorted(float(start) for start, _ in drawn)
    ends = [start + length for start, (_, length) in zip(starts, drawn, strict=True)]
    return Outages(starts, ends, (in_hand, in_hand == "finish"))


@given(st.lists(st.tuples(_OUTAGES, _KINDS), min_size=1, max_size=3))
def test_those_of_several_faults_stand_in_the_order_in_which_they_begin(
    drawn: list[tuple[list[tuple[int, int]], str]],
) -> None:
    """At one time those of the first fault come first; each keeps what it does to work and to memory."""
    parts = [_columns(*each) for each in drawn]
    together = AllOutages(parts)
    in_turn = sorted((outage for part in parts for outage in part), key=lambda outage: outage.start)
    assert list(together) == in_turn
    assert len(together) == len(in_turn)
    assert all_lose(together) == (not in_turn or all(in_hand == "lose" for _, in_hand in drawn))
    for time in range(-1, 48):
        begun = sum(outage.start < time for outage in in_turn)
        assert first_from(together, time) == first_from(in_turn, time) == begun


@given(st.lists(_OUTAGES, min_size=1, max_size=3))
def test_an_absence_is_what_overlaps_or_touches(drawn: list[list[tuple[int, int]]]) -> None:
    """Joined one by one; an outage of no time that begins as another ends is an absence of its own."""
    outages = AllOutages([_columns(each) for each in drawn])
    expected: list[tuple[float, float]] = []
    in_turn = sorted(outages)
    for start, end, *_ in in_turn:
        if expected and (start < expected[-1][1] or start == expected[-1][1] < end):
            expected[-1] = expected[-1][0], max(expected[-1][1], end)
        else:
            expected.append((start, end))
    assert list(absences(outages)) == list(absences(in_turn)) == expected


def test_nobody_is_away_without_outages() -> None:
    """Neither in columns nor without."""
    assert list(absences([])) == list(absences(Outages([], [], ("lose", False)))) == []
    parts = [Outages([], [], ("lose", False)), Outages([1.0], [2.0], ("finish", True))]
    assert AllOutages(parts)[0] == Outage(1.0, 2.0, "finish", takes_memory=True)
