"""Measures at the edges: faults that come back or never come, runs cut off, messages on their way."""

from __future__ import annotations

import numpy as np
import pytest

import sim
from sim.analysis.lag import lag_series
from sim.analysis.measure import measure
from sim.engine.record import Record
from sim.experiment.effort import expected_messages
from sim.experiment.replication import run_replication

BASE = """
horizon: 1000s
replications: 1
workload: {arrivals: {rate: 10/s, process: constant}}
effects: {index: 50ms}
"""


def record(text: str, name: str) -> Record:
    """One run."""
    return run_replication(sim.loads(BASE + text), name, 0)


@pytest.mark.parametrize("name", ["single_broker", "stream"])
def test_drain_is_that_of_the_last_window_that_happened(name: str) -> None:
    """A fault that comes back every 400 s: each window of 40 s drains in 10 x 40 / (20 - 10) = 40 s."""
    fault = "faults: {o: {kind: down, target: consumers, at: 100s, duration: 40s, every: 400s}}\n"
    found = record(f"architectures: {{{name}: }}\n{fault}", name)
    assert found.faults[0].starts.tolist() == [100, 500, 900]
    assert measure(found)["drain_time", "o"] == pytest.approx(40, rel=0.02)


def test_a_fault_that_never_comes_has_no_drain_and_is_told() -> None:
    """The run has ended before it: NaN, and a note."""
    text = (
        BASE
        + "architectures: {stream: }\nfaults: {o: {kind: down, target: consumers, at: 5000s, duration: 1s}}\n"
    )
    results = sim.run(sim.loads(text), jobs=1)
    assert np.isnan(results.value("drain_time", "stream", "o"))
    assert "o never fired: it hit nothing in any replication." in results.notes()


def test_work_that_is_cut_off_counts_as_busy() -> None:
    """One worker that is busy from 5 s to the end: 0.95 of 100 s, drained or not."""
    text = """
horizon: 100s
workload: {arrivals: {rate: 0.1/s, process: constant}}
effects: {index: 90s}
architectures: {pubsub: }
"""
    for drain in ("drain: 0s", "drain: empty"):
        found = run_replication(sim.loads(text + drain), "pubsub", 0)
        assert measure(found)["utilization", "index_consumers"] == pytest.approx(0.95)


def test_messages_in_an_outbox_are_seen() -> None:
    """While the broker refuses, rows wait: backlog and age grow, though the queue is empty."""
    text = """
architectures: {single_broker: {producer: {outbox: true}}}
faults: {refusal: {kind: reject, target: broker, at: 400s, duration: 60s}}
"""
    found = record(text, "single_broker")
    values = measure(found)
    assert values["backlog_max", "outbox"] == pytest.approx(610, abs=2)
    assert values["age_max", "outbox"] == pytest.approx(60.95, abs=0.01)
    series = lag_series(found, 1.0)
    waiting = series[(series.component == "outbox") & (series.time == 450)]
    assert waiting["backlog"].item() == pytest.approx(510, abs=2)
    assert found.pairs[0].first_delivered[4000] >= 460, "the outbox is no delivery"


def test_pushes_to_a_full_queue_are_seen() -> None:
    """What a full queue refuses waits at its subscription, and is dropped there."""
    text = """
architectures:
  sns_sqs: {queue: {capacity: 5}, topic: {retries: 1, retry_delay: 5s}}
faults: {down: {kind: down, target: consumers, at: 100s, duration: 60s}}
"""
    values = measure(record(text, "sns_sqs"))
    assert values["backlog_max", "index_topic"] == pytest.approx(50, abs=1)
    assert values["dropped", "index_topic"] == values["dropped", "index"] > 400


def test_a_stream_that_has_done_everything_is_not_cut_off() -> None:
    """Late commits, or records that nobody came to read, leave nothing pending."""
    late = "architectures: {stream: {consumers: {commit_interval: 10h}}}\n"
    assert not record(late, "stream").is_censored
    gone = """
architectures: {stream: {stream: {retention: 20s}}}
faults: {down: {kind: down, target: consumers, at: 0s, duration: unlimited}}
"""
    found = record(gone, "stream")
    assert not found.is_censored
    assert measure(found)["expired", "index"] == 10_000


def test_a_restriction_is_told_as_one() -> None:
    """``only`` is no missing part."""
    text = """
architectures: {stream: , pubsub: }
faults: {o: {kind: down, target: consumers, at: 10s, duration: 1s, only: [stream]}}
"""
    notes = sim.run(sim.loads(BASE + text), jobs=1).notes()
    assert "o is restricted to stream." in notes
    assert not any("no such part" in note for note in notes)


def test_the_horizon_cuts_the_expected_messages() -> None:
    """10 s of a ramp from 0 to 10/s over 1,000 s bring half a message."""
    text = """
horizon: 10s
workload: {arrivals: {stages: [{duration: 1000s, rate: 0/s, ramp_to: 10/s}]}}
effects: {index: 50ms}
architectures: {stream: }
"""
    assert expected_messages(sim.loads(text)) == pytest.approx(0.5)


def test_an_effect_behind_an_idempotent_consumer_happens_once() -> None:
    """Two workers overlap on every message (40 s of work, visible after 30 s): the second finds it done."""
    text = """
horizon: 100s
workload: {arrivals: {rate: 0.1/s, process: constant}}
effects: {index: 40s}
architectures:
  single_broker: {consumers: {count: 20, idempotent: true}, queue: {late_delete: false}}
"""
    values = measure(run_replication(sim.loads(text), "single_broker", 0))
    assert values["applied", "index"] == 10
    assert values["duplicate_effects", "index"] == 0


def test_a_fault_clock_that_never_ends_is_refused() -> None:
    """A million windows are no scenario."""
    clock = "{kind: crash, target: consumers, mean_up: 1us, mean_down: 0s}"
    text = f"architectures: {{stream: }}\nfaults: {{o: {clock}}}\n"
    with pytest.raises(sim.ScenarioError, match="comes back more than"):
        sim.loads(BASE + text)
