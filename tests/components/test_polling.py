"""Idle workers that look for messages at intervals."""

import numpy as np
import pytest
from stories import run

QUEUED = ("single_broker", "dual_brokers", "sns_sqs")


@pytest.mark.parametrize("kind", [*QUEUED, "stream"])
def test_an_idle_worker_asks_at_multiples_of_the_interval_and_a_busy_one_at_once(kind):
    """In vain at 0 s, found at 2 s; the next one is there at 3 s; then 2 s after asking in vain at 4 s."""
    stream = {"stream": 1} if kind == "stream" else {}
    told = run(kind, [0, 1.5, 4.5], consumers={"poll": "2s"}, **stream)
    assert told.attempts(message=0) == [2]
    assert told.attempts(message=1) == [3]
    assert told.attempts(message=2) == [6]


@pytest.mark.parametrize("kind", [*QUEUED, "stream"])
def test_latency_is_even_between_nothing_and_the_interval(kind):
    """Poisson arrivals, no work, everything taken at once (case V19): mean T/2, p99 0.99 T, never above T.

    Of 20,000 messages, within four standard deviations.
    """
    top = {"workload": {"arrivals": "100/s"}}
    consumers = {"poll": "2s", "batch": 1000}
    told = run(kind, None, effects={"db": "0s"}, consumers=consumers, horizon="200s", top=top)
    waited = told.effect().first_applied - told.published
    count = len(waited)
    assert waited.max() <= 2 * (1 + 1e-12)
    assert waited.mean() == pytest.approx(1.0, abs=4 * 2 / (12 * count) ** 0.5)
    assert np.quantile(waited, 0.99) == pytest.approx(1.98, abs=4 * 2 * (0.99 * 0.01 / count) ** 0.5)


def test_workers_that_have_worked_ask_at_different_times():
    """Worker 1 asks in vain at 3.5 s and then every 2 s, worker 2 at even seconds."""
    told = run("single_broker", [0, 4.5, 5.7], effects={"db": "1.5s"}, consumers={"count": 2, "poll": "2s"})
    assert told.attempts(message=0) == [2]
    assert told.attempts(message=1) == [5.5]
    assert told.attempts(message=2) == [6]


def test_what_one_worker_leaves_another_finds_at_its_next_look():
    """Two workers look at 2 s; batches of two leave the fifth message to whoever is first done, at 4 s."""
    consumers = {"count": 2, "poll": "2s", "batch": 2}
    told = run("single_broker", [0, 0.2, 0.3, 0.4, 0.5], consumers=consumers)
    assert told.first_applied() == [3, 4, 3, 4, 5]


def test_the_move_to_the_dead_letter_queue_waits_for_a_look():
    """Received once at 4 s, visible again at 14 s, moved by the look at 16 s."""
    queue = {"visibility_timeout": "10s", "max_receives": 1}
    effects = {"db": {"service": "0s", "poison": 1.0}}
    told = run("single_broker", effects=effects, queue=queue, consumers={"poll": "4s"})
    assert told.attempts() == [4]
    assert told.holder("queue").ended[0] == 16


def test_a_worker_that_comes_back_looks_at_once():
    """Asleep until 10 s, down from 3 to 4 s: it receives at 4 s."""
    away = {"away": {"kind": "down", "target": "consumers", "at": "3s", "duration": "1s"}}
    told = run("single_broker", [0, 1], consumers={"poll": "10s"}, faults=away)
    assert told.first_applied() == [5, 6]


def test_a_broker_that_is_back_is_found_at_the_next_look():
    """Nothing is handed out from 1 to 5.5 s; the worker looks at even seconds."""
    away = {"away": {"kind": "down", "target": "broker", "at": "1s", "duration": "4.5s"}}
    for kind in ("single_broker", "stream"):
        told = run(kind, [0], consumers={"poll": "2s"}, faults=away)
        assert told.first_applied() == [7]


def test_an_idle_member_commits_at_its_looks():
    """Done at 3 s with a commit interval of 5 s: due at 5 s, committed by the look at 6 s, not before."""
    told = run("stream", [0], stream=1, consumers={"poll": "1500ms"}, effects={"db": "1500ms"})
    assert told.first_applied() == [3]
    assert told.holder("db_stream").commits.tolist() == [[6, 0, 1]]
