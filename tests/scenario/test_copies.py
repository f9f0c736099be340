"""An effect with copies is written out as so many effects: the same as if the file had named them all."""

from __future__ import annotations

import pytest
from small import told

import sim
from sim.experiment.replication import run_replication

HEAD = "horizon: 60s\nworkload: {arrivals: 5/s, keys: 8}\n"
SERVICE = "service: {mean: 40ms, cv: 1}, failure: 5%"
KINDS = "architectures: {synchronous: , single_broker: , dual_brokers: , stream: , pubsub: , sns_sqs: }\n"
SHORT = HEAD + f"effects: {{db: 10ms, config: {{{SERVICE}, copies: 3}}}}\n" + KINDS
LONG = (
    HEAD
    + f"effects: {{db: 10ms, config_1: {{{SERVICE}}}, config_2: {{{SERVICE}}}, config_3: {{{SERVICE}}}}}\n"
    + KINDS
)


def outcomes(scenario: sim.Scenario, name: str) -> list[list[float]]:
    """What became of every pair, and when."""
    record = run_replication(scenario, name, 0)
    return [
        [*pairs.outcome.tolist(), *pairs.applications.tolist(), *pairs.first_applied.tolist()]
        for pairs in record.pairs
    ]


def test_copies_are_what_they_stand_for() -> None:
    """Every run leaves the very record of the scenario that names all receivers."""
    short, long = sim.loads(SHORT), sim.loads(LONG)
    assert list(short.effects) == ["db", "config_1", "config_2", "config_3"]
    assert short.copies == {"config": ("config_1", "config_2", "config_3")}
    for name in short.architectures:
        theirs = run_replication(long, name, 0).fingerprint()
        assert run_replication(short, name, 0).fingerprint() == theirs


@pytest.mark.parametrize(
    "fault",
    [
        "{{kind: reject, target: {}.sink, at: 10s, duration: 9s}}",
        "{{kind: slow, target: {}.sink, at: 10s, duration: 9s, factor: 20}}",
        "{{kind: reject, target: {}.broker, at: 10s, duration: 9s}}",
        "{{kind: slow, target: {}.consumers, at: 10s, duration: 9s, factor: 20}}",
    ],
)
def test_a_target_means_all_copies(fault: str) -> None:
    """``config.sink`` is as good as a fault for each of them; only what they share is hit once."""
    short = sim.loads(SHORT + f"faults: {{trouble: {fault.format('config')}}}\n")
    each = ", ".join(f"trouble_{k}: {fault.format(f'config_{k}')}" for k in (1, 2, 3))
    long = sim.loads(LONG + f"faults: {{{each}}}\n")
    quiet = sim.loads(SHORT)
    for name in short.architectures:
        if name == "single_broker" and "slow" in fault and "consumers" in fault:
            continue  # three faults of one shared worker would multiply
        found = outcomes(short, name)
        assert repr(found) == repr(outcomes(long, name))
        if not (name == "synchronous" and "broker" in fault):
            assert repr(found) != repr(outcomes(quiet, name))


def test_a_pool_of_every_copy_is_down_and_only_theirs() -> None:
    """Each receiver's consumers are away from 10 to 30 s; db's are not."""
    text = SHORT + "faults: {away: {kind: down, target: config.consumers, at: 10s, duration: 20s}}\n"
    record = run_replication(sim.loads(text), "sns_sqs", 0)
    for pairs in record.pairs:
        inside = (pairs.first_applied > 11) & (pairs.first_applied < 30)
        assert inside.any() == (pairs.effect == "db")
    (fault,) = record.faults
    assert fault.components == tuple(f"config_{k}_{at}" for k in (1, 2, 3) for at in ("queue", "topic"))


def test_one_copy_can_be_hit_alone() -> None:
    """``config_2.sink`` is one receiver."""
    text = SHORT + "faults: {trouble: {kind: reject, target: config_2.sink, at: 0s, duration: 1h}}\n"
    record = run_replication(sim.loads(text), "pubsub", 0)
    assert [int(pairs.applications.sum() > 0) for pairs in record.pairs] == [1, 1, 0, 1]


def test_a_branch_is_for_all_copies_and_a_copy_may_have_more_of_its_own() -> None:
    """Also where one architecture extends another; the order in the file does not matter."""
    architectures = (
        "architectures: {sns_sqs: {per_effect: {config_2: {consumers: {batch: 4}}, config: {consumers: 7}}}, "
        "more: {extends: sns_sqs, per_effect: {config_3: {consumers: 9}}}}\n"
    )
    scenario = sim.loads(SHORT.replace(KINDS, architectures))
    pools = {
        name: [(each.consumers.count, each.consumers.batch) for each in design.per_effect.values()]
        for name, design in scenario.architectures.items()
    }
    assert pools["sns_sqs"] == [(1, 1), (7, 1), (7, 4), (7, 1)]
    assert pools["more"] == [(1, 1), (7, 1), (7, 4), (9, 1)]


def test_copies_may_follow_an_effect_and_one_of_them_may_be_followed() -> None:
    """All of them wait for db, and mail waits for the second."""
    more = SHORT.replace("copies: 3}", "copies: 3, after: db}, mail: {service: 1s, after: config_2}")
    scenario = sim.loads(more)
    assert [effect.after for effect in scenario.effects.values()] == [None, "db", "db", "db", "config_2"]


def test_number_of_copies_can_be_set_from_outside() -> None:
    """``--set effects.config.copies=5``; one copy keeps its name."""
    assert len(sim.loads(SHORT, ["effects.config.copies=5"]).effects) == 6
    assert list(sim.loads(SHORT, ["effects.config.copies=1"]).effects) == ["db", "config"]
    assert list(sim.loads(SHORT, ["effects.config.copies=none"]).effects) == ["db", "config"]
    (message,) = told(SHORT, "effects.config.copies=1001")
    assert message == "1001 is out of range: it must be at most 1000"
