"""Blocks and processes leave the same ledger bit for bit, whatever is drawn.

The processes are the model; blocks are held against them on drawn scenarios of all six architectures with
drawn fault scripts, and on every scenario that is shipped.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from random import Random

import pytest
from compare import differences
from hypothesis import note

from sim.accelerator import block, fetching, group_pool, working
from sim.experiment.replication import simulate
from sim.scenario.load import load

sys.path.insert(0, str(Path(__file__).parents[1] / "properties"))
from drawn import FAULTS, KINDS, draw_scenario, for_drawn
from drawn import load as load_drawn

ROOT = Path(__file__).parents[2]
PARTS = 6
DRAWN = 17
"""Scenarios of each part: PARTS x DRAWN x 6 architectures are 612 configurations."""
DRAWN_SLOWLY = 140
"""The same for `make slow`: 5,040 configurations."""
LEAST_IN_BLOCKS = 0.6
LONG = 6e5
"""Messages x effects x architectures of a run that `make test` has no time for."""


def blockable(tree, random):
    """Most of what only processes can do is taken out of a drawn scenario."""
    for architecture in tree["architectures"].values():
        for branch in (architecture, *architecture.get("per_effect", {}).values()):
            consumers, queue = branch.get("consumers", {}), branch.get("queue", {})
            if "visibility_timeout" in queue and random.random() < 0.9:
                consumers |= {"poll": "0s", "heartbeat": "none", "batch": 1}
                queue["capacity"] = "unlimited"
        if "producer" in architecture and random.random() < 0.6:
            architecture["producer"] = {}
    return tree


def compare_drawn(part, examples, monkeypatch):
    """Draw scenarios and hold both ways against each other; how often what ran in blocks.

    In every second part these small runs are cut into many blocks, and fetches are added up as large ones.
    """
    seen = Counter()
    if part % 2:
        monkeypatch.setattr(block, "_SIZE", 16)
        monkeypatch.setattr(group_pool, "_BLOCK", 16)
        monkeypatch.setattr(fetching, "MANY", 2)
        monkeypatch.setattr(working, "MANY", 2)

    def check(random):
        tree = blockable(draw_scenario(random), random)
        note(json.dumps(tree))
        scenario = load_drawn(tree)
        for name in scenario.architectures:
            note(name)
            record, ways = simulate(scenario, name, 0, "blocks")
            seen[name] += 1
            if ways.reasons:
                seen[name, "mixed" if "blocks" in ways.paths.values() else "processes"] += 1
            else:
                seen[name, "blocks"] += 1
                for fault in tree["faults"].values():
                    seen[fault["kind"], fault["target"].rpartition(".")[2]] += 1
            assert not differences(simulate(scenario, name, 0, "processes")[0], record)

    for_drawn(part, examples, check)
    return seen


@pytest.mark.parametrize("part", range(PARTS))
def test_drawn_runs_are_the_same_both_ways(part, monkeypatch):
    """Every ledger is the same bit for bit, and most runs of every architecture are in blocks."""
    seen = compare_drawn(part, DRAWN, monkeypatch)
    assert sum(seen[kind] for kind in KINDS) >= DRAWN * len(KINDS)
    in_blocks = sum(seen[kind, "blocks"] for kind in KINDS)
    assert in_blocks >= LEAST_IN_BLOCKS * sum(seen[kind] for kind in KINDS), seen
    assert all(seen[kind, "blocks"] for kind in KINDS), seen


@pytest.mark.slow
@pytest.mark.parametrize("part", range(100, 100 + PARTS))
def test_thousands_of_drawn_runs_are_the_same_both_ways(part, monkeypatch):
    """The same for many more; every kind of fault of every role is met in blocks."""
    seen = compare_drawn(part, DRAWN_SLOWLY, monkeypatch)
    in_blocks = sum(seen[kind, "blocks"] for kind in KINDS)
    assert in_blocks >= LEAST_IN_BLOCKS * sum(seen[kind] for kind in KINDS), seen
    for kind in KINDS:  # in the others some pool, or a drawn option, is left to the processes
        assert seen[kind, "blocks"] >= seen[kind] / 2, (kind, seen)
    assert all(seen[kind, role] for kind, roles in FAULTS.items() for role in roles), seen


@pytest.mark.parametrize("fault", [(kind, role) for kind, roles in FAULTS.items() for role in roles], ids=str)
def test_every_kind_of_fault_is_the_same_both_ways(fault):
    """Each kind of fault of each role, alone, in every architecture; some of these runs are in blocks."""
    in_blocks = 0
    for number in range(3):
        random = Random(f"{fault} {number}")  # noqa: S311 - no secrets
        tree = blockable(draw_scenario(random, fault=fault), random)
        scenario = load_drawn(tree)
        for name in scenario.architectures:
            record, ways = simulate(scenario, name, 0, "blocks")
            in_blocks += not ways.reasons
            found = differences(simulate(scenario, name, 0, "processes")[0], record)
            assert not found, (json.dumps(tree), name, found)
    assert in_blocks >= 6


def shipped():
    """Every scenario that is shipped: those of the self-check, the claims, and the golden one."""
    folder = ROOT / "sim" / "data" / "selfcheck"
    files = [*sorted((ROOT / "scenarios").rglob("*.yaml")), *sorted(folder.rglob("*.yaml"))]
    for file in files:
        scenario = load(file)
        arrivals = scenario.workload.arrivals.expected(scenario.horizon) + scenario.workload.backlog
        work = arrivals * len(scenario.effects) * len(scenario.architectures)
        marks = [pytest.mark.slow] if work > LONG else []
        yield pytest.param(scenario, id=file.stem, marks=marks)


@pytest.mark.parametrize("scenario", list(shipped()))
def test_shipped_scenarios_are_the_same_both_ways(scenario):
    """Golden, claim and self-check scenarios leave the same ledger in blocks and by their processes."""
    scenario = scenario.model_copy(update={"warmup": 0.0}) if scenario.warmup == "auto" else scenario
    for name in scenario.architectures:
        record, _ = simulate(scenario, name, 0, "blocks")
        assert not differences(simulate(scenario, name, 0, "processes")[0], record), name
