"""Consumer groups in blocks leave the ledger of their processes: one story for each special rule.

Each story states what has to happen in it, so that it cannot come true by nothing happening.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
from compare import differences

import sim
from sim.accelerator import group_pool
from sim.experiment.replication import simulate
from sim.vocabulary import Outcome


def both(
    *, faults=None, effects=None, horizon=60, rate="4/s", arrivals=None, backlog=0, drain="empty", **parts
):
    """Run a stream in blocks and by processes; the record, once it is sure that they agree."""
    stream = {"partitions": 4, **parts.pop("stream", {})}
    consumers = {"count": 2, **parts.pop("consumers", {})}
    tree = {
        "horizon": f"{horizon}s",
        "drain": drain,
        "workload": {"arrivals": {"rate": rate, **(arrivals or {})}, "keys": 50, "backlog": backlog},
        "effects": effects or {"db": exponential("0.3s")},
        "architectures": {"stream": {"stream": stream, "consumers": consumers, **parts}},
        "faults": faults or {},
    }
    scenario = sim.loads(json.dumps(tree))
    blocks, ways = simulate(scenario, "stream", 0, "blocks")
    assert not ways.reasons
    processes, _ = simulate(scenario, "stream", 0, "processes")
    assert differences(processes, blocks) == []
    return blocks


def exponential(mean):
    """An effect that takes so long on average."""
    return {"service": {"mean": mean, "distribution": "exponential"}}


def repeats(record):
    """Deliveries beyond the first, of all holders."""
    return sum(int(np.maximum(copies.deliveries.astype(int) - 1, 0).sum()) for copies in record.copies)


@pytest.mark.parametrize("hop", ["0s", "0.1s"])
@pytest.mark.parametrize("batch", [1, 3, 500])
def test_groups_of_any_batch_and_speed(batch, hop):
    """Two groups on one log, members of unequal speed, a backlog at the start: all is done, nothing twice."""
    record = both(
        effects={"db": exponential("0.3s"), "index": {"service": "0.25s"}},
        consumers={"batch": batch, "count": 3, "speeds": [1, 1.5]},
        hop=hop,
        backlog=30,
    )
    assert repeats(record) == 0
    assert all((pair.outcome == Outcome.APPLIED).all() for pair in record.pairs)


@pytest.mark.parametrize("partitions", [256, 257])
def test_a_member_of_many_partitions(partitions):
    """Up to 256 are counted as bytes; a member with more is worked out step by step."""
    record = both(
        stream={"partitions": partitions}, consumers={"count": 1}, effects={"db": exponential("0.2s")}
    )
    assert len(np.unique(record.copies[0].partition)) > 10


def test_more_messages_than_a_block_holds(monkeypatch):
    """What is committed is let go from block to block; offsets go on counting."""
    monkeypatch.setattr(group_pool, "_BLOCK", 1 << 12)
    record = both(horizon=5000, effects={"db": exponential("0.2s")}, consumers={"count": 3})
    assert len(record.published) > 4 * group_pool._BLOCK
    assert record.copies[0].commits[:, 2].max() > group_pool._BLOCK


@pytest.mark.parametrize("idempotent", [False, True])
@pytest.mark.parametrize("on_error", ["retry", "skip"])
def test_a_crash_in_mid_batch_repeats_what_is_not_committed(on_error, idempotent):
    """Records done, skipped and in hand since the last commit are begun again."""
    record = both(
        effects={"db": exponential("0.3s") | {"failure": 0.1}},
        consumers={"on_error": on_error, "retry_delay": "0.5s", "idempotent": idempotent},
        faults={"crash": {"kind": "crash", "target": "consumers", "mean_up": "8s", "mean_down": "2s"}},
    )
    assert repeats(record) > 10
    assert bool((record.pairs[0].applications > 1).any()) != idempotent


def test_a_member_that_crashes_by_chance():
    """The crash hits an attempt, and the member is away for a while."""
    record = both(
        faults={"crash": {"kind": "crash", "target": "consumers", "probability": 0.05, "duration": "1s"}}
    )
    assert repeats(record) > 10


@pytest.mark.parametrize("in_hand", ["finish", "resume", "lose"])
def test_overlapping_outages(in_hand):
    """Several at once, one of no length, on constant times, so that much falls on one instant."""
    down = {"kind": "down", "target": "consumers", "in_hand": in_hand}
    record = both(
        effects={"db": {"service": "0.5s"}},
        arrivals={"process": "constant"},
        rate="3/s",
        faults={
            "long": down | {"at": "10s", "duration": "6s", "every": "15s"},
            "other": {"kind": "down", "target": "consumers", "at": "12s", "duration": "9s", "count": 1},
            "short": {"kind": "crash", "target": "consumers", "at": "20.4s"},
        },
    )
    assert record.faults[0].has_fired


def test_nothing_is_fetched_while_the_broker_is_down():
    """What is in a member's memory is worked on; fetching goes on when the pause ends."""
    record = both(
        consumers={"batch": 2},
        backlog=200,
        faults={"down": {"kind": "down", "target": "broker", "at": "10s", "duration": "15s"}},
    )
    taken = record.copies[0].taken
    assert not ((taken > 12) & (taken < 25)).any()
    assert (taken == 25).any()


def test_a_late_group_begins_at_the_end_of_the_log():
    """What was accepted before it joined is dropped by rule."""
    record = both(consumers={"starts": "20s", "reset": "latest"})
    assert (record.pairs[0].outcome == Outcome.DROPPED).sum() > 40
    assert (record.pairs[0].outcome == Outcome.APPLIED).sum() > 40


@pytest.mark.parametrize("reset", ["earliest", "latest"])
def test_what_is_not_fetched_in_time_expires(reset):
    """Retention is shorter than an outage, and the run is cut off while one member is away."""
    down = {"kind": "down", "target": "consumers"}
    record = both(
        stream={"retention": "5s"},
        consumers={"reset": reset, "batch": 3},
        effects={"db": exponential("0.45s")},
        drain="20s",
        faults={
            "down": {
                "kind": "down",
                "target": "consumers",
                "at": "20s",
                "duration": "12s",
                "in_hand": "lose",
            },
            "gone": down | {"at": "50s", "duration": "unlimited", "count": 1},
        },
    )
    assert (record.copies[0].fate == Outcome.EXPIRED).sum() > 20
    assert (reset == "latest") == bool((record.copies[0].fate == Outcome.DROPPED).any())


def test_a_run_that_is_cut_off_leaves_work_in_hand():
    """What would end after the end of the run does not."""
    record = both(effects={"db": exponential("0.8s")}, drain="1s")
    assert record.is_censored


@pytest.mark.parametrize("process", ["constant", "poisson"])
def test_idle_members_ask_at_intervals(process):
    """What arrives at the instant at which a member asks is found; idle members commit when they ask."""
    record = both(
        consumers={"poll": "5s", "commit_interval": "7s"},
        effects={"db": {"service": "0.25s"}},
        rate="2/s",
        arrivals={"process": process},
    )
    first = np.nanmin(record.copies[0].taken)
    assert first == 5


def test_idle_members_ask_step_by_step():
    """While a sink is slow the hot loop rests; a record then arrives at the very instant of a look."""
    record = both(
        consumers={"poll": "5.25s"},
        effects={"db": {"service": "0.25s"}},
        rate="2/s",
        arrivals={"process": "constant"},
        faults={"slow": {"kind": "slow", "target": "sink", "factor": 2, "at": "3s", "duration": "30s"}},
    )
    assert 5.25 in record.copies[0].accepted
    assert 5.25 in record.copies[0].taken


def test_sinks_that_fail_for_a_time():
    """Rejected, slow, delayed, lost: each for a while, so that the hot loop must stop in time."""
    window = {"target": "sink", "duration": "4s"}
    record = both(
        consumers={"on_error": "dead_letter"},
        faults={
            "reject": window | {"kind": "reject", "at": "5s"},
            "slow": window | {"kind": "slow", "at": "15s", "factor": 3},
            "delay": window | {"kind": "delay", "at": "25s", "by": "0.4s"},
            "loss": window | {"kind": "loss", "at": "35s", "leg": "reply"},
        },
    )
    assert all(fault.has_fired for fault in record.faults)
    assert (record.copies[0].fate == Outcome.DEAD_LETTERED).sum() > 20


@pytest.mark.parametrize("hop", ["0s", "0.2s"])
def test_chained_logs(hop):
    """A group reads what another reports; repeats upstream are stored again downstream."""
    record = both(
        effects={"db": exponential("0.2s"), "index": exponential("0.2s") | {"after": "db"}},
        hop=hop,
        faults={"crash": {"kind": "crash", "target": "db.consumers", "mean_up": "10s", "mean_down": "1s"}},
    )
    assert len(record.copies[1].message) > len(record.published)


def test_a_record_arrives_when_an_idle_member_looks_again(monkeypatch):
    """It commits and asks after what arrives then, also where a block of arrivals ends there."""
    monkeypatch.setattr(group_pool, "_BLOCK", 1)
    record = both(
        rate="1/s",
        arrivals={"process": "constant"},
        effects={"db": {"service": "0.25s"}},
        stream={"partitions": 1},
        consumers={"count": 1, "poll": "1s"},
    )
    assert set(record.copies[0].taken - record.copies[0].accepted) == {0.25, 0.5, 0.75, 1.0}


def test_an_idle_member_starts_again_at_the_instant_at_which_its_work_ends():
    """It has nothing to do then, and repeats what it has not committed."""
    record = both(
        rate="1/s",
        arrivals={"process": "constant"},
        effects={"db": {"service": "0.5s"}},
        faults={
            "again": {"kind": "crash", "target": "consumers", "at": "1s", "every": "7s", "duration": "0s"}
        },
    )
    assert (record.copies[0].accepted % 1 == 0.5).all()
    assert repeats(record) > 0
