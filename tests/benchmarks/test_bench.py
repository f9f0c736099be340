"""The benchmark runs and says what it should. No test asserts how fast anything is."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from bench import linear_lines, peer_lines, workload_line
from peers import PEERS
from sampling import Sample, sample
from workloads import STUDY_NAME, WORKLOADS, chosen

from sim.experiment.replication import run_replication

NUMBER = r"[\d,]+"
RATE = rf"{NUMBER} (messages|record deliveries|hops) per CPU second  \d+\.\d\d B"
SAMPLE = Sample(bare=1e6, rate=2.31e6, bytes_each=40.2, peak=130.4)


@pytest.mark.parametrize("name", [*WORKLOADS, STUDY_NAME])
def test_each_workload_is_measured(name: str) -> None:
    """Few messages: everything that is told is there, and every run but the study tells of its ledger."""
    found = sample(name, 200)
    assert found.bare > 0
    assert found.rate > 0
    assert found.peak > 10
    assert (found.bytes_each is None) == (name == STUDY_NAME)
    line = workload_line(name, [found])
    assert re.match(rf"{name} +{RATE}  .*peak {NUMBER} MB", line), line


def test_the_benchmark_prints_a_line_for_each() -> None:
    """One round through the real command line: B, the workloads that were asked for, the peers beside W1."""
    script = Path(__file__).with_name("bench.py")
    words = ["--messages", "200", "--rounds", "1", "--only", "W1,W4"]
    done = subprocess.run([sys.executable, str(script), *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    names = ["B", "W1", "W4", *PEERS, "AsyncFlow", "happysim"]
    assert len(lines) == len(names)
    for name, line in zip(names, lines, strict=True):
        assert line.startswith(f"{name} ")
    assert re.fullmatch(rf"B +{NUMBER} bare SimPy timeouts per CPU second", lines[0])
    for line in lines[3:]:
        assert re.search(r"ours is × \d+\.\d faster$|not installed: pip install", line), line
    assert "not installable here; published rate" in lines[-1]


def test_medians_and_ratios_are_told() -> None:
    """2.31 M messages per second beside 1 M timeouts are 2.31 B, and three times a peer of 0.77 B."""
    slow = Sample(bare=2e6, rate=1.54e6, bytes_each=None, peak=1.0)
    line = workload_line("W1", [slow, SAMPLE, SAMPLE])
    assert "2,310,000 messages per CPU second  2.31 B  40 bytes per message and effect  peak 130 MB" in line
    (first, *_) = peer_lines({"naive SimPy": [slow]}, [SAMPLE])
    assert first.startswith("naive SimPy ")
    assert first.endswith("1,540,000 messages per CPU second  0.77 B  ours is × 3.0 faster")


def test_rates_are_asked_for_at_every_size_and_behind_a_backlog() -> None:
    """Queue and stream, each with and without a million that wait."""
    asked: list[tuple[str, int, str, tuple[str, ...]]] = []

    def measure(name: str, messages: int, engine: str, *overrides: str) -> Sample:
        asked.append((name, messages, engine, overrides))
        return SAMPLE

    lines = list(linear_lines([1000, 2000], "", 3, measure))
    assert all(re.match(rf"linear W[13].* {RATE}", line) for line in lines)
    assert [line.endswith(", 100% of the rate at 1,000") for line in lines] == [False, True] * 4
    assert len(asked) == 3 * len(lines) == 24
    assert [bool(overrides) for *_, overrides in asked] == [False, False, True, True] * 6


def test_a_standing_backlog_stands() -> None:
    """Arrivals as fast as the work: what waits at the end of the arrivals is about what waited at first."""
    scenario = WORKLOADS["W1"].scenario(2000, "workload.backlog=1000", "workload.arrivals.rate=8/s")
    record = run_replication(scenario, "single_broker", 0)
    waiting = np.sum(record.copies[0].taken > scenario.horizon)
    assert 800 < waiting < 1200
    assert not record.is_censored


def test_only_chooses_by_name_or_family() -> None:
    """W3 is all of W3; a name that is none is refused with those that are."""
    sizes = ["W3 small", "W3 medium", "W3 large"]
    assert chosen("W1,W3") == ["W1", *sizes, "W3 small crashes", "W3 large crashes", "W3 storm"]
    assert chosen("W2X two effects") == ["W2X two effects"]
    with pytest.raises(ValueError, match="no workload is called 'W9'; there are W1, W2X"):
        chosen("W1,W9")
