"""The load of each pool: how much work a message is, how much the pool can do, who gets which part of it.

Long-run averages. Random outages count by their availability, failures that are always there by the attempts
they cost; what happens at a given time is told in :mod:`sim.forecast.tolls`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from sim.analysis import partitions
from sim.analysis.delivery import Attempts, attempts
from sim.analysis.queueing import availability
from sim.components.faults import Crash, Delay, Down, Fault, Loss, Reject, Slow
from sim.components.partitioner import partitions_of
from sim.forecast.offered import Offered, offered
from sim.forecast.plans import Plan, plans
from sim.forecast.service import Law, service_law
from sim.scenario.model import Scenario
from sim.vocabulary import Role


@dataclass(frozen=True)
class Load:
    """A pool and what it has to do.

    Attributes:
        plan: the pool.
        offered: what the callers send.
        portion: messages that reach the pool, per message of the callers.
        laws: service time of each effect, by the workers' normal speed.
        failures: share of the attempts of each effect that fail.
        tries: what becomes of a message that is worked on.
        busy: seconds of work per message at normal speed, all attempts together.
        held: further seconds in which a message keeps a worker: hops, pauses, restarts.
        up: share of the time in which a worker is there.
        shares: share of the messages of each partition; empty where workers share one line.
    """

    plan: Plan
    offered: Offered
    portion: float
    laws: tuple[Law, ...]
    failures: tuple[float, ...]
    tries: Attempts
    busy: float
    held: float
    up: float
    shares: tuple[float, ...] = ()

    @property
    def rate(self) -> float:
        """Messages per second that reach the pool on average, each counted once."""
        return self.offered.mean * self.portion

    @property
    def peak(self) -> float:
        """The same at the busiest time."""
        return self.offered.peak * self.portion

    def rates(self, *, factor: float = 1.0, extra: float = 0.0, gone: int = 0) -> list[float]:
        """Messages per second that each worker can do.

        Args:
            factor: on the time that work takes.
            extra: further seconds per message.
            gone: how many workers, from the first, are away.
        """
        seconds = [self.busy * factor / speed + self.held + extra for speed in self.plan.speeds]
        return [
            0.0 if index < gone else (self.up / each if each > 0 else math.inf)
            for index, each in enumerate(seconds)
        ]

    def lines(self, rates: list[float] | None = None) -> list[tuple[float, float]]:
        """Share of the load and capacity per second of each line: the pool's, or each member's with keys."""
        rates = self.rates() if rates is None else rates
        if not self.shares:
            return [(1.0, math.fsum(rates))]
        members = partitions.member_shares(self.shares, self.plan.count)
        return [(share, rate) for share, rate in zip(members, rates, strict=True) if share > 0]

    @property
    def nominal(self) -> float:
        """Messages per second that all workers who have something to do could do together."""
        return math.fsum(rate for _, rate in self.lines())

    @property
    def capacity(self) -> float:
        """Greatest arrival rate that the pool keeps up with."""
        return min(rate / share for share, rate in self.lines())

    @property
    def rho(self) -> float:
        """Arrivals over capacity."""
        return self.rate / self.capacity if self.capacity > 0 else math.inf

    @property
    def is_lossy(self) -> bool:
        """Whether a limit of room turns too much load into refusals."""
        return not math.isinf(self.plan.room)


def loads(scenario: Scenario, name: str) -> list[Load]:
    """The load of every pool of an architecture; what follows an effect comes as often as that is applied."""
    found: list[Load] = []
    happens: dict[str, float] = {}
    sends = offered(scenario)
    todo = plans(scenario, name)
    while todo:
        plan = next(plan for plan in todo if after_of(scenario, plan) in (None, *happens))
        todo.remove(plan)
        before = after_of(scenario, plan)
        load = _load(scenario, plan, sends, 1.0 if before is None else happens[before])
        found.append(load)
        for effect, applied, again in zip(plan.effects, load.tries.applied, load.tries.repeats, strict=True):
            happens[effect] = load.portion * (applied + (0.0 if math.isinf(again) else again))
    order = [plan.name for plan in plans(scenario, name)]
    return sorted(found, key=lambda load: order.index(load.plan.name))


def faults_of(scenario: Scenario, plan: Plan) -> dict[str, Fault]:
    """The faults that concern a pool."""
    return {name: fault for name, fault in scenario.faults.items() if plan.is_hit(fault)}


def after_of(scenario: Scenario, plan: Plan) -> str | None:
    """The effect of another pool that must be complete before this pool's can start."""
    after = scenario.effects[plan.effects[0]].after
    return after if len(plan.effects) == 1 else None


def _load(scenario: Scenario, plan: Plan, sends: Offered, portion: float) -> Load:
    faults = faults_of(scenario, plan).values()
    laws = tuple(
        _disturbed(service_law(scenario.effects[effect], scenario.workload, scenario.horizon), effect, faults)
        for effect in plan.effects
    )
    options = [scenario.effects[effect] for effect in plan.effects]
    refused = [_chance(effect, faults, Reject) for effect in plan.effects]
    lost = [_chance(effect, faults, Loss) for effect in plan.effects]
    failures = tuple(
        1 - (1 - each.failure) * (1 - no) * (1 - gone)
        for each, no, gone in zip(options, refused, lost, strict=True)
    )
    tries = _tries(plan, failures, [each.poison for each in options])
    work = zip(tries.tries, laws, refused, strict=True)
    busy = sum(count * law.mean * (1 - no) for count, law, no in work if count > 0)
    held = tries.deliveries * plan.hop / plan.batch if plan.source != "push" else 0.0
    if plan.retries_in_place:
        held += plan.retry_delay * sum(count - 1 for count in tries.tries)
    crashes = [fault for fault in faults if isinstance(fault, Crash) and fault.role == Role.CONSUMERS]
    held += sum(
        (fault.probability or 0.0) * fault.mean_duration * count
        for fault in crashes
        for effect, count in zip(plan.effects, tries.tries, strict=True)
        if fault.effect in (None, effect)
    )
    shares: tuple[float, ...] = ()
    if plan.stream is not None:
        keys = scenario.workload.keys
        weights = partitions.key_shares(keys.count, keys.distribution, keys.exponent)
        count = plan.stream.partitions
        where = partitions_of(np.arange(len(weights)), plan.stream.partitioner, count)
        shares = tuple(partitions.partition_shares(weights, count, where))
    return Load(plan, sends, portion, laws, failures, tries, busy, held, _up(plan, faults), shares)


def _tries(plan: Plan, failures: tuple[float, ...], poisons: list[float]) -> Attempts:
    if not plan.retries_in_place:
        return attempts(failures, poisons, plan.receives, idempotent=plan.is_idempotent)
    counts = tuple(
        math.inf if poison or failure == 1 else 1 / (1 - failure)
        for failure, poison in zip(failures, poisons, strict=True)
    )
    ones = tuple(1.0 for _ in failures)
    return Attempts(1.0, counts, ones, 0.0, tuple(0.0 for _ in failures))


def _always(fault: Fault) -> float:
    """How much of the time a fault without given times is there, times its probability."""
    if fault.at is not None:
        return 0.0
    share = 1.0 if fault.probability is None else fault.probability
    if fault.mean_up is not None and fault.mean_down is not None:
        share *= 1 - availability(fault.mean_up, fault.mean_down)
    return share


def _chance(effect: str, faults: Iterable[Fault], kind: type[Fault]) -> float:
    """Share of the attempts of an effect that faults of a kind hit at any time, by chance alone."""
    missed = 1.0
    for fault in faults:
        if isinstance(fault, kind) and fault.role == Role.SINK and fault.effect in (None, effect):
            missed *= 1 - (_always(fault) if fault.mean_up is None else 0.0)
    return 1 - missed


def _disturbed(law: Law, effect: str, faults: Iterable[Fault]) -> Law:
    """A service time with what slows it down at random times."""
    for fault in faults:
        if fault.effect not in (None, effect):
            continue
        share = _always(fault)
        if share and isinstance(fault, Slow):
            law = replace(
                law,
                mean=law.mean * (1 + share * (fault.factor - 1)),
                square=law.square * (1 + share * (fault.factor**2 - 1)),
                shape="general",
            )
        elif share and isinstance(fault, Delay) and fault.role == Role.SINK:
            square = law.square + share * fault.by * (2 * law.mean + fault.by)
            law = replace(law, mean=law.mean + share * fault.by, square=square, shape="general")
    return law


def _up(plan: Plan, faults: Iterable[Fault]) -> float:
    """Share of the time in which a worker is there, with outages at random times."""
    up = 1.0
    for fault in faults:
        if fault.mean_up is None or fault.mean_down is None:
            continue
        away = 1 - availability(fault.mean_up, fault.mean_down)
        if isinstance(fault, Down) and fault.role == Role.CONSUMERS:
            hit = plan.count if fault.count is None else fault.count.of(plan.count)
            up *= 1 - away * hit / plan.count
        elif (
            (isinstance(fault, Crash) and fault.role == Role.CONSUMERS)
            or (isinstance(fault, Down) and fault.role == Role.BROKER)
            or (isinstance(fault, Reject) and fault.role == Role.SINK and plan.retries_in_place)
        ):
            up *= 1 - away
    return up
