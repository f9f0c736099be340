"""The API server: attempts, replies, batches, the outbox, and what the network does to it."""

from unittest import mock

import pytest
from stories import run

from sim.components.link import Link
from sim.engine.ledger import Ledger
from sim.scenario import parts

TWO = {"db": "1s", "index": "1s"}


def broker(kind="reject", at="0s", duration="2.5s", target="broker", **options):
    """Trouble at the broker."""
    return {"trouble": {"kind": kind, "target": target, "at": at, "duration": duration, **options}}


def test_a_refused_write_is_tried_again_on_its_own_clock():
    """Every second for 3 s: attempts at 0, 1, 2 and 3 s, the last one exactly at the end."""
    producer = {"retry_for": "3s", "retry_delay": "1s"}
    assert run("single_broker", producer=producer, faults=broker()).replies() == ["3 ok"]
    refused = run("single_broker", producer=producer, faults=broker(duration="3.5s"))
    assert refused.replies() == ["3 error"]
    assert refused.outcomes() == ["rejected"]


@pytest.mark.parametrize(("reply", "told_the_caller"), [("all", "2 error"), ("first", "0 ok")])
def test_whether_the_caller_hears_of_a_half_accepted_message(reply, told_the_caller):
    """Index is refused: ``first`` says ok after the first write, so that the partial message is silent."""
    producer = {"retry_for": "2s", "retry_delay": "1s", "reply": reply}
    faults = broker(target="index.broker", duration="10s")
    told = run("dual_brokers", effects=TWO, producer=producer, faults=faults)
    assert told.replies() == [told_the_caller]
    assert told.message_outcomes() == ["partial"]


def test_a_gap_lies_between_two_writes():
    """The second queue has the message 300 ms later."""
    told = run("dual_brokers", effects=TWO, producer={"write_gap": "300ms"})
    assert told.holder("db_queue").accepted[0] == 0
    assert told.holder("index_queue").accepted[0] == pytest.approx(0.3)
    assert told.replies() == ["0.3 ok"]


def test_a_batch_stays_open_for_the_linger_time():
    """Opened by the first message; one that comes when it closes opens the next."""
    told = run("single_broker", [0, 0.5, 1.2], producer={"linger": "1s"})
    assert told.holder("queue").accepted.tolist() == [1, 1, pytest.approx(2.2)]


def test_the_outbox_answers_at_once_and_publishes_in_order_at_its_ticks():
    """Ticks at 1, 2, 3 s; while the broker refuses, the first row holds up the others."""
    told = run("single_broker", [0, 0.5, 1.5], producer={"outbox": {"poll": "1s"}}, faults=broker())
    assert told.replies() == ["0 ok", "0.5 ok", "1.5 ok"]
    assert told.holder("queue").accepted.tolist() == [3, 3, 3]
    assert told.order() == [0, 1, 2]


@pytest.mark.parametrize("poll", ["100ms", "200ms", "300ms", "700ms"])
def test_a_refused_row_of_the_outbox_waits_for_the_next_tick_whatever_the_poll_interval(poll):
    """The clock goes on: one attempt per tick, also where the ticks are no exact binary numbers."""
    arrive, calls = Link.arrive, []

    def arrive_and_count(link, message, attempt, now):
        calls.append(now)
        assert len(calls) < 1000, f"the relay tries for ever at {now} s"
        return arrive(link, message, attempt, now)

    with mock.patch.object(Link, "arrive", arrive_and_count):
        told = run("single_broker", producer={"outbox": {"poll": poll}}, faults=broker(duration="20s"))
    assert 20 <= told.holder("queue").accepted[0] <= 20.7
    assert len(set(calls)) == len(calls)


@pytest.mark.parametrize("kind", ["dual_brokers", "stream", "pubsub", "sns_sqs"])
def test_with_an_outbox_a_completed_task_is_reported_through_it(kind):
    """Two tasks without work: the second waits for the poll after the one that delivered the first."""
    chain = {"db": "0s", "index": {"service": "0s", "after": "db"}}
    told = run(kind, [0, 0.5, 1.5], effects=chain, producer={"outbox": {"poll": "1s"}})
    assert told.first_applied("db") == [1, 1, 2]
    assert told.first_applied("index") == [2, 2, 3]
    assert told.holder("index_outbox").accepted.tolist() == [1, 1, 2]
    assert told.replies() == ["0 ok", "0.5 ok", "1.5 ok"]


def test_a_report_in_the_outbox_survives_a_broker_that_refuses():
    """The row waits until the broker is back; the second task is late and not lost."""
    chain = {"db": "0s", "index": {"service": "0s", "after": "db"}}
    refusal = {"no": {"kind": "reject", "target": "index.broker", "at": "0s", "duration": "5s"}}
    told = run("dual_brokers", effects=chain, producer={"outbox": {"poll": "1s"}}, faults=refusal)
    assert told.first_applied("db") == [1]
    assert told.first_applied("index") == [5]
    assert told.message_outcomes() == ["complete"]


def test_a_row_written_at_the_instant_of_a_poll_waits_for_the_next():
    """However busy the relay is just then: at 1 s it has a row from before and one of that instant."""
    told = run("single_broker", [0, 0.5, 1.0], effects={"db": "0s"}, producer={"outbox": {"poll": "1s"}})
    assert told.first_applied() == [1, 1, 2]


def test_an_attempt_without_an_answer_times_out():
    """A delay of 3 s and a timeout of 1 s: the first attempt arrives unheard, the second is heard."""
    producer = {"timeout": "1s", "retry_for": "5s", "retry_delay": "1s"}
    told = run("single_broker", producer=producer, faults=broker("delay", duration="1.5s", by="3s"))
    assert told.replies() == ["2 ok"]
    assert told.holder("queue").accepted.tolist() == [2, 3]
    assert told.applications() == [2]


def test_a_lost_request_leaves_the_caller_without_an_answer():
    """Without a timeout nobody ever knows."""
    told = run("single_broker", faults=broker("loss"))
    assert told.replies() == ["none"]
    assert told.outcomes() == ["lost"]


def test_a_lost_reply_makes_a_duplicate():
    """The message was stored; the attempt after the timeout stores it again."""
    producer = {"timeout": "1s", "retry_for": "5s", "retry_delay": "2s"}
    told = run("single_broker", producer=producer, faults=broker("loss", leg="reply"))
    assert told.holder("queue").accepted.tolist() == [0, 3]
    assert told.applications() == [2]
    assert told.replies() == ["3 ok"]


def test_a_server_that_is_down_refuses_requests():
    """An error at once, and nothing is stored."""
    told = run("single_broker", [0, 5, 20], faults=broker("down", at="1s", duration="10s", target="api"))
    assert told.replies() == ["0 ok", "5 error", "20 ok"]
    assert told.outcomes() == ["applied", "rejected", "applied"]


def test_a_server_that_dies_between_two_writes_leaves_half_of_a_message():
    """The first queue has it, the second never will, and the caller hears nothing."""
    crash = {"dies": {"kind": "crash", "target": "api", "probability": "100%"}}
    told = run("dual_brokers", effects=TWO, faults=crash)
    assert (told.outcomes("db"), told.outcomes("index")) == (["applied"], ["lost"])
    assert told.replies() == ["none"]
    assert run("sns_sqs", effects=TWO, faults=crash).message_outcomes() == ["complete"]


@pytest.mark.parametrize(
    ("failing", "words"),
    [
        (False, ["pending", "running", "running", "succeeded"]),
        (True, ["pending", "running", "running", "failed"]),
    ],
)
def test_a_job_is_pending_then_running_and_then_over(failing, words):
    """Asked at 0.5, 1.5, 2.5 and 8 s; work begins at 1 s and ends at 3 s, or never well."""
    ledgers = []
    real = parts.Site

    def site(*args, **options):
        built = real(*args, **options)
        ledgers.append(built)
        for time in (0.5, 1.5, 2.5, 8):
            built.call_at(time, lambda: heard.append(Ledger.status(built.ledger, 0, built.now).value))
        return built

    heard = []
    effects = {"db": {"service": "2s", "poison": 1.0 if failing else 0}}
    with mock.patch.object(parts, "Site", site):
        run("single_broker", effects=effects, queue={"delay": "1s"}, consumers={"on_error": "skip"})
    assert heard == words
