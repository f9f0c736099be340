"""How a case is observed: a scenario to run and what to read from it, or what the theory side must tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sim.selfcheck.seen import Observer


@dataclass(frozen=True)
class Experiment:
    """One scenario of a case.

    Attributes:
        file: in ``sim/data/selfcheck``, without the ending.
        observe: what is read, by the metric's name; ``name (variant)`` where a case asks for a metric once
            and there are several places to look.
        keeps_messages: whether the messages of all replications are needed.
        is_quick: whether it belongs to the subset of ``--quick``.
        is_slow: whether it only runs with ``--slow``.
        expected: what metrics must be where the scenario has other rates than the case, by the case's own
            formula.
        scaled: how the rates differ, for the reader.
    """

    file: str
    observe: Mapping[str, Observer]
    keeps_messages: bool = False
    is_quick: bool = False
    is_slow: bool = False
    expected: Mapping[str, float] = field(default_factory=dict[str, float])
    scaled: str = ""


@dataclass(frozen=True)
class Told:
    """A metric that is computed, not simulated: one row of what ``sim check`` tells.

    Attributes:
        file: in ``sim/data/selfcheck``, without the ending.
        architecture: for which it is told.
        quantity: its name there.
        recovery_time: within which a backlog shall be cleared, s.
        acceptable_latency: that a backlog may cause, s.
    """

    file: str
    architecture: str
    quantity: str
    recovery_time: float | None = None
    acceptable_latency: float | None = None


def metric_of(key: str) -> str:
    """The metric's name of a key of ``observe``."""
    return key.partition(" (")[0]
