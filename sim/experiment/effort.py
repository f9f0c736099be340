"""How much work a study is, told before it runs."""

from __future__ import annotations

from sim.scenario.model import Scenario

SECONDS_PER_PAIR = 6.5e-6
"""CPU time per (message, effect), s: model, metrics, lag series and message table.

Measured over every scenario of ``scenarios/`` (Python 3.11): median 6.4 µs, 4 to 8 µs for most, 18 µs for
chained effects. An engine that is faster for some scenarios changes this one number for them."""
SECONDS_PER_RUN = 5e-3
"""CPU time of a run without messages, s: building it, and its tables. Measured: 4 to 6 ms."""


def expected_messages(scenario: Scenario) -> float:
    """Messages that one run is expected to have."""
    return scenario.workload.arrivals.expected(scenario.horizon) + scenario.workload.backlog


def planned_runs(scenario: Scenario) -> int:
    """Runs of a study: architectures × replications, without those that a precision may add."""
    return len(scenario.architectures) * scenario.replications


def estimated_seconds(scenario: Scenario) -> float:
    """CPU time of a study in one process, s; within a factor of two for most, see ``SECONDS_PER_PAIR``."""
    pairs = expected_messages(scenario) * len(scenario.effects)
    return planned_runs(scenario) * (SECONDS_PER_RUN + SECONDS_PER_PAIR * pairs)
