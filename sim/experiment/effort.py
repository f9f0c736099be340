"""How much work a study is, told before it runs."""

from __future__ import annotations

from collections.abc import Collection

from sim.scenario.model import Scenario

SECONDS_PER_PAIR = 3e-6
"""CPU time per (message, effect), s: model, metrics, lag series and message table, where nobody has looked.

Between the two that follow; four_approaches, where faults are half of the story, takes 3.4 µs (Python
3.11)."""
SECONDS_PER_PAIR_IN_BLOCKS = 1.5e-6
"""The same of what is worked out in blocks. Measured: a queue 1.0 µs, a stream 1.5 µs, with the messages of
all runs kept 1.5 and 1.9 µs."""
SECONDS_PER_PAIR_BY_PROCESSES = 4.5e-6
"""The same of what its processes make. Measured: a queue 3.5 µs, a stream 5.1 µs."""
SECONDS_PER_RUN = 5e-3
"""CPU time of a run without messages, s: building it, and its tables. Measured: 4 to 6 ms."""


def expected_messages(scenario: Scenario) -> float:
    """Messages that one run is expected to have."""
    return scenario.workload.arrivals.expected(scenario.horizon) + scenario.workload.backlog


def planned_runs(scenario: Scenario) -> int:
    """Runs of a study: architectures × replications, without those that a precision may add."""
    return len(scenario.architectures) * scenario.replications


def estimated_seconds(scenario: Scenario, in_blocks: Collection[str] | None = None) -> float:
    """CPU time of a study in one process, s; within a factor of two for most.

    Args:
        scenario: the question.
        in_blocks: the architectures that are worked out in blocks; None where nobody has looked.
    """
    pairs = expected_messages(scenario) * len(scenario.effects)
    count = len(scenario.architectures)
    each = SECONDS_PER_PAIR * count
    if in_blocks is not None:
        fast = len(in_blocks)
        each = SECONDS_PER_PAIR_IN_BLOCKS * fast + SECONDS_PER_PAIR_BY_PROCESSES * (count - fast)
    return scenario.replications * (SECONDS_PER_RUN * count + each * pairs)
