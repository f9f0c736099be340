"""Pools on queues, in blocks: bit for bit the ledger of their processes; a special rule each."""

import pytest
from both import EXPONENTIAL, both, fates, left_to_processes

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


@pytest.mark.parametrize("count", [256, 257])
def test_more_workers_than_a_byte_has_numbers(count):
    """They are told apart all the same."""
    effects = {"db": {"service": {"mean": "20s", "distribution": "exponential"}, "failure": 0.1}}
    pool = {"count": count, "speeds": [1, 2]}
    queue = {"visibility_timeout": "60s"}
    record = both("single_broker", effects=effects, horizon="300s", queue=queue, consumers=pool)
    assert record.copies[0].deliveries.max() > 1


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


CHAIN = {"db": "1s", "index": {"service": "2s", "after": "db"}}
EVERY_SECOND = {"arrivals": {"rate": "1/s", "process": "constant"}}
AGAIN = {"visibility_timeout": "1s", "late_delete": False}


@pytest.mark.parametrize("kind", ["dual_brokers", "sns_sqs"])
@pytest.mark.parametrize("pool", [{"count": 1}, {"count": 1, "speeds": [1, 2]}])
def test_what_is_reported_arrives_before_what_comes_back_at_that_instant(kind, pool):
    """The report comes with the end of the work; the first message is visible again at 2 s, too."""
    record = both(kind, [0, 1], effects=CHAIN, queue=AGAIN, consumers=pool)
    (index,) = [copies for copies in record.copies if copies.name == "index_queue"]
    assert index.accepted.tolist() == [1, 2]
    assert index.taken.tolist() == [1, 3]


def test_reports_of_work_that_takes_no_time_in_between_are_left_to_processes():
    """They come in the turn of whatever began that work, not with the ends of work."""
    effects = CHAIN | {"db": "0s"}
    reasons = left_to_processes("dual_brokers", workload=EVERY_SECOND, effects=effects, queue=AGAIN)
    assert reasons == {"messages arrive and come back at one instant"}


def test_reports_that_may_be_refused_are_left_to_processes_if_one_arrives_as_others_come_back():
    """A report that is repeated comes in the turn of arrivals."""
    faults = {"refusals": {"kind": "reject", "target": "index.broker", "probability": 0.1}}
    reasons = left_to_processes(
        "dual_brokers", workload=EVERY_SECOND, effects=CHAIN, queue=AGAIN, faults=faults
    )
    assert reasons == {"messages arrive and come back at one instant"}


def test_who_is_at_work_when_the_run_ends_although_another_was_under_way_when_he_began():
    """The first worker ends at 1.1 s and deletes the message; the second one has it in hand until 1.6 s."""
    record = both(
        "single_broker",
        [0],
        effects={"a": "1s", "b": "0.1s"},
        queue={"visibility_timeout": "0.5s"},
        consumers={"count": 2},
        horizon="1s",
        drain="250ms",
    )
    assert record.copies[0].ended[0] == 1.1
    assert (record.end, record.is_censored) == (1.25, True)


def test_a_copy_may_be_deleted_that_is_in_flight_beyond_the_end_of_the_run():
    """The first worker deletes it at 4 s; the second one received it at 2.5 s, and hides it until 5 s."""
    record = both(
        "single_broker",
        [0],
        effects={"a": "4s"},
        queue={"visibility_timeout": "2.5s"},
        consumers={"count": 2},
        horizon="4s",
        drain="250ms",
    )
    assert (fates(record), record.copies[0].ended[0]) == (["applied"], 4)


def test_who_is_free_first_after_several_stretches_is_left_to_processes_if_it_goes_back_far():
    """The first delivery of a message whose second one is not plain counts there, too."""
    service = {"service": "250ms", "failure": 0.5}
    away = {"kind": "down", "target": "consumers", "at": "5s", "duration": "2s", "count": 1, "every": "5s"}
    reasons = left_to_processes(
        "single_broker",
        workload={"arrivals": {"rate": "2/s", "process": "constant"}},
        effects={"a": service, "b": service | {"long": {"share": 0.3, "service": "5.25s"}}},
        queue={"visibility_timeout": "2s", "max_receives": 2},
        consumers={"count": 2},
        faults={"away": away | {"in_hand": "finish"}},
        horizon="40s",
    )
    assert reasons == {"workers get free at one instant, in an order that goes back far"}


def test_a_visibility_timeout_may_be_lost_in_rounding():
    """From 8 s on the next number is further away than the timeout is long."""
    record = both("single_broker", [0, 8, 10], queue={"visibility_timeout": "0.0000000000000001s"})
    assert record.copies[0].ended.tolist() == [1, 9, 11]


def test_thousands_of_messages_that_might_have_outlived_their_timeout():
    """Few of a backlog are tried before the run ends; the others make no search run too deep."""
    record = both(
        "single_broker",
        workload={"arrivals": {"rate": "1/s", "process": "constant"}, "backlog": 5000},
        horizon="10s",
        drain="50s",
        queue={"visibility_timeout": "5s"},
        consumers={"count": 4, "speeds": [0.19, 1, 1, 1]},
    )
    assert record.copies[0].deliveries.tolist().count(0) > 4000


IN_NO_TIME = {"kind": "crash", "target": "consumers", "at": "1.5s", "every": "1s", "duration": "0s"}


@pytest.mark.parametrize("speeds", [[1, 1, 1], [1, 0.75, 1.5]])
def test_an_idle_worker_that_starts_again_waits_behind_the_others(speeds):
    """Also at the very instant at which its work ends: each second one of the three does so, by chance."""
    record = both(
        "single_broker",
        list(range(80)),
        effects={"db": "1.5s"},
        consumers={"count": 3, "speeds": speeds},
        faults={"again": IN_NO_TIME},
    )
    assert (record.copies[0].ended % 1 == 0.5).sum() > 20
    assert (record.copies[0].deliveries > 1).any()


def test_a_message_that_arrives_as_an_idle_worker_starts_again_is_left_to_processes():
    """Which comes first depends on when each was scheduled."""
    reasons = left_to_processes(
        "single_broker",
        workload=EVERY_SECOND,
        consumers={"count": 3},
        faults={"again": IN_NO_TIME},
    )
    assert reasons == {"a message is there when an idle worker starts again at once"}


def test_work_that_ends_just_as_its_visibility_timeout_does_is_done():
    """The slow worker takes 1 s; something else is often due back at that instant."""
    record = both(
        "single_broker",
        effects={"db": {"service": "0.5s", "failure": 0.2}},
        workload={"arrivals": {"rate": "2/s", "process": "constant"}},
        queue={"visibility_timeout": "1s", "late_delete": False},
        consumers={"count": 3, "speeds": [1.2, 0.5, 2]},
    )
    lengths = record.copies[0].ended - record.copies[0].taken
    assert ((lengths == 1) & (record.copies[0].deliveries == 1)).sum() > 10


def test_a_broker_that_is_back_as_all_idle_workers_go_away_keeps_its_messages_in_line():
    """Nobody takes the oldest message at 10 s; it is still the first to be taken at 12 s."""
    faults = {
        "broker": {"kind": "down", "target": "broker", "at": "5s", "duration": "5s"},
        "pause": {"kind": "down", "target": "consumers", "at": "10s", "duration": "2s", "in_hand": "resume"},
    }
    times = [0, 3.5, 4, 4.5]
    record = both("single_broker", times, effects={"db": "2s"}, faults=faults, consumers=1)
    assert record.copies[0].taken.tolist() == [0, 3.5, 12, 14]


def test_what_is_given_back_after_several_stretches_is_left_to_processes_if_the_order_goes_back_far():
    """Of two workers who are alike and give back at one instant, the one who began last may be the first."""
    reasons = left_to_processes(
        "single_broker",
        workload={"arrivals": {"rate": "0.5/s", "process": "constant"}, "backlog": 10},
        effects={"db": {"service": "1s", "failure": 0.5}, "mail": {"service": "0s"}},
        faults={"sometimes": {"kind": "reject", "target": "sink", "probability": 0.1}},
        horizon="60s",
        hop="1s",
        queue={"max_receives": 5},
        consumers={"count": 2, "on_error": "nack", "retry_delay": "1s"},
    )
    assert reasons == {"workers get free at one instant, in an order that goes back far"}


def test_work_that_takes_no_time_as_a_worker_starts_again_at_once_is_left_to_processes():
    """At 1 s all have done their work, one of them crashes, and what they take next fails in no time."""
    reasons = left_to_processes(
        "single_broker",
        workload={"arrivals": {"rate": "1/s", "process": "constant"}, "backlog": 20},
        faults={
            "again": {"kind": "crash", "target": "consumers", "at": "1s", "duration": "0s"},
            "sink": {"kind": "reject", "target": "sink", "at": "1s", "duration": "1s"},
        },
        horizon="20s",
        queue={"visibility_timeout": "3s"},
        consumers=3,
    )
    assert reasons == {"work that takes no time, as a worker that had work starts again at once"}
