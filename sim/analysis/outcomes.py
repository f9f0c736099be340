"""What became of the messages of a run: counts, repeats, delays and order.

Everything here is about the messages published in [warm-up, horizon), followed to their end. Scopes are
those of ``vocabulary.md``: empty for whole messages, an effect's name for pairs, a component's for copies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sim.analysis import window
from sim.vocabulary import MessageOutcome, Outcome, Reply

if TYPE_CHECKING:
    from sim.engine.record import Copies, Pairs, Record

Values = dict[tuple[str, str], float]
"""Values by (metric, scope)."""

LEAST_MESSAGES = {"latency_p50": 20, "latency_p95": 200, "latency_p99": 1000, "response_time_p99": 1000}
"""Fewer messages than ten beyond the percentile, and a replication tells no percentile at all."""
_SHARES = {"latency_p50": 0.5, "latency_p95": 0.95, "latency_p99": 0.99, "response_time_p99": 0.99}
_NOT_PENDING = (Outcome.APPLIED, Outcome.DEAD_LETTERED, Outcome.EXPIRED, Outcome.DROPPED, Outcome.LOST)


def outcomes(record: Record) -> Values:
    """Every metric that is counted or averaged per message."""
    counted = window.published_inside(record)
    values = message_counts(record, counted)
    for pair in record.pairs:
        values |= pair_counts(pair, counted)
    for copies in record.copies:
        values |= copy_counts(copies, counted)
    return values | _repeats_and_order(record, counted) | response_times(record, counted) | latencies(record)


def message_counts(record: Record, counted: np.ndarray) -> Values:
    """Messages by what became of them, and messages with at least one pair of each outcome.

    Args:
        record: the run.
        counted: which messages count, shape (messages,).
    """
    outcome = record.message_outcome[counted]
    values: Values = {("offered", ""): float(counted.sum())}
    for code in MessageOutcome:
        values[code.label, ""] = float(np.count_nonzero(outcome == code))
    assert values["offered", ""] == sum(values[code.label, ""] for code in MessageOutcome)
    told_well = record.reply[counted] == Reply.OK
    values["silent_partial", ""] = float(np.count_nonzero((outcome == MessageOutcome.PARTIAL) & told_well))
    for code in _NOT_PENDING:
        any_pair = np.logical_or.reduce([pair.outcome[counted] == code for pair in record.pairs])
        values[code.label, ""] = float(np.count_nonzero(any_pair))
    return values


def pair_counts(pair: Pairs, counted: np.ndarray) -> Values:
    """Pairs of one effect by outcome; they add up to what was offered."""
    values: Values = {("offered", pair.effect): float(counted.sum())}
    outcome = pair.outcome[counted]
    for code in Outcome:
        values[code.label, pair.effect] = float(np.count_nonzero(outcome == code))
    assert values["offered", pair.effect] == sum(values[code.label, pair.effect] for code in Outcome)
    return values


def copy_counts(copies: Copies, counted: np.ndarray) -> Values:
    """Copies of one holder by how they ended."""
    fate = copies.fate[counted[copies.message] & np.isfinite(copies.accepted)]
    return {(code.label, copies.name): float(np.count_nonzero(fate == code)) for code in _NOT_PENDING}


def response_times(record: Record, counted: np.ndarray) -> Values:
    """What the callers waited for a reply, errors included."""
    waited = (record.reply_time - record.published)[counted]
    waited = waited[np.isfinite(waited)]
    return {
        ("response_time_mean", ""): _mean(waited),
        ("response_time_p99", ""): _quantile(waited, "response_time_p99"),
    }


def latencies(record: Record) -> Values:
    """Intended publish to first applied, per effect; to the last effect for complete messages."""
    counted = window.published_inside(record)
    ends = {pair.effect: pair.first_applied for pair in record.pairs} | {"": window.last_applied(record)}
    values: Values = {}
    for scope, end in ends.items():
        latency = (end - record.published)[counted]
        latency = latency[np.isfinite(latency)]
        values["latency_mean", scope] = _mean(latency)
        for name in ("latency_p50", "latency_p95", "latency_p99"):
            values[name, scope] = _quantile(latency, name)
    return values


def order_violations(key: np.ndarray, published: np.ndarray, first_applied: np.ndarray) -> int:
    """Count the messages that were first applied after a later-published one of the same key.

    Args:
        key: shape (messages,).
        published: seconds, shape (messages,).
        first_applied: seconds, NaN where never, shape (messages,).
    """
    if not len(key):
        return 0
    order = np.lexsort((published, key))
    key, published, applied = key[order], published[order], first_applied[order]
    new_key = np.r_[True, key[1:] != key[:-1]]
    new_time = np.r_[True, new_key[1:] | (published[1:] != published[:-1])]

    # Integer ranks, raised by one storey per key: a running minimum from the back starts anew at each key.
    _, rank = np.unique(applied, return_inverse=True)
    rank = np.where(np.isnan(applied), len(key), rank)
    height = rank + np.cumsum(new_key) * (len(key) + 1)
    earliest_from_here = np.minimum.accumulate(height[::-1])[::-1]

    starts = np.r_[np.flatnonzero(new_time), len(key)]
    later = starts[np.cumsum(new_time)]  # the first message published later, perhaps of the next key
    has_later = later < len(key)
    has_later[has_later] = np.cumsum(new_key)[later[has_later]] == np.cumsum(new_key)[has_later]
    overtaken = earliest_from_here[later[has_later]] < height[has_later]
    return int(np.count_nonzero(overtaken & np.isfinite(applied[has_later])))


def _repeats_and_order(record: Record, counted: np.ndarray) -> Values:
    values: Values = {}
    all_delays = [np.empty(0)]
    for pair in record.pairs:
        applications = pair.applications[counted].astype(np.int64)
        applied = pair.first_applied[counted]
        delays = (applied - record.published[counted])[pair.late[counted] & np.isfinite(applied)]
        all_delays.append(delays)
        values["duplicate_effects", pair.effect] = float(np.maximum(applications - 1, 0).sum())
        values["late", pair.effect] = float(len(delays))
        values["late_mean", pair.effect] = _mean(delays)
        values["order_violations", pair.effect] = float(
            order_violations(record.key[counted], record.published[counted], applied)
        )
    for metric in ("duplicate_effects", "late", "order_violations"):
        values[metric, ""] = sum(values[metric, effect] for effect in record.effects)
    values["late_mean", ""] = _mean(np.concatenate(all_delays))
    return values


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _quantile(values: np.ndarray, metric: str) -> float:
    """The percentile that a metric is; NaN where too few messages could tell it."""
    if len(values) < LEAST_MESSAGES[metric]:
        return float("nan")
    return float(np.quantile(values, _SHARES[metric]))
