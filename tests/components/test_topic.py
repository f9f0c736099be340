"""A topic that pushes: at once, again after a while, and then no more."""

import pytest
from stories import run

POISON = {"db": {"service": "0s", "poison": 1.0}}


def outage(**options):
    """The service is down from 5 s to 15 s."""
    return {"away": {"kind": "down", "target": "consumers", "at": "5s", "duration": "10s", **options}}


def test_a_push_comes_at_once_and_unasked():
    """Accepted, delivered and begun at the instant of the publish."""
    assert run("pubsub").story() == [
        "0 published",
        "0 db_topic accepts",
        "0 db_topic delivers",
        "0 db begins",
        "0 reply ok",
        "1 db applied",
    ]


def test_failed_pushes_are_repeated_after_the_delay_and_given_up_after_the_last_retry():
    """1 + 3 attempts, 20 s apart."""
    told = run("pubsub", effects=POISON)
    assert told.attempts() == [0, 20, 40, 60]
    assert told.story()[-1] == "60 dropped"


def test_a_service_that_is_down_refuses_and_is_tried_again():
    """A push at 6 s is refused; the next one comes 20 s later."""
    told = run("pubsub", [0, 6], faults=outage())
    assert told.first_applied() == [1, 27]


def test_a_full_memory_refuses():
    """Buffer 1: one in work, one in memory, the third is refused and comes again."""
    told = run("pubsub", [0, 0, 0], topic={"buffer": 1, "retry_delay": "5s"})
    assert told.first_applied() == [1, 2, 6]


def test_without_a_buffer_only_a_free_worker_accepts():
    """Buffer 0."""
    told = run("pubsub", [0, 0.5], topic={"buffer": 0, "retry_delay": "5s"})
    assert told.first_applied() == [1, 6.5]
    refused_to_the_end = run("pubsub", [0, 0.5], topic={"buffer": 0, "retries": 0})
    assert refused_to_the_end.outcomes() == ["applied", "dropped"]


def test_a_crash_loses_what_is_in_hand_and_nothing_else():
    """The memory of a service with several workers survives the crash of one."""
    crash = {"crash": {"kind": "crash", "target": "consumers", "at": "0.5s", "duration": "1s"}}
    told = run("pubsub", [0, 0], faults=crash)
    assert told.outcomes() == ["lost", "applied"]
    assert told.first_applied() == [None, 2.5]


@pytest.mark.parametrize(
    ("in_hand", "first", "second"), [("finish", 5.5, 16), ("resume", 15.5, 16.5), ("lose", None, None)]
)
def test_what_an_outage_of_the_service_does_to_hand_and_memory(in_hand, first, second):
    """Down at 5 s: one message half done, one in memory; only ``lose`` takes them."""
    told = run("pubsub", [0, 4.5, 4.6], effects={"db": "1s"}, faults=outage(in_hand=in_hand))
    assert told.first_applied() == [1, first, second]
    if in_hand == "lose":
        assert told.outcomes() == ["applied", "lost", "lost"]


def test_a_queue_behind_the_topic_keeps_everything():
    """With sns_sqs the same outage costs nothing: the queue holds what the service cannot take."""
    told = run("sns_sqs", [0, 4.5, 4.6, 6], faults=outage(in_hand="lose"))
    assert told.outcomes() == ["applied"] * 4
