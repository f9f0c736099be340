"""A small valid scenario to start from, and a part of it changed."""

from __future__ import annotations

import sim

SMALL = """\
horizon: 1h
workload: {arrivals: 10/s}
effects: {db: 40ms, index: 40ms}
architectures: {stream: , sns_sqs: }
"""


def small(*overrides: str) -> sim.Scenario:
    """The small scenario with some values set."""
    return sim.loads(SMALL, overrides)


def told(text: str, *overrides: str) -> list[str]:
    """The messages with which a text is refused."""
    try:
        sim.loads(text, overrides)
    except sim.ScenarioError as error:
        return [problem.message for problem in error.problems]
    raise AssertionError("the scenario was taken")
