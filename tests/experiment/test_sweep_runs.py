"""Sweeps run every point once, whatever interrupts them, and give the same whatever the processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import sim
from sim.experiment import archive, point_store
from sim.experiment import sweep as sweeps
from sim.vocabulary import SUMMARY_COLUMNS

SMALL = """\
name: small
replications: 2
horizon: 30s
workload: {arrivals: 20/s}
effects: {db: 20ms, index: {service: {mean: 30ms, cv: 1}}}
architectures: {single_broker: {consumers: 2}, stream: }
expect: [all.latency_p99 < 1s, stream.partial == 0]
sweep: {workload.arrivals: [10/s, 20/s, 40/s]}
"""


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[sim.Scenario]:
    """The scenarios of the studies that are run in this process."""
    seen: list[sim.Scenario] = []
    run_study = sweeps.run_study

    def counted(scenario: sim.Scenario, **options: Any) -> Any:
        seen.append(scenario)
        return run_study(scenario, **options)

    monkeypatch.setattr(sweeps, "run_study", counted)
    return seen


def test_every_point_is_the_study_of_its_scenario() -> None:
    """The rows of a point are the summary of a run with its values set, to the last bit."""
    table = sim.sweep(sim.loads(SMALL), jobs=1).table
    assert list(table.columns) == ["workload.arrivals", *SUMMARY_COLUMNS]
    for rate in ("10/s", "20/s", "40/s"):
        alone = sim.run(sim.loads(SMALL, [f"workload.arrivals={rate}"]), jobs=1).summary
        rows = table[table["workload.arrivals"] == rate].drop(columns="workload.arrivals")
        pd.testing.assert_frame_equal(rows.reset_index(drop=True), alone, check_exact=True)


def test_verdicts_at_every_point() -> None:
    """Each expectation is judged at each point as a run judges it."""
    verdicts = sim.sweep(sim.loads(SMALL), jobs=1).verdicts
    assert list(verdicts.columns) == ["workload.arrivals", "expectation", "verdict", "why"]
    expected = [
        (rate, each["expectation"], each["verdict"])
        for rate in ("10/s", "20/s", "40/s")
        for each in sim.run(sim.loads(SMALL, [f"workload.arrivals={rate}"]), jobs=1).manifest["verdicts"]
    ]
    assert list(verdicts[verdicts.columns[:3]].itertuples(index=False, name=None)) == expected
    assert {verdict for _, _, verdict in expected} >= {"PASS", "FAIL"}


def test_processes_change_nothing(tmp_path: Path) -> None:
    """Points beside each other, points with processes inside and one process give equal files."""
    for jobs in (1, 2, 8):  # 8 processes for 3 points: they run one after the other, processes inside
        sim.sweep(sim.loads(SMALL), jobs=jobs, out=tmp_path / str(jobs))
    for name in ("sweep.csv", "verdicts.csv"):
        assert len({(tmp_path / str(jobs) / name).read_bytes() for jobs in (1, 2, 8)}) == 1


def test_plain_numbers_stay_numbers() -> None:
    """A factor of plain numbers is a column of numbers; Python values are taken as they are."""
    vary = {"architectures.stream.consumers": [1, 2], "workload.arrivals": "10/s..20/s:2"}
    table = sim.sweep(sim.loads(SMALL), vary, jobs=1).table
    assert list(table.columns[:2]) == list(vary)
    assert table["architectures.stream.consumers"].dtype.kind == "i"
    assert set(table["workload.arrivals"]) == {"10/s", "20/s"}


def test_nothing_is_run_twice(tmp_path: Path, runs: list[sim.Scenario]) -> None:
    """A sweep that is finished runs nothing; one with more values runs the new ones; --fresh runs all."""
    scenario, out = sim.loads(SMALL), tmp_path / "out"
    first = sim.sweep(scenario, out=out, jobs=1)
    assert (len(runs), first.data.again) == (3, 0)
    second = sim.sweep(scenario, out=out, jobs=1)
    assert (len(runs), second.data.again) == (3, 3)
    pd.testing.assert_frame_equal(first.table, second.table, check_exact=True)
    sim.sweep(scenario, {"workload.arrivals": ["10/s", "15/s", "40/s"]}, out=out, jobs=1)
    assert [each.workload.arrivals.rate for each in runs[3:]] == [15.0]
    sim.sweep(scenario, out=out, jobs=1, fresh=True)
    assert len(runs) == 7


@pytest.mark.parametrize(
    "change", ["seed=5", "replications=3", "horizon=31s", "effects.db.service=21ms", "expect=[all.lost == 0]"]
)
def test_changed_scenarios_are_run_again(tmp_path: Path, runs: list[sim.Scenario], change: str) -> None:
    """What is kept of another scenario is never taken for this one."""
    vary = {"workload.arrivals": ["10/s"]}
    sim.sweep(sim.loads(SMALL), vary, out=tmp_path / "out", jobs=1)
    sim.sweep(sim.loads(SMALL, [change]), vary, out=tmp_path / "out", jobs=1)
    assert len(runs) == 2


def test_half_a_file_is_no_result(tmp_path: Path, runs: list[sim.Scenario]) -> None:
    """A result that cannot be read, is of another version or of another point is run again."""
    out = tmp_path / "out"
    sim.sweep(sim.loads(SMALL), out=out, jobs=1)
    torn, old, foreign = sorted((out / "points").iterdir())
    torn.write_text(torn.read_text()[:100])
    old.write_text(json.dumps(json.loads(old.read_text()) | {"schema_version": 0}))
    foreign.write_text(json.dumps(json.loads(foreign.read_text()) | {"key": "another"}))
    sim.sweep(sim.loads(SMALL), out=out, jobs=1)
    assert len(runs) == 6


def test_a_failing_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A result appears whole or not at all, and no file that was written aside stays."""
    result = {"key": "k", "schema_version": 1}
    point_store.store(tmp_path, result)

    def fail(*_: Any, **__: Any) -> None:
        raise OSError("no room")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="no room"):
        point_store.store(tmp_path, {**result, "more": 1})
    assert point_store.stored(tmp_path, "k") == result
    assert [path.name for path in (tmp_path / "points").iterdir()] == ["k.json"]


@pytest.mark.parametrize(
    ("stop", "jobs"), [(signal.SIGKILL, "1"), (signal.SIGINT, "1"), (signal.SIGINT, "2")]
)
def test_killed_and_begun_again(tmp_path: Path, runs: list[sim.Scenario], stop: int, jobs: str) -> None:
    """After a kill or Ctrl-C in the middle, the same command runs exactly the points that are missing."""
    slow = SMALL.replace("horizon: 30s", "horizon: 12m").replace("[10/s, 20/s, 40/s]", "11/s..22/s:12")
    path, out = tmp_path / "slow.yaml", tmp_path / "out"
    path.write_text(slow)
    words = [sys.executable, "-m", "sim", "sweep", str(path), "--out", str(out), "--jobs", jobs]
    words += ["--engine", "processes"]
    began = subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    while len(list((out / "points").glob("*.json"))) < 2:
        assert began.poll() is None, began.communicate()
        time.sleep(0.01)
    os.killpg(began.pid, stop)
    _, told = began.communicate(timeout=60)
    if stop == signal.SIGINT:
        assert began.returncode == 130
        assert "interrupted" in told
        assert "of 12 points" in told
    finished = {each: each.stat().st_mtime_ns for each in (out / "points").glob("*.json")}
    assert 2 <= len(finished) < 12
    assert not (out / "sweep.csv").exists()

    again = sim.sweep(path, out=out, jobs=1)
    assert len(runs) == 12 - len(finished)
    assert again.data.again == len(finished)
    assert {each: each.stat().st_mtime_ns for each in finished} == finished
    whole = sim.sweep(path, {"workload.arrivals": "11/s..22/s:12"}, out=tmp_path / "whole", jobs=2)
    pd.testing.assert_frame_equal(again.table, whole.table, check_exact=True)


def test_folders_of_something_else(tmp_path: Path) -> None:
    """A sweep does not enter the folder of a study or of anything else, and a study not that of a sweep."""
    scenario = sim.loads(SMALL)
    sim.run(scenario, replications=1, jobs=1).save(tmp_path / "study")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    for folder in ("study", "mine"):
        before = sorted(path.name for path in (tmp_path / folder).iterdir())
        with pytest.raises(FileExistsError, match="not the folder of a sweep"):
            sim.sweep(scenario, out=tmp_path / folder, jobs=1, fresh=True)
        assert sorted(path.name for path in (tmp_path / folder).iterdir()) == before
    sim.sweep(scenario, {"seed": [1]}, out=tmp_path / "sweep", jobs=1)
    with pytest.raises(FileExistsError, match="not the folder of a study"):
        archive.write(sim.run(scenario, replications=1, jobs=1).data, tmp_path / "sweep")


def test_a_point_without_a_steady_state() -> None:
    """Of a load that no steady state can bear nothing is told: no values, INCONCLUSIVE, and why."""
    text = SMALL.replace("horizon: 30s", "horizon: 60s\nstudy: steady_state\nwarmup: 5s")
    found = sim.sweep(sim.loads(text), {"workload.arrivals": ["5/s", "100/s"]}, jobs=1)
    assert set(found.table["workload.arrivals"]) == {"5/s"}
    beyond = found.verdicts[found.verdicts["workload.arrivals"] == "100/s"]
    assert list(beyond["verdict"]) == ["INCONCLUSIVE"] * 2
    assert all(why.startswith("no steady state") for why in beyond["why"])


def test_what_a_loaded_scenario_does_not_take() -> None:
    """Overrides, replications and a seed change a file; a value that YAML cannot hold is refused in words."""
    scenario = sim.loads(SMALL)
    for options in ({"overrides": ["seed=1"]}, {"replications": 3}, {"seed": 4}):
        with pytest.raises(ValueError, match=r"give them to sim\.load"):
            sim.sweep(scenario, **options)
    with pytest.raises(sim.ScenarioError, match="not what YAML could hold"):
        sim.sweep(scenario, {"seed": [object()]})
    with pytest.raises(sim.ScenarioError, match="nothing to sweep"):
        sim.sweep(sim.loads(SMALL, ["sweep=none"]))
