"""What a closed form says of a scenario, and in which terms."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from sim.vocabulary import METRICS

Kind = Literal["exact", "approximation", "fluid", "bound"]
LEFT_OUT = "outages left out"
NOT_COUNTED = "not counted"


@dataclass(frozen=True)
class Forecast:
    """A value that is known before anything runs.

    Attributes:
        architecture: its name.
        scope: as in ``summary.csv`` for a metric; for anything else the pool, the fault or the component.
        quantity: a metric where a run measures the same under the same scope, otherwise a plain name.
        value: NaN where no closed form applies.
        unit: of ``summary.csv``, or ``consumers``.
        model: the textbook's name of it, ``M/M/10``.
        formula: in short.
        kind: ``exact`` under the scenario's own assumptions, ``approximation``, ``fluid`` (randomness left
            out) or ``bound`` (a run is at most so high).
        why: why there is no closed form, or what was left out.
    """

    architecture: str
    scope: str
    quantity: str
    value: float
    unit: str
    model: str
    formula: str
    kind: Kind
    why: str = ""

    @property
    def is_measured(self) -> bool:
        """Whether a run measures the same quantity."""
        return self.quantity in METRICS

    @property
    def leaves_out(self) -> bool:
        """Whether a run has something, such as an outage, that the value leaves out."""
        return LEFT_OUT in self.why or NOT_COUNTED in self.why

    @property
    def is_known(self) -> bool:
        """Whether a closed form applies."""
        return not math.isnan(self.value)


_UNITS = {
    "offered_load": "consumers",
    "capacity": "1/s",
    "arrival_rate": "1/s",
    "peak_rate": "1/s",
    "nominal_capacity": "1/s",
    "max_stable_rate": "1/s",
    "safe_retry_rate": "1/s",
    "lag_growth": "1/s",
    "mean_wait": "s",
    "wait_p99": "s",
    "visibility_for_1pct_duplicates": "s",
    "time_to_retention": "s",
    "recovery_time": "s",
    "acceptable_latency": "s",
    "backlog_at_restore": "messages",
    "acceptable_backlog_per_consumer": "messages",
    "current_backlog_per_consumer": "messages",
    "messages_for_5pct": "messages",
    "consumers_for_recovery": "consumers",
    "consumers_for_recovery_as_assigned": "consumers",
    "desired_consumers": "consumers",
    "idle_consumers": "consumers",
}


def unit_of(quantity: str) -> str:
    """The unit of a metric or of a plain quantity; 1 for shares and ratios."""
    return METRICS[quantity].unit if quantity in METRICS else _UNITS.get(quantity, "1")
