"""The STRESS-DES checklist of the manifest: filled from the scenario, and different for a different one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import sim

TEXT = """
name: told
description: Who is late?
seed: 3
replications: 2
horizon: 2m
workload: {arrivals: 5/s, backlog: 7}
effects: {db: 20ms}
architectures: {single_broker: , stream: }
faults: {outage: {kind: reject, target: sink, at: 30s, duration: 10s}}
expect: [all.partial == 0]
"""
SECTIONS = ["objectives", "logic", "data", "experimentation", "implementation", "code_access"]


def checklist(text: str = TEXT) -> dict[str, Any]:
    """Of a study from text."""
    return sim.run(sim.loads(text), jobs=1).manifest["checklist"]


def test_all_six_sections_are_filled() -> None:
    """Objectives, logic, data, experimentation, implementation, code access; no entry is empty."""
    found = checklist()
    assert list(found) == SECTIONS
    for section, entries in found.items():
        assert entries, section
        for name, entry in entries.items():
            assert entry or entry == 0, (section, name)


def test_it_says_what_the_scenario_says() -> None:
    """Purpose, estimands, designs, faults, initial state, warm-up, length, replications, seed, versions."""
    found = checklist()
    assert found["objectives"] == {
        "purpose": "Who is late?",
        "outputs": ["all.partial == 0"],
        "aims": "single_broker, stream compared with single_broker",
    }
    assert found["logic"]["base_model"] == {"single_broker": "single_broker", "stream": "stream"}
    assert found["logic"]["scenarios"] == {"outage": "reject of sink"}
    assert found["logic"]["components"] == {"single_broker": ["queue"], "stream": ["db_stream"]}
    experiment = found["experimentation"]
    assert experiment["initialisation"].startswith("7 messages wait at 0 s")
    assert experiment["warmup"] == "0 s (given)"
    assert experiment["run_length"].startswith("arrivals until 120 s")
    assert experiment["estimation"].startswith("2 replications: as many as the scenario asks for")
    assert "seed 3" in found["implementation"]["random_sampling"]
    assert found["implementation"]["software"]["simpy"]
    assert found["code_access"]["licence"] == "MIT"


Get = Callable[[dict[str, Any]], Any]


@pytest.mark.parametrize(
    ("old", "new", "get"),
    [
        ("Who is late?", "Who is lost?", lambda found: found["objectives"]["purpose"]),
        ("all.partial == 0", "all.late < 1%", lambda found: found["objectives"]["outputs"]),
        ("single_broker: ,", "sns_sqs: ,", lambda found: found["objectives"]["aims"]),
        ("single_broker: ,", "sns_sqs: ,", lambda found: found["logic"]["base_model"]),
        ("single_broker: ,", "sns_sqs: ,", lambda found: found["logic"]["components"]),
        ("target: sink", "target: broker", lambda found: found["logic"]["scenarios"]),
        ("db: 20ms", "db: {service: {mean: 20ms, cv: 1}}", lambda found: found["data"]["left_to_chance"]),
        ("backlog: 7", "backlog: 8", lambda found: found["experimentation"]["initialisation"]),
        ("seed: 3", "warmup: 30s", lambda found: found["experimentation"]["warmup"]),
        ("horizon: 2m", "horizon: 3m", lambda found: found["experimentation"]["run_length"]),
        ("seed: 3", "drain: 1h", lambda found: found["experimentation"]["run_length"]),
        ("seed: 3", "replications: 3", lambda found: found["experimentation"]["estimation"]),
        ("seed: 3", "seed: 4", lambda found: found["implementation"]["random_sampling"]),
    ],
)
def test_another_scenario_is_told_otherwise(old: str, new: str, get: Get) -> None:
    """What is changed in the scenario changes in the checklist."""
    text = TEXT.replace("replications: 2\n", "") if "replications" in new else TEXT
    assert get(checklist(text.replace(old, new))) != get(checklist())


def test_a_study_without_words_says_so() -> None:
    """No description, no expectation, nothing random: told in words, not left empty."""
    text = TEXT.replace("description: Who is late?\n", "").replace("expect: [all.partial == 0]\n", "")
    found = checklist(text.replace("5/s", "{rate: 5/s, process: constant}"))
    assert found["objectives"]["purpose"] == "not stated"
    assert found["objectives"]["outputs"] == "the metrics of summary.csv"
    assert found["data"]["left_to_chance"] == "nothing"


def test_what_the_run_found_out_is_told() -> None:
    """How many runs were cut off, and the warm-up that was found."""
    cut = checklist(TEXT.replace("seed: 3", "drain: 0s").replace("20ms", "1s"))
    assert cut["experimentation"]["censored_runs"] == 4
    steady = TEXT.replace("seed: 3", "study: steady_state").replace(
        "at: 30s, duration: 10s", "mean_up: 1m, mean_down: 1s"
    )
    assert "(MSER-5)" in checklist(steady)["experimentation"]["warmup"]
