"""A study: every architecture, every replication, and what all of them say together.

A run depends on the scenario, its architecture and its replication and on nothing else, so that a study gives
the same files whether its runs are made one after the other or in several processes, and an architecture's
rows do not change with the others beside it.
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import pandas as pd

from sim.analysis.inference import compare, summarize
from sim.analysis.lag import grid_step, lag_series
from sim.analysis.measure import measure
from sim.analysis.status import status_series
from sim.engine.record import FaultWindow, PoolUse
from sim.experiment.archive import StudyData, messages_frame, stack
from sim.experiment.replication import run_replication
from sim.scenario.model import Scenario
from sim.vocabulary import SCHEMA_VERSION

_WORTH_PROCESSES = 300_000
"""Pairs (message, effect) of a study above which starting further processes pays (about 1 s each)."""
_PACKAGES = ("messaging-sim", "simpy", "numpy", "pandas", "scipy")


@dataclass(frozen=True)
class Run:
    """What is kept of one run.

    Attributes:
        architecture: its name.
        replication: counted from 0.
        metrics: every metric by (metric, scope).
        lag: the series of all components, on a common grid.
        messages: one row per message and effect; None where they are not kept.
        status: jobs by status over time; None where no caller asks.
        components: names of the holders of copies.
        pools: the pools of workers.
        faults: what was active when.
        is_censored: whether it was cut off with copies left.
        fingerprint: hash of the whole record.
    """

    architecture: str
    replication: int
    metrics: dict[tuple[str, str], float]
    lag: pd.DataFrame
    messages: pd.DataFrame | None
    status: pd.DataFrame | None
    components: tuple[str, ...]
    pools: tuple[PoolUse, ...]
    faults: tuple[FaultWindow, ...]
    is_censored: bool
    fingerprint: str


def run_one(scenario: Scenario, architecture: str, replication: int, *, keeps_messages: bool) -> Run:
    """Simulate once and keep what the study needs."""
    record = run_replication(scenario, architecture, replication)
    step = grid_step(scenario.horizon)
    return Run(
        architecture=architecture,
        replication=replication,
        metrics=measure(record),
        lag=lag_series(record, step),
        messages=messages_frame(record) if keeps_messages else None,
        status=None if record.poll_status is None else status_series(record, step),
        components=tuple(copies.name for copies in record.copies),
        pools=record.pools,
        faults=record.faults,
        is_censored=record.is_censored,
        fingerprint=record.fingerprint(),
    )


def run_study(
    scenario: Scenario,
    *,
    jobs: int | None = None,
    keeps_all_messages: bool = False,
    on_done: Callable[[Run], None] | None = None,
) -> StudyData:
    """Run every architecture in every replication.

    Args:
        scenario: the question.
        jobs: processes; None chooses by the size of the study.
        keeps_all_messages: keep the messages of all replications, not only of the first.
        on_done: told of each run as it ends, in any order.
    """
    started = time.perf_counter()
    names = list(scenario.architectures)
    tasks = [
        (name, replication, keeps_all_messages or replication == 0)
        for replication in range(scenario.replications)
        for name in names
    ]
    runs: list[Run] = []
    for run in _runs(scenario, tasks, _processes(scenario) if jobs is None else jobs):
        runs.append(run)
        if on_done is not None:
            on_done(run)
    runs.sort(key=lambda run: (names.index(run.architecture), run.replication))
    samples = _samples(runs, asks=scenario.workload.client.poll_status is not None)
    statuses = [run.status for run in runs if run.status is not None]
    effects = list(scenario.effects)
    manifest = _manifest(scenario, runs)
    manifest["wall_time_s"] = round(time.perf_counter() - started, 3)
    return StudyData(
        name=scenario.name,
        description=scenario.description,
        summary=summarize(samples, effects),
        comparison=compare(samples, scenario.baseline, effects),
        messages=stack(run.messages for run in runs if run.messages is not None),
        lag=stack(run.lag for run in runs),
        samples=samples,
        manifest=manifest,
        status=stack(statuses) if statuses else None,
    )


def expected_messages(scenario: Scenario) -> float:
    """Messages that one run is expected to have."""
    return scenario.workload.arrivals.expected(scenario.horizon) + scenario.workload.backlog


def _processes(scenario: Scenario) -> int:
    runs = len(scenario.architectures) * scenario.replications
    work = expected_messages(scenario) * len(scenario.effects) * runs
    return 1 if work < _WORTH_PROCESSES or runs == 1 else min(os.cpu_count() or 1, runs)


def _runs(scenario: Scenario, tasks: list[tuple[str, int, bool]], jobs: int) -> Iterator[Run]:
    if jobs == 1:
        for name, replication, keeps in tasks:
            yield run_one(scenario, name, replication, keeps_messages=keeps)
        return
    from joblib import Parallel, delayed  # noqa: PLC0415 - only where processes are started

    parallel: Any = Parallel(n_jobs=jobs, return_as="generator_unordered")
    yield from parallel(
        delayed(run_one)(scenario, name, replication, keeps_messages=keeps)
        for name, replication, keeps in tasks
    )


def _samples(runs: list[Run], *, asks: bool) -> pd.DataFrame:
    """Every value; what callers know who ask for a status is left out where none does."""
    rows = [
        (run.architecture, run.replication, metric, scope, value)
        for run in runs
        for (metric, scope), value in run.metrics.items()
        if asks or metric not in ("known_mean", "status_polls")
    ]
    return pd.DataFrame(rows, columns=["architecture", "replication", "metric", "scope", "value"])


def _manifest(scenario: Scenario, runs: list[Run]) -> dict[str, Any]:
    first = {run.architecture: run for run in runs if run.replication == 0}
    architectures: list[dict[str, Any]] = []
    for name, run in first.items():
        pools = {pool.name: pool.workers for pool in run.pools}
        architectures.append(
            {
                "name": name,
                "kind": scenario.architectures[name].kind,
                "pools": pools,
                "workers": sum(pools.values()),
                "components": list(run.components),
                "path": dict.fromkeys((*run.components, *pools), "processes"),
            }
        )
    versions = {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}}
    return {
        "schema_version": SCHEMA_VERSION,
        "name": scenario.name,
        "description": scenario.description,
        "scenario": scenario.text,
        "scenario_sha256": scenario.sha256,
        "seed": scenario.seed,
        "replications": scenario.replications,
        "messages_per_run": _mean_offered(runs),
        "horizon": scenario.horizon,
        "warmup": scenario.warmup,
        "baseline": scenario.baseline,
        "effects": list(scenario.effects),
        "copies": {name: list(names) for name, names in scenario.copies.items()},
        "architectures": architectures,
        "faults": [
            fault for name, each in scenario.faults.items() for fault in _fault(name, each.only, first)
        ],
        "censored": [
            {"architecture": run.architecture, "replication": run.replication}
            for run in runs
            if run.is_censored
        ],
        "fingerprints": {
            name: [run.fingerprint for run in runs if run.architecture == name] for name in first
        },
        "verdicts": [],
        "versions": versions,
    }


def _mean_offered(runs: list[Run]) -> float:
    offered = [run.metrics["offered", ""] for run in runs]
    return sum(offered) / len(offered)


def _fault(name: str, only: tuple[str, ...] | None, first: dict[str, Run]) -> list[dict[str, Any]]:
    """One fault: its windows in replication 0, and the components that it touches per architecture."""
    found = {run.architecture: fault for run in first.values() for fault in run.faults if fault.name == name}
    if not found:  # it hits none of the architectures
        return []
    any_fault = next(iter(found.values()))
    windows = [
        [start, None if end == float("inf") else end]
        for start, end in zip(any_fault.starts.tolist(), any_fault.ends.tolist(), strict=True)
    ]
    entry = {
        "name": name,
        "kind": any_fault.kind,
        "target": any_fault.target,
        "scheduled": any_fault.is_scheduled,
        "only": None if only is None else list(only),
        "windows": windows,
        "applies": {architecture: list(fault.components) or None for architecture, fault in found.items()},
    }
    return [entry]
