"""Load, stability and steady losses of each pool, before anything runs."""

from __future__ import annotations

import math

from sim.analysis import partitions, queueing
from sim.forecast.closed_form import LEFT_OUT, Forecast, Kind, unit_of
from sim.forecast.loads import Load, after_of, faults_of
from sim.forecast.stability import instability
from sim.forecast.waiting import refused_share, steady
from sim.forecast.work import work_of
from sim.scenario.model import Scenario

_RUN_LENGTH_FROM = 0.5


def load_forecasts(scenario: Scenario, load: Load) -> list[Forecast]:
    """What a pool has to do and can do, how long messages wait, whether it keeps up."""
    plan, rate = load.plan, load.rate
    where = plan.architecture, plan.name
    work = load.busy + load.held
    rows = [
        _plain(where, "arrival_rate", rate, "λ"),
        _plain(where, "peak_rate", load.peak, "λ at the busiest time"),
        _plain(where, "mean_deliveries", load.tries.deliveries, "(1 − p^k) / (1 − p)"),
        _plain(where, "offered_load", rate * work, "λ E[S]"),
        _plain(where, "capacity", load.capacity, "μ / share" if load.shares else "c / E[S]"),
        _plain(where, "is_stable", float(load.rho < 1 or load.is_lossy), "λ < capacity"),
    ]
    rows += _waits(scenario, load)
    if load.shares:
        rows += [
            _plain(where, "nominal_capacity", load.nominal, "μ min(C, P)"),
            _plain(where, "hot_partition_share", max(load.shares), "share of the keys of a partition"),
            _plain(where, "max_stable_rate", load.capacity, "μ / share of the busiest member"),
            _plain(
                where,
                "idle_consumers",
                partitions.idle_consumers(len(load.shares), plan.count),
                "max(0, C − P)",
            ),
        ]
    stuck = instability(load)
    if stuck is not None:
        rows += [
            _plain(where, "lag_growth", stuck.growth, "λ − μ", kind="fluid"),
            _plain(where, "time_to_retention", stuck.time_to_limit, "R / (1 − μ/λ)", kind="fluid"),
        ]
    return rows + _losses(scenario, load)


def measured_loads(scenario: Scenario, loads: list[Load]) -> list[Forecast]:
    """What a run measures too: utilization of each pool; throughput where nothing goes wrong at times."""
    architecture = loads[0].plan.architecture
    rows = [_utilization(scenario, load) for load in loads]
    if any(faults_of(scenario, load.plan) for load in loads):
        return rows
    if any(load.is_lossy and load.offered.changes for load in loads):  # what is refused is not known
        return rows
    done = 1.0
    for load in loads:
        refused = refused_share(load) if load.is_lossy else 0.0
        carried = math.fsum(min(load.rate * share, rate) for share, rate in load.lines())
        through = min(carried, load.rate * (1 - refused))
        for effect, applied in zip(load.plan.effects, load.tries.applied, strict=True):
            rows.append(_measured(scenario, load, effect, "throughput", through * applied, "λ"))
        done *= through / load.rate * load.tries.applied[-1] if load.rate else 1.0
    if len(loads) == 1 or all(load.rho < 1 for load in loads):
        rate = loads[0].offered.mean * done
        rows.append(_measured(scenario, loads[0], "", "throughput", rate, "λ"))
    return [row for row in rows if row.architecture == architecture]


def _plain(
    where: tuple[str, str], quantity: str, value: float, formula: str, kind: Kind = "exact", model: str = ""
) -> Forecast:
    return Forecast(*where, quantity, value, unit_of(quantity), model, formula, kind)


def _waits(scenario: Scenario, load: Load) -> list[Forecast]:
    """The wait at the mean rate, as if nothing went wrong at given times."""
    where = load.plan.architecture, load.plan.name
    found = steady(load)
    if math.isnan(found.wait):
        return []
    why = found.why or load.offered.changes
    if any(fault.at is not None for fault in faults_of(scenario, load.plan).values()):
        why = why or LEFT_OUT
    kind: Kind = "approximation" if why else found.kind

    def told(quantity: str, value: float, formula: str) -> Forecast:
        return Forecast(*where, quantity, value, unit_of(quantity), found.model, formula, kind, why)

    rows = [told("mean_wait", found.wait, found.formula)]
    work = work_of(load, load.plan.speeds[0])
    if not load.shares and work.shape == "exponential" and found.model.endswith(f"M/M/{load.plan.count}"):
        rate = load.rate * load.tries.deliveries
        rows += [
            told("probability_of_waiting", queueing.erlang_c(load.plan.count, rate * work.mean), "Erlang C"),
            told(
                "wait_p99",
                queueing.wait_quantile(0.99, rate, 1 / work.mean, load.plan.count),
                "ln(C / 0.01) / (cμ − λ)",
            ),
        ]
    if _RUN_LENGTH_FROM <= load.rho < 1 and not load.is_lossy:
        sent = scenario.replications * load.rate * (scenario.horizon - scenario.counted_from)
        rows += [
            told("messages_for_5pct", queueing.messages_for_precision(load.rho, 0.05), "asymptotic variance"),
            told("precision_of_wait", queueing.precision_of(load.rho, sent), "asymptotic variance"),
        ]
    return rows


def _losses(scenario: Scenario, load: Load) -> list[Forecast]:
    where = load.plan.architecture, load.plan.name
    rows: list[Forecast] = []
    del scenario
    if load.tries.given_up:
        formula = "p^k" if len(load.laws) == 1 else "(1 − (1 − a)(1 − b)…)^k"
        rows.append(_plain(where, "dead_letter_share", load.tries.given_up, formula))
    if load.is_lossy and (refused := refused_share(load)) > 0:
        rows.append(_plain(where, "refused_share", refused, "P_K", model=steady(load).model))
    return rows


def _utilization(scenario: Scenario, load: Load) -> Forecast:
    plan = load.plan
    if load.busy == 0 or math.isinf(load.busy):
        value = 0.0 if load.busy == 0 else load.up
    else:
        refused = refused_share(load) if load.is_lossy else 0.0
        speed = math.fsum(plan.speeds) / plan.count
        busy_share = load.busy / speed / (load.busy / speed + load.held)
        if load.shares:
            owned = partitions.member_shares(load.shares, plan.count)
            uses = [
                min(load.rate * share * load.busy / each, load.up)
                for share, each in zip(owned, plan.speeds, strict=True)
            ]
            value = math.fsum(uses) / plan.count
        else:
            value = min(load.rate * (1 - refused) * load.busy / math.fsum(plan.speeds), load.up * busy_share)
    return _measured(scenario, load, plan.name, "utilization", value, "λ E[S] / c")


def _measured(
    scenario: Scenario, load: Load, scope: str, quantity: str, value: float, formula: str
) -> Forecast:
    """A long-run average that the run also has, exact unless something changes it over time."""
    follows = after_of(scenario, load.plan) is not None
    faults = scenario.faults if follows else faults_of(scenario, load.plan)
    kind: Kind = "exact"
    why = ""
    if faults:
        kind, why = "approximation", f"{LEFT_OUT} ({', '.join(faults)})"
    elif load.offered.changes or scenario.workload.backlog:
        kind, why = "approximation", load.offered.changes or "the run starts with a backlog"
    elif load.rho >= 1 or len(set(load.plan.speeds)) > 1:
        kind = "approximation"
    if math.isnan(value):
        why = "room is bounded and the rest is no birth-death process"
    return Forecast(
        load.plan.architecture,
        scope,
        quantity,
        value,
        unit_of(quantity),
        "Little" if quantity == "utilization" else "conservation",
        formula,
        "exact" if kind == "exact" else "approximation",
        why,
    )
