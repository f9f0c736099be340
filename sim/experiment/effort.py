"""How much work a study is, told before it runs."""

from __future__ import annotations

from sim.scenario.model import Scenario

SECONDS_PER_PAIR = 3e-6
"""CPU time per (message, effect), s: model, metrics, lag series and message table.

Between blocks (about 1 µs) and processes (4 to 6 µs); four_approaches, where faults are half of the story,
takes 3.4 µs (Python 3.11)."""
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
