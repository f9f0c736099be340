"""The smallest passing value and the knee, against what a person would say of the same list."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.analysis.saturation import knee
from sim.analysis.sizing import sizing

P, F, I = "PASS", "FAIL", "INCONCLUSIVE"  # noqa: E741


@pytest.mark.parametrize(
    ("verdicts", "smallest", "largest", "stray", "is_monotone"),
    [
        ([F, F, P, P], 2, None, (), True),
        ([P, P, P, P], 0, 3, (), True),
        ([F, F, F, F], None, None, (), True),
        ([P, P, F, F], None, 1, (), True),
        ([F, P, F, P], 3, None, (1,), False),
        ([P, F, P, P], 2, 0, (), False),
        ([F, P, P, F], None, None, (1, 2), False),
        ([F, I, P, P], 2, None, (), True),
        ([F, P, P, I], None, None, (1, 2), False),
        ([P, F, P, F], None, 0, (2,), False),
    ],
)
def test_smallest_passing_value(verdicts, smallest, largest, stray, is_monotone) -> None:
    """From it on all larger values pass; INCONCLUSIVE is no pass; lucky points between failures are none."""
    found = sizing([10.0, 20.0, 30.0, 40.0], verdicts)
    assert (found.smallest, found.largest, found.stray) == (smallest, largest, stray)
    assert found.is_monotone is is_monotone
    assert found.doubtful == tuple(place for place, each in enumerate(verdicts) if each == I)


@given(st.dictionaries(st.integers(0, 10**6), st.sampled_from([P, F, I]), min_size=1))
def test_by_its_definition(pairs) -> None:
    """In any order of the values, it is the least of those with nothing but passes at and above them."""
    values, verdicts = [float(value) for value in pairs], list(pairs.values())
    found = sizing(values, verdicts)
    above = [v for v in values if all(e == P for w, e in zip(values, verdicts, strict=True) if w >= v)]
    below = [v for v in values if all(e == P for w, e in zip(values, verdicts, strict=True) if w <= v)]
    assert (None if found.smallest is None else values[found.smallest]) == min(above, default=None)
    assert (None if found.largest is None else values[found.largest]) == max(below, default=None)
    passing = {v for v, e in zip(values, verdicts, strict=True) if e == P}
    assert {values[place] for place in found.stray} == passing - {*above, *below}


def test_knee_of_a_server_that_saturates() -> None:
    """Goodput min(load, 50): the knee is the last load of at most 50 / 0.98."""
    loads = [10.0, 30.0, 50.0, 51.0, 52.0, 90.0]
    assert knee(loads, [min(load, 50.0) for load in loads]) == 3
    assert knee(loads, [min(load, 50.0) for load in loads], within=0.0) == 2


def test_knee_before_the_first_failure() -> None:
    """A load that holds beyond one that does not is no knee; order of the points does not matter."""
    assert knee([30.0, 10.0, 20.0], [30.0, 10.0, 15.0]) == 1


def test_no_knee() -> None:
    """Where not even the smallest load holds, or nothing is known of it, there is none."""
    assert knee([10.0, 20.0], [9.0, 20.0]) is None
    assert knee([10.0, 20.0], [math.nan, 20.0]) is None
