"""Latency before anything runs: the nearest closed form of each effect, or why there is none."""

from __future__ import annotations

import math
from dataclasses import replace

from sim.analysis import queueing
from sim.components.producer import ProducerOptions
from sim.forecast.closed_form import Forecast, Kind
from sim.forecast.loads import Load, after_of, faults_of
from sim.forecast.waiting import (
    NO_STEADY_STATE,
    Latency,
    bounded,
    breakdown,
    is_breakdown,
    is_roomy,
    steady,
    unknown,
)
from sim.forecast.work import lines_of, overstay, work_of
from sim.scenario.model import Scenario

_PRACTICALLY_NEVER = 1e-4
_QUANTILES = (("latency_p50", 0.5), ("latency_p95", 0.95), ("latency_p99", 0.99))
_NELSON_TANTAWI = "(12 − rho) / 8 / (μ − λ)"
_TWO_BRANCHES = "the later of branches that share their arrivals: known only for two equal exponential ones"


def latencies(scenario: Scenario, loads: list[Load]) -> list[Forecast]:
    """Latency of each effect, and of whole messages where one can be had."""
    found: list[Forecast] = []
    by_effect: dict[str, Latency] = {}
    begins: dict[str, float] = {}
    todo = list(loads)
    while todo:
        load = next(each for each in todo if after_of(scenario, each.plan) in (None, *by_effect))
        todo.remove(load)
        before = after_of(scenario, load.plan)
        latency = _latency(scenario, load)
        start = _offset(scenario, load, loads)
        if before is not None:
            latency = _following(by_effect[before], latency)
            start += begins[before]
        for index, effect in enumerate(load.plan.effects):
            by_effect[effect] = latency
            begins[effect] = start + latency.means[index]
            found += _told(load.plan.architecture, effect, start, latency, index)
    return found + _whole(scenario, loads, by_effect, begins)


def obstacle(scenario: Scenario, load: Load) -> str:
    """Why no closed form of steady queues applies to a pool, in one clause; empty where one does."""
    plan = load.plan
    if load.offered.changes:
        return load.offered.changes
    if scenario.workload.backlog:
        return "the run starts with a backlog"
    for name, fault in faults_of(scenario, plan).items():
        if not (is_breakdown(load, fault) and len(faults_of(scenario, plan)) == 1):
            return f"a fault is active ({name})"
    if isinstance(plan.producer, ProducerOptions):
        if plan.producer.outbox:
            return "the outbox publishes in batches, at every poll"
        if plan.producer.linger:
            return "publishes wait to fill a batch (linger)"
    return _obstacle_of_pool(load)


def _obstacle_of_pool(load: Load) -> str:
    plan = load.plan
    if math.isinf(load.tries.deliveries) or math.isinf(load.busy):
        return "a poison message comes back for ever"
    if plan.queue is not None and overstay(load) > _PRACTICALLY_NEVER:
        return "the visibility timeout may end in mid-work"
    if getattr(plan.workers, "poll", 0.0):
        return "idle consumers ask again only after a while (poll)"
    if getattr(plan.workers, "starts", 0.0):
        return "the group joins late"
    if plan.source == "stream" and plan.hop and plan.batch > 1:
        return "a fetch costs its hop once for the whole batch"
    if plan.source == "queue" and plan.batch > 1 and (plan.count > 1 or plan.hop):
        return f"workers take batches of {plan.batch}"
    if load.is_lossy and bounded(load) is None and not is_roomy(load):
        return "room is bounded and the rest is no birth-death process"
    if load.rho >= 1 and not load.is_lossy:
        return NO_STEADY_STATE
    return ""


def _latency(scenario: Scenario, load: Load) -> Latency:
    why = obstacle(scenario, load)
    if why:
        return unknown(load, why)
    faults = list(faults_of(scenario, load.plan).values())
    if faults:
        return breakdown(load, faults[0])
    return _settled(scenario, load, steady(load))


def _settled(scenario: Scenario, load: Load, latency: Latency) -> Latency:
    """A steady state is not reached by a short run that starts empty."""
    if latency.kind != "exact" or not latency.wait:
        return latency
    rho, mean = min(load.rho, 0.999), max(work_of(load, 1.0).mean, 1e-12)
    relaxation = queueing.relaxation_time(rho, load.plan.count / mean if not load.shares else 1 / mean)
    lasted = scenario.horizon - scenario.counted_from
    if scenario.counted_from >= 10 * relaxation or lasted >= 500 * relaxation or load.is_lossy:
        return latency
    why = f"the run starts empty and is short, {lasted / relaxation:,.0f} relaxation times"
    return replace(latency, kind="approximation", why=why)


def _following(before: Latency, own: Latency) -> Latency:
    """A pool that is fed by another: Poisson only if what feeds it is M/M/c without failures."""
    if before.why and not any(math.isfinite(mean) for mean in before.means):
        return Latency(math.nan, own.means, None, "", "", "approximation", before.why)
    is_jackson = before.quantile is not None and before.kind == "exact"
    kind: Kind = own.kind if is_jackson else "approximation"
    why = own.why or ("" if is_jackson else "what feeds it is no Poisson process")
    return Latency(own.wait, own.means, None, f"{before.model} → {own.model}", own.formula, kind, why)


def _offset(scenario: Scenario, load: Load, loads: list[Load]) -> float:
    """Fixed delays between the publish, or the effect before, and the pool's line."""
    plan = load.plan
    if plan.source == "request":
        return 0.0
    delay = plan.hop + (0.0 if plan.queue is None else plan.queue.delay)
    if plan.topic is not None:
        delay += plan.hop
    if plan.kind == "dual_brokers" and after_of(scenario, load.plan) is None:
        first = [each for each in loads if after_of(scenario, each.plan) is None]
        assert isinstance(plan.producer, ProducerOptions)
        delay += first.index(load) * (2 * plan.hop + plan.producer.write_gap)
    return delay


def _told(architecture: str, scope: str, start: float, latency: Latency, index: int) -> list[Forecast]:
    def told(quantity: str, value: float) -> Forecast:
        return Forecast(
            architecture,
            scope,
            quantity,
            value,
            "s",
            latency.model,
            latency.formula,
            latency.kind,
            latency.why,
        )

    rows = [told("latency_mean", start + latency.means[index])]
    if latency.quantile is not None:
        rows += [told(name, start + latency.quantile(share)) for name, share in _QUANTILES]
    return rows


def _whole(
    scenario: Scenario, loads: list[Load], by_effect: dict[str, Latency], begins: dict[str, float]
) -> list[Forecast]:
    """Latency of whole messages, to the last effect."""
    architecture, last = loads[0].plan.architecture, loads[-1].plan.effects[-1]
    lacking = next((each for each in by_effect.values() if math.isnan(each.means[0])), None)
    if lacking is not None:
        return _told(architecture, "", 0.0, lacking, 0)
    ends = [effect for effect in by_effect if all(e.after != effect for e in scenario.effects.values())]
    if len(loads) == 1 or len(ends) == 1:
        end = last if len(loads) == 1 else ends[0]
        latency = by_effect[end]
        start = begins[end] - latency.means[-1]
        return _told(architecture, "", start, latency, len(latency.means) - 1)
    joined = _forked(scenario, loads, by_effect, begins)
    if joined is not None:
        return _told(architecture, "", 0.0, joined, 0)
    nothing = Latency(math.nan, (math.nan,), None, "", "", "approximation", _TWO_BRANCHES)
    return _told(architecture, "", 0.0, nothing, 0)


def _forked(
    scenario: Scenario, loads: list[Load], by_effect: dict[str, Latency], begins: dict[str, float]
) -> Latency | None:
    """Two equal M/M/1 branches with shared arrivals, or as many pairs of them as there are partitions."""
    if len(loads) != 2 or any(each.quantile is None or each.kind != "exact" for each in by_effect.values()):
        return None
    if any(each.after for each in scenario.effects.values()):
        return None
    first, second = (lines_of(load) for load in loads)
    starts = [begins[load.plan.effects[0]] - by_effect[load.plan.effects[0]].means[0] for load in loads]
    if first != second or any(line.servers > 1 for line in first) or not math.isclose(*starts, abs_tol=1e-12):
        return None
    value = math.fsum(
        line.share * queueing.fork_join(loads[0].rate * line.share, 1 / line.work.mean) for line in first
    )
    return Latency(
        math.nan, (starts[0] + value,), None, "fork-join of 2", "(12 − rho) / 8 / (μ − λ)", "exact"
    )
