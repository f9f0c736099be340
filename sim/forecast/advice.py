"""Rules of thumb: consumers for a recovery, autoscaling targets, retries that heal, visibility timeouts."""

from __future__ import annotations

import math

from sim.analysis import partitions, queueing, recovery
from sim.forecast.closed_form import Forecast, unit_of
from sim.forecast.loads import Load
from sim.forecast.outcomes import tolls_of
from sim.forecast.tolls import windows_of
from sim.scenario.model import Scenario

_MOST = 10_000


def advice(
    scenario: Scenario, loads: list[Load], recovery_time: float | None, acceptable_latency: float | None
) -> list[Forecast]:
    """What closed forms recommend for each pool.

    Args:
        scenario: the question.
        loads: of one architecture.
        recovery_time: how long it may take to catch up, s; each outage's own length where it is left out.
        acceptable_latency: of a message, s; as above.
    """
    rows: list[Forecast] = []
    for load in loads:
        rows += _retries(load) + _visibility(load)
        if acceptable_latency is not None and load.busy > 0:
            rows.append(
                _told(load, "acceptable_backlog_per_consumer", acceptable_latency / _one(load), "L / E[S]")
            )
    for toll in tolls_of(scenario, loads):
        windows = windows_of(scenario.faults[toll.fault], scenario.limit)
        for load, backlog in toll.floods.values():
            if backlog > 0 and windows and math.isfinite(backlog):
                length = windows[-1][1] - windows[-1][0]
                rows += _recovery(load, toll.fault, backlog, windows[-1][1], recovery_time or length)
                rows += _scaling(load, f"after {toll.fault}", backlog, acceptable_latency or length)
    waiting = scenario.workload.backlog
    for load in loads:
        if waiting and acceptable_latency is not None:
            rows += _scaling(load, "at the start", waiting * load.portion, acceptable_latency)
    return rows


def _told(load: Load, quantity: str, value: float, formula: str, why: str = "") -> Forecast:
    return Forecast(
        load.plan.architecture,
        load.plan.name,
        quantity,
        value,
        unit_of(quantity),
        "rule of thumb",
        formula,
        "fluid",
        why,
    )


def _one(load: Load) -> float:
    """Seconds that one worker of mean speed needs for a message."""
    speeds = load.plan.speeds
    return (load.busy * len(speeds) / math.fsum(speeds) + load.held) / load.up


def _retries(load: Load) -> list[Forecast]:
    """Below this rate the pool keeps up even if every message is delivered as often as it can be."""
    plan = load.plan
    most = {"queue": plan.receives, "push": plan.receives}.get(plan.source, 1.0)
    if most <= 1 or math.isinf(most) or not math.isfinite(load.capacity):
        return []
    rate = recovery.safe_rate(load.capacity * load.tries.deliveries, most - 1)
    return [_told(load, "safe_retry_rate", rate, "μ / (1 + r)", f"up to {most:.0f} deliveries each")]


def _visibility(load: Load) -> list[Forecast]:
    """Visibility timeout that one delivery in a hundred outlasts."""
    law, *others = load.laws
    if load.plan.queue is None or others or load.plan.batch > 1 or law.mean == 0 or law.shape == "constant":
        return []
    value = queueing.quantile_of(law.tail, 0.99) / min(load.plan.speeds) + load.plan.hop
    return [_told(load, "visibility_for_1pct_duplicates", value, "99th percentile of the service time")]


def _recovery(load: Load, fault: str, backlog: float, end: float, within: float) -> list[Forecast]:
    """Consumers that clear the backlog in time, and how many it takes with partitions dealt out whole."""
    arrives = load.offered.between(end, end + within) * load.portion / within
    one = 1 / _one(load) if _one(load) > 0 else math.inf
    if within <= 0 or math.isinf(one):
        return []
    count = recovery.consumers_for_recovery(arrives, backlog, within, one)
    why = f"after {fault}"
    rows = [
        _told(load, "recovery_time", within, "", why),
        _told(load, "consumers_for_recovery", count, "ceil((λ + B/RTO) / μ of one)", why),
    ]
    if load.shares:
        assigned = _as_assigned(load, arrives + backlog / within, one)
        why += "" if math.isfinite(assigned) else "; more consumers cannot: a partition has one at most"
        rows.append(
            _told(load, "consumers_for_recovery_as_assigned", assigned, "busiest member ≤ μ of one", why)
        )
    return rows


def _as_assigned(load: Load, needed: float, one: float) -> float:
    """Fewest members of which the busiest still keeps up; NaN where none is enough."""
    for count in range(1, min(len(load.shares), _MOST) + 1):
        if max(partitions.member_shares(load.shares, count)) * needed <= one * (1 + 1e-9):
            return float(count)
    return math.nan


def _scaling(load: Load, why: str, backlog: float, latency: float) -> list[Forecast]:
    """Backlog per instance, the target of a queue-based autoscaler."""
    if latency <= 0 or _one(load) <= 0:
        return []
    acceptable = recovery.acceptable_backlog(latency, _one(load))
    return [
        _told(load, "acceptable_latency", latency, "", why),
        _told(load, "acceptable_backlog_per_consumer", acceptable, "L / E[S]", why),
        _told(load, "current_backlog_per_consumer", backlog / load.plan.count, "B / c", why),
        _told(
            load,
            "desired_consumers",
            recovery.desired_consumers(backlog, acceptable),
            "ceil(B / acceptable)",
            why,
        ),
    ]
