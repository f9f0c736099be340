"""Same-storm duels: what a shared outage is worth, in comparison.csv."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import sim
from sim.report.notes import notes

DUEL = Path(__file__).parents[2] / "scenarios" / "duel.yaml"
SHORTER = ("horizon=600s", "faults.outage.at=120s")


def row(folder: Path) -> pd.Series:
    """The mean latency's line of comparison.csv."""
    table = pd.read_csv(folder / "comparison.csv", keep_default_na=False, na_values=[""])
    found = table[(table.metric == "latency_mean") & (table.scope.fillna("") == "")]
    assert len(found) == 1
    return found.iloc[0]


def check(results: sim.Results, folder: Path) -> None:
    """Pairing divides the variance of the difference by more than five, and the table says by how much."""
    results.save(folder)
    told, samples = row(folder), results.samples
    assert samples is not None
    mine = samples[(samples.metric == "latency_mean") & (samples.scope == "")]
    wide = mine.pivot(index="replication", columns="architecture", values="value")  # noqa: PD010
    apart = wide["twelve"] - wide["ten"]
    ratio = (wide["twelve"].var() + wide["ten"].var()) / apart.var()
    assert told["variance_ratio"] == pytest.approx(ratio)
    assert told["correlation"] == pytest.approx(wide["twelve"].corr(wide["ten"]))
    assert told["difference"] == pytest.approx(apart.mean())
    assert told["variance_ratio"] > 5
    told_so = [
        note for note in notes(results.data) if note.startswith("Variance ratio of the paired difference")
    ]
    assert any(f"twelve {ratio:.1f} (r " in note for note in told_so)


def test_a_shared_outage_divides_the_variance(tmp_path: Path) -> None:
    """Ten minutes instead of thirty, with the same shared outage."""
    check(sim.run(sim.load(DUEL, SHORTER), jobs=1), tmp_path / "duel")


@pytest.mark.slow
def test_ten_against_twelve_consumers(tmp_path: Path) -> None:
    """80 messages/s, exponential service of 0.1 s, one shared outage of 60 s on average, 1,800 s, 20 runs."""
    results = sim.run(DUEL)
    check(results, tmp_path / "duel")
    assert row(tmp_path / "duel")["ci_high"] < 0
    assert [verdict["verdict"] for verdict in results.manifest["verdicts"]] == ["PASS"] * 3


def test_equal_designs_are_equal_whatever_rounding_says() -> None:
    """One effect on a queue or on a topic, one worker each: no difference, and no variance ratio of 10^29."""
    text = (
        "replications: 3\nhorizon: 5m\nworkload: {arrivals: 8/s}\n"
        "effects: {db: {service: {mean: 50ms, cv: 1}}}\narchitectures: {dual_brokers: , pubsub: }\n"
    )
    table = sim.run(sim.loads(text), jobs=1).comparison
    latency = table[(table.metric == "latency_mean") & (table.scope == "")].iloc[0]
    assert latency["difference"] == latency["ci_low"] == latency["ci_high"] == 0
    assert pd.isna(latency["variance_ratio"])
