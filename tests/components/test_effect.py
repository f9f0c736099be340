"""An effect and its sink: failures, poison, long jobs, and effects that wait for another."""

import numpy as np
import pytest
from stories import run

from sim.analysis.measure import measure

KINDS = ("single_broker", "dual_brokers", "stream", "pubsub", "sns_sqs", "synchronous")
CHAIN = {"db": "2s", "index": {"service": "1s", "after": "db"}}
MANY = {"workload": {"arrivals": {"rate": "20/s", "process": "constant"}}}


def test_a_share_of_the_attempts_fails():
    """Of 2,000 single attempts 20% fail, within four standard deviations."""
    effects = {"db": {"service": "0s", "failure": "20%"}}
    told = run("single_broker", None, effects=effects, consumers={"on_error": "skip"}, top=MANY)
    assert len(told.published) == 2000
    assert told.outcomes().count("dropped") == pytest.approx(400, abs=72)


def test_every_attempt_at_a_poisonous_message_fails_and_at_no_other():
    """Ten retries do not help."""
    effects = {"db": {"service": "0s", "poison": "20%"}}
    told = run("single_broker", None, effects=effects, queue={"max_receives": 10}, top=MANY)
    dead = told.outcomes().count("dead_lettered")
    assert dead == pytest.approx(400, abs=72)
    assert len(told.begun) == 2000 + 9 * dead


def test_a_share_of_the_messages_takes_longer():
    """30% of 2,000 take 1 s, the others nothing."""
    effects = {"db": {"service": "0s", "long": {"share": "30%", "service": "1s"}}}
    told = run("single_broker", None, effects=effects, consumers=100, top=MANY)
    slow = told.effect().first_applied - told.published > 0.5
    assert slow.sum() == pytest.approx(600, abs=82)


@pytest.mark.parametrize("kind", KINDS)
def test_an_effect_starts_when_the_one_it_waits_for_is_complete(kind):
    """Index begins at 2 s in every architecture."""
    told = run(kind, effects=CHAIN)
    assert (told.attempts("db"), told.attempts("index")) == ([0], [2])
    assert told.first_applied("index") == [3]


@pytest.mark.parametrize("kind", KINDS)
def test_an_effect_never_starts_if_the_one_it_waits_for_fails(kind):
    """Whatever becomes of db, index is not tried."""
    effects = {"db": {"service": "2s", "poison": 1.0}, "index": CHAIN["index"]}
    blocks = {"consumers": {"on_error": "skip"}} if kind != "synchronous" else {}
    told = run(kind, effects=effects, **blocks)
    assert told.attempts("index") == []
    assert told.message_outcomes() == ["failed"]


OWN_POOLS = ("dual_brokers", "stream", "pubsub", "sns_sqs")


@pytest.mark.parametrize(
    ("kind", "hops"), [("dual_brokers", 2), ("stream", 2), ("pubsub", 2), ("sns_sqs", 3)]
)
def test_a_dependent_task_on_another_machine_takes_the_sum_of_both(kind, hops):
    """A of 2 s and B of 1 s, each behind the way to its broker and from there: hops of 100 ms."""
    told = run(kind, [0, 10, 20], effects=CHAIN, hop="100ms")
    expected = 2 + 1 + 2 * hops * 0.1
    assert told.first_applied("index") == pytest.approx([time + expected for time in (0, 10, 20)])
    found = measure(told.record)
    assert found["latency_mean", ""] == found["latency_mean", "index"] == pytest.approx(expected)


@pytest.mark.parametrize("kind", OWN_POOLS)
def test_the_copy_of_the_dependent_task_is_published_when_the_first_is_applied_and_not_before(kind):
    """A fails twice and is retried in place: B's broker hears of it when A succeeds."""
    rejects = {"trouble": {"kind": "reject", "target": "db.sink", "at": "0s", "duration": "3s"}}
    told = run(kind, effects=CHAIN, consumers={"on_error": "retry", "retry_delay": "2s"}, faults=rejects)
    (holder,) = [copies for copies in told.copies if copies.effects == ("index",) and not copies.is_transit]
    assert told.first_applied("db") == [6]
    assert list(holder.accepted) == [6]
    assert told.first_applied("index") == [7]


@pytest.mark.parametrize("kind", OWN_POOLS)
def test_no_copy_of_the_dependent_task_exists_where_the_first_failed(kind):
    """B's broker never hears of it, and B counts as dropped."""
    effects = {"db": {"service": "2s", "poison": 1.0}, "index": CHAIN["index"]}
    told = run(kind, effects=effects, consumers={"on_error": "skip"})
    for copies in told.copies:
        if "index" in copies.effects:
            assert np.isnan(copies.accepted).all()
    assert told.outcomes("index") == ["dropped"]


@pytest.mark.parametrize("kind", KINDS)
def test_no_more_messages_are_worked_on_at_once_than_there_are_workers(kind):
    """A burst of a hundred messages meets pools of three, whatever the architecture."""
    told = run(kind, [0.001 * k for k in range(100)], effects={"db": "150ms"}, consumers=3)
    starts, ends = (sorted(time for time, _, _ in events) for events in (told.begun, told.applied))
    at_work = [k + 1 - np.searchsorted(ends, start, side="right") for k, start in enumerate(starts)]
    assert max(at_work) == 3


@pytest.mark.parametrize("kind", ["dual_brokers", "pubsub", "sns_sqs"])
def test_a_broadcast_is_complete_when_the_last_receiver_has_it(kind):
    """Of N exponential times of mean m the longest takes m x (1 + 1/2 + … + 1/N) on average.

    Twelve receivers of 100 ms, 4,000 messages, within four standard deviations; each receiver takes m.
    """
    effects = {"config": {"service": {"mean": "100ms", "distribution": "exponential"}, "copies": 12}}
    top = {"workload": {"arrivals": "4/s"}}
    told = run(kind, None, effects=effects, consumers=50, horizon="1000s", top=top)
    found = measure(told.record)
    count = found["offered", ""]
    harmonic = sum(1 / k for k in range(1, 13))
    spread = sum(1 / k**2 for k in range(1, 13)) ** 0.5
    assert found["latency_mean", ""] == pytest.approx(0.1 * harmonic, abs=4 * 0.1 * spread / count**0.5)
    each = [found["latency_mean", f"config_{k}"] for k in range(1, 13)]
    assert np.mean(each) == pytest.approx(0.1, rel=0.03)
    assert len(set(each)) == 12


@pytest.mark.parametrize("kind", ["synchronous", "single_broker"])
def test_a_shared_worker_serves_all_receivers_in_order(kind):
    """Three receivers of 1 s each, one after the other."""
    told = run(kind, effects={"db": "1s", "config": {"service": "1s", "copies": 3}})
    assert [name for _, name, _ in told.applied] == ["db", "config_1", "config_2", "config_3"]
    assert told.first_applied("config_3") == [4]
