"""What a study takes is told before it is run, and what does not fit is refused."""

from __future__ import annotations

import subprocess
import sys
from textwrap import dedent

import pytest

import sim
from sim.experiment.effort import (
    SECONDS_PER_PAIR_BY_PROCESSES,
    SECONDS_PER_PAIR_IN_BLOCKS,
    SECONDS_PER_RUN,
)
from sim.experiment.estimate import (
    BYTES_PER_PAIR,
    estimate,
    fitting,
    refuse_what_does_not_fit,
    usable_memory,
)
from sim.vocabulary import ARCHITECTURE_KINDS

TEXT = """
name: Large
horizon: 1000s
replications: 4
workload: {arrivals: 100/s, backlog: 500}
effects: {db: 1ms, index: 1ms}
architectures:
  single_broker: {consumers: 2}
  stream: {consumers: 2}
"""


def test_every_architecture_has_its_rates():
    """No kind is left out of the constants."""
    assert set(BYTES_PER_PAIR) == set(ARCHITECTURE_KINDS)


def test_messages_runs_and_time():
    """Time is that of all pairs of all runs, shared among processes."""
    scenario = sim.loads(TEXT)
    found = estimate(scenario, 1)
    assert (found.messages, found.effects, found.runs, found.processes) == (100_500, 2, 8, 1)
    assert found.seconds == pytest.approx(8 * (SECONDS_PER_RUN + 201_000 * SECONDS_PER_PAIR_IN_BLOCKS))
    slow = estimate(scenario, 1, engine="processes").seconds
    assert slow == pytest.approx(8 * (SECONDS_PER_RUN + 201_000 * SECONDS_PER_PAIR_BY_PROCESSES))
    assert estimate(scenario, 2).seconds == pytest.approx(found.seconds / 2)
    assert estimate(scenario, 50).processes == 8


def test_memory_of_processes_and_of_kept_messages():
    """Each process holds a run, and what is kept comes on top."""
    scenario = sim.loads(TEXT)
    none, first, everything = (estimate(scenario, 1, keep).memory for keep in ("none", "first", "all"))
    assert everything - none == pytest.approx(4 * (first - none))
    assert estimate(scenario, 2, "none").memory == pytest.approx(2 * none)


def test_the_line_for_the_user():
    """Messages, effects, runs, time and memory stand in one line."""
    line = str(estimate(sim.loads(TEXT), 1))
    assert line.startswith("about 100,500 messages × 2 effects × 8 runs: 2 s, ")
    assert line.endswith("MB of memory")


def test_what_does_not_fit_is_refused_with_what_to_change():
    """The sentence names the need, the limit, and only ways that are left."""
    scenario = sim.loads(TEXT)
    refuse_what_does_not_fit(scenario, estimate(scenario, 1), 1e12)
    with pytest.raises(
        MemoryError, match=r"Large would need about .* more than the 1 MB that it may use"
    ) as told:
        refuse_what_does_not_fit(scenario, estimate(scenario, 4, "all"), 1e6)
    for word in ("shorten the horizon", "--jobs 1", "--keep all", "--no-messages", "--memory "):
        assert word in str(told.value)
    with pytest.raises(MemoryError) as told:
        refuse_what_does_not_fit(scenario, estimate(scenario, 1, "none"), 1e6)
    for word in ("--jobs", "--keep", "--no-messages"):
        assert word not in str(told.value)


def test_the_limit_that_is_proposed_is_enough():
    """Who copies the proposed --memory can run the study."""
    from sim.engine.quantities import parse_size

    scenario = sim.loads(TEXT)
    expected = estimate(scenario, 1)
    with pytest.raises(MemoryError) as told:
        refuse_what_does_not_fit(scenario, expected, 1e6)
    refuse_what_does_not_fit(scenario, expected, parse_size(str(told.value).rsplit("--memory ", 1)[1]))


def test_a_quarter_of_the_machine():
    """Where nothing is said, a study may use some of the memory and never all of it."""
    assert usable_memory() > 0
    with pytest.raises(MemoryError):
        sim.run(sim.loads(TEXT), memory=1000.0)


def test_processes_hold_their_messages_whatever_is_kept():
    """Without messages memory does not grow with them, but for processes, which the refusal names."""
    long = [sim.loads(TEXT.replace("1000s", horizon)) for horizon in ("100000s", "200000s")]
    constant = [estimate(each, 1, "none").memory for each in long]
    growing = [estimate(each, 1, "none", "processes") for each in long]
    assert constant[0] == constant[1] < growing[0].memory < growing[1].memory
    with pytest.raises(MemoryError, match="leave out --engine processes") as told:
        refuse_what_does_not_fit(long[0], growing[0], 1e9)
    assert "--no-messages" not in str(told.value)


def test_what_cannot_be_run_part_by_part_is_named():
    """Who keeps no messages learns which architecture holds them all the same."""
    bounded = TEXT.replace("single_broker: {consumers: 2}", "single_broker: {queue: {capacity: 5}}")
    scenario = sim.loads(bounded.replace("1000s", "100000s"))
    expected = estimate(scenario, 1, "none")
    assert expected.holding == ("single_broker",)
    with pytest.raises(MemoryError, match="leave out single_broker, which cannot be run part by part"):
        fitting(scenario, expected, 1e9)


def test_what_does_not_fit_goes_to_files():
    """A study that would not fit is told in slices where that is possible, and only then."""
    scenario = sim.loads(TEXT.replace("1000s", "100000s"))
    whole = estimate(scenario, 1)
    assert fitting(scenario, whole, whole.memory) is whole
    spilling = fitting(scenario, whole, 1e9, 1)
    assert spilling.spills
    assert spilling.memory <= 1e9 < whole.memory
    assert "messages go to a file" in str(spilling)
    with pytest.raises(MemoryError):
        fitting(scenario, whole, 1e9, 1, can_spill=False)
    with pytest.raises(MemoryError):
        fitting(scenario, estimate(scenario, 1, engine="processes"), 1e9, 1)


PEAK = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
"""Peak memory of a command, started by a process that is small: a child's peak begins with its parent's."""


def test_no_less_than_what_a_run_takes(tmp_path):
    """A study in a process of its own stays below the estimate, which is no more than half too high."""
    text = """
    name: Middling
    horizon: 60000s
    replications: 1
    workload: {arrivals: 10/s}
    effects: {db: 1ms}
    architectures: {single_broker: {consumers: 2}}
    """
    file = tmp_path / "middling.yaml"
    file.write_text(dedent(text))
    command = [sys.executable, "-m", "sim", "run", str(file), "--out", str(tmp_path / "there"), "--jobs", "1"]
    measured = subprocess.run([sys.executable, "-c", PEAK, *command], stdout=subprocess.PIPE, check=True)
    peak = int(measured.stdout) * (1 if sys.platform == "darwin" else 1024)
    assert peak < estimate(sim.load(file), 1).memory < 1.5 * peak
