"""The theory side of a scenario: what closed forms say before it runs, and beside what it then measured."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from sim.forecast.advice import advice
from sim.forecast.closed_form import Forecast
from sim.forecast.latencies import latencies
from sim.forecast.load_rows import load_forecasts, measured_loads
from sim.forecast.loads import loads
from sim.forecast.outcomes import outcome_forecasts
from sim.forecast.stability import Instability, unstable
from sim.scenario.model import Scenario
from sim.vocabulary import METRICS

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Forecast", "Instability", "beside", "forecast", "unstable"]

_CLOSE = {"exact": 0.02, "fluid": 0.05, "approximation": 0.10, "bound": 0.02}
"""Relative difference at which a simulated value still agrees, whatever its interval says."""
_WIDER = 1.85
"""On the half-width of the 95 % interval: t(0.9995) / t(0.975) of 20 replications, missed once in a thousand
times by a true value. With a twentieth, one of the many rows would always seem to differ."""


def forecast(
    scenario: Scenario, *, recovery_time: float | None = None, acceptable_latency: float | None = None
) -> list[Forecast]:
    """What closed forms say of a scenario, architecture by architecture.

    Args:
        scenario: the question.
        recovery_time: how long catching up after an outage may take, s; the bound of an expectation on
            ``drain_time`` where it is left out, else the outage's own length.
        acceptable_latency: for the arithmetic of autoscaling, s; likewise from ``age_max``.
    """
    recovery_time = _bound_of(scenario, "drain_time") if recovery_time is None else recovery_time
    if acceptable_latency is None:
        acceptable_latency = _bound_of(scenario, "age_max")
    rows: list[Forecast] = []
    for name in scenario.architectures:
        found = loads(scenario, name)
        for load in found:
            rows += load_forecasts(scenario, load)
        rows += measured_loads(scenario, found)
        rows += latencies(scenario, found)
        rows += outcome_forecasts(scenario, found)
        rows += advice(scenario, found, recovery_time, acceptable_latency)
    return rows


def beside(forecasts: list[Forecast], summary: pd.DataFrame) -> list[dict[str, Any]]:
    """Closed forms beside the simulated values, as plain JSON values.

    Args:
        forecasts: of the scenario.
        summary: with ``SUMMARY_COLUMNS``, of the study.

    Returns:
        A row per forecast of which the summary holds the same metric and scope, and per latency that no
        closed form tells (``expected`` is None there, and ``why`` says why). ``agrees`` is None where there
        is nothing to compare, or the run has something that the closed form leaves out; a value agrees
        inside 1.85 times the 95 % interval, within 2 % (``exact``), 5 % (``fluid``) or 10 %
        (``approximation``), or, for counts, within four square roots. A ``bound`` is met from below.
    """
    keys = zip(*(summary[name].astype(str) for name in ("architecture", "metric", "scope")), strict=True)
    found = zip(*(summary[name].astype(float) for name in ("mean", "ci_low", "ci_high")), strict=True)
    simulated = dict(zip(keys, found, strict=True))
    rows: list[dict[str, Any]] = []
    for each in forecasts:
        key = each.architecture, each.quantity, each.scope
        if not each.is_measured or key not in simulated:
            continue
        mean, low, high = simulated[key]
        rows.append(
            {
                "architecture": each.architecture,
                "metric": each.quantity,
                "scope": each.scope,
                "expected": _plain(each.value),
                "model": each.model,
                "formula": each.formula,
                "kind": each.kind,
                "why": each.why,
                "simulated": _plain(mean),
                "ci_low": _plain(low),
                "ci_high": _plain(high),
                "agrees": _agrees(each, mean, low, high),
            }
        )
    return rows


def _agrees(each: Forecast, mean: float, low: float, high: float) -> bool | None:
    if not math.isfinite(each.value) or not math.isfinite(mean) or each.leaves_out:
        return None
    apart = mean - each.value
    if abs(apart) <= _WIDER * (high - low) / 2:  # never where there is no interval
        return True
    if METRICS[each.quantity].unit in ("messages", "pairs", "copies"):
        close = max(_CLOSE[each.kind] * each.value, 4 * math.sqrt(each.value), 3.0)
    else:
        close = _CLOSE[each.kind] * abs(each.value)
    return apart <= close if each.kind == "bound" else abs(apart) <= close


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _bound_of(scenario: Scenario, metric: str) -> float | None:
    """The tightest upper bound that the scenario's expectations put on a metric, s."""
    bounds = [
        float(each.bound)
        for each in scenario.expect
        if each.left.metric == metric and each.op in ("<", "<=") and each.bound is not None
    ]
    return min(bounds, default=None)
