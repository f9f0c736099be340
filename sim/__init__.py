"""Discrete-event simulation of messaging architectures.

The main path, to be read in this order: ``vocabulary`` → ``scenario.model`` → ``architectures.single_broker``
→ ``experiment.replication`` → ``analysis.measure`` → ``report.results``.

    >>> import sim
    >>> results = sim.run("scenarios/four_approaches.yaml", replications=2)  # doctest: +SKIP
    >>> results.table()  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sim.experiment.cluster import on_cluster
    from sim.report.draw import draw
    from sim.report.results import Results
    from sim.report.run import run
    from sim.report.sweep import SweepResults, sweep
    from sim.scenario.load import load, loads
    from sim.scenario.model import Scenario
    from sim.vocabulary import Problem, ScenarioError

__all__ = [
    "Problem",
    "Results",
    "Scenario",
    "ScenarioError",
    "SweepResults",
    "draw",
    "load",
    "loads",
    "on_cluster",
    "run",
    "sweep",
]

_HOMES = {
    "Problem": "sim.vocabulary",
    "Results": "sim.report.results",
    "Scenario": "sim.scenario.model",
    "ScenarioError": "sim.vocabulary",
    "SweepResults": "sim.report.sweep",
    "draw": "sim.report.draw",
    "load": "sim.scenario.load",
    "loads": "sim.scenario.load",
    "on_cluster": "sim.experiment.cluster",
    "run": "sim.report.run",
    "sweep": "sim.report.sweep",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for, and nothing else: ``import sim`` costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'sim' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
