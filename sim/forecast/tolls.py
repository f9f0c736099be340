"""What each fault will cost: messages rejected, given up, late or repeated, backlogs and how long they last.

Fluid values: arrivals flow evenly and attempts that meet a fault fail at once. Faults are taken one by one,
as if no two of them met the same message. What is left out (a fault with no entry here) is told as such by
:mod:`sim.forecast.forecast`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from sim.analysis import queueing, recovery
from sim.components.faults import Crash, Delay, Down, Fault, Reject, Slow
from sim.components.producer import ProducerOptions
from sim.forecast.closed_form import Kind
from sim.forecast.fluid import Flood, flood
from sim.forecast.loads import Load
from sim.scenario.model import Scenario
from sim.vocabulary import Role

Windows = list[tuple[float, float]]
_TOLERANCE = 1e-9


@dataclass
class Toll:
    """The price of one fault in one architecture.

    Attributes:
        fault: its name.
        counts: messages, pairs or copies by (metric, scope).
        formula: behind the counts.
        floods: what piles up, by the name of its holder, and in whose pool.
        drain: seconds after the last outage until nothing is left; NaN where no fluid tells.
        ages: greatest age by scope, s.
        kind: ``fluid``, or ``exact`` for what happens with a probability per message.
        told: whether anything is known of this fault here.
    """

    fault: str
    counts: dict[tuple[str, str], float] = field(default_factory=dict[tuple[str, str], float])
    formula: str = ""
    floods: dict[str, tuple[Load, float]] = field(default_factory=dict[str, tuple[Load, float]])
    drain: float = math.nan
    ages: dict[str, float] = field(default_factory=dict[str, float])
    kind: Kind = "fluid"
    told: bool = False


def windows_of(fault: Fault, limit: float) -> Windows:
    """When a fault with given times is there, up to a limit; nothing where its length is drawn."""
    length = 0.0 if fault.duration is None else fault.duration
    if fault.at is None or not isinstance(length, int | float):
        return []
    starts = [fault.at]
    while fault.every is not None and starts[-1] + fault.every < limit:
        starts.append(fault.at + len(starts) * fault.every)
    return [(start, start + length) for start in starts]


def toll(scenario: Scenario, name: str, fault: Fault, loads: list[Load]) -> Toll:
    """What a fault costs an architecture.

    Args:
        scenario: the question.
        name: of the fault.
        fault: what goes wrong.
        loads: of the architecture's pools, of which it hits at least one.
    """
    found = Toll(name)
    windows = windows_of(fault, scenario.limit)
    if fault.role == Role.API:
        _api(found, scenario, fault, windows, loads)
    elif fault.role == Role.BROKER:
        if windows and fault.probability is None and isinstance(fault, Down | Reject):
            _refused_publishes(found, scenario, fault, windows, loads)
    elif isinstance(fault, Crash):
        _crashes(found, fault, loads)
    elif windows and fault.probability is None:
        _outage(found, scenario, fault, windows, [load for load in loads if load.plan.is_hit(fault)])
    return found


def _api(found: Toll, scenario: Scenario, fault: Fault, windows: Windows, loads: list[Load]) -> None:
    sends = loads[0].offered
    if windows and isinstance(fault, Down):
        lost = sum(sends.counted(start, end) for start, end in windows)
        found.counts = {("rejected", ""): lost}
        found.formula, found.told = "λD", True
    elif isinstance(fault, Crash) and fault.probability is not None:
        plan = loads[0].plan
        steps = len(plan.effects) if plan.source == "request" else _writes(scenario, loads)
        share = fault.probability if steps > 1 and not plan.has_outbox else 0.0
        found.counts = {("partial", ""): share * sends.messages}
        found.formula, found.kind, found.told = "N p" if share else "one write: no between", "exact", True


def _writes(scenario: Scenario, loads: list[Load]) -> int:
    if loads[0].plan.kind != "dual_brokers":
        return 1
    return sum(scenario.effects[load.plan.effects[0]].after is None for load in loads)


def _refused_publishes(
    found: Toll, scenario: Scenario, fault: Fault, windows: Windows, loads: list[Load]
) -> None:
    """Publishes whose every attempt meets a broker that refuses."""
    producer = loads[0].plan.producer
    assert isinstance(producer, ProducerOptions)
    first = [load for load in loads if scenario.effects[load.plan.effects[0]].after is None]
    if len(first) < len(loads) and loads[0].plan.kind != "single_broker":
        return  # completions are published too
    sends = loads[0].offered
    if producer.outbox:
        wait = max(end - start for start, end in windows) + producer.outbox.poll
        hit = loads if len(_links(loads)) == 1 else [load for load in loads if load.plan.is_hit(fault)]
        found.ages = {effect: wait for load in hit for effect in load.plan.effects} | {"": wait}
        found.counts = {("rejected", ""): 0.0}
        found.formula, found.told = "D + poll", True
        return
    span = math.floor((producer.retry_for + _TOLERANCE) / producer.retry_delay) * producer.retry_delay
    links = _links(loads)
    hit = [link for link in links if any(load.plan.is_hit(fault) for load in link)]
    lost = [_given_up(sends.counted, windows, span * (number + 1)) for number in range(len(hit))]
    found.formula, found.told = "λ max(0, D − retries)", True
    whole = lost[-1] if len(hit) == len(links) else 0.0
    found.counts = {("rejected", ""): whole, ("partial", ""): lost[0] - whole}
    for link, count in zip(hit, lost, strict=True):
        found.counts |= {("rejected", effect): count for load in link for effect in load.plan.effects}


def _links(loads: list[Load]) -> list[list[Load]]:
    """The brokers to which a message is written one after the other, each with the pools behind it."""
    return [[load] for load in loads] if loads[0].plan.kind == "dual_brokers" else [loads]


def _given_up(counted: Callable[[float, float], float], windows: Windows, span: float) -> float:
    """Messages published so early in an outage that their last attempt falls into it."""
    return sum(counted(start, max(start, end - span)) for start, end in windows)


def _crashes(found: Toll, fault: Crash, loads: list[Load]) -> None:
    """Messages in the hands of workers that crash at random, where nobody keeps a copy."""
    if fault.mean_up is None or fault.mean_down is None:
        return
    if loads[0].plan.source not in ("request", "push"):
        found.told, found.formula = True, "a copy is kept: only repeated"
        found.counts = {("lost", ""): 0.0}
        return
    sends = loads[0].offered
    total = 0.0
    for load in loads:
        if load.plan.is_hit(fault):
            crashes = load.plan.count * (sends.horizon - sends.warmup) / (fault.mean_up + fault.mean_down)
            up = queueing.availability(fault.mean_up, fault.mean_down)
            count = crashes * min(1.0, load.rate * (load.busy + load.held) / (load.plan.count * up))
            total += count
            if load.plan.source == "push":
                found.counts["lost", load.plan.effects[0]] = count
    found.counts["lost", ""] = total
    found.formula, found.told, found.kind = "crashes × share of busy workers", True, "approximation"


def _outage(found: Toll, scenario: Scenario, fault: Fault, windows: Windows, hit: list[Load]) -> None:
    """Consumers away or slow, a sink that rejects or is slow."""
    if isinstance(fault, Reject) and not _blocks(hit[0]):
        for load in hit:
            _rejected_attempts(found, scenario, fault, windows, load)
    elif hit[0].plan.source == "push" and isinstance(fault, Down) and fault.count is None:
        for load in hit:
            _refused_pushes(found, windows, load)
        _split(found, scenario, hit)
    elif hit[0].plan.source == "request" and isinstance(fault, Down) and fault.count is None:
        _refused_calls(found, fault, windows, hit[0])
    elif not (isinstance(fault, Reject) and hit[0].plan.source != "stream"):
        _floods(found, scenario, fault, windows, hit)


def _blocks(load: Load) -> bool:
    """Whether rejected attempts are repeated by the worker itself, which then does nothing else."""
    return load.plan.retries_in_place


def _refused_calls(found: Toll, fault: Fault, windows: Windows, load: Load) -> None:
    """Within a request nothing is tried again: what comes in an outage stays undone from that effect on."""
    count = sum(load.offered.counted(start, end) for start, end in windows)
    first = 0 if fault.effect is None else load.plan.effects.index(fault.effect)
    found.counts = {("partial" if first else "failed", ""): count, ("dropped", ""): count}
    found.counts |= {("dropped", effect): count for effect in load.plan.effects[first:]}
    found.formula, found.told = "λD, nothing is retried", True


def _refused_pushes(found: Toll, windows: Windows, load: Load) -> None:
    """A service that is down refuses every push; its topic tries again for a while."""
    assert load.plan.topic is not None
    effect, span = load.plan.effects[0], load.plan.topic.retries * load.plan.topic.retry_delay
    lost = _given_up(load.offered.counted, windows, span) * load.portion
    all_hit = sum(load.offered.counted(start, end) for start, end in windows) * load.portion
    found.counts |= {("dropped", effect): lost, ("late", effect): all_hit - lost}
    found.counts["dropped", ""] = max(lost, found.counts.get(("dropped", ""), 0.0))
    found.formula, found.told = "λ max(0, D − n g)", True


def _rejected_attempts(found: Toll, scenario: Scenario, fault: Fault, windows: Windows, load: Load) -> None:
    """A sink that rejects: attempts fail at once, and what runs out of deliveries is given up."""
    plan = load.plan
    first = 0 if fault.effect is None else plan.effects.index(fault.effect)
    if plan.source == "request":
        _refused_calls(found, fault, windows, load)
        return
    gap, receives = plan.redelivery_delay, plan.receives
    if gap == 0 and math.isinf(receives):
        return  # it goes round and round, as fast as the workers can
    span = (receives - 1) * gap if receives > 1 else 0.0
    all_hit = sum(load.offered.counted(start, end) for start, end in windows) * load.portion
    lost = _given_up(load.offered.counted, windows, span) * load.portion
    for effect in plan.effects[first:]:
        found.counts[plan.fate, effect] = lost
    found.counts["late", plan.effects[first]] = all_hit - lost
    found.counts[plan.fate, ""] = max(lost, found.counts.get((plan.fate, ""), 0.0))
    if plan.queue is not None:
        found.counts[plan.fate, plan.holder] = lost
    if first and gap > 0 and not plan.is_idempotent:
        repeats = sum(
            recovery.repeats(load.offered.counted(start, end) / (end - start), end - start, gap, receives)
            for start, end in windows
        )
        found.counts |= {("duplicate_effects", effect): repeats for effect in plan.effects[:first]}
    undone = "partial" if first or len(scenario.effects) > len(plan.effects) else "failed"
    if fault.effect is None and not first:
        undone = "failed"
    found.counts[undone, ""] = max(lost, found.counts.get((undone, ""), 0.0))
    names = {"queue": "λ max(0, D − (k−1) v)", "push": "λ max(0, D − n g)", "stream": "λD, skipped"}
    found.formula, found.told = names[plan.source] if receives > 1 else "λD, no retry", True


def _split(found: Toll, scenario: Scenario, hit: list[Load]) -> None:
    """Messages of which some effect is given up: half done if others are left, else failed."""
    lost = found.counts["dropped", ""]
    found.counts["partial" if len(hit) < len(scenario.effects) else "failed", ""] = lost


def _floods(found: Toll, scenario: Scenario, fault: Fault, windows: Windows, hit: list[Load]) -> None:
    """What cannot be done for a while piles up, and is drained by what is left over afterwards."""
    if any(math.isinf(end) for _, end in windows):
        return
    drains: list[float] = []
    longest = max(end - start for start, end in windows)
    for load in hit:
        if _stands_still(fault) and longest > load.plan.retention:  # what is removed need not be drained
            _expired(found, load, windows)
            drains.append(math.nan)
            continue
        floods = _floods_of(load, fault, windows, scenario.horizon)
        top = [max(each.backlogs) for each in floods]
        backlog = min(math.fsum(top), load.plan.room)
        found.floods[load.plan.holder] = load, backlog
        drains += [each.drain for each in floods]
        if _stands_still(fault):
            found.ages |= dict.fromkeys(load.plan.effects, longest)
    found.drain = math.nan if any(map(math.isnan, drains)) else max(drains)
    if found.ages:
        found.ages[""] = max(found.ages.values())
    found.formula, found.told = "λD / (μ − λ)", True


def _floods_of(load: Load, fault: Fault, windows: Windows, end: float) -> list[Flood]:
    after, during = load.lines(), load.lines(_rates_during(load, fault))
    between = load.offered.between
    return [
        flood(
            lambda start, stop, share=share: between(start, stop) * load.portion * share,
            windows,
            rate,
            left,
            end,
        )
        for (share, rate), (_, left) in zip(after, during, strict=True)
    ]


def _rates_during(load: Load, fault: Fault) -> list[float]:
    """What each worker can do while a fault is there."""
    plan = load.plan
    if isinstance(fault, Down):
        return load.rates(gone=plan.count if fault.count is None else fault.count.of(plan.count))
    if isinstance(fault, Reject):
        return load.rates(gone=plan.count)
    work = [count * law.mean for count, law in zip(load.tries.tries, load.laws, strict=True)]
    mine = [fault.effect in (None, effect) for effect in plan.effects]
    touched = math.fsum(each for each, is_mine in zip(work, mine, strict=True) if is_mine)
    if isinstance(fault, Slow):
        factor = 1 + (fault.factor - 1) * (touched / math.fsum(work) if any(work) else 0.0)
        return load.rates(factor=factor)
    assert isinstance(fault, Delay)
    tries = sum(count for count, is_mine in zip(load.tries.tries, mine, strict=True) if is_mine)
    return load.rates(extra=tries * fault.by)


def _stands_still(fault: Fault) -> bool:
    return isinstance(fault, Reject) or (isinstance(fault, Down) and fault.count is None)


def _expired(found: Toll, load: Load, windows: Windows) -> None:
    """What retention removes before anybody is back."""
    kept = load.plan.retention
    gone = sum(load.offered.counted(start, max(start, end - kept)) for start, end in windows) * load.portion
    found.counts |= {("expired", effect): gone for effect in load.plan.effects}
    found.counts["expired", ""] = max(gone, found.counts.get(("expired", ""), 0.0))
