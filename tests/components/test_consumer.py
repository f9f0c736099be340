"""A pool of workers: how many, how fast, and what interrupts them."""

import numpy as np
import pytest
from stories import run

import sim
from sim.components import consumer
from sim.scenario.parts import empty_site

ONE_LONG = {"db": "4s"}


def down(at, duration, **options):
    """The consumers are away for a while."""
    return {"away": {"kind": "down", "target": "consumers", "at": at, "duration": duration, **options}}


def test_as_many_messages_are_worked_on_as_there_are_workers():
    """Three workers of 1 s."""
    assert run("single_broker", [0] * 5, consumers=3).first_applied() == [1, 1, 1, 2, 2]


def test_speeds_divide_the_service_time_and_repeat_in_turn():
    """Speeds 1 and 2 for three workers: 1, 2, 1."""
    consumers = {"count": 3, "speeds": [1, 2]}
    assert run("single_broker", [0] * 3, consumers=consumers).first_applied() == [1, 0.5, 1]


@pytest.mark.parametrize(("count", "applied"), [(1, [1, 1, 2, 2]), (2, [1, 2, 3, 4]), ("50%", [1, 2, 3, 4])])
def test_a_part_of_a_pool_is_down(count, applied):
    """Of three workers so many are away, the first ones; 50% of three is rounded up to two."""
    told = run("single_broker", [0] * 4, consumers=3, faults=down("0s", "50s", count=count))
    assert told.first_applied() == applied


@pytest.mark.parametrize(
    ("in_hand", "applied", "attempts"), [("finish", 4, 1), ("resume", 14, 1), ("lose", 34, 2)]
)
def test_what_becomes_of_the_message_in_hand(in_hand, applied, attempts):
    """Down from 1 s to 11 s with 4 s of work: done at 4 s, or 3 s after the return, or again at 30 s."""
    told = run("single_broker", effects=ONE_LONG, faults=down("1s", "10s", in_hand=in_hand))
    assert told.first_applied() == [applied]
    assert len(told.attempts()) == attempts


def test_nothing_is_received_while_the_pool_is_down():
    """What arrives waits for the end of the outage."""
    assert run("single_broker", [0, 5], faults=down("2s", "10s")).first_applied() == [1, 13]


def test_a_crashed_worker_is_back_after_its_restart():
    """Message 0 is lost from the hands at 1 s and visible again at 30 s; message 1 is begun at 6 s."""
    crash = {"crash": {"kind": "crash", "target": "consumers", "at": "1s", "duration": "5s"}}
    told = run("single_broker", [0, 0], effects=ONE_LONG, faults=crash)
    assert told.attempts(message=0) == [0, 30]
    assert told.attempts(message=1) == [6]


def test_a_crash_with_a_probability_hits_within_the_attempt():
    """With 100% every attempt crashes before its end, until the receives are used up."""
    crash = {"crash": {"kind": "crash", "target": "consumers", "probability": "100%", "duration": "1s"}}
    told = run("single_broker", effects=ONE_LONG, faults=crash)
    assert told.attempts() == [0, 30, 60]
    assert told.outcomes() == ["dead_lettered"]
    assert told.applied == []


def test_a_slow_worker_is_judged_at_the_start_of_its_work():
    """Factor 3 from 1 s to 2 s: only what begins within is slow."""
    slow = {"slow": {"kind": "slow", "target": "consumers", "at": "1s", "duration": "1s", "factor": 3}}
    assert run("single_broker", [0.0, 1.5, 5], faults=slow).first_applied() == [1, 4.5, 6]


def test_an_idempotent_worker_skips_what_was_applied():
    """Index fails at first; on the second delivery db is recognised and takes no time."""
    rejects = {"trouble": {"kind": "reject", "target": "index.sink", "at": "0s", "duration": "10s"}}
    effects = {"db": "1s", "index": "1s"}
    told = run("single_broker", effects=effects, faults=rejects, consumers={"idempotent": True})
    assert (told.attempts("db"), told.attempts("index")) == ([0], [1, 30])
    again = run("single_broker", effects=effects, faults=rejects)
    assert (again.attempts("db"), again.attempts("index")) == ([0, 30], [1, 31])


def test_busy_time_is_work_inside_the_window_without_pauses():
    """Two messages of 4 s, the first suspended for 10 s: 8 s of work."""
    told = run("single_broker", [0, 0], effects=ONE_LONG, faults=down("1s", "10s", in_hand="resume"))
    assert told.pools[0].busy == pytest.approx(8)
    cut = run("single_broker", [0], effects=ONE_LONG, top={"warmup": "1s"})
    assert cut.pools[0].busy == pytest.approx(3)


def test_a_crash_reaches_work_that_is_suspended():
    """Suspended from 1 s to 11 s, crashed at 5 s: what the worker held is gone."""
    faults = down("1s", "10s", in_hand="resume")
    faults["crash"] = {"kind": "crash", "target": "consumers", "at": "5s", "duration": "1s"}
    assert run("pubsub", effects=ONE_LONG, faults=faults).outcomes() == ["lost"]


def test_work_that_is_suspended_for_good_stays_so_whatever_outage_follows():
    """Away from 1 s on without end, and again from 5 s to 6 s."""
    faults = down("1s", "unlimited", in_hand="resume")
    faults["again"] = {
        "kind": "down",
        "target": "consumers",
        "at": "5s",
        "duration": "1s",
        "in_hand": "resume",
    }
    told = run("single_broker", effects=ONE_LONG, faults=faults, top={"drain": "60s"})
    assert told.record.is_censored
    assert told.record.end == told.record.horizon + 60


def test_a_service_that_is_lost_while_it_is_away_loses_its_memory():
    """Away in good order from 1 s, lost at 5 s: what was in hand is done, what waited in memory is lost."""
    faults = down("1s", "20s")
    faults["lost"] = {"kind": "down", "target": "consumers", "at": "5s", "duration": "1s", "in_hand": "lose"}
    assert run("pubsub", [0, 0.5], effects=ONE_LONG, faults=faults).outcomes() == ["applied", "lost"]


def test_an_idempotent_worker_stops_retrying_what_another_has_done():
    """Two workers retry the same message past its visibility timeout: the effect is applied once."""
    rejects = {"trouble": {"kind": "reject", "target": "db.sink", "at": "0s", "duration": "6s"}}
    consumers = {"count": 2, "on_error": "retry", "retry_delay": "3.5s", "idempotent": True}
    queue = {"visibility_timeout": "2s"}
    told = run("single_broker", effects={"db": "40ms"}, consumers=consumers, queue=queue, faults=rejects)
    assert told.applications() == [1]


def test_busy_times_of_many_stretches_are_those_of_one_after_the_other(monkeypatch):
    """However they are parted; what is left out does not count, and only what lies in the window does."""
    scenario = sim.loads(
        "{horizon: 1000s, warmup: 100s, workload: {arrivals: 1/s}, effects: {db: {service: 1s}},"
        " architectures: {single_broker: {}}}"
    )
    (together,), (one_by_one,) = (empty_site(scenario, "single_broker").pools for _ in range(2))
    rng = np.random.default_rng(1)
    starts = np.sort(rng.random(500) * 1200)
    ends, left_out = starts + rng.exponential(5, 500), np.flatnonzero(rng.random(500) < 0.1)
    monkeypatch.setattr(consumer, "_PART", 64)
    together.count_busy_times(starts, ends, left_out)
    for place in np.setdiff1d(np.arange(500), left_out).tolist():
        one_by_one.count_busy(starts.item(place), ends.item(place))
    assert together.busy_ticks == one_by_one.busy_ticks > 0
