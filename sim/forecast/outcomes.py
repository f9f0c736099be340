"""What will become of the messages: steady failures of attempts, and the toll of each fault."""

from __future__ import annotations

import math

from sim.forecast.closed_form import NOT_COUNTED, Forecast, Kind, unit_of
from sim.forecast.loads import Load
from sim.forecast.tolls import Toll, toll
from sim.forecast.waiting import refused_share
from sim.forecast.work import overstay
from sim.scenario.model import Scenario

Counts = dict[tuple[str, str], float]
_PRACTICALLY_NEVER = 1e-4
_BOUND: Kind = "bound"
_FLUID: Kind = "fluid"
_SHOWN_AT_ZERO = ("partial", "rejected")


def tolls_of(scenario: Scenario, loads: list[Load]) -> list[Toll]:
    """The price of every fault that hits an architecture."""
    return [
        toll(scenario, name, fault, loads)
        for name, fault in scenario.faults.items()
        if any(load.plan.is_hit(fault) for load in loads)
    ]


def outcome_forecasts(scenario: Scenario, loads: list[Load]) -> list[Forecast]:
    """Counts over the whole run, and per fault what it does (the scope is the fault)."""
    architecture = loads[0].plan.architecture
    tolls = tolls_of(scenario, loads)
    rows = [row for each in tolls for row in _of_fault(architecture, each)]
    counts, formula, is_known = _steady_counts(scenario, loads)
    if not counts and not tolls:
        return rows
    for each in tolls:
        for key, count in each.counts.items():
            counts[key] = counts.get(key, 0.0) + count
            if count or key not in formula:
                formula[key] = each.formula
    if tolls:
        for metric in _SHOWN_AT_ZERO:
            counts.setdefault((metric, ""), 0.0)
    why = _left_out(tolls, is_known=is_known)
    if tolls and any(effect.after for effect in scenario.effects.values()):
        why = f"{NOT_COUNTED}: what should follow an effect that failed"
    kind = _kind(tolls, is_known=is_known)
    for (metric, scope), count in counts.items():
        how = formula.get((metric, scope), "")
        rows.append(Forecast(architecture, scope, metric, count, unit_of(metric), "counting", how, kind, why))
    return rows + _levels(architecture, tolls)


def _kind(tolls: list[Toll], *, is_known: bool) -> Kind:
    kinds = {each.kind for each in tolls}
    if not is_known or "approximation" in kinds:
        return "approximation"
    return "fluid" if "fluid" in kinds else "exact"


def _left_out(tolls: list[Toll], *, is_known: bool) -> str:
    unknown = [each.fault for each in tolls if not each.told]
    parts = [f"{NOT_COUNTED}: {', '.join(unknown)}"] if unknown else []
    if not is_known:
        parts.append(f"redelivery in mid-work {NOT_COUNTED}")
    return "; ".join(parts)


def _of_fault(architecture: str, each: Toll) -> list[Forecast]:
    """The entries whose scope is the fault; the metrics among them are those of whole messages."""

    def told(quantity: str, value: float, formula: str, kind: Kind, why: str = "") -> Forecast:
        return Forecast(
            architecture, each.fault, quantity, value, unit_of(quantity), "fluid", formula, kind, why
        )

    if not each.told:
        why = "no simple count: it depends on what the workers have in hand"
        return [told("partial", math.nan, "", "approximation", why)]
    rows: list[Forecast] = []
    pairs: Counts = {}
    for (metric, scope), count in each.counts.items():
        if not scope:
            rows.append(told(metric, count, each.formula, each.kind))
        elif metric in ("late", "duplicate_effects"):
            pairs[metric, ""] = pairs.get((metric, ""), 0.0) + count
    rows += [told(metric, count, each.formula, each.kind) for (metric, _), count in pairs.items() if count]
    if each.floods:
        backlog = max(backlog for _, backlog in each.floods.values())
        rows.append(told("backlog_at_restore", backlog, "λD", "fluid"))
    if not math.isnan(each.drain):
        why = "" if math.isfinite(each.drain) else "no worker is left over to catch up"
        why = why or _by_chance(each)
        rows.append(told("drain_time", each.drain, each.formula, "fluid", why))
    if each.ages:
        rows.append(told("age_max", max(each.ages.values()), "D", "fluid", _by_chance(each)))
    return rows


def _by_chance(each: Toll) -> str:
    """What a fluid over several partitions leaves out."""
    is_shared = any(len(load.shares) > 1 for load, _ in each.floods.values())
    return (
        f"{NOT_COUNTED}: by chance one partition has more to catch up with than the others"
        if is_shared
        else ""
    )


def _levels(architecture: str, tolls: list[Toll]) -> list[Forecast]:
    """Greatest backlog of each holder; greatest age, where every fault tells one."""
    backlogs: dict[str, float] = {}
    ages: dict[str, float] = {}
    for each in tolls:
        for holder, (_, backlog) in each.floods.items():
            backlogs[holder] = max(backlog, backlogs.get(holder, 0.0))
        for scope, age in each.ages.items():
            ages[scope] = max(age, ages.get(scope, 0.0))
    others = [each.fault for each in tolls if not each.floods]
    why = f"{NOT_COUNTED}: {', '.join(others)}" if others else ""
    rows = [
        Forecast(architecture, holder, "backlog_max", backlog, "messages", "fluid", "λD", "fluid", why)
        for holder, backlog in backlogs.items()
        if backlog
    ]
    if not all(each.ages for each in tolls):
        return rows
    formula, kind = ("D + poll", _BOUND) if others else ("D", _FLUID)
    left_out = next((told for told in map(_by_chance, tolls) if told), "")
    return rows + [
        Forecast(architecture, scope, "age_max", age, "s", "fluid", formula, kind, left_out)
        for scope, age in ages.items()
    ]


def _steady_counts(scenario: Scenario, loads: list[Load]) -> tuple[Counts, dict[tuple[str, str], str], bool]:
    """Messages given up because all their attempts fail, or because there is no room."""
    counts: Counts = {}
    messages = loads[0].offered.messages
    is_known = all(overstay(load) <= _PRACTICALLY_NEVER for load in loads)
    for load in loads:
        plan, tries = load.plan, load.tries
        if load.is_lossy and (refused := refused_share(load)) > 0:
            fate = "dropped" if plan.topic is not None else "rejected"
            for scope in (*plan.effects, *(("",) if len(loads) == 1 or fate == "dropped" else ())):
                counts[fate, scope] = messages * load.portion * refused
        if not tries.given_up:
            continue
        for effect, applied in zip(plan.effects, tries.applied, strict=True):
            if applied < 1:
                counts[plan.fate, effect] = messages * load.portion * (1 - applied)
        if plan.queue is not None:
            counts[plan.fate, plan.holder] = messages * load.portion * tries.given_up
        for effect, again in zip(plan.effects, tries.repeats, strict=True):
            if again and not math.isinf(again):
                counts["duplicate_effects", effect] = messages * load.portion * again
    for load in loads:
        counts |= {
            ("late", effect): messages * load.portion * share
            for effect, share in _late(scenario, load)
            if share
        }
    if any(load.tries.given_up for load in loads):
        counts |= _whole(scenario, loads, messages)
    return counts, dict.fromkeys(counts, "N p^k"), is_known


def _late(scenario: Scenario, load: Load) -> list[tuple[str, float]]:
    """Share of the messages whose effect first happens on a later attempt: applied less at once."""
    found: list[tuple[str, float]] = []
    at_once = 1.0
    for effect, failure, applied in zip(load.plan.effects, load.failures, load.tries.applied, strict=True):
        now = (1 - failure) * (1 - scenario.effects[effect].poison)
        at_once = now if load.plan.retries_in_place else at_once * now
        found.append((effect, applied - at_once if applied - at_once > 1e-12 else 0.0))
    return found


def _whole(scenario: Scenario, loads: list[Load], messages: float) -> Counts:
    """Whole messages by what became of them, where branches fail independently of each other."""
    if any(each.after for each in scenario.effects.values()) and len(loads) > 1:
        return {}
    fates = {load.plan.fate for load in loads}
    if len(loads) == 1:
        done, some = 1 - loads[0].tries.given_up, loads[0].tries.applied[0]
    else:
        done = math.prod(load.tries.applied[0] for load in loads)
        some = 1 - math.prod(1 - load.tries.applied[0] for load in loads)
    counts = {("partial", ""): messages * max(0.0, some - done), ("failed", ""): messages * (1 - some)}
    if len(fates) == 1:
        counts[fates.pop(), ""] = messages * (1 - done)
    return counts
