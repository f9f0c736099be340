"""What a steady-state study needs before it can begin: a steady state, and where it starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sim.accelerator.publishing import Inexact
from sim.analysis import window
from sim.analysis.warmup import mean_series, mser5
from sim.experiment.parallel import Apply
from sim.experiment.replication import simulate_in_slices
from sim.forecast.stability import unstable
from sim.scenario.model import Scenario
from sim.vocabulary import Engine, ScenarioError

PILOT = 5
"""Replications from which the warm-up is found; they are run again afterwards, without it."""


@dataclass(frozen=True)
class Warmup:
    """The warm-up of a study and how it came about.

    Attributes:
        seconds: applied to all architectures.
        rule: ``given`` or ``MSER-5``.
        cuts: seconds that the rule would cut, by architecture; empty where the warm-up is given.
        unsettled: architectures whose cut lies in the last half of the run: no steady state was seen.
    """

    seconds: float
    rule: str
    cuts: dict[str, float]
    unsettled: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """For the manifest."""
        return {"seconds": self.seconds, "rule": self.rule, "cuts": self.cuts, "unsettled": [*self.unsettled]}


def refuse_without_a_steady_state(scenario: Scenario) -> None:
    """Refuse to speak of the long run of what grows for ever.

    Raises:
        ScenarioError: in a steady-state study, of every pool that gets more than it can do.
    """
    if scenario.study != "steady_state":
        return
    problems = [
        scenario.problem("study", f"no steady state: {each.sentence}; it can be run as study: incident")
        for each in unstable(scenario)
    ]
    if problems:
        raise ScenarioError(problems)


def settle(scenario: Scenario, apply: Apply, engine: Engine = Engine.AUTO) -> tuple[Scenario, Warmup]:
    """The scenario with its warm-up in seconds.

    MSER-5 looks at the latency of the messages in the order of their publishing, averaged over the pilot's
    replications; of all architectures the largest cut holds for all.

    Args:
        scenario: the question.
        apply: runs the pilot.
        engine: how.
    """
    if not isinstance(scenario.warmup, str):
        return scenario, Warmup(scenario.warmup, "given", {}, ())
    whole = scenario.model_copy(update={"warmup": 0.0})
    names = list(scenario.architectures)
    tasks = [
        (whole, name, number, engine) for name in names for number in range(min(PILOT, scenario.replications))
    ]
    runs = sorted(apply(_latencies, tasks), key=lambda run: run[:2])
    cuts: dict[str, float] = {}
    unsettled: list[str] = []
    for name in names:
        mine = [(published, latency) for architecture, _, published, latency in runs if architecture == name]
        observed, places = mean_series([latency for _, latency in mine])
        cut = mser5(observed)
        cuts[name] = float(mine[0][0][places[cut.count]]) if cut.count else 0.0
        if cut.is_too_late:
            unsettled.append(name)
    seconds = max(cuts.values())
    return (
        scenario.model_copy(update={"warmup": seconds}),
        Warmup(seconds, "MSER-5", cuts, tuple(unsettled)),
    )


def _latencies(
    scenario: Scenario, name: str, replication: int, engine: Engine
) -> tuple[str, int, np.ndarray, np.ndarray]:
    """Publish times and latencies of the messages of one run, NaN where one never came to its end."""
    try:
        published, latency = _measured(scenario, name, replication, engine)
    except Inexact:
        published, latency = _measured(scenario, name, replication, Engine.PROCESSES)
    return name, replication, published, latency


def _measured(
    scenario: Scenario, name: str, replication: int, engine: Engine
) -> tuple[np.ndarray, np.ndarray]:
    """The same, slice by slice where that is possible: no more than these two columns is held."""
    published: list[np.ndarray] = []
    latency: list[np.ndarray] = []
    for piece in simulate_in_slices(scenario, name, replication, engine)[0]:
        record = piece.record
        counted = window.published_inside(record)
        published.append(record.published[counted])
        latency.append(window.last_applied(record)[counted] - record.published[counted])
    return np.concatenate(published), np.concatenate(latency)
