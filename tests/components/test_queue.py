"""A queue: pulled in order, hidden while in flight, dead-lettered after too many receives."""

import pytest
from stories import run

POISON = {"db": {"service": "2s", "poison": 1.0}}


def queue(**options):
    """A queue whose visibility timeout is 10 s."""
    return {"visibility_timeout": "10s", **options}


def test_messages_are_received_in_the_order_in_which_they_became_visible():
    """First in, first out: one worker of 1 s does them one by one."""
    told = run("single_broker", [0, 0.1, 0.2])
    assert told.order() == [0, 1, 2]
    assert told.first_applied() == [1, 2, 3]


def test_consumers_compete_for_the_messages_of_one_queue():
    """Each message goes to one worker, whoever is free."""
    told = run("single_broker", [0, 0, 0, 0], consumers=2)
    assert told.first_applied() == [1, 1, 2, 2]
    assert told.applications() == [1, 1, 1, 1]


def test_a_failed_message_is_visible_again_when_its_timeout_ends_and_dead_lettered_at_the_next_receive():
    """The timeout counts from the receive; exactly ``max_receives`` deliveries are made."""
    told = run("single_broker", effects=POISON, queue=queue(max_receives=2))
    assert told.story() == [
        "0 published",
        "0 queue accepts",
        "0 queue delivers",
        "0 db begins",
        "0 reply ok",
        "10 visible again",
        "10 queue delivers",
        "10 db begins",
        "20 visible again",
        "20 dead_lettered",
    ]


def test_the_move_to_the_dead_letter_queue_waits_for_a_consumer():
    """With nobody to receive, a message that was received too often stays until somebody tries."""
    away = {"away": {"kind": "down", "target": "consumers", "at": "15s", "duration": "30s"}}
    told = run("single_broker", effects=POISON, queue=queue(max_receives=2), faults=away)
    assert told.story()[-2:] == ["20 visible again", "45 dead_lettered"]
    assert told.attempts() == [0, 10]


@pytest.mark.parametrize(("dead_letter", "fate"), [(True, "dead_lettered"), (False, "dropped")])
def test_without_a_dead_letter_queue_such_messages_are_dropped(dead_letter, fate):
    """``dead_letter: false`` drops at the same moment."""
    told = run("single_broker", effects=POISON, queue=queue(max_receives=1, dead_letter=dead_letter))
    assert told.outcomes() == [fate]
    assert told.end == pytest.approx(100)
    assert told.holder("queue").ended[0] == 10


def test_too_short_a_timeout_makes_duplicates():
    """A second worker receives what the first is still working on."""
    told = run("single_broker", effects={"db": "15s"}, consumers=2, queue=queue())
    assert told.attempts() == [0, 10]
    assert [time for time, _, _ in told.applied] == [15, 25]


def test_a_late_delete_counts_or_does_not():
    """Three receives at 0, 10 and 15 s; without late deletes the message ends up dead-lettered."""
    service = {"db": "25s"}
    late = run("single_broker", effects=service, queue=queue())
    assert late.applications() == [1]
    assert late.holder("queue").ended[0] == 25
    stale = run("single_broker", effects=service, queue=queue(late_delete=False, max_receives=2))
    assert stale.attempts() == [0, 25]
    assert stale.story()[-1] == "50 dead_lettered"
    assert stale.outcomes() == ["applied"]  # the effect did happen, twice
    assert stale.applications() == [2]


@pytest.mark.parametrize(("delay", "attempts"), [("0s", [0, 2, 4]), ("3s", [0, 5, 10])])
def test_nack_gives_the_message_back(delay, attempts):
    """At once or after a pause, each attempt of 2 s counting as a receive."""
    consumers = {"on_error": "nack", "retry_delay": delay}
    told = run("single_broker", effects=POISON, queue=queue(), consumers=consumers)
    assert told.attempts() == attempts
    assert told.outcomes() == ["dead_lettered"]


@pytest.mark.parametrize(("on_error", "fate"), [("skip", "dropped"), ("dead_letter", "dead_lettered")])
def test_skip_and_dead_letter_end_it_at_the_first_failure(on_error, fate):
    """One attempt, and the copy is gone when it ends."""
    told = run("single_broker", effects=POISON, queue=queue(), consumers={"on_error": on_error})
    assert told.attempts() == [0]
    assert told.story()[-1] == f"2 {fate}"


def test_retry_repeats_in_place():
    """The same worker tries again after ``retry_delay`` while the sink rejects; one receive."""
    rejects = {"trouble": {"kind": "reject", "target": "sink", "at": "0s", "duration": "4.5s"}}
    told = run("single_broker", consumers={"on_error": "retry"}, queue=queue(), faults=rejects)
    assert told.attempts() == [0, 1, 2, 3, 4, 5]
    assert told.first_applied() == [6]
    assert list(told.holder("queue").deliveries) == [1]


def test_a_batch_is_received_at_once_and_worked_off_one_by_one():
    """The clocks of all its messages start at the receive."""
    told = run("single_broker", [0, 0.1, 0.2, 0.3], consumers={"batch": 3})
    assert list(told.holder("queue").taken) == [0, 1, 1, 1]
    assert told.first_applied() == [1, 2, 3, 4]


def test_retention_removes_what_waits_and_spares_what_is_in_flight_until_it_returns():
    """Counted from acceptance: message 1 waits and expires at 5 s, message 0 returns at 10 s and is gone."""
    told = run("single_broker", [0, 0], effects={"db": "12s"}, queue=queue(retention="5s"))
    assert list(told.holder("queue").ended) == [10, 5]
    assert told.outcomes() == ["applied", "expired"]


def test_a_full_queue_refuses():
    """``capacity`` counts what is in flight too."""
    told = run("single_broker", [0, 0.1, 0.2, 1.5], queue=queue(capacity=2))
    assert told.outcomes() == ["applied", "applied", "rejected", "applied"]
    assert told.replies() == ["0 ok", "0.1 ok", "0.2 error", "1.5 ok"]


def test_a_delayed_message_becomes_visible_later():
    """``delay`` counts from acceptance."""
    told = run("single_broker", [0, 1], queue=queue(delay="4s"))
    assert told.first_applied() == [5, 6]


def test_an_effect_of_the_first_attempt_is_not_late_though_a_second_attempt_has_begun():
    """Late is attempt 2 or later; attempt 1 ends at 15 s although attempt 2 began at 10 s."""
    told = run("single_broker", effects={"db": "15s"}, consumers=2, queue=queue())
    assert told.first_applied() == [15]
    assert not told.effect().late[0]


def test_without_a_dead_letter_queue_nothing_is_dead_lettered():
    """``on_error: dead_letter`` drops the message where there is no such queue."""
    rejects = {"trouble": {"kind": "reject", "target": "db.sink", "at": "0s", "duration": "9s"}}
    consumers = {"on_error": "dead_letter"}
    for has_queue, outcome in ((True, "dead_lettered"), (False, "dropped")):
        told = run("single_broker", consumers=consumers, queue={"dead_letter": has_queue}, faults=rejects)
        assert told.outcomes() == [outcome]
