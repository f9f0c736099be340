"""A study that keeps no messages says the same, but for the last digits of percentiles."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import sim
from sim.analysis.folds.histogram import ERROR
from sim.cli import app
from sim.vocabulary import MESSAGE_COLUMNS

TEXT = """
name: No Messages
replications: 2
horizon: 60s
workload: {arrivals: 40/s, client: {poll_status: 1s}}
effects: {db: {service: {mean: 20ms, distribution: exponential}}, index: 30ms}
architectures:
  single_broker: {consumers: 3}
  stream: {consumers: 3}
faults:
  outage: {kind: reject, target: index.sink, at: 20s, duration: 5s}
"""


@pytest.fixture(scope="module")
def both():
    """The same study with and without messages."""
    return sim.run(sim.loads(TEXT), jobs=1), sim.run(sim.loads(TEXT), jobs=1, keep="none")


def test_the_summary_is_the_same(both):
    """Every row is there; only percentiles differ by more than rounding, and by no more than they claim."""
    kept, none = (each.summary for each in both)
    pd.testing.assert_frame_equal(
        none[["architecture", "metric", "scope"]], kept[["architecture", "metric", "scope"]]
    )
    is_percentile = kept["metric"].str.contains("_p[59]").to_numpy()
    for part, error in ((is_percentile, ERROR), (~is_percentile, 1e-12)):
        np.testing.assert_allclose(none["mean"][part], kept["mean"][part], rtol=error, atol=0)
    assert np.any(kept["mean"][is_percentile] > 0)


def test_series_and_fingerprints_are_the_same(both):
    """Lag, status and the hash of the ledger do not depend on what is kept."""
    kept, none = both
    pd.testing.assert_frame_equal(none.lag, kept.lag, check_exact=True)
    pd.testing.assert_frame_equal(none.status, kept.status, check_exact=True)
    assert none.manifest["fingerprints"] == kept.manifest["fingerprints"]


def test_the_manifest_says_what_is_kept(both):
    """Which messages are kept and where percentiles come from stands in the manifest."""
    kept, none = both
    assert kept.manifest["messages_kept"] == "first"
    assert kept.manifest["percentiles"] == {"from": "every message", "relative_error": 0.0}
    assert none.manifest["messages_kept"] == "none"
    assert none.manifest["percentiles"]["relative_error"] == ERROR
    assert "histogram" in none.manifest["percentiles"]["from"]


def test_results_say_why_there_are_no_messages(both, tmp_path):
    """Messages are an empty frame with the reason, also when read from files; their pictures are refused."""
    _, none = both
    folder = none.save(tmp_path / "study")
    assert {path.name for path in folder.iterdir()} == {
        "summary.csv", "comparison.csv", "lag.parquet", "status.parquet", "manifest.json",
        "lag.png", "outcomes.png",
    }  # fmt: skip
    for results in (none, sim.Results.read(folder)):
        assert tuple(results.messages.columns) == MESSAGE_COLUMNS
        assert not len(results.messages)
        assert "--no-messages" in results.messages.attrs["why"]
        with pytest.raises(ValueError, match="--no-messages"):
            results.plot_latency()
        with pytest.raises(ValueError, match="--no-messages"):
            results.plot_throughput()
        assert any("Messages were not kept" in note for note in results.notes())


def test_the_command_line(tmp_path, monkeypatch):
    """``sim run --no-messages`` leaves no messages.parquet; with --keep all it is a contradiction."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "study.yaml").write_text(TEXT)
    done = CliRunner().invoke(app, ["run", "study.yaml", "--no-messages", "--out", "there"])
    assert done.exit_code == 0, done.output
    assert not (tmp_path / "there" / "messages.parquet").exists()
    assert json.loads((tmp_path / "there" / "manifest.json").read_text())["messages_kept"] == "none"
    wrong = CliRunner().invoke(app, ["run", "study.yaml", "--no-messages", "--keep", "all"])
    assert wrong.exit_code == 2
    assert "exclude each other" in wrong.output


def test_too_little_memory(tmp_path, monkeypatch):
    """What does not fit is told before it is run, with exit code 1: a limit of the machine."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "study.yaml").write_text(TEXT)
    done = CliRunner().invoke(app, ["run", "study.yaml", "--memory", "1MB"])
    assert done.exit_code == 1
    assert "No Messages would need about" in done.output
    assert not (tmp_path / "results").exists()
    many = CliRunner().invoke(app, ["run", ".", "--memory", "1MB"])
    assert many.exit_code == 1
    wrong = CliRunner().invoke(app, ["run", "study.yaml", "--memory", "much"])
    assert wrong.exit_code == 2
