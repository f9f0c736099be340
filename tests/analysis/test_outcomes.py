"""What became of messages, by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from records import NAN, copies, record

from sim.analysis.outcomes import LEAST_MESSAGES, order_violations, outcomes
from sim.vocabulary import Outcome, Reply


@pytest.fixture
def mixed():
    """Six messages with two effects, one of each outcome, and one outside the window."""
    return record(
        [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 10.0],
        effects=("db", "index"),
        applied={
            "db": [[0.5], [1.5, 2.0, 2.5], [2.5], [], [], [], [10.5]],
            "index": [[0.7], [1.2], [], [], [], [], [10.7]],
        },
        fates={
            "db": {3: Outcome.DROPPED, 4: Outcome.REJECTED, 5: Outcome.PENDING},
            "index": {2: Outcome.DEAD_LETTERED, 3: Outcome.LOST, 4: Outcome.REJECTED, 5: Outcome.EXPIRED},
        },
        late={"db": {1: True}},
        replies=[(Reply.OK, 0.1), (Reply.OK, 1.1), (Reply.OK, 2.1), (Reply.OK, 3.2), (Reply.ERROR, 8.0)],
        horizon=10.0,
        is_censored=True,
    )


def test_messages_by_outcome(mixed):
    """Every message has exactly one outcome and together they are what was offered."""
    found = outcomes(mixed)
    names = ("offered", "complete", "partial", "failed", "rejected", "pending")
    assert [found[name, ""] for name in names] == [6, 2, 1, 1, 1, 1]


def test_pairs_by_outcome(mixed):
    """Per effect the seven outcomes of pairs add up to what was offered."""
    found = outcomes(mixed)
    labels = [code.label for code in Outcome]
    assert [found[label, "db"] for label in labels] == [3, 1, 0, 0, 1, 0, 1]
    assert [found[label, "index"] for label in labels] == [2, 0, 1, 1, 0, 1, 1]
    assert found["offered", "db"] == found["offered", "index"] == 6


def test_messages_with_such_a_pair(mixed):
    """Under the empty scope a pair outcome counts messages with at least one such pair."""
    found = outcomes(mixed)
    names = ("applied", "dead_lettered", "expired", "dropped", "lost")
    assert [found[name, ""] for name in names] == [3, 1, 1, 1, 1]


def test_silent_partial(mixed):
    """A partial message is silent only where the caller was told that all is well."""
    assert outcomes(mixed)["silent_partial", ""] == 1
    told = record(
        [0.0],
        effects=("db", "index"),
        applied={"db": [[1.0]]},
        fates={"index": {0: Outcome.DROPPED}},
        replies=[(Reply.ERROR, 1.0)],
    )
    assert outcomes(told)["silent_partial", ""] == 0


def test_copies_by_fate():
    """Under a component's scope copies are counted, of messages in the window only."""
    queue = copies(
        [0.0, 1.0, 2.0, NAN, 1.5],
        [0.5, NAN, 2.5, NAN, NAN],
        [0.9, 9.0, 2.9, NAN, 9.5],
        message=[0, 1, 2, 3, 1],
        fate=[Outcome.APPLIED, Outcome.EXPIRED, Outcome.APPLIED, 255, Outcome.EXPIRED],
        removed=[9.0, 9.5],
    )
    found = outcomes(
        record([0.0, 1.0, 2.0, 3.0], applied={"db": [[0.9], [], [2.9], []]}, holders=[queue], warmup=0.5,
               fates={"db": {1: Outcome.EXPIRED, 3: Outcome.REJECTED}})
    )  # fmt: skip
    assert found["expired", "queue"] == 2
    assert found["applied", "queue"] == 1
    assert found["lost", "queue"] == 0


def test_repeats(mixed):
    """Each application beyond the first is a repeat."""
    found = outcomes(mixed)
    assert (found["duplicate_effects", "db"], found["duplicate_effects", "index"]) == (2, 0)
    assert found["duplicate_effects", ""] == 2


def test_late(mixed):
    """A late pair is one first applied on a further attempt; its delay counts from the intended publish."""
    found = outcomes(mixed)
    assert found["late", "db"] == found["late", ""] == 1
    assert found["late_mean", "db"] == found["late_mean", ""] == 0.5
    assert math.isnan(found["late_mean", "index"])


def test_response_time(mixed):
    """The reply to the caller counts with its errors; unanswered calls do not."""
    found = outcomes(mixed)
    waits = [0.1, 0.1, 0.1, 0.2, 4.0]
    assert found["response_time_mean", ""] == pytest.approx(np.mean(waits))
    assert np.isnan(found["response_time_p99", ""])  # of five


def test_latency_of_an_effect(mixed):
    """Per effect, latency is over the applied pairs of the window."""
    found = outcomes(mixed)
    assert found["latency_mean", "db"] == pytest.approx(0.5)
    assert np.isnan(found["latency_p50", "index"])  # of two


@pytest.mark.parametrize(
    ("metric", "share"), [("latency_p50", 0.5), ("latency_p95", 0.95), ("latency_p99", 0.99)]
)
def test_percentiles_need_messages(metric, share):
    """A percentile is told from ten messages beyond it on, and refused of one message less."""
    needed = LEAST_MESSAGES[metric]
    assert needed == round(10 / (1 - share))
    rng = np.random.default_rng(5)
    for count in (needed, needed - 1):
        published = np.arange(count, dtype=float)
        waits = rng.exponential(1.0, count)
        applied = {"db": [[at + wait] for at, wait in zip(published.tolist(), waits.tolist(), strict=True)]}
        found = outcomes(record(published.tolist(), effects=("db",), applied=applied, horizon=count + 1.0))
        expected = np.quantile((published + waits) - published, share) if count == needed else np.nan
        assert found[metric, "db"] == pytest.approx(expected, nan_ok=True)


def test_latency_of_whole_messages(mixed):
    """Under the empty scope latency ends with the last effect and is over complete messages."""
    assert outcomes(mixed)["latency_mean", ""] == pytest.approx((0.7 + 0.5) / 2)


def test_nothing_is_nan():
    """Statistics over nothing are NaN, counts over nothing are 0."""
    found = outcomes(record([1.0], fates={"db": {0: Outcome.LOST}}))
    assert found["failed", ""] == 1
    assert all(
        math.isnan(found[name, scope]) for name in ("latency_p99", "late_mean") for scope in ("", "db")
    )
    assert math.isnan(found["response_time_p99", ""])


def test_order_by_hand():
    """A pair is out of order where a later message of its key was first applied strictly earlier."""
    key = np.array([1, 1, 2, 1, 2])
    published = np.arange(5.0)
    applied = np.array([9.0, 6.0, 7.0, 6.0, NAN])
    assert order_violations(key, published, applied) == 1


@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 5), st.one_of(st.just(NAN), st.integers(0, 6))),
        max_size=25,
    )
)
def test_order_against_all_pairs(rows):
    """The fast count equals a look at all pairs of messages."""
    key, published, applied = (
        (np.array(column, dtype=float) for column in zip(*rows, strict=True)) if rows else (np.empty(0),) * 3
    )
    expected = sum(
        any(
            key[j] == key[i] and published[j] > published[i] and applied[j] < applied[i]
            for j in range(len(key))
        )
        for i in range(len(key))
    )
    assert order_violations(key, published, applied) == expected
