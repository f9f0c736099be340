"""What became of the messages of a run: counts, repeats, delays and order.

Everything here is about the messages published in [warm-up, horizon), followed to their end. Scopes are
those of ``vocabulary.md``: empty for whole messages, an effect's name for pairs, a component's for copies.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from sim.analysis import window
from sim.engine.columns import is_sorted
from sim.engine.record import NO_FATE
from sim.vocabulary import MessageOutcome, Outcome, Reply

if TYPE_CHECKING:
    from sim.engine.record import Copies, Pairs, Record

Values = dict[tuple[str, str], float]
"""Values by (metric, scope)."""

LEAST_MESSAGES = {"latency_p50": 20, "latency_p95": 200, "latency_p99": 1000, "response_time_p99": 1000}
"""Fewer messages than ten beyond the percentile, and a replication tells no percentile at all."""
SHARES = {"latency_p50": 0.5, "latency_p95": 0.95, "latency_p99": 0.99, "response_time_p99": 0.99}
"""What the percentiles are."""
_NOT_PENDING = (Outcome.APPLIED, Outcome.DEAD_LETTERED, Outcome.EXPIRED, Outcome.DROPPED, Outcome.LOST)


def outcomes(record: Record) -> Values:
    """Every metric that is counted or averaged per message."""
    counted = window.counted(record)
    values = message_counts(record, counted)
    for pair in record.pairs:
        values |= pair_counts(pair, counted)
    for copies in record.copies:
        values |= copy_counts(copies, counted)
    return (
        values
        | _repeats_and_order(record, counted)
        | response_times(record, counted)
        | latencies(record, counted)
    )


def message_counts(record: Record, counted: slice) -> Values:
    """Messages by what became of them, and messages with at least one pair of each outcome.

    Args:
        record: the run.
        counted: which messages count.
    """
    outcome = record.message_outcome[counted]
    values: Values = {("offered", ""): float(len(outcome))}
    for code in MessageOutcome:
        values[code.label, ""] = float(np.count_nonzero(outcome == code))
    assert values["offered", ""] == sum(values[code.label, ""] for code in MessageOutcome)
    told_well = record.reply[counted] == Reply.OK
    values["silent_partial", ""] = float(np.count_nonzero((outcome == MessageOutcome.PARTIAL) & told_well))
    for code in _NOT_PENDING:
        any_pair = np.zeros(len(outcome), dtype=bool)
        for pair in record.pairs:
            any_pair |= pair.outcome[counted] == code
        values[code.label, ""] = float(np.count_nonzero(any_pair))
    return values


def pair_counts(pair: Pairs, counted: slice) -> Values:
    """Pairs of one effect by outcome; they add up to what was offered."""
    outcome = pair.outcome[counted]
    values: Values = {("offered", pair.effect): float(len(outcome))}
    for code in Outcome:
        values[code.label, pair.effect] = float(np.count_nonzero(outcome == code))
    assert values["offered", pair.effect] == sum(values[code.label, pair.effect] for code in Outcome)
    return values


def copy_counts(copies: Copies, counted: slice) -> Values:
    """Copies of one holder by how they ended."""
    is_counted = np.zeros(len(copies.fate), dtype=bool)
    is_counted[: copies.firsts][counted] = True
    is_counted[copies.firsts :] = (copies.extra >= counted.start) & (copies.extra < counted.stop)
    fate = np.where(is_counted & np.isfinite(copies.accepted), copies.fate, np.uint8(NO_FATE))
    return {(code.label, copies.name): float(np.count_nonzero(fate == code)) for code in _NOT_PENDING}


def response_times(record: Record, counted: slice) -> Values:
    """What the callers waited for a reply, errors included."""
    waited = finite((record.reply_time - record.published)[counted])
    return {("response_time_mean", ""): _mean(waited), **_percentiles(waited, "", ("response_time_p99",))}


def latencies(record: Record, counted: slice) -> Values:
    """Intended publish to first applied, per effect; to the last effect for complete messages."""
    values: Values = {}
    for pair in record.pairs:
        values |= _latency(pair.first_applied, record, counted, pair.effect)
    if len(record.pairs) == 1:
        return values | {(name, ""): value for (name, _), value in values.items()}
    return values | _latency(window.last_applied(record), record, counted, "")


def _latency(end: np.ndarray, record: Record, counted: slice, scope: str) -> Values:
    latency = finite((end - record.published)[counted])
    names = ("latency_p50", "latency_p95", "latency_p99")
    return {("latency_mean", scope): _mean(latency), **_percentiles(latency, scope, names)}


def order_violations(key: np.ndarray, published: np.ndarray, first_applied: np.ndarray) -> int:
    """Count the messages that were first applied after a later-published one of the same key.

    Args:
        key: shape (messages,).
        published: seconds, shape (messages,).
        first_applied: seconds, NaN where never, shape (messages,).
    """
    return len(overtaken(key, published, first_applied))


def overtaken(key: np.ndarray, published: np.ndarray, first_applied: np.ndarray) -> np.ndarray:
    """The places of these messages, in any order."""
    if is_sorted(first_applied) and is_sorted(published):
        return np.empty(0, dtype=np.int64)
    applied = np.where(np.isnan(first_applied), np.inf, first_applied)
    order = np.argsort(key, kind="stable") if is_sorted(published) else np.lexsort((published, key))
    key, published, applied = key[order], published[order], applied[order]
    is_next = key[1:] == key[:-1]
    falls = np.flatnonzero(is_next & (applied[1:] < applied[:-1]))
    if not len(falls):
        return falls
    bounds = np.flatnonzero(np.concatenate(([True], ~is_next, [True])))
    mixed = np.unique(np.searchsorted(bounds, falls, side="right") - 1)  # keys with a message overtaken
    spans = zip(bounds[mixed].tolist(), bounds[mixed + 1].tolist(), strict=True)
    found = [start + _overtaken(published[start:end], applied[start:end]) for start, end in spans]
    return order[np.concatenate(found)]


def _overtaken(published: np.ndarray, applied: np.ndarray) -> np.ndarray:
    """Places of the messages of one key, sorted by publishing, applied after one published later."""
    later = np.append(np.minimum.accumulate(applied[::-1])[-2::-1], np.inf)
    for place in np.flatnonzero(published[1:] == published[:-1])[::-1]:
        later[place] = later[place + 1]
    return np.flatnonzero((applied > later) & np.isfinite(applied))


def _repeats_and_order(record: Record, counted: slice) -> Values:
    values: Values = {}
    all_delays = [np.empty(0)]
    for pair in record.pairs:
        applications = pair.applications[counted]
        applied = pair.first_applied[counted]
        late = np.flatnonzero(pair.late[counted])
        delays = finite(applied[late] - record.published[counted][late])
        all_delays.append(delays)
        values["duplicate_effects", pair.effect] = repeats(applications)
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


def repeats(applications: np.ndarray) -> float:
    """Applications beyond the first."""
    return float(int(applications.sum()) - np.count_nonzero(applications))


def finite(values: np.ndarray) -> np.ndarray:
    """Those that are neither NaN nor infinite."""
    is_finite = np.isfinite(values)
    return values if is_finite.all() else values[is_finite]


def _percentiles(values: np.ndarray, scope: str, metrics: Sequence[str]) -> Values:
    """The percentiles that metrics are; NaN where too few messages could tell them."""
    known = [name for name in metrics if len(values) >= LEAST_MESSAGES[name]]
    found = dict.fromkeys(metrics, float("nan"))
    if known:
        is_one_value = values.min() == values.max()
        told = np.quantile(values[:1] if is_one_value else values, [SHARES[name] for name in known])
        found |= dict(zip(known, told.tolist(), strict=True))
    return {(name, scope): value for name, value in found.items()}
