"""What an architecture is made of: it is built on a site without messages, and its parts are read off."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.components.site import Site
from sim.components.timelines import FaultPlan
from sim.components.wiring import Wiring
from sim.components.workload import Messages
from sim.engine.distributions import TraceColumn
from sim.engine.streams import Streams
from sim.scenario.model import Scenario
from sim.vocabulary import Scope


@dataclass(frozen=True)
class Parts:
    """The names under which an architecture's rows stand in ``summary.csv``.

    Attributes:
        effects: in the scenario's order.
        holders: what holds copies.
        groups: those of them that are consumer groups.
        pools: pools of workers.
        faults: the scheduled faults that touch it.
    """

    effects: tuple[str, ...]
    holders: tuple[str, ...]
    groups: tuple[str, ...]
    pools: tuple[str, ...]
    faults: tuple[str, ...]

    def names(self, kind: Scope) -> tuple[str, ...]:
        """The parts of a kind; whole messages are the empty name."""
        if kind is Scope.WHOLE:
            return ("",)
        return {
            Scope.EFFECT: self.effects,
            Scope.HOLDER: self.holders,
            Scope.GROUP: self.groups,
            Scope.POOL: self.pools,
            Scope.FAULT: self.faults,
        }[kind]


def build(scenario: Scenario, name: str, streams: Streams, messages: Messages) -> Site:
    """Put an architecture on a site of its own.

    Args:
        scenario: the question.
        name: of the architecture.
        streams: of the replication.
        messages: what will be published.
    """
    faults = FaultPlan(scenario.faults, streams, scenario.limit, name, scenario.copies)
    window = (scenario.counted_from, scenario.horizon)
    site = Site(streams, messages, scenario.effects, faults, window, scenario.limit)
    scenario.architectures[name].build(site)
    return site


def empty_site(scenario: Scenario, name: str, replication: int = 0) -> Site:
    """An architecture, built where nothing is published yet."""
    nothing = np.empty(0)
    trace = dict.fromkeys(trace_columns(scenario), nothing)
    messages = Messages(nothing, np.empty(0, dtype=np.int64), nothing, trace=trace)
    return build(scenario, name, Streams(scenario.seed, replication), messages)


def wiring(scenario: Scenario, name: str) -> Wiring:
    """What stands in an architecture and how it is connected."""
    return empty_site(scenario, name).wiring


def trace_columns(scenario: Scenario) -> list[str]:
    """The columns of the trace that give service times."""
    services = [effect.service for effect in scenario.effects.values()]
    return [service.trace_column for service in services if isinstance(service, TraceColumn)]


def parts_of(scenario: Scenario, name: str) -> Parts:
    """The parts of one of a scenario's architectures."""
    site = empty_site(scenario, name)
    holders = {log.name: tuple(site.ledger.effects[each] for each in log.effects) for log in site.ledger.logs}
    windows = site.faults.windows(holders, 0.0, has_broker=site.has_broker)
    return Parts(
        effects=site.ledger.effects,
        holders=tuple(holders),
        groups=tuple(log.name for log in site.ledger.logs if log.partitions is not None),
        pools=tuple(pool.name for pool in site.pools),
        faults=tuple(each.name for each in windows if each.is_scheduled and each.components),
    )
