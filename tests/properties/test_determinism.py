"""The same question has the same answer: whatever runs beside it, in whichever process, in whatever order."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from random import Random

import numpy as np
from drawn import KINDS, draw_scenario, load

from sim.components.effect import Effect
from sim.experiment.replication import run_replication

TREE = draw_scenario(Random(5))  # noqa: S311 - no secrets
PROGRAM = """
import json, sys
import sim
from sim.experiment.replication import run_replication
scenario = sim.loads(sys.stdin.read())
print(json.dumps({name: run_replication(scenario, name, 0).fingerprint() for name in scenario.architectures}))
"""


def fingerprints(tree, replication=0):
    """Run every architecture of a scenario in its order."""
    scenario = load(tree)
    return {
        name: run_replication(scenario, name, replication).fingerprint() for name in scenario.architectures
    }


def test_an_architecture_leaves_the_same_record_alone_and_beside_others_in_any_order():
    """Nothing of one run leaks into another."""
    together = fingerprints(TREE)
    bodies = TREE["architectures"]
    backwards = {name: bodies[name] for name in reversed(KINDS)}
    assert fingerprints(TREE | {"architectures": backwards}) == together
    for name in KINDS:
        alone = fingerprints(TREE | {"architectures": {name: bodies[name]}})
        assert alone == {name: together[name]}


def test_a_fresh_process_with_another_hash_seed_leaves_the_same_record():
    """No order of a set or of a hash enters."""
    expected = fingerprints(TREE)
    for hash_seed in ("1", "4711"):
        told = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            input=json.dumps(TREE),
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=True,
        )
        assert json.loads(told.stdout) == expected


def test_all_architectures_meet_the_same_messages_and_the_same_service_times(monkeypatch):
    """Common random numbers: arrivals, keys, and the draws of each (message, effect, attempt)."""
    tree = TREE | {
        "faults": {},
        "effects": {
            "db": {"service": {"mean": "40ms", "cv": 1.0}, "failure": "10%"},
            "index": {"service": {"mean": "40ms", "distribution": "exponential"}, "failure": "10%"},
        },
        "architectures": {kind: {} for kind in KINDS},
    }
    scenario = load(tree)
    start, begin = Effect.start, Effect.begin
    draws, certain = {}, {}

    def start_and_compare(effect):
        start(effect)
        assert len(effect.certain) > 0
        assert certain.setdefault(effect.name, effect.certain) == effect.certain

    def begin_and_compare(effect, message, now):
        place = effect.name, message, effect.attempts[message]
        answer = begin(effect, message, now)
        assert draws.setdefault(place, answer) == answer
        return answer

    monkeypatch.setattr(Effect, "start", start_and_compare)
    monkeypatch.setattr(Effect, "begin", begin_and_compare)
    records = [run_replication(scenario, name, 0, "processes") for name in KINDS]
    assert max(attempt for _, _, attempt in draws) >= 1
    for record in records[1:]:
        assert np.array_equal(record.published, records[0].published)
        assert np.array_equal(record.key, records[0].key)


def test_replications_and_seeds_differ():
    """Another replication or another seed is another draw of everything."""
    first, second = fingerprints(TREE), fingerprints(TREE, replication=1)
    other = fingerprints(TREE | {"seed": TREE["seed"] + 1})
    for name in KINDS:
        assert len({first[name], second[name], other[name]}) == 3
