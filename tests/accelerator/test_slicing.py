"""A run that is worked out part by part says what the whole run says."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from random import Random

import pytest

import sim
from sim.accelerator import slicing
from sim.accelerator.publishing import Inexact
from sim.analysis.lag import grid_step
from sim.analysis.streaming import fold
from sim.experiment.replication import is_sliceable, simulate, simulate_in_slices

sys.path.append(str(Path(__file__).parents[1] / "properties"))
sys.path.append(str(Path(__file__).parents[1] / "analysis"))
from drawn import KINDS, draw_scenario, load
from test_streaming import same

CHAIN = {
    "db": {"service": "100ms"},
    "index": {"service": "150ms", "after": "db"},
    "mail": {"service": "50ms", "after": "db"},
}
BASE = {"horizon": "100s", "workload": {"arrivals": "10/s"}, "effects": CHAIN}


def scenario_of(tree):
    """Have the language read a mapping."""
    return sim.loads(json.dumps(tree))


def drawn(number):
    """A scenario drawn at random, without most of what only processes can tell."""
    tree = draw_scenario(Random(number))  # noqa: S311 - no secret
    for design in tree["architectures"].values():
        for block in (design, *design.get("per_effect", {}).values()):
            block.get("queue", {}).update(capacity="unlimited")
            consumers = block.get("consumers", {})
            if "commit_interval" not in consumers:
                plain = {"poll": "0s", "heartbeat": "none", "batch": 1}
                consumers.update({key: value for key, value in plain.items() if key in consumers})
        if number % 4:
            design.pop("producer", None)
    if number % 3 == 0:
        tree["workload"]["client"] = {"poll_status": "500ms"}
    if number % 2 == 0:
        tree["warmup"] = "6s"
    return load(tree)


def slices(scenario, kind):
    """How many slices a run has that were held against the whole; 0 where blocks cannot tell it."""
    record, _ = simulate(scenario, kind, 0)
    try:
        pieces = list(simulate_in_slices(scenario, kind, 0)[0])
    except Inexact:
        return 0
    step = grid_step(scenario.horizon)
    same(fold(pieces, step), record, step)
    return len(pieces)


def test_drawn_scenarios(monkeypatch):
    """Metrics, series and fingerprint are those of the whole run, in every architecture, with its faults."""
    seen = Counter()
    for number in range(60):
        monkeypatch.setattr(slicing, "PART", (7, 37, 100)[number % 3])
        scenario = drawn(number)
        for kind in KINDS:
            if is_sliceable(scenario, kind):
                seen[kind] += slices(scenario, kind) > 1
    assert all(seen[kind] >= 8 for kind in KINDS), seen


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "synchronous"])
def test_effects_that_wait_for_others(kind, monkeypatch):
    """Fan-outs of reports are told part by part, and the parts are final one by one."""
    monkeypatch.setattr(slicing, "PART", 50)
    scenario = scenario_of(BASE | {"architectures": {kind: {"consumers": 4, "hop": "20ms"}}})
    assert slices(scenario, kind) > 10


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_held_does_not_grow(kind, monkeypatch):
    """No page holds more than a part and what is in flight, however long the run is."""
    monkeypatch.setattr(slicing, "PART", 100)
    tree = {
        "horizon": "1000s",
        "workload": {"arrivals": "10/s", "keys": "10k"},
        "effects": {"db": {"service": {"mean": "100ms", "cv": 1}}},
        "architectures": {kind: {"consumers": 4}},
    }
    sizes = [len(piece.record.published) for piece in simulate_in_slices(scenario_of(tree), kind, 0)[0]]
    assert len(sizes) > 90
    assert max(sizes) < 400


def test_what_cannot_be_told_part_by_part():
    """Queues with a capacity, and groups that report and may crash, are told as a whole."""
    crash = {"kind": "crash", "target": "consumers", "mean_up": "5s", "mean_down": "1s"}
    bounded = scenario_of(BASE | {"architectures": {"single_broker": {"queue": {"capacity": 5}}}})
    stream = BASE | {"architectures": {"stream": {}}}
    assert not is_sliceable(bounded, "single_broker")
    assert is_sliceable(scenario_of(stream), "stream")
    assert not is_sliceable(scenario_of(stream | {"faults": {"crashes": crash}}), "stream")
