"""MSER-5 against its definition and against what is known of M/M/1; and what a run that is cut off hides."""

from __future__ import annotations

import io

import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.text import Text
from rich.console import Console

import sim
from sim.analysis.warmup import mean_series, mser5
from sim.report.terminal import show


def naive_mser5(series: np.ndarray) -> tuple[int, bool]:
    """The definition, cut by cut: sum of (Z_i - mean)² over (k - d)², the last five batches no candidates."""
    means = [float(np.mean(series[start : start + 5])) for start in range(0, len(series) - 4, 5)]
    errors = [
        sum((each - np.mean(means[cut:])) ** 2 for each in means[cut:]) / (len(means) - cut) ** 2
        for cut in range(len(means) - 5)
    ]
    cut = int(np.argmin(errors))
    return cut * 5, cut > len(means) / 2


@given(st.integers(0, 10**6), st.integers(50, 400), st.sampled_from([0.0, 1.0, 5.0]), st.floats(0.0, 0.5))
def test_the_cut_is_that_of_the_definition(seed: int, count: int, start: float, decay: float) -> None:
    """Noise on an exponential approach: sums from the back find the same cut as the direct sums."""
    noise = np.random.default_rng(seed).standard_normal(count)
    series = 3 + noise + start * np.exp(-decay * np.arange(count))
    cut = mser5(series)
    assert (cut.count, cut.is_too_late) == naive_mser5(series)


@pytest.mark.parametrize("shift", [0.0, 1e6])
@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_units_do_not_matter(shift: float, scale: float) -> None:
    """Milliseconds or kiloseconds, from any origin: the same cut."""
    series = np.random.default_rng(3).standard_normal(1000) + 4 * np.exp(-np.arange(1000) / 60)
    assert mser5(scale * (series + shift)) == mser5(series)


def test_a_step_is_cut_where_it_ends() -> None:
    """100 high values, then an alternation around a mean: exactly the 100 go."""
    series = np.r_[np.full(100, 9.0), np.tile([1.0, 1.0, 1.0, 1.0, 1.2, 1.2, 1.2, 1.2, 1.2, 1.0], 90)]
    cut = mser5(series)
    assert (cut.count, cut.is_too_late) == (100, False)


def test_where_nothing_varies_nothing_is_cut() -> None:
    """A constant, even moved by rounding, has no warm-up; a fall onto a constant is cut where it ends."""
    published = 0.05 + 0.1 * np.arange(20_000)
    rounded = (published + 0.04) - published
    assert np.ptp(rounded) > 0
    for series in (np.full(1000, 0.04), rounded, np.zeros(500)):
        assert mser5(series).count == 0
        assert not mser5(series).is_too_late
    fall = np.r_[np.linspace(9, 1, 200), rounded[:2000] + 0.96]
    assert mser5(fall).count == 200


def test_a_series_that_never_settles_is_too_short() -> None:
    """A trend without end puts the best cut into the last half; so does a series of next to nothing."""
    assert mser5(np.arange(1000.0)).is_too_late
    assert mser5(np.ones(49)).is_too_late
    assert not mser5(np.ones(50)).is_too_late
    assert mser5(np.empty(0)) == mser5(np.ones(3))


def waits(seed: int, count: int, backlog: float) -> np.ndarray:
    """Waits of M/M/1 at rho 0.8 (arrivals 8/s, service 0.1 s) that starts with work for some seconds.

    It is Lindley's recursion W_(i+1) = max(0, W_i + S_i - A_(i+1)) in its closed form: with C the sums of
    S - A, W_i = max(C_i - min of C up to i, W_0 + C_i).
    """
    rng = np.random.default_rng(seed)
    steps = rng.exponential(0.1, count - 1) - rng.exponential(1 / 8, count - 1)
    sums = np.r_[0.0, np.cumsum(steps)]
    return np.maximum(sums - np.minimum.accumulate(sums), backlog + sums)


def test_the_closed_form_is_lindley_s_recursion() -> None:
    """Step by step the same waits."""
    rng = np.random.default_rng(8)
    wait, found = 10.0, [10.0]
    for step in rng.exponential(0.1, 499) - rng.exponential(1 / 8, 499):
        wait = max(0.0, wait + step)
        found.append(wait)
    assert np.allclose(waits(8, 500, 10.0), found)


def test_mser5_takes_the_bias_off_a_queue_that_starts_full() -> None:
    """M/M/1 at rho 0.8, 20,000 messages from 10 s of backlog: 0.4995 s without a cut, 0.393 s with it.

    The truth is 0.4 s; the median cut is 422 messages. 400 trials, tolerances of four standard errors.
    """
    trials = [waits(seed, 20_000, 10.0) for seed in range(400)]
    cuts = [mser5(trial) for trial in trials]
    means = np.array([trial.mean() for trial in trials])
    kept = np.array([trial[cut.count :].mean() for trial, cut in zip(trials, cuts, strict=True)])
    assert means.mean() == pytest.approx(0.4995, abs=0.012)
    assert kept.mean() == pytest.approx(0.393, abs=0.008)
    assert abs(kept.mean() - 0.4) < abs(means.mean() - 0.4) / 5
    assert np.median([cut.count for cut in cuts]) == pytest.approx(422, abs=25)
    assert sum(cut.is_too_late for cut in cuts) <= 8


def test_averages_over_replications_know_their_places() -> None:
    """NaN is left out of an average; where all are NaN there is no value, and the others keep their index."""
    nan = float("nan")
    means, places = mean_series([np.array([1.0, nan, 5.0, 7.0]), np.array([3.0, nan, nan])])
    assert means.tolist() == [2.0, 5.0]
    assert places.tolist() == [0, 2]


CUT = """
name: cut
replications: 2
horizon: 600s
{drain}
workload: {{arrivals: 80/s}}
effects: {{work: {{service: {{mean: 10ms, distribution: exponential}}}}}}
architectures: {{single_broker: }}
faults: {{outage: {{kind: down, target: consumers, at: 540s, duration: 120s}}}}
expect: [single_broker.latency_p99 < 1s, single_broker.age_max < 1s, single_broker.complete > 80%]
"""


def test_a_run_that_is_cut_off_inside_an_outage_is_flagged_wherever_it_is_shown() -> None:
    """Cut at 600 s in an outage from 540 to 660 s: p99 of what was done is 0.2 s, of all it is 118.5 s.

    60 s of 80 messages/s are unfinished. Table, remarks, manifest, checklist, pictures and verdicts say so.
    """
    cut = sim.run(sim.loads(CUT.format(drain="drain: 0s")), jobs=1)
    whole = sim.run(sim.loads(CUT.format(drain="drain: empty")), jobs=1)
    assert cut.value("latency_p99", "single_broker") == pytest.approx(0.2, abs=0.05)
    assert whole.value("latency_p99", "single_broker") == pytest.approx(118.5, abs=1.0)
    assert cut.value("pending", "single_broker") == pytest.approx(4800, abs=4 * 4800**0.5)
    assert whole.value("pending", "single_broker") == 0

    assert [entry["replication"] for entry in cut.manifest["censored"]] == [0, 1]
    assert whole.manifest["censored"] == []
    assert cut.manifest["checklist"]["experimentation"]["censored_runs"] == 2
    for verdict in cut.manifest["verdicts"]:
        assert verdict["verdict"] == "INCONCLUSIVE"
        assert verdict["architectures"][0]["why"] == "2 of 2 replications were cut off"
    assert [verdict["verdict"] for verdict in whole.manifest["verdicts"]] == ["FAIL", "FAIL", "PASS"]

    for results, is_cut in ((cut, True), (whole, False)):
        screen = Console(file=io.StringIO(), width=120)
        show(results, screen)
        printed = screen.file.getvalue()  # type: ignore[attr-defined]
        assert any(line.strip() == "cut off" for line in printed.splitlines()) == is_cut
        assert ("2 of 2 replications were cut off" in printed) == is_cut
        assert ("cut off" in results._repr_html_()) == is_cut
        for plot in (results.plot_lag, results.plot_outcomes, results.plot_latency, results.plot_throughput):
            figure = np.ravel(plot())[0].figure
            texts = [text.get_text() for text in figure.findobj(Text)]
            assert any("cut off" in text for text in texts) == is_cut, plot
            plt.close(figure)
