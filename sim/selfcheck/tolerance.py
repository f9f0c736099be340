"""When an observation agrees with what was expected: the tolerance classes of ``verification_cases.json``.

Each class takes one form of observation and says PASS or FAIL, never more leniently for a shorter run: what
is too imprecise to judge FAILS and says so. The interval given is the one in which the expected value must
lie. What the classes leave open is decided here:

- ``binomial`` of a mean that is no share (deliveries per message): the standard deviation of the messages
  stands in place of sqrt(p(1-p)).
- ``poisson`` over several runs: the class applied to the total, so 4 sqrt(expected / runs) for the mean.
- ``golden``: the tolerance of the outcome matrix. An expected zero must be exactly zero.
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sim.selfcheck.cases import Metric

PASS, FAIL, NOT_RUN = "PASS", "FAIL", "not run"
Verdict = Literal["PASS", "FAIL", "not run"]
_MOST_HALF_WIDTH = 0.02
_MOST_HALF_WIDTH_P99 = 0.05
_LEAST_RUNS = 20
_LEAST_HITS = 25
_EXACT = 1e-9
_FLUID = 0.02
_GOLDEN = {"golden count": 3.0, "golden repeats": 6.0, "golden rare": 2.9}


@dataclass(frozen=True)
class PerRun:
    """One value per replication, floats of shape (runs,)."""

    values: NDArray[Any]


@dataclass(frozen=True)
class PerMessage:
    """A mean over independent messages.

    Attributes:
        mean: of all messages.
        count: how many there are.
        sd: of a message's value; None for a share, whose spread follows from the expected value.
        scale: the metric is the mean times this, for what is told per thousand or per million.
    """

    mean: float
    count: int
    sd: float | None = None
    scale: float = 1.0


Observation = PerRun | PerMessage


@dataclass(frozen=True)
class Judgement:
    """What came out.

    Attributes:
        observed: the mean.
        low: lower end of the interval in which the expected value must lie.
        high: its upper end.
        verdict: PASS or FAIL.
        why: of a FAIL.
        precision: of the class ``replication``, 95 % half-width over the expected value; else NaN.
    """

    observed: float
    low: float
    high: float
    verdict: Verdict
    why: str = ""
    precision: float = math.nan


def judge(metric: Metric, seen: Observation, expected: float | None = None) -> Judgement:
    """Apply a metric's tolerance class.

    Args:
        metric: names the class; a negative control must lie outside of the interval.
        seen: what was observed.
        expected: instead of the metric's, where its formula was evaluated anew.
    """
    wanted = float(metric.expected if expected is None else expected)
    found = _judge(metric, seen, wanted)
    if metric.kind != "negative_control" or found.why.startswith(("only", "half-width", "no value")):
        return found
    is_excluded = found.verdict == FAIL
    why = "" if is_excluded else "what a wrong model gives cannot be excluded"
    return Judgement(
        found.observed, found.low, found.high, PASS if is_excluded else FAIL, why, found.precision
    )


def _judge(metric: Metric, seen: Observation, expected: float) -> Judgement:
    if isinstance(seen, PerMessage):
        assert metric.tolerance == "binomial", f"{metric.name} is {metric.tolerance}"
        return _binomial(seen, expected)
    if not len(seen.values) or not np.isfinite(seen.values).all():
        return Judgement(math.nan, math.nan, math.nan, FAIL, "no value in some run")
    if metric.tolerance == "replication":
        most = _MOST_HALF_WIDTH_P99 if "p99" in metric.name else _MOST_HALF_WIDTH
        return _replication(seen.values, expected, most)
    if metric.tolerance in ("exact", "qualitative"):
        return _exact(seen.values, expected)
    runs = len(seen.values)
    if metric.tolerance == "poisson":
        return _within(seen.values, 4 * math.sqrt(expected / runs), expected)
    if metric.tolerance == "fluid":
        sd = metric.sd_one_run
        return _within(
            seen.values, _FLUID * abs(expected) if sd is None else 4 * sd / math.sqrt(runs), expected
        )
    if metric.tolerance == "golden time":
        return _within(seen.values, _FLUID * abs(expected), expected)
    assert metric.tolerance in _GOLDEN, f"{metric.name} is {metric.tolerance}"
    return _within(seen.values, _GOLDEN[metric.tolerance] if expected else 0.0, expected)


def _replication(values: NDArray[Any], expected: float, most: float) -> Judgement:
    """|mean - expected| <= t(0.9995, R-1) s / sqrt(R), and a 95 % half-width that means something."""
    from scipy.stats import t  # noqa: PLC0415 - heavy, and not needed to read the cases

    runs, mean = len(values), float(values.mean())
    if runs < _LEAST_RUNS:
        return Judgement(mean, math.nan, math.nan, FAIL, f"only {runs} runs of {_LEAST_RUNS}")
    error = float(values.std(ddof=1)) / math.sqrt(runs)
    half, wide = float(t.ppf(0.975, runs - 1)) * error, float(t.ppf(0.9995, runs - 1)) * error
    precision = half / abs(expected) if expected else math.inf
    found = _around(mean, wide, expected)
    if precision > most:
        why = f"half-width {precision:.1%} of the expected value, allowed {most:.0%}"
        return Judgement(mean, found.low, found.high, FAIL, why, precision)
    return Judgement(mean, found.low, found.high, found.verdict, found.why, precision)


def _binomial(seen: PerMessage, expected: float) -> Judgement:
    """|observed - expected| <= 4 sqrt(p (1-p) / n), where n p >= 25."""
    per_message = expected / seen.scale
    hits, observed = seen.count * per_message, seen.mean * seen.scale
    if hits < _LEAST_HITS:
        return Judgement(
            observed, math.nan, math.nan, FAIL, f"only {hits:.0f} expected, {_LEAST_HITS} needed"
        )
    sd = math.sqrt(per_message * (1 - per_message)) if seen.sd is None else seen.sd
    return _around(observed, 4 * seen.scale * sd / math.sqrt(seen.count), expected)


def _exact(values: NDArray[Any], expected: float) -> Judgement:
    """Every run agrees, to 1e-9 relative."""
    agrees = np.abs(values - expected) <= _EXACT * abs(expected)
    low, high = float(values.min()), float(values.max())
    worst = float(values[np.argmax(np.abs(values - expected))])
    if agrees.all():
        return Judgement(worst, low, high, PASS)
    return Judgement(
        worst, low, high, FAIL, f"{len(values) - int(agrees.sum())} of {len(values)} runs differ"
    )


def _within(values: NDArray[Any], allowed: float, expected: float) -> Judgement:
    return _around(float(values.mean()), allowed, expected)


def _around(observed: float, allowed: float, expected: float) -> Judgement:
    low, high = observed - allowed, observed + allowed
    if abs(observed - expected) <= allowed:
        return Judgement(observed, low, high, PASS)
    return Judgement(observed, low, high, FAIL, "outside of the interval")
