"""Heartbeats: a live worker keeps what it holds hidden, and nobody else does."""

import pytest
from stories import run

HALF_AN_HOUR = 1800.0


def beating(every="10s", timeout="30s", **options):
    """Two workers that beat, on a queue with a visibility timeout."""
    return {
        "consumers": {"count": 2, "heartbeat": every, **options},
        "queue": {"visibility_timeout": timeout},
    }


def down(at, duration, **options):
    """The consumers are away for a while."""
    return {"away": {"kind": "down", "target": "consumers", "at": at, "duration": duration, **options}}


def test_a_job_longer_than_the_timeout_is_done_once_with_heartbeats_and_repeated_without():
    """100 s of work behind a timeout of 30 s: one delivery; without beats the second worker gets it too."""
    job = {"db": "100s"}
    told = run("single_broker", effects=job, **beating())
    assert told.attempts() == [0]
    assert told.first_applied() == [100]
    assert told.applications() == [1]
    without = run("single_broker", effects=job, **beating(every="none"))
    assert without.attempts() == [0, 30]
    assert without.applications() == [2]


@pytest.mark.parametrize(("crash", "visible"), [(5, 30), (10, 30), (11, 40), (45, 70)])
def test_after_a_crash_the_message_is_visible_one_timeout_after_the_last_beat(crash, visible):
    """Beats every 10 s count from the receive; one that falls on the crash itself does not happen."""
    faults = {"crash": {"kind": "crash", "target": "consumers", "at": f"{crash}s", "duration": "1s"}}
    blocks = beating(count=1)
    told = run("single_broker", effects={"db": "100s"}, faults=faults, **blocks)
    assert told.attempts() == [0, visible]
    assert list(told.holder("queue").returned) == [visible]


def test_beats_count_from_the_receive():
    """Crash at 30 s: received at 0 s it is visible 30 s after the beat at 20 s, received at 3 s at 53 s."""
    faults = {"crash": {"kind": "crash", "target": "consumers", "at": "30s", "duration": "1s"}}
    told = run("single_broker", [0, 3], effects={"db": "100s"}, faults=faults, **beating())
    assert told.attempts(message=1) == [3]
    assert told.attempts(message=0) == [0, 50]
    other = run("single_broker", [0, 3], effects={"db": "100s"}, faults=faults, top={"seed": 1}, **beating())
    assert other.attempts(message=0) == [0]
    assert other.attempts(message=1) == [3, 53]


def test_all_of_a_batch_is_extended():
    """Three messages of 20 s each, the last one begun 40 s after its receive, with a timeout of 30 s."""
    blocks = beating(batch=3, count=1)
    told = run("single_broker", [0, 0.1, 0.2, 0.3], effects={"db": "20s"}, **blocks)
    assert list(told.holder("queue").deliveries) == [1, 1, 1, 1]
    assert told.first_applied() == [20, 40, 60, 80]
    assert len(told.holder("queue").returned) == 0


def test_a_worker_that_waits_after_a_failure_beats_no_more():
    """Failed at 25 s, last beat at 20 s: visible at 50 s."""
    told = run("single_broker", effects={"db": {"service": "25s", "poison": 1.0}}, **beating(count=1))
    assert told.attempts() == [0, 50, 100]


def test_retries_in_place_go_on_beating():
    """A sink that rejects for 70 s: one delivery, whatever the timeout."""
    rejects = {"trouble": {"kind": "reject", "target": "sink", "at": "0s", "duration": "70s"}}
    told = run("single_broker", faults=rejects, **beating(on_error="retry"))
    assert list(told.holder("queue").deliveries) == [1]
    assert told.first_applied() == [71]


def test_a_suspended_worker_does_not_beat():
    """Suspended from 15 to 100 s, last beat at 10 s: visible at 40 s, and the other worker takes it."""
    faults = down("15s", "85s", in_hand="resume", count=1)
    told = run("single_broker", effects={"db": "50s"}, faults=faults, **beating())
    assert told.attempts() == [0, 40]
    assert [time for time, _, _ in told.applied] == [90, 135]


def test_a_worker_that_goes_on_in_time_beats_again():
    """Suspended from 15 to 35 s: the next beat is at 40 s, too late for 30 s after the one at 10 s."""
    faults = down("15s", "20s", in_hand="resume", count=1)
    lost = run("single_broker", effects={"db": "100s"}, faults=faults, **beating())
    assert lost.attempts() == [0, 40]
    kept = run("single_broker", effects={"db": "100s"}, faults=faults, **beating(timeout="31s"))
    assert kept.attempts() == [0]
    assert kept.first_applied() == [120]


def test_a_worker_that_stops_in_good_order_beats_until_its_message_is_done():
    """Away from 15 s, at work until 100 s."""
    told = run("single_broker", effects={"db": "100s"}, faults=down("15s", "200s"), **beating(count=1))
    assert told.attempts() == [0]
    assert told.first_applied() == [100]


def test_a_message_is_hidden_for_at_most_twelve_hours():
    """With a beat every half hour for 1 h each, the one at 11 h is the last: delivered again after 12 h."""
    blocks = beating(every="30m", timeout="1h")
    told = run("single_broker", effects={"db": "20h"}, horizon="1h", top={"drain": "100h"}, **blocks)
    assert told.attempts() == [0, 12 * 3600]
    blocks = beating(every="30m", timeout="61m")  # the beat at 11 h would exceed them by a minute
    told = run("single_broker", effects={"db": "20h"}, horizon="1h", top={"drain": "100h"}, **blocks)
    assert told.attempts() == [0, 11 * 3600 + 31 * 60]


def test_a_second_holder_beats_for_itself():
    """Worker 1 crashes at 45 s; worker 2 has the message from 70 s on and keeps it for 100 s."""
    faults = {"crash": {"kind": "crash", "target": "consumers", "at": "45s", "duration": "1s"}}
    told = run("dual_brokers", effects={"db": "100s"}, faults=faults, **beating(count=1))
    assert told.attempts() == [0, 70]
    assert told.first_applied() == [170]
    assert list(told.holder("db_queue").returned) == [70]
