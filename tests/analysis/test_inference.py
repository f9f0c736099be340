"""Intervals and paired differences against SciPy."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from sim.analysis.inference import compare, summarize, unit
from sim.vocabulary import COMPARISON_COLUMNS, SUMMARY_COLUMNS


def _samples(columns, metric="latency_p99", scope="db"):
    rows = [
        (name, replication, metric, scope, value)
        for name, values in columns.items()
        for replication, value in enumerate(values)
    ]
    return pd.DataFrame(rows, columns=["architecture", "replication", "metric", "scope", "value"])


def test_summary_against_scipy():
    """Mean and interval are those of Student's t over replications."""
    values = np.random.default_rng(1).normal(5, 2, 20)
    row = summarize(_samples({"a": values}), ("db",)).iloc[0]
    low, high = stats.t.interval(0.95, 19, loc=values.mean(), scale=stats.sem(values))
    assert (row["mean"], row["ci_low"], row["ci_high"]) == pytest.approx((values.mean(), low, high))
    assert row["replications"] == 20


def test_difference_against_scipy():
    """The difference is paired by replication, with correlation and the gain of pairing."""
    rng = np.random.default_rng(2)
    shared = rng.normal(0, 3, 12)
    ours, theirs = shared + rng.normal(6, 1, 12), shared + rng.normal(5, 1, 12)
    row = compare(_samples({"base": theirs, "a": ours}), "base", ("db",)).iloc[0]
    test = stats.ttest_rel(ours, theirs).confidence_interval()
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((test.low, test.high))
    assert row["difference"] == pytest.approx(np.mean(ours - theirs))
    assert row["correlation"] == pytest.approx(np.corrcoef(ours, theirs)[0, 1])
    expected = (ours.var(ddof=1) + theirs.var(ddof=1)) / (ours - theirs).var(ddof=1)
    assert row["variance_ratio"] == pytest.approx(expected)


def test_a_design_compared_with_itself():
    """Equal columns differ by exactly 0, with an interval of exactly nothing."""
    values = np.random.default_rng(3).normal(0.1, 1, 7)
    row = compare(_samples({"base": values, "twin": values}), "base", ()).iloc[0]
    assert (row["difference"], row["ci_low"], row["ci_high"], row["correlation"]) == (0, 0, 0, 1)
    assert np.isnan(row["variance_ratio"])


def test_constant_values_have_no_width():
    """A value that is the same in all replications is its own mean to the last bit."""
    row = summarize(_samples({"a": [0.1] * 3}), ("db",)).iloc[0]
    assert (row["mean"], row["ci_low"], row["ci_high"]) == (0.1, 0.1, 0.1)


def test_missing_values_are_left_out():
    """The mean is over the replications that have a value, and says how many they are."""
    row = summarize(_samples({"a": [1.0, np.nan, 3.0]}), ()).iloc[0]
    assert (row["mean"], row["replications"]) == (2.0, 2)
    assert row["ci_high"] == pytest.approx(2 + stats.t.ppf(0.975, 1) * 1.0)


def test_missing_values_break_their_pair():
    """A replication counts for a difference only where both have a value."""
    samples = _samples({"base": [1.0, 2.0, np.nan, 4.0], "a": [2.0, np.nan, 3.0, 6.0]})
    row = compare(samples, "base", ()).iloc[0]
    assert (row["difference"], row["replications"]) == (1.5, 2)


@pytest.mark.parametrize(("values", "count"), [([3.0], 1), ([np.nan, np.nan], 0)])
def test_no_interval_below_two(values, count):
    """With fewer than two values there is no interval; with none there is no mean."""
    row = summarize(_samples({"a": values}), ()).iloc[0]
    assert row["replications"] == count
    assert np.isnan(row["ci_low"])
    assert np.isnan(row["ci_high"])
    assert np.isnan(row["mean"]) == (count == 0)


def test_columns_and_order():
    """The frames have the columns of the vocabulary and are sorted by architecture, metric, scope."""
    parts = [
        _samples({"b": [1.0, 2.0], "a": [1.0, 2.0]}, metric, scope)
        for metric in ("late", "age_max")
        for scope in ("index", "")
    ]
    summary = summarize(pd.concat(parts), ("index",))
    assert tuple(summary.columns) == SUMMARY_COLUMNS
    keys = list(zip(summary["architecture"], summary["metric"], summary["scope"], strict=True))
    assert keys == sorted(keys)
    assert len(keys) == 8
    comparison = compare(pd.concat(parts), "a", ("index",))
    assert tuple(comparison.columns) == COMPARISON_COLUMNS
    assert comparison["architecture"].tolist() == ["b"] * 4


def test_rows_of_one_side_are_left_out():
    """What only one of two architectures has cannot be compared."""
    samples = pd.concat([_samples({"base": [1.0], "a": [2.0]}), _samples({"a": [2.0]}, scope="own_queue")])
    assert compare(samples, "base", ())["scope"].tolist() == ["db"]


def test_neighbours_change_nothing():
    """The rows of an architecture are the same to the byte whatever stands beside it."""
    rng = np.random.default_rng(4)
    values = {name: rng.lognormal(0, 2, 20) for name in ("a", "b", "c", "d")}
    alone = summarize(_samples({"b": values["b"]}), ()).to_csv(index=False)
    together = summarize(_samples(values), ())
    assert together[together["architecture"] == "b"].to_csv(index=False) == alone


@pytest.mark.parametrize(
    ("metric", "scope", "expected"),
    [
        ("applied", "", "messages"),
        ("applied", "db", "pairs"),
        ("applied", "db_queue", "copies"),
        ("late", "", "pairs"),
        ("backlog_max", "db_queue", "messages"),
        ("latency_p99", "db", "s"),
    ],
)
def test_units(metric, scope, expected):
    """Counts of messages are in pairs per effect and in copies per component."""
    assert unit(metric, scope, ("db",)) == expected
