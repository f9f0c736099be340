"""The rule that says when enough replications have been run, against a direct implementation of its words."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import sim
from sim.analysis.precision import BATCH, LOOK_AHEAD, assess, relative_half_width

KEY = ("a", "latency_mean", "")
OTHER = ("b", "latency_mean", "")


def naive(series: list[float], within: float) -> bool:
    """Whether the half-width of Student's interval is at most g / (1 + g) of the mean."""
    mean = math.fsum(series) / len(series)
    deviation = math.sqrt(math.fsum((each - mean) ** 2 for each in series) / (len(series) - 1))
    half = float(stats.t.ppf(0.975, len(series) - 1)) * deviation / math.sqrt(len(series))
    return half <= within / (1 + within) * abs(mean)


def naive_stop(series: list[float], within: float, least: int) -> bool:
    """Whether the rule held at some n >= least and in each of the five replications up to the last one."""
    count = len(series)
    return count - 5 >= least and all(naive(series[:size], within) for size in range(count - 5, count + 1))


def drawn(seed: int, spread: float, count: int) -> list[float]:
    """Values around 10, none of them at the edge of the rule."""
    return (10 + spread * np.random.default_rng(seed).standard_normal(count)).tolist()


@given(
    st.integers(0, 10**6),
    st.floats(0.01, 5),
    st.integers(2, 40),
    st.integers(2, 20),
    st.sampled_from([0.01, 0.05, 0.2]),
)
def test_the_rule_is_its_words(seed: int, spread: float, count: int, least: int, within: float) -> None:
    """Reached exactly where the naive reading says so."""
    series = drawn(seed, spread, count)
    assert assess({KEY: np.array(series)}, within, least).reached == naive_stop(series, within, least)


@given(st.integers(0, 10**6), st.floats(0.01, 2), st.integers(7, 30))
def test_every_metric_must_be_precise(seed: int, spread: float, count: int) -> None:
    """Two metrics are reached where each of them is."""
    one, two = drawn(seed, spread, count), drawn(seed + 1, spread, count)
    both = assess({KEY: np.array(one), OTHER: np.array(two)}, 0.05, 2)
    assert both.reached == (naive_stop(one, 0.05, 2) and naive_stop(two, 0.05, 2))


def test_five_per_cent_is_a_half_width_of_4_76_per_cent() -> None:
    """G = 5 % of the unknown truth is g / (1 + g) of the mean that is known."""
    half = float(stats.t.ppf(0.975, 1))  # of the values m - 1 and m + 1
    for relative, holds in ((0.0477, False), (0.0476, True)):
        mean = half / relative
        assert relative_half_width(np.array([mean - 1, mean + 1])) == pytest.approx(relative)
        pair = np.array([mean - 1, mean + 1])
        assert (not assess({KEY: pair}, 0.05, 2).missing) == holds


def test_a_narrow_interval_must_last() -> None:
    """Narrow by chance at ten replications, wide at twelve: the study goes on, and names the metric."""
    lucky = [10.0] * 10 + [10.0, 16.0, 4.0, 10.0, 10.0]
    assert not naive(lucky[:12], 0.05)
    progress = assess({KEY: np.array(lucky)}, 0.05, 10)
    assert not progress.reached
    assert progress.missing == (KEY,)
    settled = assess({KEY: np.array([10.0] * 15)}, 0.05, 10)
    assert settled.reached
    assert settled.missing == ()


@pytest.mark.parametrize("value", [0.0, 3.5])
def test_what_never_varies_is_known(value: float) -> None:
    """All values equal, 0 included: nothing is missing once the look-ahead has been run."""
    for count in range(10, 10 + LOOK_AHEAD):
        progress = assess({KEY: np.full(count, value)}, 0.01, 10)
        assert not progress.reached
        assert progress.missing == ()
    assert assess({KEY: np.full(10 + LOOK_AHEAD, value)}, 0.01, 10).reached


@pytest.mark.parametrize("values", [[-1.0, 1.0] * 10, [math.nan] * 20, [math.nan] * 19 + [1.0]])
def test_what_is_not_known_is_missing(values: list[float]) -> None:
    """A mean of nothing has no relative precision, nor has what fewer than two replications tell."""
    progress = assess({KEY: np.array(values)}, 0.5, 10)
    assert progress.missing == (KEY,)
    assert math.isinf(progress.worst)


def test_the_widest_is_named() -> None:
    """Of several metrics the one with the greatest relative half-width is told."""
    values = {KEY: np.array([9.0, 11.0, 10.0]), OTHER: np.array([5.0, 15.0, 10.0])}
    progress = assess(values, 0.05, 2)
    assert progress.worst_key == OTHER
    assert progress.worst == relative_half_width(values[OTHER])


def test_one_replication_at_least_means_two() -> None:
    """A single value has no interval: the look-ahead starts at the second."""
    assert not assess({KEY: np.full(1, 2.0)}, 0.05, 1).reached
    assert not assess({KEY: np.full(6, 2.0)}, 0.05, 1).reached
    assert assess({KEY: np.full(7, 2.0)}, 0.05, 1).reached


def test_nothing_to_know_is_known() -> None:
    """Without a metric to watch no replication is added."""
    assert assess({}, 0.05, 10).reached


TEXT = """
name: watched
replications: {replications}
{precision}
horizon: 2m
workload: {{arrivals: 8/s}}
effects: {{db: {{service: {{mean: 0.1s, distribution: exponential}}}}}}
architectures: {{one: {{kind: single_broker}}, two: {{kind: single_broker, consumers: 2}}}}
expect: [two.latency_mean < 200ms]
"""


def study(precision: str, replications: int = 10) -> sim.Results:
    """A study of two queues that watches the mean latency of the second."""
    text = TEXT.format(replications=replications, precision=precision)
    return sim.run(sim.loads(text), jobs=1)


def series(results: sim.Results) -> list[float]:
    """The watched metric by replication."""
    table = results.samples
    assert table is not None
    mine = table[(table.architecture == "two") & (table.metric == "latency_mean") & (table.scope == "")]
    return mine.sort_values("replication")["value"].tolist()


@pytest.mark.parametrize("within", ["8%", "4%", "2.5%"])
def test_a_study_stops_at_the_first_batch_at_which_the_rule_says_so(within: str) -> None:
    """Replications grow by five from the least, up to where the naive rule first holds, and no further."""
    results = study(f"precision: {{within: {within}, max_replications: 200}}")
    found, share = series(results), float(within[:-1]) / 100
    assert results.manifest["replications"] == len(found)
    assert (len(found) - 10) % BATCH == 0
    stops = [naive_stop(found[:count], share, 10) for count in range(10, len(found) + 1, BATCH)]
    assert stops == [False] * (len(stops) - 1) + [True]
    assert results.manifest["precision"]["reached"] is True


def test_more_replications_leave_the_first_ones_alone() -> None:
    """The first ten replications are those of the study without precision, value by value."""
    fixed, grown = study("precision: none"), study("precision: {within: 3%}")
    assert fixed.samples is not None
    assert grown.samples is not None
    assert grown.manifest["replications"] > 10
    first = grown.samples[grown.samples.replication < 10].reset_index(drop=True)
    columns = ["architecture", "metric", "scope", "replication"]
    one = fixed.samples.sort_values(columns).reset_index(drop=True)
    two = first.sort_values(columns).reset_index(drop=True)
    assert one.equals(two)
    assert fixed.messages.equals(grown.messages)
    for name, prints in fixed.manifest["fingerprints"].items():
        assert grown.manifest["fingerprints"][name][:10] == prints


def test_serial_and_parallel_studies_stop_at_the_same_place(tmp_path: Path) -> None:
    """How many replications are added does not depend on the number of processes, nor does a byte."""
    text = TEXT.format(replications=10, precision="precision: {within: 4%, max_replications: 40}")
    for jobs in (1, 2):
        sim.run(sim.loads(text), jobs=jobs).save(tmp_path / str(jobs))
    for name in ("summary.csv", "comparison.csv", "messages.parquet"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes(), name
    one, two = (json.loads((tmp_path / jobs / "manifest.json").read_text()) for jobs in "12")
    assert one["precision"] == two["precision"]


def test_why_a_study_stopped_is_told() -> None:
    """The reason stands in the manifest, in its checklist and under the table."""
    reached = study("precision: {within: 20%, max_replications: 40}")
    assert reached.manifest["precision"]["why"] == "every watched metric is known within 20 % of its mean"
    assert "known within 20 % of its mean" in reached.manifest["checklist"]["experimentation"]["estimation"]
    assert any("every watched metric is known within 20 %" in note for note in reached.notes())


def test_a_study_that_ends_at_its_cap_says_so_and_leaves_the_answer_open() -> None:
    """The cap is kept although it is no multiple of five; what is not known well enough is named."""
    capped = study("precision: {within: 0.1%, max_replications: 13}")
    stop = capped.manifest["precision"]
    assert capped.manifest["replications"] == 13
    assert stop["reached"] is False
    assert stop["missing"] == [["two", "latency_mean", ""]]
    assert "max_replications" in stop["why"]
    assert "two.latency_mean: ±" in stop["why"]
    assert any("max_replications" in note for note in capped.notes())
    verdict = capped.manifest["verdicts"][0]
    assert verdict["verdict"] == "INCONCLUSIVE"
    assert "max_replications" in verdict["architectures"][0]["why"]


def test_a_cap_without_room_to_look_ahead_is_told() -> None:
    """Precise at the least number of replications, which is also the greatest: known, perhaps by luck."""
    capped = study("precision: {within: 20%, max_replications: 10}")
    stop = capped.manifest["precision"]
    assert (stop["replications"], stop["reached"], stop["missing"]) == (10, True, [])
    assert "no room" in stop["why"]


def test_a_fixed_number_of_replications_says_so() -> None:
    """Without precision there are as many as the scenario asks for."""
    assert study("precision: none").manifest["precision"]["why"] == "as many as the scenario asks for"
