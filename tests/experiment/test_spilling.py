"""A study that would not fit into memory leaves the files that it leaves where it fits."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

import sim
from sim.accelerator import slicing
from sim.accelerator.publishing import Inexact
from sim.analysis.folds.histogram import ERROR
from sim.cli import app
from sim.experiment import study
from sim.experiment.estimate import estimate

TEXT = """
name: Spilling
replications: 2
horizon: 100s
workload: {arrivals: 40/s}
effects:
  db: {service: {mean: 20ms, distribution: exponential}, failure: 2%}
  index: {service: 30ms, after: db}
architectures:
  dual_brokers: {consumers: 3}
  sns_sqs: {consumers: 3}
  pubsub: {consumers: 3}
  stream: {consumers: 3}
faults:
  outage: {kind: reject, target: index.sink, at: 20s, duration: 5s}
"""
LITTLE = 251e6
"""Bytes: more than a part takes and less than a run."""


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    """Runs are told some hundred messages at a time, also in the estimate."""
    monkeypatch.setattr(slicing, "PART", 200)
    monkeypatch.setattr("sim.experiment.estimate.PART", 200)


def _both(tmp_path, keep):
    results = sim.run(sim.loads(TEXT), jobs=1, keep=keep, memory=1e12)
    spilled = sim.run(sim.loads(TEXT), jobs=1, keep=keep, memory=LITTLE, scratch=tmp_path)
    return results, spilled


@pytest.mark.parametrize("keep", ["first", "all"])
def test_files_are_those_of_a_study_that_fits(tmp_path, keep):
    """Messages and lag are the same to the bit; of the summary only percentiles differ beyond rounding."""
    whole, spilled = _both(tmp_path, keep)
    whole.save(tmp_path / "whole")
    spilled.save(tmp_path / "spilled")
    for name in ("messages", "lag"):
        one, other = (pq.read_table(tmp_path / each / f"{name}.parquet") for each in ("whole", "spilled"))
        assert other.schema.equals(one.schema, check_metadata=True)
        pd.testing.assert_frame_equal(other.to_pandas(), one.to_pandas(), check_exact=True)
    one, other = whole.summary, spilled.summary
    words = ["architecture", "metric", "scope", "unit", "replications"]
    pd.testing.assert_frame_equal(other[words], one[words])
    metric = one["metric"].str
    is_percentile = metric.contains("_p[59]").to_numpy()
    is_rounded = metric.contains("mean|status_polls").to_numpy()
    for part, error in ((is_percentile, ERROR), (is_rounded, 1e-12), (~(is_percentile | is_rounded), 0)):
        assert part.any()
        np.testing.assert_allclose(other["mean"][part], one["mean"][part], rtol=error, atol=0)
    assert spilled.manifest["fingerprints"] == whole.manifest["fingerprints"]


def test_messages_go_to_the_file_as_they_come(tmp_path):
    """Every part of a run is a row group; the file is read when asked for, and vanishes with the results."""
    spilled = sim.run(sim.loads(TEXT), jobs=1, memory=LITTLE, scratch=tmp_path)
    (folder,) = tmp_path.iterdir()
    assert [each.name for each in folder.iterdir()] == ["messages.parquet"]
    with pq.ParquetFile(folder / "messages.parquet") as file:
        assert file.num_row_groups > 4 * 10
        rows = file.metadata.num_rows
    assert not len(spilled.data.messages)
    assert len(spilled.messages) == rows
    saved = spilled.save(tmp_path / "saved")
    assert not (saved / "latency.png").exists()
    assert any("as they came" in note for note in spilled.notes())
    assert spilled.plot_latency() is not None
    del spilled
    assert not folder.exists()
    assert len(sim.Results.read(saved).messages) == rows


def test_the_manifest_says_where_percentiles_come_from(tmp_path):
    """Percentiles of a study in files come from a histogram, with its bound."""
    spilled = sim.run(sim.loads(TEXT), jobs=1, memory=LITTLE, scratch=tmp_path)
    assert spilled.manifest["messages_kept"] == "first"
    assert spilled.manifest["messages_spilled"]
    assert spilled.manifest["percentiles"]["relative_error"] == ERROR


def test_a_run_that_blocks_leave_to_processes(tmp_path, monkeypatch):
    """Found out in the middle, it is told by its processes if they fit, and refused if they do not."""
    pages = slicing.pages

    def broken(*arguments):
        yield next(pages(*arguments))
        raise Inexact("for the sake of it")

    monkeypatch.setattr(slicing, "pages", broken)
    scenario = sim.loads(TEXT)
    done = study.run_in_slices(scenario, "pubsub", 0, path=tmp_path / "one.parquet")
    assert set(done.ways.paths.values()) == {"processes"}
    with pq.ParquetFile(tmp_path / "one.parquet") as file:
        assert file.metadata.num_rows == 2 * done.metrics["offered", ""]
    with pytest.raises(MemoryError, match=r"pubsub .* part by part \(for the sake of it\)"):
        study.run_in_slices(scenario, "pubsub", 0, path=tmp_path / "two.parquet", memory=LITTLE)
    assert not (tmp_path / "two.parquet").exists()


def test_a_failure_leaves_nothing(tmp_path):
    """A study that fails takes its folder of messages with it."""

    def fail(run):
        raise RuntimeError(run.architecture)

    with pytest.raises(RuntimeError):
        sim.run(sim.loads(TEXT), jobs=1, memory=LITTLE, scratch=tmp_path, on_done=fail)
    assert not list(tmp_path.iterdir())


def test_the_command_line(tmp_path, monkeypatch):
    """``sim run --memory`` spills and says so."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "study.yaml").write_text(TEXT)
    done = CliRunner().invoke(
        app, ["run", "study.yaml", "--memory", "251MB", "--out", "there", "--jobs", "1"]
    )
    assert done.exit_code == 0, done.output
    assert "messages go to a file as they come" in done.output
    assert json.loads((tmp_path / "there" / "manifest.json").read_text())["messages_spilled"]
    assert (tmp_path / "there" / "messages.parquet").exists()


def test_the_estimate_knows_both():
    """What is written as it comes takes less than what is held."""
    scenario = sim.loads(TEXT)
    assert estimate(scenario, 1, spills=True).memory < LITTLE < estimate(scenario, 1).memory
