"""Request handlers in blocks: the ledger of their processes, bit for bit, one special rule each."""

import numpy as np
import pytest
from both import EXPONENTIAL, both, fates

from sim.vocabulary import Outcome, Reply

TWO = EXPONENTIAL | {"index": {"service": {"mean": "0.3s", "distribution": "exponential"}}}


def replies(record):
    """What the callers were told."""
    return {Reply(code) for code in record.reply.tolist()}


@pytest.mark.parametrize("pool", [{"count": 8}, {"count": 5, "speeds": [1, 2]}])
@pytest.mark.parametrize("hop", ["0s", "50ms"])
def test_what_goes_well_takes_the_hot_loops(pool, hop):
    """Handlers that are alike, and handlers of different speed; two effects; with and without a hop."""
    record = both("synchronous", effects=TWO, horizon="500s", hop=hop, consumers=pool)
    assert replies(record) == {Reply.OK}


def test_callers_that_wait_no_more():
    """They hear an error at the timeout, plain and careful requests alike."""
    effects = {"db": EXPONENTIAL["db"] | {"failure": 0.1}}
    record = both(
        "synchronous", effects=effects, producer={"timeout": "1s"}, horizon="300s", consumers={"count": 4}
    )
    assert replies(record) == {Reply.OK, Reply.ERROR}
    assert np.nanmax(record.reply_time - record.published) <= 1 + 1e-9


def test_the_first_failure_ends_a_request():
    """Its later effects are never tried."""
    effects = {"db": EXPONENTIAL["db"] | {"failure": 0.2}, "index": TWO["index"]}
    record = both("synchronous", effects=effects, consumers={"count": 8})
    failed = record.pairs[0].applications == 0
    assert failed.any()
    assert not record.pairs[1].applications[failed].any()


@pytest.mark.parametrize("in_hand", ["finish", "resume", "lose"])
def test_an_outage_of_all_handlers(in_hand):
    """Requests are dropped with an error; ``lose`` takes those in hand and those that wait, unheard."""
    away = {
        "away": {"kind": "down", "target": "consumers", "at": "5s", "duration": "10s", "in_hand": in_hand}
    }
    record = both("synchronous", effects=TWO, faults=away, consumers={"count": 4})
    assert ("lost" in fates(record)) == (in_hand == "lose")
    assert (record.pairs[0].outcome == Outcome.DROPPED).any()


@pytest.mark.parametrize("fault", [{"kind": "down", "in_hand": "lose"}, {"kind": "crash"}])
def test_an_outage_of_the_server(fault):
    """Requests are rejected while it is away."""
    away = {"away": {"target": "api", "at": "5s", "duration": "4s", "every": "30s", **fault}}
    record = both("synchronous", effects=TWO, faults=away, consumers={"count": 4})
    during = (record.published >= 5) & (record.published < 9)
    assert set(record.pairs[0].outcome[during]) == {Outcome.REJECTED}


def test_a_server_that_dies_between_two_steps():
    """The effects so far stay, the caller hears nothing."""
    dies = {"dies": {"kind": "crash", "target": "api", "probability": 0.1}}
    record = both("synchronous", effects=TWO, faults=dies, consumers={"count": 8})
    lost = np.array(fates(record)) == "lost"
    assert lost.any()
    assert record.pairs[0].applications[lost].all()
    assert set(record.reply[lost]) == {Reply.NONE}


def test_a_service_that_refuses_the_call():
    """The handler goes on; the caller hears an error."""
    away = {"away": {"kind": "down", "target": "index.consumers", "at": "5s", "duration": "9s"}}
    record = both("synchronous", effects=TWO, faults=away, consumers={"count": 8})
    assert {"applied", "dropped"} == set(fates(record))


def test_handlers_that_crash():
    """At times of their own and by chance, with a hop in which they hold the request."""
    faults = {
        "crash": {"kind": "crash", "target": "consumers", "mean_up": "15s", "mean_down": "3s"},
        "chance": {"kind": "crash", "target": "index.consumers", "probability": 0.05, "duration": "2s"},
    }
    record = both(
        "synchronous", effects=TWO, faults=faults, hop="0.1s", horizon="300s", consumers={"count": 5}
    )
    assert "lost" in fates(record)


def test_handlers_that_get_free_at_one_instant():
    """Constant times on a grid, with crashes: it matters who is first."""
    workload = {"arrivals": {"rate": "4/s", "process": "constant"}, "backlog": 25}
    effects = {"db": {"service": "1s", "failure": 0.1}, "index": "0.25s"}
    crash = {"crash": {"kind": "crash", "target": "consumers", "mean_up": "15s", "mean_down": "4s"}}
    record = both(
        "synchronous", workload=workload, effects=effects, faults=crash, hop="0.25s", consumers={"count": 6}
    )
    assert "lost" in fates(record)


def test_a_run_that_is_cut_off():
    """A request in hand at the end stays open, and its time counts as busy until then."""
    record = both("synchronous", [0, 1, 2], effects={"db": "1500s"}, consumers={"count": 2})
    assert record.is_censored


def test_busy_time_of_many_years():
    """More than 2 to the power of 63 ticks."""
    record = both(
        "synchronous", [0] * 50, effects={"db": "46.5d"}, consumers={"count": 50}, horizon="60d", drain="60d"
    )
    assert record.pools[0].busy == 50 * 46.5 * 86400


def test_work_that_is_suspended_for_ever():
    """A second outage within the first, which never ends, changes nothing."""
    faults = {
        "ever": {"kind": "down", "target": "api", "in_hand": "resume", "at": "0.5s", "duration": "unlimited"},
        "while": {"kind": "down", "target": "consumers", "in_hand": "resume", "at": "5s", "duration": "2s"},
    }
    record = both("synchronous", [0, 1], faults=faults)
    assert not record.pairs[0].applications.any()
    assert record.is_censored
