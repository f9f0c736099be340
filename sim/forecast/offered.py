"""What the callers offer, as theory sees it: how many messages in a stretch of time, how fast at most."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.components.workload import Arrivals, Stage
from sim.scenario.model import Scenario

_STRETCHES = 100


@dataclass(frozen=True)
class Offered:
    """The arrivals of a scenario.

    Attributes:
        mean: messages per second in the window from warm-up to horizon.
        peak: messages per second at the busiest time.
        changes: why there is no one rate, in a clause; empty where there is.
        is_poisson: whether gaps are exponential rather than even.
    """

    arrivals: Arrivals
    warmup: float
    horizon: float
    mean: float
    peak: float
    changes: str
    is_poisson: bool

    def between(self, start: float, end: float) -> float:
        """Messages expected in [start, end); none come after the horizon."""
        start, end = max(0.0, start), min(end, self.horizon)
        return self._until(end) - self._until(start) if end > start else 0.0

    def counted(self, start: float, end: float) -> float:
        """Of these, what is published in the window that metrics count."""
        return self.between(max(start, self.warmup), end)

    @property
    def messages(self) -> float:
        """Messages in the window."""
        return self.counted(0.0, self.horizon)

    def _until(self, time: float) -> float:
        return self.arrivals.expected(time) if time > 0 else 0.0


def offered(scenario: Scenario) -> Offered:
    """What a scenario offers."""
    arrivals, start, end = scenario.workload.arrivals, scenario.counted_from, scenario.horizon
    changes = ""
    if arrivals.trace:
        changes = "every arrival comes from a trace"
    elif arrivals.rates:
        changes = "arrivals change over time (rates from a file)"
    elif arrivals.bursts:
        changes = "arrivals come in bursts"
    elif arrivals.stages and len({rate for stage in arrivals.stages for rate in _ends(stage)}) > 1:
        changes = "arrivals change over time (stages)"
    found = Offered(arrivals, start, end, 0.0, 0.0, changes, arrivals.process == "poisson")
    mean = found.messages / (end - start) if end > start else 0.0
    return Offered(arrivals, start, end, mean, _peak(found, mean), changes, found.is_poisson)


def _ends(stage: Stage) -> tuple[float, float]:
    return stage.rate, stage.rate if stage.ramp_to is None else stage.ramp_to


def _peak(found: Offered, mean: float) -> float:
    """The greatest rate before the horizon; of a trace, over the busiest of a hundred equal stretches."""
    arrivals = found.arrivals
    if arrivals.stages:
        start, rates = 0.0, [0.0]
        for stage in arrivals.stages:
            if start < found.horizon:
                rates += _ends(stage)
            start += stage.duration
        return max(rates) * arrivals.scale
    if arrivals.rates:
        return float(arrivals.rates.per_second[arrivals.rates.times < found.horizon].max()) * arrivals.scale
    if arrivals.bursts and arrivals.rate is not None:
        return max(arrivals.rate, arrivals.bursts.rate) * arrivals.scale
    if arrivals.trace:
        edges = np.linspace(0.0, found.horizon, _STRETCHES + 1)
        counts = np.histogram(arrivals.trace.times, edges)[0]
        return float(counts.max()) * _STRETCHES / found.horizon
    return mean
