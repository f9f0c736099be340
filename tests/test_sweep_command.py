"""``sim sweep`` as a user types it, and the shipped example with the answer that theory foretells."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import pytest
from typer.testing import CliRunner

import sim
from sim.analysis.partitions import member_shares
from sim.cli import app
from sim.forecast.fluid import flood

DRAIN = Path(__file__).parents[1] / "scenarios" / "drain_sweep.yaml"
GOOD = """
name: Small Shop
replications: 2
horizon: 30s
workload: {arrivals: 10/s}
effects: {db: 20ms}
architectures: {single_broker: , stream: }
sweep: {workload.arrivals: 10/s..30/s:3}
expect: [all.latency_mean < 2s]
"""


@pytest.fixture
def good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A scenario with a sweep in an empty working directory."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "good.yaml"
    path.write_text(GOOD)
    return path


def test_sweep_leaves_tables_and_a_picture(good: Path, tmp_path: Path) -> None:
    """The folder is results/<slug>_sweep; the terminal has a row per point and the answers."""
    done = CliRunner().invoke(app, ["sweep", str(good)])
    assert done.exit_code == 0, done.output
    for word in ("10/s", "20/s", "30/s", "PASS", "smallest passing value", "3 points"):
        assert word in done.output
    folder = tmp_path / "results" / "small_shop_sweep"
    names = {path.name for path in folder.iterdir()}
    assert names == {"points", "sweep.csv", "verdicts.csv", "manifest.json", "saturation.png"}
    with (folder / "sweep.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[:3] == ["workload.arrivals", "architecture", "metric"]
    assert {row["workload.arrivals"] for row in rows} == {"10/s", "20/s", "30/s"}
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["kind"] == "sweep"
    assert manifest["factors"] == [
        {"path": "workload.arrivals", "kind": "rate", "values": ["10/s", "20/s", "30/s"]}
    ]
    assert [point["verdict"] for point in manifest["points"]] == ["PASS"] * 3
    assert manifest["answers"]


def test_sweep_options(good: Path, tmp_path: Path) -> None:
    """--vary, --set, --out, --replications, --seed and --jobs do what they say."""
    out = tmp_path / "elsewhere"
    words = ["sweep", str(good), "--vary", "effects.db.service=10ms,20ms", "--vary", "horizon=[20s, 40s]"]
    words += ["--set", "expect=none", "--replications", "1", "--seed", "7", "--jobs", "1", "--out", str(out)]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    manifest = json.loads((out / "manifest.json").read_text())
    assert (manifest["seed"], manifest["replications"], manifest["expect"]) == (7, 1, [])
    assert [point["values"] for point in manifest["points"]] == [
        ["10ms", "20s"],
        ["10ms", "40s"],
        ["20ms", "20s"],
        ["20ms", "40s"],
    ]
    assert (out / "heatmap.png").exists()
    again = CliRunner().invoke(app, words)
    assert "4 of them done before" in again.output
    assert "done before" not in CliRunner().invoke(app, [*words, "--fresh"]).output


def test_bad_sweeps_end_in_sentences(good: Path, tmp_path: Path) -> None:
    """A wrong --vary is bad input (2), a folder of something else the environment (1); nothing is run."""
    done = CliRunner().invoke(app, ["sweep", str(good), "--vary", "workload.arrivals=10"])
    assert done.exit_code == 2
    assert "--vary workload.arrivals=10:1:19: a rate needs a unit" in done.output
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    done = CliRunner().invoke(app, ["sweep", str(good), "--out", str(tmp_path / "mine")])
    assert done.exit_code == 1
    assert "not the folder of a sweep" in done.output
    assert not (tmp_path / "results").exists()


def test_check_counts_the_points(good: Path) -> None:
    """``sim check`` says how many points there are, and what is wrong with them."""
    done = CliRunner().invoke(app, ["check", str(good)])
    assert done.exit_code == 0
    assert "sweep: 3 points, workload.arrivals (3 values)" in done.output
    good.write_text(GOOD.replace("10/s..30/s:3", "[10/s, 0]"))
    done = CliRunner().invoke(app, ["check", str(good)])
    assert done.exit_code == 2
    assert "good.yaml:8:35" in done.output


def test_how_many_consumers_to_be_caught_up_in_half_an_hour() -> None:
    """The shipped sweep answers 10, and so does the fluid of its busiest consumer: λD / (μ − λ).

    With 48 partitions the busiest of c consumers has ⌈48 / c⌉ of them. Nine would do if work were dealt out
    evenly (⌈(λ + B / RTO) / μ⌉), but one of nine has 6 partitions, as with eight.
    """
    scenario = sim.load(DRAIN)
    rate, mean, outage, within, partitions = 1.0, 6.0, 720.0, 1800.0, 48
    (factor,) = scenario.sweep
    drains = {}
    for consumers in (int(number) for number in factor.numbers):
        portion = max(member_shares([1 / partitions] * partitions, consumers))
        assert portion == pytest.approx(-(-partitions // consumers) / partitions)
        found = flood(
            lambda start, end, own=portion: own * rate * (end - start),
            [(600.0, 600.0 + outage)],
            1 / mean,
            0.0,
            scenario.horizon,
        )
        closed = portion * rate * outage / (1 / mean - portion * rate)
        assert found.drain == pytest.approx(closed, rel=1e-6)
        drains[consumers] = found.drain
    foretold = min(count for count in drains if all(drains[c] < within for c in drains if c >= count))

    found = sim.sweep(scenario)
    answer = f"stream.outage.drain_time < 30m: smallest passing value of {factor.path}: {foretold}"
    assert (foretold, found.answers) == (10, [answer])
    table = found.table[(found.table["metric"] == "drain_time") & (found.table["scope"] == "outage")]
    drained = table.set_index(factor.path)["mean"]
    assert drained.is_monotonic_decreasing
    for consumers, expected in drains.items():
        row = table[table[factor.path] == consumers].iloc[0]
        slowest = _slowest(consumers, rate, mean)
        assert row["ci_high"] > expected, "the slowest consumer is on average no faster than its fluid"
        assert row["ci_low"] < expected + slowest


def _slowest(consumers: int, rate: float, mean: float) -> float:
    """How much later than the fluid the last of many consumers can be expected at most, s.

    The time that a queue takes to drain B messages varies by B (λ + μ cv²) / (μ − λ)³ around B's own
    B / (μ − λ)²; of c such times the mean of the greatest is at most sd √(2 ln c) above the mean of one.
    """
    arrives, does = -(-48 // consumers) / 48 * rate, 1 / mean
    backlog = arrives * 720.0
    variance = backlog * (arrives + does * 0.5**2) / (does - arrives) ** 3 + backlog / (does - arrives) ** 2
    return math.sqrt(variance * 2 * math.log(consumers))
