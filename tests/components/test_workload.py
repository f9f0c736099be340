"""The workload: when messages are published, and with which keys and sizes."""

import json

import numpy as np
import pytest

import sim
from sim.engine.streams import Streams


def draw(workload, horizon="100s", folder=".", replication=0):
    """Draw the messages of a workload."""
    tree = {"workload": workload, "effects": {"db": "0s"}, "architectures": {"single_broker": {}}}
    if horizon:
        tree["horizon"] = horizon
    scenario = sim.loads(json.dumps(tree), folder=folder)
    return scenario.workload.draw(Streams(0, replication), scenario.horizon)


def test_constant_arrivals_begin_after_half_a_gap():
    """4/s: 0.125, 0.375, … s."""
    times = draw({"arrivals": {"rate": "4/s", "process": "constant"}}).published
    assert times[:3].tolist() == [0.125, 0.375, 0.625]
    assert len(times) == 400


def test_poisson_arrivals_have_the_mean_and_the_spread_of_their_rate():
    """50/s for 100 s: 5,000 on average with a standard deviation of 71; gaps vary as much as their mean."""
    counts = [len(draw({"arrivals": "50/s"}, replication=each).published) for each in range(20)]
    assert np.mean(counts) == pytest.approx(5000, abs=4 * 71 / 20**0.5)
    gaps = np.diff(draw({"arrivals": "50/s"}).published)
    assert gaps.std() / gaps.mean() == pytest.approx(1, abs=0.06)


def test_stages_and_ramps_have_as_many_messages_as_the_area_under_the_rate():
    """10 s at 10/s, then 20 s from 10/s up to 30/s: 100 and 400; the stages end the arrivals."""
    stages = [{"duration": "10s", "rate": "10/s"}, {"duration": "20s", "rate": "10/s", "ramp_to": "30/s"}]
    times = draw({"arrivals": {"stages": stages, "process": "constant"}}, horizon=None).published
    assert (np.sum(times < 10), np.sum(times >= 10)) == (100, 400)
    assert np.sum((times >= 10) & (times < 20)) == 150
    assert times[-1] < 30


def test_scale_multiplies_every_rate():
    """Scale 2 doubles the messages."""
    assert len(draw({"arrivals": {"rate": "4/s", "process": "constant", "scale": 2}}).published) == 800


def test_bursts_alternate_with_quiet():
    """Nothing in the quiet and 100/s in bursts, half of the time each: some seconds are empty, some full."""
    bursts = {"rate": "100/s", "mean_quiet": "10s", "mean_burst": "10s"}
    times = draw({"arrivals": {"rate": "0/s", "bursts": bursts}}, horizon="1000s").published
    per_second = np.bincount(times.astype(int), minlength=1000)
    assert np.mean(per_second == 0) == pytest.approx(0.5, abs=0.2)
    assert np.median(per_second[per_second > 0]) == pytest.approx(100, abs=10)


def test_rates_from_a_file_hold_until_the_next_row(tmp_path):
    """10/s, 0/s and 20/s for 10 s each; the last rate lasts one mean step."""
    (tmp_path / "r.csv").write_text("Time,v\n100,10\n110,0\n120,20\n", encoding="utf-8")
    rates = {"file": "r.csv", "time": "Time", "rate": "v"}
    times = draw(
        {"arrivals": {"rates": rates, "process": "constant"}}, horizon=None, folder=tmp_path
    ).published
    assert np.histogram(times, [0, 10, 20, 30])[0].tolist() == [100, 0, 200]


def test_a_trace_is_published_row_by_row_from_its_first_time(tmp_path):
    """Also in ISO 8601; sizes may come from a column."""
    rows = "at,kib\n2024-01-01T00:00:05,1\n2024-01-01T00:00:06.5,2\n2024-01-01T00:00:09,4\n"
    (tmp_path / "t.csv").write_text(rows, encoding="utf-8")
    workload = {
        "arrivals": {"trace": {"file": "t.csv", "time": "at"}},
        "size": {"trace_column": "kib", "times": "1KiB"},
    }
    messages = draw(workload, folder=tmp_path)
    assert messages.published.tolist() == [0, 1.5, 4]
    assert messages.size.tolist() == [1024, 2048, 4096]


def test_zipf_keys_have_the_shares_of_their_weights():
    """Ten keys with exponent 1: the first has 1 / 2.929 of 20,000."""
    keys = draw({"arrivals": "200/s", "keys": {"count": 10, "distribution": "zipf"}}).key
    shares = np.bincount(keys, minlength=10) / len(keys)
    assert shares == pytest.approx((1 / np.arange(1, 11)) / 2.9289683, abs=0.015)


def test_a_starting_backlog_is_published_at_zero():
    """It comes before everything else."""
    messages = draw({"arrivals": {"rate": "1/s", "process": "constant"}, "backlog": 5})
    assert messages.published[:6].tolist() == [0, 0, 0, 0, 0, 0.5]
    assert messages.waiting == 5


def test_sizes_are_one_kibibyte_unless_said_otherwise():
    """And have the mean that was asked for."""
    assert set(draw({"arrivals": "10/s"}).size) == {1024}
    sizes = draw({"arrivals": "200/s", "size": {"mean": "2KiB", "cv": 0.5}}).size
    assert sizes.mean() == pytest.approx(2048, rel=0.02)
