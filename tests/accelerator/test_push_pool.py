"""Services that are pushed to, in blocks: bit for bit the ledger of their processes; a special rule each."""

import numpy as np
import pytest
from both import EXPONENTIAL, both, fates, left_to_processes

GRID = {"arrivals": {"rate": "4/s", "process": "constant"}, "backlog": 25}
"""Everything on eighths of a second, so that much falls on one instant."""


def down(target="consumers", **options):
    """A part is down from 5 s to 15 s."""
    return {"away": {"kind": "down", "target": target, "at": "5s", "duration": "10s", **options}}


@pytest.mark.parametrize("pool", [{"count": 8}, {"count": 4, "speeds": [1, 0.5, 2]}])
def test_what_goes_well_takes_the_hot_loops(pool):
    """Workers that are alike, and workers of different speed."""
    record = both("pubsub", effects=EXPONENTIAL, horizon="1000s", consumers=pool)
    assert set(fates(record)) == {"applied"}


def test_a_full_memory_refuses():
    """Buffer 1: one in work, one in memory, the third is refused and comes again after 5 s."""
    record = both("pubsub", [0, 0, 0], topic={"buffer": 1, "retry_delay": "5s"})
    assert record.copies[0].pushed.tolist() == [0, 0, 5]
    assert record.copies[0].ended.tolist() == [1, 2, 6]


@pytest.mark.parametrize("buffer", [0, 1, 3, 10])
@pytest.mark.parametrize("speeds", [[1], [1, 1.5]])
def test_small_memories_under_load(buffer, speeds):
    """Pushes are refused, come again, and some are given up."""
    record = both(
        "pubsub",
        effects=EXPONENTIAL,
        horizon="300s",
        topic={"buffer": buffer, "retry_delay": "2s"},
        consumers={"count": 3, "speeds": speeds},
    )
    assert {"applied", "dropped"} == set(fates(record))


@pytest.mark.parametrize("on_error", ["nack", "skip", "retry"])
def test_failed_attempts(on_error):
    """A failure counts as a failed push, drops the message, or is repeated by the same worker."""
    effects = {"db": EXPONENTIAL["db"] | {"failure": 0.3}}
    record = both("pubsub", effects=effects, horizon="300s", consumers={"count": 5, "on_error": on_error})
    assert (len(record.copies[0].returned) > 0) == (on_error == "nack")


def test_failures_at_one_instant_come_again_in_the_order_of_what_led_to_them():
    """Nacks and refusals at the same eighths of a second."""
    effects = {"db": {"service": "0.25s", "failure": 0.3}}
    pool = {"count": 3, "speeds": [1, 1, 0.5]}
    record = both(
        "pubsub", workload=GRID, effects=effects, topic={"buffer": 2, "retry_delay": "1s"}, consumers=pool
    )
    refusals = np.count_nonzero(record.copies[0].deliveries == 0)
    assert refusals
    assert len(record.copies[0].returned)


@pytest.mark.parametrize("in_hand", ["finish", "resume", "lose"])
def test_an_outage_of_the_service(in_hand):
    """Pushes are refused; only ``lose`` takes what is in hand and in memory."""
    effects = {"db": {"service": "1.2s"}}
    faults = down(in_hand=in_hand)
    record = both("pubsub", effects=effects, faults=faults, horizon="60s", consumers={"count": 6})
    assert ("lost" in fates(record)) == (in_hand == "lose")
    assert (record.copies[0].removed == 5).any() == (in_hand == "lose")


def test_a_service_whose_only_worker_has_crashed_by_chance_refuses():
    """For a second after each crash nobody is there, and the memory survives it."""
    crash = {"crash": {"kind": "crash", "target": "consumers", "probability": 0.1, "duration": "1s"}}
    workload = {"arrivals": {"rate": "1/s", "process": "poisson"}}
    record = both(
        "pubsub", workload=workload, effects=EXPONENTIAL, faults=crash, topic={"retries": 0}, horizon="300s"
    )
    log = record.copies[0]
    crashes = log.ended[np.array(fates(record)) == "lost"]
    refused = log.accepted[log.deliveries == 0]
    assert len(refused)
    assert all(((crashes <= time) & (time < crashes + 1)).any() for time in refused)


def test_workers_that_crash_at_random_times():
    """Each has a timeline of its own, and now and then all of them are away."""
    crash = {"crash": {"kind": "crash", "target": "consumers", "mean_up": "10s", "mean_down": "5s"}}
    record = both("pubsub", effects=EXPONENTIAL, faults=crash, horizon="500s", consumers={"count": 3})
    assert {"lost", "applied"} <= set(fates(record))


def test_a_topic_that_is_down_holds_its_pushes_back():
    """Two outages that overlap: what came again meanwhile arrives a hop after the end of the later one.

    Message 1 is refused at 1.1 s and due again at 6 s, message 2 is accepted at 5 s: they keep that order.
    """
    faults = down("broker", at="5.05s") | {
        "more": {"kind": "down", "target": "db.broker", "at": "10s", "duration": "10s"}
    }
    record = both(
        "pubsub",
        [0, 1],
        effects={"db": "3s"},
        faults=faults,
        hop="0.1s",
        topic={"retry_delay": "5s", "buffer": 0},
    )
    assert record.copies[0].pushed.tolist() == pytest.approx([0.2, 20.1])


def test_a_topic_that_never_comes_back():
    """What it has taken in stays with it."""
    faults = {
        "away": {"kind": "down", "target": "broker", "at": "5.05s", "duration": "unlimited"},
    }
    record = both("pubsub", [0, 4.9, 5], faults=faults, hop="0.1s", producer={"retry_for": "0s"})
    assert np.isfinite(record.copies[0].pushed).tolist() == [True, True, False]


def test_sinks_that_refuse_and_are_slow():
    """Work that fails at once, that lasts longer, and that happens although it seems to fail."""
    faults = {
        "reject": {"kind": "reject", "target": "sink", "at": "5s", "duration": "5s", "every": "20s"},
        "slow": {"kind": "slow", "target": "consumers", "factor": 3, "at": "12s", "duration": "9s"},
        "loss": {"kind": "loss", "target": "sink", "leg": "reply", "probability": 0.05},
    }
    record = both("pubsub", effects=EXPONENTIAL, faults=faults, horizon="200s", consumers={"count": 4})
    assert record.pairs[0].applications.max() > 1


def test_a_chain_of_services_without_a_hop():
    """What db completes is pushed to index at that instant, before index's own pushes are repeated."""
    effects = {"db": {"service": "0.25s", "failure": 0.2}, "index": {"service": "0.5s", "after": "db"}}
    topic = {"buffer": 3, "retry_delay": "1.75s"}
    record = both("pubsub", workload=GRID, effects=effects, topic=topic, consumers={"count": 2})
    assert np.count_nonzero(record.copies[1].deliveries == 0)


def test_a_producer_with_retries_runs_beside_it():
    """Its processes publish, the service is worked out from what arrives."""
    reject = {"reject": {"kind": "reject", "target": "broker", "probability": 0.2}}
    record = both(
        "pubsub",
        effects=EXPONENTIAL,
        faults=reject,
        hop="20ms",
        producer={"retry_for": "3s", "retry_delay": "0.5s"},
        consumers={"count": 4},
    )
    assert len(set(record.reply_time - record.published)) > 2


def test_a_run_that_is_cut_off():
    """What is in hand, in memory and due again at the end stays open."""
    record = both(
        "pubsub", [0, 0, 0, 0], effects={"db": "90s"}, topic={"buffer": 1}, faults=down(in_hand="resume")
    )
    assert record.pools[0].busy > 0


def test_what_is_left_to_the_processes():
    """A message that is taken in twice, and work without time that follows work without time."""
    loss = {"loss": {"kind": "loss", "target": "broker", "leg": "reply", "probability": 0.3}}
    producer = {"timeout": "0.5s", "retry_for": "3s"}
    assert left_to_processes("pubsub", faults=loss, producer=producer) == {"a message is stored twice"}
    effects = {"db": "0s", "index": {"service": "0s", "after": "db"}}
    assert left_to_processes("pubsub", workload=GRID, effects=effects, topic={"buffer": 0}) == {
        "work takes no time and follows other work that takes none"
    }
