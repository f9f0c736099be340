"""An effect and its sink: failures, poison, long jobs, and effects that wait for another."""

import pytest
from stories import run

KINDS = ("single_broker", "dual_brokers", "stream", "pubsub", "sns_sqs", "synchronous")
CHAIN = {"db": "2s", "index": {"service": "1s", "after": "db"}}
MANY = {"workload": {"arrivals": {"rate": "20/s", "process": "constant"}}}


def test_a_share_of_the_attempts_fails():
    """Of 2,000 single attempts 20% fail, within four standard deviations."""
    effects = {"db": {"service": "0s", "failure": "20%"}}
    told = run("single_broker", None, effects=effects, consumers={"on_error": "skip"}, top=MANY)
    assert len(told.published) == 2000
    assert told.outcomes().count("dropped") == pytest.approx(400, abs=72)


def test_every_attempt_at_a_poisonous_message_fails_and_at_no_other():
    """Ten retries do not help."""
    effects = {"db": {"service": "0s", "poison": "20%"}}
    told = run("single_broker", None, effects=effects, queue={"max_receives": 10}, top=MANY)
    dead = told.outcomes().count("dead_lettered")
    assert dead == pytest.approx(400, abs=72)
    assert len(told.begun) == 2000 + 9 * dead


def test_a_share_of_the_messages_takes_longer():
    """30% of 2,000 take 1 s, the others nothing."""
    effects = {"db": {"service": "0s", "long": {"share": "30%", "service": "1s"}}}
    told = run("single_broker", None, effects=effects, consumers=100, top=MANY)
    slow = told.effect().first_applied - told.published > 0.5
    assert slow.sum() == pytest.approx(600, abs=82)


@pytest.mark.parametrize("kind", KINDS)
def test_an_effect_starts_when_the_one_it_waits_for_is_complete(kind):
    """Index begins at 2 s in every architecture."""
    told = run(kind, effects=CHAIN)
    assert (told.attempts("db"), told.attempts("index")) == ([0], [2])
    assert told.first_applied("index") == [3]


@pytest.mark.parametrize("kind", KINDS)
def test_an_effect_never_starts_if_the_one_it_waits_for_fails(kind):
    """Whatever becomes of db, index is not tried."""
    effects = {"db": {"service": "2s", "poison": 1.0}, "index": CHAIN["index"]}
    blocks = {"consumers": {"on_error": "skip"}} if kind != "synchronous" else {}
    told = run(kind, effects=effects, **blocks)
    assert told.attempts("index") == []
    assert told.message_outcomes() == ["failed"]
