"""What a study promises: the same files however it is run, and rows that belong to one architecture alone."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import sim

TEXT = """
name: small
replications: 3
horizon: 2m
workload: {arrivals: 20/s, keys: 50}
effects:
  db: {service: {mean: 50ms, cv: 1}, failure: 1%}
  index: {service: {mean: 60ms, cv: 1}}
defaults: {consumers: 3}
architectures:
  synchronous:
  single_broker:
  dual_brokers:
  stream:
  pubsub:
  sns_sqs:
faults:
  outage: {kind: reject, target: index.sink, at: 30s, duration: 10s}
  crashes: {kind: crash, target: consumers, mean_up: 30s, mean_down: 2s}
"""


def rows_of(results: sim.Results, architecture: str) -> pd.DataFrame:
    """The summary of one architecture."""
    table = results.summary
    return table[table.architecture == architecture].reset_index(drop=True)


def test_serial_and_parallel_runs_leave_the_same_bytes(tmp_path: Path) -> None:
    """Same seed, same summary.csv and comparison.csv, byte for byte, with one process or two."""
    scenario = sim.loads(TEXT)
    for jobs in (1, 2):
        sim.run(scenario, jobs=jobs).save(tmp_path / str(jobs))
    for name in ("summary.csv", "comparison.csv", "messages.parquet", "lag.parquet"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes(), name


def test_another_seed_gives_other_numbers() -> None:
    """The seed reaches the draws."""
    one, two = (sim.run(sim.loads(TEXT, seed=seed), jobs=1) for seed in (0, 1))
    assert not one.summary.equals(two.summary)


@pytest.mark.parametrize("kept", [["stream"], ["sns_sqs", "stream"], ["pubsub", "stream", "synchronous"]])
def test_an_architecture_does_not_notice_the_others(kept: list[str]) -> None:
    """Its rows are the same whichever architectures run beside it, in whatever order."""
    everything = sim.run(sim.loads(TEXT), jobs=1)
    some = "".join(f"  {name}:\n" for name in kept)
    start, end = TEXT.index("  synchronous:"), TEXT.index("\nfaults:") + 1
    fewer = sim.run(sim.loads(TEXT[:start] + some + TEXT[end:]), jobs=1)
    for name in kept:
        pd.testing.assert_frame_equal(rows_of(everything, name), rows_of(fewer, name), check_exact=True)


def test_a_design_against_itself_differs_by_exactly_nothing() -> None:
    """Two names for one design: every paired difference is 0."""
    twins = sim.run(sim.loads(TEXT.replace("  pubsub:", "  twin: {extends: single_broker}")), jobs=1)
    table = twins.comparison
    against = sim.run(
        sim.loads(
            TEXT.replace("  pubsub:", "  twin: {extends: single_broker}") + "baseline: single_broker\n"
        ),
        jobs=1,
    ).comparison
    assert len(table)
    differences = against[against.architecture == "twin"]["difference"].dropna()
    assert len(differences) > 20
    assert (differences == 0).all()


def test_all_messages_can_be_kept() -> None:
    """Replication 0 only, unless all are asked for."""
    scenario = sim.loads(TEXT)
    assert set(sim.run(scenario, jobs=1).messages.replication) == {0}
    assert set(sim.run(scenario, jobs=1, keep="all").messages.replication) == {0, 1, 2}


def test_manifest_tells_what_was_run() -> None:
    """Scenario text, its hash, seed, versions, pools and a fingerprint per run stand in the manifest."""
    results = sim.run(sim.loads(TEXT), jobs=1)
    manifest = results.manifest
    assert manifest["scenario"] == TEXT
    assert len(manifest["scenario_sha256"]) == 64
    assert {"python", "simpy", "numpy", "messaging-sim"} <= set(manifest["versions"])
    for entry in manifest["architectures"]:
        assert len(manifest["fingerprints"][entry["name"]]) == 3
        assert entry["workers"] == sum(entry["pools"].values())
        assert set(entry["path"].values()) == {"blocks"}
        assert entry["why_processes"] == {}


def test_sums_hold_in_the_summary() -> None:
    """Offered = complete + partial + failed + rejected + pending, and per effect the seven outcomes."""
    results = sim.run(sim.loads(TEXT), jobs=1)
    for name in ("single_broker", "stream", "pubsub"):
        whole = sum(
            results.value(metric, name) for metric in ("complete", "partial", "failed", "rejected", "pending")
        )
        assert whole == pytest.approx(results.value("offered", name))
        for effect in ("db", "index"):
            seven = ("applied", "pending", "dead_lettered", "expired", "dropped", "lost", "rejected")
            assert sum(results.value(metric, name, effect) for metric in seven) == pytest.approx(
                results.value("offered", name)
            )


def test_a_run_that_is_cut_off_says_so() -> None:
    """With a drain too short for the backlog the run is censored, and what is left is pending."""
    text = TEXT.replace("defaults: {consumers: 3}", "drain: 1s\ndefaults: {consumers: 1}")
    results = sim.run(sim.loads(text), jobs=1)
    assert {"architecture": "single_broker", "replication": 0} in results.manifest["censored"]
    assert results.value("pending", "single_broker") > 0
    assert any("cut off" in note or "censored" in note for note in results.notes())
