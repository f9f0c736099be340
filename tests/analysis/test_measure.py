"""Throughput, utilization and all metrics together."""

import math

import numpy as np
import pytest
from records import NAN, copies, record, study_record

from sim.analysis.measure import measure
from sim.analysis.throughput import rates, throughput, utilization
from sim.engine.record import PoolUse
from sim.experiment.archive import messages_frame
from sim.vocabulary import METRICS


def test_throughput_counts_what_happens_inside_the_window():
    """Completions count by when they happen, whenever the message was published."""
    run = record(
        [0.0, 3.0, 5.0],
        effects=("db", "index"),
        applied={"db": [[1.0], [4.0], [6.0]], "index": [[2.5], [11.0], [6.5]]},
        warmup=2.0,
        horizon=10.0,
        end=12.0,
    )
    found = throughput(run)
    assert [found["throughput", scope] for scope in ("", "db", "index")] == [2 / 8, 2 / 8, 2 / 8]


def test_utilization():
    """Busy worker seconds over all worker seconds of the window."""
    run = record([0.0], pools=[PoolUse("consumers", ("db",), 4, 16.0)], warmup=2.0, horizon=10.0)
    assert utilization(run) == {("utilization", "consumers"): 0.5}


def test_rates_per_bin():
    """A message completes in the bin in which its last effect first happens; partial ones never do."""
    run = record(
        [0.0, 1.0, 2.0],
        effects=("db", "index"),
        applied={"db": [[0.5], [1.5], [2.5]], "index": [[3.0], [1.2], []]},
        horizon=4.0,
    )
    offered, completed = rates(messages_frame(run), np.array([0.0, 2.0, 4.0]))
    assert offered.tolist() == [1.0, 0.5]
    assert completed.tolist() == [0.5, 0.5]


def test_every_metric_is_there():
    """Each metric has a row, in the order of the vocabulary, also where it has no scope."""
    for name in ("queues", "stream", "calls"):
        found = measure(study_record(name, 0))
        assert list(dict.fromkeys(metric for metric, _ in found)) == list(METRICS)
    assert math.isnan(found["lag_max", ""])
    assert math.isnan(found["backlog_max", ""])


def test_an_effect_and_a_component_must_differ():
    """Scopes are names, so no component may be called like an effect."""
    log = copies([0.0], [NAN], [NAN], name="db")
    with pytest.raises(AssertionError, match="share a name"):
        measure(record([0.0], holders=[log]))
