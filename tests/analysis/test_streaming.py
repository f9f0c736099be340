"""A run told in slices has the metrics and the series of its record."""

from __future__ import annotations

import math
import random
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slices import cut

from sim.analysis.folds.grids import GridCounts, first_points
from sim.analysis.folds.histogram import ERROR, LEAST, Histogram
from sim.analysis.folds.outcomes import OrderFold
from sim.analysis.folds.sums import Mean
from sim.analysis.lag import grid_step, lag_series
from sim.analysis.measure import measure
from sim.analysis.outcomes import order_violations
from sim.analysis.status import status_series
from sim.analysis.streaming import Fold, fold
from sim.experiment.replication import run_replication

sys.path.append(str(Path(__file__).parents[1] / "properties"))
from drawn import KINDS, draw_scenario, load

ROUNDED = ("late_mean", "response_time_mean", "known_mean", "status_polls", "latency_mean", "backlog_mean")
BY_HISTOGRAM = ("response_time_p99", "latency_p50", "latency_p95", "latency_p99")


def same(found, record, step):
    """Assert that a fold says what the record says, each number as exactly as it must."""
    expected = measure(record)
    assert found.metrics.keys() == expected.keys()
    for (metric, scope), value in expected.items():
        told = found.metrics[metric, scope]
        if metric in ROUNDED:
            assert told == pytest.approx(value, rel=1e-12, abs=0, nan_ok=True), (metric, scope)
        elif metric in BY_HISTOGRAM:
            assert told == pytest.approx(value, rel=ERROR * (1 + 1e-9), abs=LEAST, nan_ok=True), (
                metric,
                scope,
            )
        else:
            assert told == value or (math.isnan(told) and math.isnan(value)), (metric, scope, told, value)
    pd.testing.assert_frame_equal(found.lag, lag_series(record, step), check_exact=True)
    if record.poll_status is not None:
        pd.testing.assert_frame_equal(found.status, status_series(record, step), check_exact=True)
    assert found.fingerprint == record.fingerprint()
    assert found.messages == len(record.published)


def runs(number):
    """All six architectures of a scenario drawn at random, with its faults, polls and warm-up."""
    rng = random.Random(number)  # noqa: S311 - no secret
    tree = draw_scenario(rng)
    if number % 2:
        tree["workload"]["client"] = {"poll_status": "500ms"}
    if number % 3 == 0:
        tree["warmup"] = "6s"
    scenario = load(tree)
    return scenario, [run_replication(scenario, kind, 0) for kind in KINDS]


@pytest.mark.parametrize("number", range(12))
def test_slices_of_drawn_scenarios(number):
    """Wherever a run is cut, and however often, all six architectures are measured alike."""
    scenario, records = runs(number)
    rng, step = random.Random(number), grid_step(scenario.horizon)  # noqa: S311 - no secret
    for record in records:
        count = len(record.published)
        for cuts in (0, 1, rng.randint(2, 8), rng.randint(30, 90)):
            places = sorted(rng.randint(0, count) for _ in range(cuts))
            same(fold(cut(record, places), step), record, step)


def test_the_drawn_runs_have_everything():
    """There are extra copies, returns, checkpoints, drain times, overtaken messages and unstored pairs."""
    found = [measure(record) for number in range(12) for record in runs(number)[1]]
    for metric in (
        "drain_time",
        "lag_max",
        "order_violations",
        "late",
        "known_mean",
        "latency_p95",
        "expired",
    ):
        values = [
            value for each in found for (name, _), value in each.items() if name == metric and value > 0
        ]
        assert len(values) > 5, metric
    copies = [copies for each in EXAMPLES for copies in each.copies]
    assert sum(len(each.extra) for each in copies)
    assert sum(len(each.returned) for each in copies)
    assert sum(len(each.removed) for each in copies)
    assert sum(len(pair.unstored_times) for each in EXAMPLES for pair in each.pairs)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_slices_by_hypothesis(data):
    """Cuts, also of no message at all, and steps do not matter."""
    record = data.draw(st.sampled_from(EXAMPLES))
    places = data.draw(st.lists(st.integers(0, len(record.published)), max_size=12))
    step = data.draw(st.sampled_from([0.07, 0.5, 1.0, 33.0]))
    same(fold(cut(record, sorted(places)), step), record, step)


def test_memory_does_not_grow_with_the_messages():
    """What a fold keeps after many slices is what it kept after a few: all buffers hold what is in flight."""
    record = EXAMPLES[1]
    folded = Fold(1.0)
    sizes = []
    for piece in cut(record, list(range(10, len(record.published), 10))):
        folded.add(piece)
        sizes.append(_kept(folded))
    assert max(sizes[:-1]) < len(record.published) / 2


def _kept(folded):
    """How many times of single messages a fold keeps."""
    holders = folded._holders.values()
    levels = [each for holder in holders for each in (holder.backlog._late, holder.backlog._unpaired)]
    return max(
        *(len(level.rises) + len(level.falls) for level in levels),
        *(holder.age._kept.shape[1] for holder in holders),
        *(len(order._open[0]) for order in folded._outcomes._order.values()),
    )


def test_a_missing_slice_is_noticed():
    """Slices leave no message out."""
    pieces = cut(EXAMPLES[0], [10, 20])
    with pytest.raises(AssertionError, match="missing"):
        fold([pieces[0], pieces[2]], 1.0)
    with pytest.raises(AssertionError, match="watermark"):
        fold(pieces[:2], 1.0)


positive = st.floats(0, 1e12, allow_subnormal=False)


@settings(max_examples=300)
@given(
    st.lists(st.lists(positive, max_size=30), min_size=1, max_size=4), st.lists(st.floats(0, 1), max_size=5)
)
def test_percentiles_are_as_near_as_they_claim(pieces, shares):
    """A percentile from the histogram is within 2^-11 of that of all values, or a nanosecond."""
    histogram = Histogram()
    for piece in pieces:
        histogram.add(np.array(piece))
    whole = np.array([value for piece in pieces for value in piece])
    assert histogram.count == len(whole)
    for share, told in zip(shares, histogram.quantiles(shares), strict=True):
        if len(whole):
            assert told == pytest.approx(np.quantile(whole, share), rel=ERROR * (1 + 1e-9), abs=LEAST)
        else:
            assert math.isnan(told)


def test_percentiles_of_equal_values_are_exact():
    """Where nothing is random, a bound on a percentile is met to the last digits."""
    histogram = Histogram()
    histogram.add(np.full(999, 0.1))
    histogram.add(np.array([7.3]))
    assert histogram.quantiles([0.5, 0.99]) == pytest.approx([0.1, 0.1], rel=1e-13)
    assert histogram.quantiles([1.0]) == [7.3]


def test_a_histogram_is_small():
    """A million delays over three powers of ten take less than half a megabyte."""
    histogram = Histogram()
    histogram.add(10 ** np.random.default_rng(1).uniform(-2, 1, 1_000_000))
    assert histogram._counts.nbytes + histogram._sums.nbytes < 500_000


@settings(max_examples=300)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 6), st.integers(0, 5) | st.none()), max_size=24),
    st.lists(st.integers(0, 24), max_size=5),
)
def test_order_in_slices(messages, places):
    """Overtaken messages are counted across slices, also where several are published at once."""
    messages = sorted(messages, key=lambda message: message[1])
    key = np.array([key for key, _, _ in messages], dtype=int)
    published = np.array([born for _, born, _ in messages], dtype=float)
    applied = np.array([math.nan if wait is None else born + wait for _, born, wait in messages], dtype=float)
    order = OrderFold()
    bounds = [0, *sorted(place for place in places if place < len(key)), len(key)]
    for first, last in pairwise(bounds):
        watermark = published[last] if last < len(key) else math.inf
        order.add(key[first:last], published[first:last], applied[first:last], watermark)
    assert order.count == order_violations(key, published, applied)


@given(st.lists(st.floats(0, 1e4) | st.just(math.nan)), st.sampled_from([0.1, 0.07, 1.0, 30.0]))
def test_grid_counts(times, step):
    """An instant is seen by the first point that is not before it."""
    counts = GridCounts(step)
    for time in times:
        counts.add(np.array([time]))
    points = np.arange(150) * step
    assert counts.at(150).tolist() == [sum(time <= point for time in times) for point in points]
    known = np.array([time for time in times if not math.isnan(time)])
    found = first_points(known, step)
    assert np.all(found * step >= known)
    assert np.all((found == 0) | ((found - 1) * step < known))


def test_sums_are_compensated():
    """A million small pieces after a great one are not lost."""
    mean = Mean()
    mean.add(np.array([1e16]))
    for _ in range(1000):
        mean.add(np.array([1.0]))
    assert mean.value * mean.count == pytest.approx(1e16 + 1000, rel=1e-16)


EXAMPLES = [each for number in (7, 9, 11) for each in runs(number)[1]]
