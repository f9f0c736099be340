"""Records take little memory and are told apart by what they hold, not by how."""

from __future__ import annotations

import math
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sim
from sim.engine.columns import Shared, is_sorted, narrow
from sim.engine.record import Commits, Copies, Pairs
from sim.experiment.replication import run_replication
from sim.vocabulary import MessageOutcome, Outcome

WORK = "{service: {mean: 1s, distribution: exponential}}"
HALF = "{service: {mean: 500ms, distribution: exponential}}"
QUEUE = f"""
name: one queue
horizon: 2000s
workload: {{arrivals: 6.4/s}}
effects: {{work: {WORK}}}
architectures: {{design: {{kind: single_broker, consumers: 8}}}}
"""
TWO_EFFECTS = QUEUE.replace(f"{{work: {WORK}}}", f"{{work: {HALF}, more: {HALF}}}")
STREAM = f"""
name: one stream
horizon: 2000s
workload: {{arrivals: 4.8/s, keys: 10k}}
effects: {{db: {WORK}, index: {WORK}}}
architectures: {{design: {{kind: stream, stream: 12, consumers: 6}}}}
"""
TROUBLE = """
name: trouble
seed: 4
horizon: 60s
workload: {arrivals: 5/s, keys: 4}
effects: {db: {service: 0.1s, failure: 10%}, index: 0.2s}
architectures:
  queues: {kind: sns_sqs, queue: {visibility_timeout: 1s, max_receives: 2}, consumers: 2}
  stream: {stream: 3, consumers: 2}
faults:
  refusals: {kind: reject, target: broker, at: 10s, duration: 5s}
  silence: {kind: loss, target: broker, leg: reply, probability: 10%}
"""


@pytest.mark.parametrize("text", [QUEUE, TWO_EFFECTS, STREAM])
def test_forty_bytes_per_message_and_effect(text):
    """All columns of a record fit into 40 bytes per message and effect."""
    record = run_replication(sim.loads(text), "design", 0)
    assert len(record.published) > 9000
    assert 8 * len(record.published) < record.nbytes <= 40 * len(record.published) * len(record.effects)


def _all(part):
    """A copy of a record or a part of it in which every column has an array of its own, in wide types."""
    if isinstance(part, np.ndarray):
        return (
            part.astype(float if part.dtype.kind == "f" else np.int64) if part.dtype != bool else part.copy()
        )
    if isinstance(part, tuple):
        return tuple(_all(each) for each in part)
    if isinstance(part, (Pairs, Copies, Commits)):
        return replace(part, **{each.name: _all(getattr(part, each.name)) for each in fields(part)})
    return part


@pytest.fixture(scope="module", params=["queues", "stream"])
def troubled(request):
    """A run in which much goes wrong."""
    return run_replication(sim.loads(TROUBLE), request.param, 0)


def _unshared(record):
    columns = {each.name: _all(getattr(record, each.name)) for each in fields(record) if each.init}
    return replace(record, **columns)


def test_the_fingerprint_does_not_depend_on_the_storage(troubled):
    """Columns of their own and wide types have the fingerprint of shared and narrow ones."""
    other = _unshared(troubled)
    assert other.nbytes > 1.5 * troubled.nbytes
    assert other.fingerprint() == troubled.fingerprint()


def test_every_value_counts(troubled):
    """One other value anywhere gives another fingerprint."""
    seen = {troubled.fingerprint()}
    changes = 0

    def changed(part, rebuild):
        nonlocal changes
        if isinstance(part, np.ndarray):
            if len(part):
                other = part.copy()
                other[-1] = (not other[-1]) if other.dtype == bool else other[-1] + 1
                other[-1] = 0.5 if other[-1] != other[-1] else other[-1]
                seen.add(rebuild(other).fingerprint())
                changes += 1
        elif isinstance(part, tuple):
            for place, each in enumerate(part):
                changed(each, lambda new, at=place: rebuild((*part[:at], new, *part[at + 1 :])))
        elif isinstance(part, (Pairs, Copies, Commits)):
            for each in fields(part):
                here = getattr(part, each.name)
                changed(here, lambda new, name=each.name: rebuild(replace(part, **{name: new})))

    for name in ("published", "key", "reply", "reply_time", "pairs", "copies"):
        changed(getattr(troubled, name), lambda new, name=name: replace(troubled, **{name: new}))
    for name in ("architecture", "replication", "warmup", "horizon", "end"):
        seen.add(replace(troubled, **{name: "other" if name == "architecture" else 77}).fingerprint())
    assert changes > 20
    assert len(seen) == 1 + changes + 5


@given(st.lists(st.lists(st.sampled_from([0.0, 1.5, float("nan"), -0.0]), min_size=3, max_size=3)))
def test_equal_columns_are_stored_once(columns):
    """Columns with the same bits are one array, others are not, and none has changed."""
    shared = Shared()
    found = [shared.of(np.array(column)) for column in columns]
    for column, array in zip(columns, found, strict=True):
        assert array.tobytes() == np.array(column).tobytes()
        for other, known in zip(columns, found, strict=True):
            assert (known is array) == (np.array(other).tobytes() == np.array(column).tobytes())


def test_finished_columns_cannot_be_written():
    """Who writes to one column would write to another: NumPy refuses."""
    with pytest.raises(ValueError, match="read-only"):
        Shared().of(np.zeros(3))[0] = 1


@given(st.lists(st.integers(0, 2**40)))
def test_narrow_keeps_the_numbers(numbers):
    """The narrowest type holds every number, and no narrower type would."""
    found = narrow(np.array(numbers, dtype=np.int64))
    assert found.tolist() == numbers
    assert found.itemsize == next(size for size in (1, 2, 4, 8) if max(numbers, default=0) < 256**size)


@given(st.lists(st.sampled_from([0.0, 1.0, 2.0, float("nan")]), max_size=4))
def test_sorted_without_nan(values):
    """Only numbers that never fall are sorted."""
    expected = not any(map(math.isnan, values)) and values == sorted(values)
    assert is_sorted(np.array(values)) == expected


@pytest.fixture(scope="module")
def any_record():
    """Some record of a run."""
    return run_replication(sim.loads(TROUBLE), "queues", 0)


@given(st.lists(st.lists(st.sampled_from(list(Outcome)), min_size=3, max_size=3), min_size=1, max_size=3))
def test_outcome_of_a_message(any_record, columns):
    """Pending before complete before partial before rejected before failed."""
    nothing = np.zeros(3)
    pairs = tuple(
        Pairs("db", nothing, nothing, nothing, nothing, nothing, np.array(column, dtype=np.uint8))
        for column in columns
    )
    record = replace(any_record, pairs=pairs)
    for outcomes, code in zip(zip(*columns, strict=True), record.message_outcome, strict=True):
        if Outcome.PENDING in outcomes:
            expected = MessageOutcome.PENDING
        elif set(outcomes) == {Outcome.APPLIED}:
            expected = MessageOutcome.COMPLETE
        elif Outcome.APPLIED in outcomes:
            expected = MessageOutcome.PARTIAL
        else:
            all_rejected = set(outcomes) == {Outcome.REJECTED}
            expected = MessageOutcome.REJECTED if all_rejected else MessageOutcome.FAILED
        assert code == expected
