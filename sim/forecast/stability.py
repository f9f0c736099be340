"""Pools that can never keep up: there is no steady state to study, only a backlog that grows."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sim.forecast.loads import Load, loads
from sim.scenario.model import Scenario


@dataclass(frozen=True)
class Instability:
    """A pool that more messages reach than it can ever do.

    Attributes:
        architecture: its name.
        pool: the workers.
        arrival_rate: messages per second that reach them, each counted once.
        capacity: messages per second that they keep up with.
        growth: messages per second by which the backlog grows.
        limit: what ends the growth, ``retention`` or ``none``.
        time_to_limit: when the oldest message reaches that limit, s; infinite where nothing does.
    """

    architecture: str
    pool: str
    arrival_rate: float
    capacity: float
    growth: float
    limit: str
    time_to_limit: float

    @property
    def sentence(self) -> str:
        """What is wrong, in plain words."""
        if self.capacity == 0:
            return f"{self.architecture}: {self.pool} stand still for ever once each has met a poison message"
        told = (
            f"{self.architecture}: {self.pool} can never keep up: {self.arrival_rate:.4g}/s arrive, "
            f"at most {self.capacity:.4g}/s can be done, so the backlog grows by {self.growth:.3g}/s"
        )
        if self.limit == "none":
            return f"{told} without end"
        hours = self.time_to_limit / 3600
        when = f"{hours:.3g} h" if hours < 48 else f"{hours / 24:,.0f} days"
        return f"{told} until retention removes messages after {when}"


def unstable(scenario: Scenario) -> list[Instability]:
    """The pools of a scenario that cannot keep up with its mean arrival rate.

    A bounded queue or memory refuses what does not fit, so that it is never unstable.
    """
    found = [instability(load) for name in scenario.architectures for load in loads(scenario, name)]
    return [each for each in found if each is not None]


def instability(load: Load) -> Instability | None:
    """What is unstable about a pool; None where nothing is."""
    if load.rate == 0 or load.rho < 1 or load.is_lossy:
        return None
    excess = [(load.rate * share - rate, load.rate * share) for share, rate in load.lines()]
    growth = math.fsum(max(0.0, each) for each, _ in excess)
    kept = load.plan.retention
    # The oldest message of a line ages by the share of its arrivals that it cannot do.
    steepest = max(each / arrives for each, arrives in excess)
    when = kept / steepest if steepest > 0 else math.inf
    limit = "none" if math.isinf(when) else "retention"
    return Instability(load.plan.architecture, load.plan.name, load.rate, load.capacity, growth, limit, when)
