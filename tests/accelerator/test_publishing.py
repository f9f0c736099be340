"""Publishing in blocks: what brokers refuse is tried again, and the ledger is that of the processes."""

import pytest
from both import both, left_to_processes

from sim.components.site import Site
from sim.vocabulary import Outcome, Reply

EFFECTS = {"db": "0.1s", "index": "0.1s"}
REJECT = {"kind": "reject", "target": "index.broker", "at": "20s", "duration": "15s"}
SOMETIMES = {"kind": "reject", "target": "broker", "probability": 0.2}


@pytest.fixture
def simulated(monkeypatch):
    """Horizons of the runs in which processes took part: at least the one that blocks are held against."""
    horizons = []
    run = Site.run_to_the_end

    def noted(self, horizon, without=()):
        horizons.append(horizon)
        run(self, horizon, without)

    monkeypatch.setattr(Site, "run_to_the_end", noted)
    return horizons


@pytest.mark.parametrize("kind", ["single_broker", "dual_brokers", "stream", "pubsub", "sns_sqs"])
@pytest.mark.parametrize("reply", ["all", "first"])
@pytest.mark.parametrize("hop", ["0s", "70ms"])
def test_what_is_refused_is_tried_again_or_given_up(kind, reply, hop, simulated):
    """One broker is away for longer than callers are patient; both refuse a fifth of all attempts."""
    producer = {"retry_for": "4s", "retry_delay": "1.3s", "reply": reply}
    faults = {"away": REJECT, "sometimes": SOMETIMES}
    record = both(kind, effects=EFFECTS, faults=faults, hop=hop, producer=producer, consumers=6)
    index = record.pairs[1].outcome
    assert {Outcome.APPLIED, Outcome.REJECTED} == set(index.tolist())
    assert all(fault.has_fired for fault in record.faults)
    assert simulated == [100]


def test_attempts_are_a_pause_and_two_hops_apart(simulated):
    """Sent at 5 s, 6.5 s and 8 s, each arrives 0.25 s later; the broker is back at 7 s."""
    faults = {"away": {"kind": "reject", "target": "broker", "at": "4s", "duration": "3s"}}
    producer = {"retry_for": "5s", "retry_delay": "1s"}
    record = both("single_broker", [0, 5], faults=faults, hop="250ms", producer=producer, consumers=1)
    assert record.copies[0].accepted.tolist() == [0.25, 8.25]
    assert record.reply_time.tolist() == [0.5, 8.5]
    assert simulated == [100]


@pytest.mark.parametrize(("reply", "code", "time"), [("all", Reply.ERROR, 8), ("first", Reply.OK, 5)])
def test_one_of_two_writes_is_given_up(reply, code, time, simulated):
    """The last attempt is that at 8 s: 9 s would be more than 3 s after the first."""
    faults = {"away": {"kind": "reject", "target": "index.broker", "at": "4s", "duration": "9s"}}
    producer = {"retry_for": "3s", "retry_delay": "1s", "reply": reply}
    record = both("dual_brokers", [0, 5], effects=EFFECTS, faults=faults, producer=producer, consumers=1)
    assert [pairs.outcome.item(1) for pairs in record.pairs] == [Outcome.APPLIED, Outcome.REJECTED]
    assert (record.reply.item(1), record.reply_time.item(1)) == (code, time)
    assert simulated == [100]


def test_whose_turn_it_is_at_one_instant_is_left_to_the_producer(simulated):
    """What was refused at 5 s is tried again at 6 s, when another message is published."""
    faults = {"away": {"kind": "reject", "target": "broker", "at": "4.5s", "duration": "1s"}}
    producer = {"retry_for": "5s", "retry_delay": "1s"}
    record = both("single_broker", [0, 5, 6, 6.5], faults=faults, producer=producer, consumers=1)
    assert sorted(record.copies[0].accepted.tolist()) == [0, 6, 6, 6.5]
    assert simulated == [100, 100]


def test_what_is_refused_may_wait_behind_a_backlog(simulated):
    """Messages that wait at 0 s are there whatever the broker refuses."""
    workload = {"arrivals": {"rate": "2/s", "process": "poisson"}, "backlog": 5}
    producer = {"retry_for": "9s", "retry_delay": "2s"}
    faults = {"away": {"kind": "reject", "target": "broker", "at": "0s", "duration": "5s"}}
    record = both("single_broker", workload=workload, faults=faults, producer=producer, consumers=4)
    assert record.copies[0].accepted[:5].tolist() == [0] * 5
    assert (record.copies[0].accepted[5:] >= 5).all()
    assert simulated == [100]


def test_what_waits_from_the_start_makes_no_fault_fire(simulated):
    """The only messages that are there while the broker refuses wait at 0 s."""
    workload = {"arrivals": {"rate": "0.1/s", "process": "constant"}, "backlog": 5}
    faults = {"away": {"kind": "reject", "target": "broker", "at": "0s", "duration": "1s"}}
    record = both("single_broker", workload=workload, faults=faults, consumers=1)
    assert not record.faults[0].has_fired
    assert simulated == [100]


def test_attempts_beyond_the_end_of_the_run_are_left_to_processes():
    """Callers would try for hours; only what happens within the run is looked at."""
    reasons = left_to_processes(
        "single_broker",
        faults={"away": {"kind": "reject", "target": "broker", "at": "50s", "duration": "1d"}},
        producer={"retry_for": "30d", "retry_delay": "100ms"},
        drain="10s",
        consumers=6,
    )
    assert reasons == {"messages are on their way when the run ends"}
