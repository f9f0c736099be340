"""The tolerance classes: what is right passes, what is wrong or too vague does not."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sim.selfcheck.cases import Metric
from sim.selfcheck.tolerance import FAIL, PASS, Judgement, PerMessage, PerRun, judge


def judged(tolerance: str, values: list[float] | np.ndarray, expected: float, **about: object) -> Judgement:
    """Values per run, by a class."""
    return judge(Metric("m", expected, tolerance, **about), PerRun(np.asarray(values, dtype=float)))  # type: ignore[arg-type]


def around(mean: float, sd: float, runs: int = 20) -> np.ndarray:
    """Values with exactly this mean and standard deviation."""
    values = np.linspace(-1, 1, runs)
    return mean + sd * values / values.std(ddof=1)


def test_replication_allows_t_standard_errors_and_no_more() -> None:
    """|mean - expected| <= 3.88 s / sqrt(20), the quantile of the file."""
    edge = 3.883406 * 0.02 / math.sqrt(20)
    assert judged("replication", around(1 + edge - 1e-6, 0.02), 1).verdict == PASS
    assert judged("replication", around(1 + edge + 1e-6, 0.02), 1).verdict == FAIL


def test_replication_refuses_what_is_too_vague() -> None:
    """A half-width above 2 % fails even where the mean is right; 5 % are allowed for p99."""
    vague = around(1, 0.08)  # half-width 3.7 %
    found = judged("replication", vague, 1)
    assert (found.verdict, found.why.split()[0]) == (FAIL, "half-width")
    assert found.precision == pytest.approx(2.093 * 0.08 / math.sqrt(20), rel=1e-3)
    assert judge(Metric("latency_p99_s", 1.0, "replication"), PerRun(vague)).verdict == PASS


def test_replication_needs_twenty_runs() -> None:
    """However well nineteen agree."""
    assert judged("replication", [1.0] * 19, 1).verdict == FAIL
    assert judged("replication", [1.0] * 20, 1).verdict == PASS


def test_a_negative_control_must_not_be_observed() -> None:
    """It passes where it is excluded, and neither where it is seen nor where nothing can be said."""
    control = {"kind": "negative_control"}
    assert judged("replication", around(0.70, 0.01), 0.75, **control).verdict == PASS
    assert judged("replication", around(0.75, 0.01), 0.75, **control).verdict == FAIL
    assert judged("replication", around(0.70, 0.10), 0.75, **control).verdict == FAIL
    assert judged("replication", [0.7] * 19, 0.75, **control).verdict == FAIL


def test_binomial_allows_four_standard_deviations() -> None:
    """Of 10,000 with p = 0.2 the share may be off by 0.016."""
    metric = Metric("m", 0.2, "binomial")
    assert judge(metric, PerMessage(0.2159, 10_000)).verdict == PASS
    assert judge(metric, PerMessage(0.2161, 10_000)).verdict == FAIL


def test_binomial_needs_twenty_five_expected_hits() -> None:
    """Fewer say nothing, however near the share is."""
    assert judge(Metric("m", 0.01, "binomial"), PerMessage(0.01, 2_400)).verdict == FAIL
    assert judge(Metric("m", 10.0, "binomial"), PerMessage(0.01, 2_400, scale=1000)).verdict == FAIL
    assert judge(Metric("m", 10.0, "binomial"), PerMessage(0.01, 2_600, scale=1000)).verdict == PASS


def test_poisson_allows_four_roots_of_the_total() -> None:
    """Of 400 expected, one run may be off by 80 and the mean of four by 40."""
    assert judged("poisson", [479], 400).verdict == PASS
    assert judged("poisson", [481], 400).verdict == FAIL
    assert judged("poisson", [439] * 4, 400).verdict == PASS
    assert judged("poisson", [441] * 4, 400).verdict == FAIL


def test_fluid_allows_two_percent_or_what_one_run_scatters() -> None:
    """4 sd / sqrt(R) where the deviation of one run is told."""
    assert judged("fluid", [101.9], 100).verdict == PASS
    assert judged("fluid", [102.1], 100).verdict == FAIL
    assert judged("fluid", [119.9] * 4, 100, sd_one_run=10.0).verdict == PASS
    assert judged("fluid", [120.1] * 4, 100, sd_one_run=10.0).verdict == FAIL


def test_exact_and_qualitative_hold_in_every_run() -> None:
    """One run that differs is enough; an expected zero is zero."""
    assert judged("exact", [100 + 5e-8] * 3, 100).verdict == PASS
    assert judged("exact", [100, 100, 100 + 2e-7], 100).verdict == FAIL
    assert judged("exact", [1e-12], 0).verdict == FAIL
    assert judged("qualitative", [1, 1, 1], 1).verdict == PASS
    assert judged("qualitative", [1, 0, 1], 1).verdict == FAIL


def test_golden_counts_and_zeros() -> None:
    """Counts +-3, repeats +-6, times 2 %, rare ones +-2.9; no tolerance around zero."""
    for tolerance, expected, good, bad in [
        ("golden count", 600, 603, 604),
        ("golden count", 0, 0, 1),
        ("golden repeats", 2100, 2094, 2093),
        ("golden time", 80, 81.5, 81.7),
        ("golden rare", 10, 12.8, 13.0),
    ]:
        assert judged(tolerance, [good], expected).verdict == PASS
        assert judged(tolerance, [bad], expected).verdict == FAIL


def test_a_run_without_a_value_fails() -> None:
    """NaN is never agreement, not even for a negative control."""
    assert judged("replication", [math.nan] * 20, 1).verdict == FAIL
    assert judged("replication", [math.nan] * 20, 1, kind="negative_control").verdict == FAIL
    assert judged("fluid", [math.nan], 1).verdict == FAIL
