"""The golden outcome matrix: four failures, six architectures, exact numbers.

Expected values and tolerances are those of ``verification_cases.json`` (counts +-3, repeats +-6, times 2 %,
F4 10 +- 2.9 over 20 replications), which were derived by hand and by an independent simulation.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

import sim
from sim.report.results import Results

GOLDEN = Path(__file__).parents[2] / "scenarios" / "golden"
BROKERED = ("single_broker", "dual_brokers", "stream", "pubsub", "sns_sqs")


@cache
def results(name: str) -> Results:
    """The results of one golden scenario, run once."""
    return sim.run(GOLDEN / f"{name}.yaml", jobs=1)


def count(study: str, architecture: str, metric: str, scope: str = "") -> float:
    """A mean over replications."""
    return results(study).value(metric, architecture, scope)


F1, F2, F3, F4 = "f1_consumer_down", "f2_sink_rejects", "f3_broker_refuses", "f4_producer_crash"


@pytest.mark.parametrize("study", [F1, F2, F3, F4])
def test_every_run_has_ten_thousand_messages(study: str) -> None:
    """The set-up offers exactly 10,000 messages to every architecture."""
    for architecture in sim.load(GOLDEN / f"{study}.yaml").architectures:
        assert count(study, architecture, "offered") == 10_000


@pytest.mark.parametrize(
    ("architecture", "partial"),
    [
        ("synchronous", 1200),
        ("single_broker", 0),
        ("dual_brokers", 0),
        ("stream", 0),
        ("pubsub", 600),
        ("sns_sqs", 0),
    ],
)
def test_f1_partial(architecture: str, partial: int) -> None:
    """With the index process down, only what has no queue in front of it is left half done."""
    assert count(F1, architecture, "partial") == pytest.approx(partial, abs=3 if partial else 0)


@pytest.mark.parametrize("architecture", ["single_broker", "dual_brokers", "stream", "sns_sqs"])
def test_f1_lag_and_drain(architecture: str) -> None:
    """The backlog of 120 s drains in 80 s: 10/s x 120 s / (25/s - 10/s)."""
    assert count(F1, architecture, "age_max", "index") == pytest.approx(120, rel=0.02)
    assert count(F1, architecture, "drain_time", "index_down") == pytest.approx(80, rel=0.02)


def test_f1_single_broker_makes_db_wait_too() -> None:
    """One worker does both effects, so the database lags as far; elsewhere it does not notice."""
    assert count(F1, "single_broker", "age_max", "db") == pytest.approx(120, rel=0.02)
    for architecture in ("dual_brokers", "stream", "pubsub", "sns_sqs"):
        assert count(F1, architecture, "age_max", "db") < 1


def test_f1_pubsub_late() -> None:
    """Six hundred pushes succeed on a retry, 46.1 s after their publish on average."""
    assert count(F1, "pubsub", "late", "index") == pytest.approx(600, abs=3)
    assert count(F1, "pubsub", "late_mean", "index") == pytest.approx(46.1, rel=0.02)
    assert count(F1, "pubsub", "dropped", "index") == pytest.approx(600, abs=3)


@pytest.mark.parametrize(
    ("architecture", "partial", "outcome"),
    [
        ("synchronous", 1200, "dropped"),
        ("single_broker", 600, "dead_lettered"),
        ("single_broker_once", 1200, "dead_lettered"),
        ("dual_brokers", 600, "dead_lettered"),
        ("stream", 0, "dropped"),
        ("stream_skip", 1200, "dropped"),
        ("pubsub", 600, "dropped"),
        ("sns_sqs", 600, "dead_lettered"),
    ],
)
def test_f2_partial(architecture: str, partial: int, outcome: str) -> None:
    """A rejecting sink: (k-1) x 30 s of retries are too short, retrying in place is not."""
    assert count(F2, architecture, "partial") == pytest.approx(partial, abs=3 if partial else 0)
    assert count(F2, architecture, outcome, "index") == pytest.approx(partial, abs=3 if partial else 0)


@pytest.mark.parametrize(
    ("architecture", "late_mean"),
    [("single_broker", 48.1), ("dual_brokers", 48.1), ("sns_sqs", 48.1), ("pubsub", 46.1)],
)
def test_f2_late(architecture: str, late_mean: float) -> None:
    """The other six hundred succeed on a later attempt."""
    assert count(F2, architecture, "late", "index") == pytest.approx(600, abs=3)
    assert count(F2, architecture, "late_mean", "index") == pytest.approx(late_mean, rel=0.02)


@pytest.mark.parametrize(
    ("architecture", "repeats"),
    [
        ("single_broker", 2100),
        ("single_broker_once", 0),
        ("dual_brokers", 0),
        ("stream", 0),
        ("pubsub", 0),
        ("sns_sqs", 0),
    ],
)
def test_f2_repeated_db_effects(architecture: str, repeats: int) -> None:
    """Retrying the whole message repeats the effect that had succeeded."""
    assert count(F2, architecture, "duplicate_effects", "db") == pytest.approx(
        repeats, abs=6 if repeats else 0
    )


def test_f2_stream_is_blocked() -> None:
    """Retrying in place loses nothing and holds everything up for the two minutes."""
    assert count(F2, "stream", "complete") == 10_000
    assert count(F2, "stream", "age_max", "index") == pytest.approx(120, rel=0.02)


@pytest.mark.parametrize("architecture", ["single_broker", "stream", "pubsub", "sns_sqs"])
def test_f3_rejected(architecture: str) -> None:
    """Where there is one broker to write to, 10/s x (60 s - 3 s) messages are rejected whole."""
    assert count(F3, architecture, "rejected") == pytest.approx(570, abs=3)
    assert count(F3, architecture, "partial") == 0


def test_f3_dual_brokers_are_half_done() -> None:
    """Two brokers of which one refuses: the original problem is back."""
    assert count(F3, "dual_brokers", "partial") == pytest.approx(570, abs=3)
    assert count(F3, "dual_brokers", "rejected") == 0
    assert count(F3, "dual_brokers", "silent_partial") == 0


def test_f3_synchronous_has_no_broker() -> None:
    """Nothing to refuse."""
    assert count(F3, "synchronous", "complete") == 10_000


@pytest.mark.parametrize("architecture", BROKERED)
def test_f3_outbox_turns_loss_into_delay(architecture: str) -> None:
    """With an outbox everything is complete, at most 60 s + one poll late."""
    assert count(F3, f"{architecture}_outbox", "complete") == 10_000
    assert count(F3, f"{architecture}_outbox", "age_max", "index") == pytest.approx(61, rel=0.02)


@pytest.mark.parametrize("architecture", ["synchronous", "dual_brokers"])
def test_f4_partial(architecture: str) -> None:
    """Dying between two writes leaves one message in a thousand half done."""
    assert count(F4, architecture, "partial") == pytest.approx(10, abs=2.9)


@pytest.mark.parametrize(
    "architecture", ["single_broker", "stream", "pubsub", "sns_sqs", "dual_brokers_outbox"]
)
def test_f4_single_write(architecture: str) -> None:
    """With a single write, or an outbox, there is no between."""
    assert count(F4, architecture, "complete") == 10_000


def test_f4_replications_differ() -> None:
    """The crashes are drawn anew in each replication."""
    samples = results(F4).samples
    assert samples is not None
    chosen = samples[
        (samples.architecture == "dual_brokers") & (samples.metric == "partial") & (samples.scope == "")
    ]
    assert chosen["value"].nunique() > 3
