"""Expectations judged by what the replications say: PASS, FAIL, or INCONCLUSIVE with the reason.

``==`` and ``!=`` must hold in every replication. Inequalities are judged by the 95 % interval of the mean of
(metric - bound): PASS if all of it lies on the right side, FAIL if all of it lies on the wrong one. ``~``
holds if the interval lies within the tolerance around the bound. A comparison with another metric is paired
by replication. What an honest referee would not accept is INCONCLUSIVE: an interval that straddles, a fault
that never fired, a run that was cut off, one replication of a random run, a precision that was not reached.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sim.analysis.inference import interval, no_event_bound
from sim.vocabulary import METRICS, Clock, Expectation, Subject, Verdict

Key = tuple[str, str, str]
"""Architecture, metric and scope."""
Values = Mapping[Key, np.ndarray]
"""One value per replication, NaN where there is none."""

_ROUNDING = 1e-9
"""Differences of less than this share of the bound are none: times are sums of floating-point numbers."""
_OF_EACH = ("==", "!=")
"""What must hold in every replication."""
_OUTCOMES = [
    "offered",
    "complete",
    "partial",
    "failed",
    "rejected",
    "pending",
    "silent_partial",
    "applied",
    "dead_lettered",
    "expired",
    "dropped",
    "lost",
]
"""Counts that do not depend on the partition to which a drawn key leads, as long as nothing expires there."""
_KNOWN_WHEN_CUT_OFF = ("throughput", "utilization", "backlog_mean", "offered", "pending")
"""What a run that is cut off after its horizon tells as well as one that ends."""


@dataclass(frozen=True)
class Evidence:
    """What else must be known of an architecture's runs to believe what they say.

    Attributes:
        replications: how many were run.
        censored: how many of them were cut off.
        unfired: faults that hit nothing in any of them.
        random_parts: why replications differ; empty where all of them are the same.
        keys_matter: whether drawn keys decide where messages wait.
        keys_drawn: whether keys are drawn at all, which decides what overtakes a message of its key.
        can_expire: whether a message that waits can be removed by retention before the run is cut off.
        uncounted: scheduled faults that are over before the warm-up ends.
        imprecise: the metrics and scopes that a study ended by its cap does not know precisely enough.
        unsettled: why there is no steady state to speak of; empty where there is, or none is asked for.
    """

    replications: int
    censored: int = 0
    unfired: tuple[str, ...] = ()
    random_parts: tuple[str, ...] = ()
    keys_matter: bool = False
    keys_drawn: bool = False
    can_expire: bool = False
    uncounted: tuple[str, ...] = ()
    imprecise: tuple[tuple[str, str], ...] = ()
    unsettled: str = ""


def judge(expectation: Expectation, values: Values, evidence: Mapping[str, Evidence]) -> dict[str, Any]:
    """Judge one expectation.

    Args:
        expectation: the promise.
        values: of every architecture, metric and scope.
        evidence: by architecture.

    Returns:
        ``expectation`` (its text), ``verdict``, and ``architectures``: a list of name, verdict, why, value,
        low, high (the interval of the value), bound, share (the value as a share of what was offered, or
        None), is_compared (whether the bound is another metric) and risk (the bound on the chance of an event
        where none was seen, or None).
    """
    left = expectation.left
    asked = list(evidence) if left.architecture == "all" else [left.architecture]
    judged = [
        _judge_one(expectation, Subject(name, left.scope, left.metric), values, evidence)
        for name in asked
        if left.architecture != "all" or (name, left.metric, left.scope) in values
    ]
    verdicts = [each["verdict"] for each in judged]
    return {"expectation": expectation.text, "verdict": worst(verdicts), "architectures": judged}


def worst(verdicts: Sequence[str]) -> str:
    """The verdict of several: FAIL before INCONCLUSIVE before PASS; nothing judged is INCONCLUSIVE."""
    for verdict in (Verdict.FAIL, Verdict.INCONCLUSIVE):
        if verdict in verdicts:
            return str(verdict)
    return str(Verdict.PASS if verdicts else Verdict.INCONCLUSIVE)


def _judge_one(
    expectation: Expectation, subject: Subject, values: Values, evidence: Mapping[str, Evidence]
) -> dict[str, Any]:
    name = subject.architecture
    series = _series(values, subject)
    target = _target(expectation, subject, values, series)
    differences = series - target
    present = ~np.isnan(differences)
    mean, half = _mean_and_half(differences[present])
    verdict, why = _by_numbers(expectation, differences[present], target[present], mean, half)
    is_each = expectation.op in _OF_EACH
    if not (is_each and verdict is Verdict.FAIL) and 0 < np.count_nonzero(present) < len(present):
        verdict = Verdict.INCONCLUSIVE
        why = f"no value in {np.count_nonzero(~present)} of {len(present)} replications"
    subjects = (subject,) if expectation.right is None else (subject, expectation.right)
    is_broken = is_each and verdict is Verdict.FAIL
    doubt = _doubt([(each, evidence[each.architecture]) for each in subjects], expectation.op, is_broken)
    if doubt:
        verdict, why = Verdict.INCONCLUSIVE, doubt
    verdict_and_numbers = {"name": name, "verdict": str(verdict), "why": why}
    return verdict_and_numbers | _numbers(
        series, target, expectation, evidence[name], is_refuted=verdict is Verdict.FAIL
    )


def _series(values: Values, subject: Subject) -> np.ndarray:
    found = values.get((subject.architecture, subject.metric, subject.scope))
    return np.empty(0) if found is None else found


def _target(expectation: Expectation, subject: Subject, values: Values, series: np.ndarray) -> np.ndarray:
    """What each replication's value is compared with."""
    if expectation.right is not None:
        found = _series(values, expectation.right) * expectation.factor
        return found if len(found) == len(series) else np.full(len(series), np.nan)
    assert expectation.bound is not None
    if not expectation.is_share:
        return np.full(len(series), expectation.bound)
    return expectation.bound * _offered(values, subject, len(series))


def _offered(values: Values, subject: Subject, count: int) -> np.ndarray:
    whole = values.get((subject.architecture, "offered", ""))
    offered = values.get((subject.architecture, "offered", subject.scope), whole)
    return np.full(count, np.nan) if offered is None else offered


def _mean_and_half(differences: np.ndarray) -> tuple[float, float]:
    if not len(differences):
        return math.nan, math.nan
    mean, half, _ = interval(differences[None, :])
    return float(mean[0]), 0.0 if len(differences) == 1 else float(half[0])


def _by_numbers(
    expectation: Expectation, differences: np.ndarray, target: np.ndarray, mean: float, half: float
) -> tuple[Verdict, str]:
    if not len(differences):
        return Verdict.INCONCLUSIVE, "there is no value to judge"
    slack = _ROUNDING * float(np.abs(target).max(initial=0.0))
    if expectation.op in _OF_EACH:
        equal = np.abs(differences) <= slack
        holds = equal if expectation.op == "==" else ~equal
        broken = int(np.count_nonzero(~holds))
        if broken:
            return Verdict.FAIL, f"broken in {broken} of {len(holds)} replications" if len(holds) > 1 else ""
        return Verdict.PASS, ""
    low, high = mean - half, mean + half
    if expectation.op == "~":
        allowed = expectation.tolerance
        if expectation.tolerance_is_share:
            allowed *= abs(float(target.mean()))
        allowed += slack
        if -allowed <= low and high <= allowed:
            return Verdict.PASS, ""
        if high < -allowed or low > allowed:
            return Verdict.FAIL, ""
        return Verdict.INCONCLUSIVE, "the interval straddles the tolerance"
    if expectation.op in (">", ">="):
        low, high = -high, -low
    if expectation.op in ("<=", ">="):
        holds, fails = high <= slack, low > slack
    else:
        holds, fails = high < -slack, low >= -slack
    if holds or fails:
        return (Verdict.PASS if holds else Verdict.FAIL), ""
    return Verdict.INCONCLUSIVE, "the interval straddles the bound"


def _doubt(subjects: Sequence[tuple[Subject, Evidence]], op: str, is_broken: bool) -> str:
    """Why an honest referee would not answer, whatever the numbers say; empty where there is no reason.

    Args:
        subjects: both sides of a comparison, with what is known of their architectures.
        op: of the expectation.
        is_broken: whether a replication was seen that breaks what must hold in each of them.
    """
    unfired = dict.fromkeys(fault for _, known in subjects for fault in known.unfired)
    if unfired:
        return f"{'fault' if len(unfired) == 1 else 'faults'} {' and '.join(unfired)} never fired"
    for subject, known in subjects:
        if known.unsettled:
            return known.unsettled
        if known.censored and subject.metric not in _KNOWN_WHEN_CUT_OFF:
            return f"{known.censored} of {known.replications} replications were cut off"
        if known.uncounted and METRICS[subject.metric].clock is Clock.PER_MESSAGE:
            return f"{' and '.join(known.uncounted)}: over before the warm-up ends, before messages count"
        is_random = known.random_parts or _keys_decide(subject.metric, known)
        if known.replications == 1 and is_random and not is_broken:
            reason = known.random_parts[0] if known.random_parts else "keys are drawn"
            return f"one replication of a random run: {reason}"
        if op not in _OF_EACH and (subject.metric, subject.scope) in known.imprecise:
            return "the study reached max_replications before the precision"
    return ""


def _keys_decide(metric: str, known: Evidence) -> bool:
    """Whether other keys could have given another value."""
    if metric == "order_violations":
        return known.keys_drawn
    return known.keys_matter and (metric not in _OUTCOMES or known.can_expire)


def _numbers(
    series: np.ndarray, target: np.ndarray, expectation: Expectation, known: Evidence, *, is_refuted: bool
) -> dict[str, Any]:
    present = ~np.isnan(series)
    mean, half = _mean_and_half(series[present])
    bound = float(np.nanmean(target)) if np.any(~np.isnan(target)) else math.nan
    is_nothing = not is_refuted and METRICS[expectation.left.metric].is_count and not np.any(series[present])
    share = None
    if expectation.is_share and expectation.bound and bound:
        share = _or_none(mean * expectation.bound / bound)
    return {
        "value": _or_none(mean),
        "low": _or_none(mean - half),
        "high": _or_none(mean + half),
        "bound": _or_none(bound),
        "share": share,
        "is_compared": expectation.right is not None,
        "risk": no_event_bound(len(series))
        if is_nothing and known.random_parts and len(series) > 1
        else None,
    }


def _or_none(number: float) -> float | None:
    return None if math.isnan(number) else number
