"""Pools on queues, in blocks: bit for bit the ledger of their processes; a special rule each."""

import pytest
from both import EXPONENTIAL, both, fates

TWO = {
    "db": {"service": {"mean": "0.4s", "distribution": "exponential"}, "failure": 0.1},
    "mail": {"service": {"mean": "0.4s", "distribution": "exponential"}, "failure": 0.2},
}
POOLS = [{"count": 6}, {"count": 6, "speeds": [1, 0.5, 2]}]
CRASHES = {"crash": {"kind": "crash", "target": "consumers", "mean_up": "40s", "mean_down": "4s"}}


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("max_receives", [1, 2, 3])
def test_messages_that_fail_come_back(pool, max_receives):
    """A first delivery that fails, and a second one that does not, take the hot loops."""
    effects = {"db": EXPONENTIAL["db"] | {"failure": 0.3}}
    queue = {"visibility_timeout": "6s", "max_receives": max_receives}
    record = both("single_broker", effects=effects, horizon="400s", queue=queue, consumers=pool)
    assert {"applied", "dead_lettered"} == set(fates(record))
    assert record.copies[0].deliveries.max() == max_receives


@pytest.mark.parametrize("pool", POOLS)
def test_a_message_that_comes_back_may_have_expired(pool):
    """Its retention is over before, or while nobody is free."""
    effects = {"db": EXPONENTIAL["db"] | {"failure": 0.4}}
    queue = {"visibility_timeout": "3s", "max_receives": 9, "retention": "10s"}
    record = both("single_broker", effects=effects, horizon="300s", queue=queue, consumers=pool)
    assert {"applied", "expired"} == set(fates(record))


@pytest.mark.parametrize("pool", POOLS)
def test_a_failure_at_the_second_effect_repeats_the_first(pool):
    """Both deliveries of both effects are plain, and the first effect happens twice."""
    record = both("single_broker", effects=TWO, horizon="400s", consumers=pool)
    first, second = record.pairs
    assert (first.applications == 2).any()
    assert (second.late == (second.first_applied > record.copies[0].taken + 30)).all()


def test_attempts_are_numbered_by_the_times_at_which_they_begin():
    """The slow worker comes to ``b`` long after the fast one, to whom the message was delivered again.

    It has ``a`` from 0 s to 8 s and ``b`` until 12 s. Visible again at 1 s, the message is done by the other
    at 3 s and 4 s, when it is deleted; at 2 s, when it was visible for the third time, nobody was free.
    """
    record = both(
        "single_broker",
        [0],
        effects={"a": "2s", "b": "1s"},
        queue={"visibility_timeout": "1s"},
        consumers={"count": 2, "speeds": [0.25, 1]},
    )
    a, b = record.pairs
    assert (a.first_applied[0], b.first_applied[0]) == (3, 4)
    assert (a.applications[0], b.applications[0]) == (2, 2)
    assert (record.copies[0].ended[0], record.copies[0].deliveries[0]) == (4, 2)


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("on_error", ["wait", "nack", "skip", "dead_letter", "retry"])
@pytest.mark.parametrize("faults", [None, CRASHES])
def test_deliveries_that_outlive_their_visibility_timeout(pool, on_error, faults):
    """Several workers have a message in hand, and end in any order."""
    record = both(
        "single_broker",
        effects=TWO,
        faults=faults,
        horizon="300s",
        queue={"visibility_timeout": "0.6s", "max_receives": 5},
        consumers=pool | {"on_error": on_error, "retry_delay": "0.3s"},
    )
    assert (record.pairs[1].applications > 1).any()


@pytest.mark.parametrize("in_hand", ["finish", "resume", "lose"])
def test_outages_of_some_workers(in_hand):
    """Who is away takes nothing; who is back goes on at once with what the hot loop brings."""
    outage = {
        "kind": "down",
        "target": "consumers",
        "at": "20s",
        "duration": "7s",
        "every": "50s",
        "count": 2,
    }
    faults = CRASHES | {"outage": outage | {"in_hand": in_hand}}
    effects = {"db": EXPONENTIAL["db"] | {"failure": 0.05}}
    queue = {"visibility_timeout": "5s", "max_receives": 4}
    both("single_broker", effects=effects, faults=faults, horizon="500s", queue=queue, consumers=POOLS[1])
