"""A study: every architecture, every replication, and what all of them say together.

A run depends on the scenario, its architecture and its replication and on nothing else, so that a study gives
the same files wherever its runs are made (:mod:`sim.experiment.parallel`), and an architecture's rows do not
change with the others beside it.
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sim.accelerator.publishing import Inexact
from sim.analysis import precision
from sim.analysis.inference import compare, summarize
from sim.analysis.lag import grid_step, holders, lag_series
from sim.analysis.measure import measure
from sim.analysis.status import status_series
from sim.analysis.streaming import fold
from sim.engine.record import FaultWindow, PoolUse, Record
from sim.engine.slices import Slice
from sim.experiment.archive import StudyData, messages_frame, no_messages, spilled_messages, stack
from sim.experiment.effort import estimated_seconds, planned_runs
from sim.experiment.estimate import refuse_by_processes
from sim.experiment.judging import judged, values_of, watched
from sim.experiment.manifest import manifest, messages_kept
from sim.experiment.parallel import Apply, applier
from sim.experiment.replication import Ways, simulate, simulate_in_slices
from sim.experiment.spill import Spill, join, spill
from sim.experiment.steady import refuse_without_a_steady_state, settle
from sim.forecast.forecast import beside, forecast
from sim.scenario.model import Scenario
from sim.vocabulary import STATUS_METRICS, Engine

_WORTH_COLLECTING = 50_000
"""Messages of a run above which its remains take more memory than it takes time to collect them."""


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
        ways: which way its parts took.
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
    ways: Ways


def run_one(
    scenario: Scenario,
    architecture: str,
    replication: int,
    engine: Engine = Engine.AUTO,
    keeps_messages: bool = False,
) -> Run:
    """Simulate once and keep what the study needs."""
    record, ways = _simulate(scenario, architecture, replication, engine)
    step = grid_step(scenario.horizon)
    known = holders(record)
    return Run(
        architecture=architecture,
        replication=replication,
        metrics=measure(record, known),
        lag=lag_series(record, step, known),
        messages=messages_frame(record) if keeps_messages else None,
        status=None if record.poll_status is None else status_series(record, step),
        components=tuple(copies.name for copies in record.copies),
        pools=record.pools,
        faults=record.faults,
        is_censored=record.is_censored,
        fingerprint=record.fingerprint(),
        ways=ways,
    )


def _simulate(scenario: Scenario, architecture: str, replication: int, engine: Engine) -> tuple[Record, Ways]:
    """Simulate once and let go of the model, whose parts know each other and would wait for the collector."""
    record, ways = simulate(scenario, architecture, replication, engine)
    if len(record.published) > _WORTH_COLLECTING:
        gc.collect()
    return record, ways


def run_in_slices(
    scenario: Scenario,
    architecture: str,
    replication: int,
    engine: Engine = Engine.AUTO,
    path: Path | None = None,
    memory: float = float("inf"),
) -> Run:
    """Simulate once and keep what the study needs, without the messages; percentiles are approximate.

    Args:
        scenario: the question.
        architecture: its name.
        replication: counted from 0.
        engine: how.
        path: a file that takes the messages as they come; None where they are not kept.
        memory: bytes that a run may use which has to hold its messages after all.

    Raises:
        MemoryError: it would need more.
    """
    try:
        return _run_in_slices(scenario, architecture, replication, engine, path)
    except Inexact as found:
        refuse_by_processes(scenario, architecture, str(found), memory)
        return _run_in_slices(scenario, architecture, replication, Engine.PROCESSES, path)


def _run_in_slices(
    scenario: Scenario, architecture: str, replication: int, engine: Engine, path: Path | None
) -> Run:
    told, ways = simulate_in_slices(scenario, architecture, replication, engine)
    with nullcontext() if path is None else spill(path, list(scenario.architectures)) as rows:
        found = fold(told if rows is None else _written(told, rows), grid_step(scenario.horizon))
    last = found.last
    return Run(
        architecture=architecture,
        replication=replication,
        metrics=found.metrics,
        lag=found.lag,
        messages=None,
        status=found.status,
        components=tuple(copies.name for copies in last.copies),
        pools=last.pools,
        faults=last.faults,
        is_censored=last.is_censored,
        fingerprint=found.fingerprint,
        ways=ways,
    )


def _written(slices: Iterable[Slice], rows: Spill) -> Iterator[Slice]:
    """The same slices, each of them in the file."""
    for piece in slices:
        rows.add(piece)
        yield piece


def run_study(
    scenario: Scenario,
    *,
    jobs: int | None = None,
    apply: Apply | None = None,
    engine: Engine = Engine.AUTO,
    keeps_all_messages: bool = False,
    keeps_no_messages: bool = False,
    spill_to: Path | None = None,
    memory: float = float("inf"),
    on_done: Callable[[Run], None] | None = None,
) -> StudyData:
    """Run every architecture in as many replications as are asked for, or as the precision needs.

    Args:
        scenario: the question.
        jobs: processes; None leaves it to joblib's active ``parallel_config``, else to the size of the study.
        apply: makes the runs, e.g. :func:`sim.experiment.cluster.on_cluster`'s; instead of processes.
        engine: how runs are made; the results are the same.
        keeps_all_messages: keep the messages of all replications, not only of the first.
        keeps_no_messages: keep none, and measure the runs without them (:mod:`sim.analysis.streaming`).
        spill_to: a folder for the messages, which go there as they come; the runs are measured without them.
        memory: bytes for a run that has to hold its messages although it was to be told in slices.
        on_done: told of each run as it ends, in any order.

    Raises:
        MemoryError: a run would need more.
    """
    started = time.perf_counter()
    if apply is None:
        apply = applier(jobs, estimated_seconds(scenario), planned_runs(scenario))
    refuse_without_a_steady_state(scenario)
    scenario, warmup = settle(scenario, apply, engine)
    names = list(scenario.architectures)
    runs: list[Run] = []

    def add(numbers: Iterable[int]) -> None:
        tasks = [(scenario, name, number, engine) for number in numbers for name in names]
        if keeps_no_messages or spill_to is not None:
            files = [_file(spill_to, names, task, keeps_all_messages) for task in tasks]
            found = apply(
                run_in_slices, [(*task, file, memory) for task, file in zip(tasks, files, strict=True)]
            )
        else:
            found = apply(run_one, [(*task, keeps_all_messages or task[2] == 0) for task in tasks])
        for run in found:
            runs.append(run)
            if on_done is not None:
                on_done(run)
        runs.sort(key=lambda run: (names.index(run.architecture), run.replication))

    stop = _replicate(scenario, runs, add)
    samples = _samples(scenario, runs)
    frames = [run.messages for run in runs if run.messages is not None]
    statuses = [run.status for run in runs if run.status is not None]
    effects = list(scenario.effects)
    told = manifest(scenario, runs, warmup, stop)
    kept = "none" if keeps_no_messages else "all" if keeps_all_messages else "first"
    told |= messages_kept(kept, spills=spill_to is not None)
    told["verdicts"] = judged(scenario, samples, told)
    summary = summarize(samples, effects)
    told["theory"] = beside(forecast(scenario), summary)
    told["wall_time_s"] = round(time.perf_counter() - started, 3)
    return StudyData(
        name=scenario.name,
        description=scenario.description,
        summary=summary,
        comparison=compare(samples, scenario.baseline, effects),
        messages=_messages(frames, spill_to, is_kept=not keeps_no_messages),
        lag=stack(run.lag for run in runs),
        samples=samples,
        manifest=told,
        status=stack(statuses) if statuses else None,
        spilled=None if spill_to is None else _joined(spill_to),
    )


def _file(folder: Path | None, names: list[str], task: tuple[Any, ...], keeps_all: bool) -> Path | None:
    """Where the messages of a run go, if they are kept in files: the names have the order of the rows."""
    _, name, number, _ = task
    if folder is None or not (keeps_all or number == 0):
        return None
    return folder / f"{names.index(name):04}.{number:06}.parquet"


def _joined(folder: Path) -> Path:
    """One file of the messages of all runs; theirs are removed."""
    parts = sorted(folder.glob("*.*.parquet"))
    join(parts, folder / "messages.parquet")
    for part in parts:
        part.unlink()
    return folder / "messages.parquet"


def _messages(frames: list[pd.DataFrame], spill_to: Path | None, *, is_kept: bool) -> pd.DataFrame:
    if spill_to is not None:
        return spilled_messages()
    return stack(frames) if is_kept else no_messages()


def _replicate(scenario: Scenario, runs: list[Run], add: Callable[[Iterable[int]], None]) -> dict[str, Any]:
    """Run replications until there are enough; how many there are and why no more."""
    count = scenario.replications
    add(range(count))
    wanted = scenario.precision
    if wanted is None:
        return {"replications": count, "why": "as many as the scenario asks for", "missing": []}
    while True:
        progress = precision.assess(_watched_values(scenario, runs), wanted.within, scenario.replications)
        if progress.reached or count >= wanted.max_replications:
            break
        batch = range(count, min(count + precision.BATCH, wanted.max_replications))
        add(batch)
        count = batch.stop
    return {
        "replications": count,
        "why": _why_no_more(progress, wanted.within),
        "within": wanted.within,
        "reached": not progress.missing,
        "missing": [list(key) for key in progress.missing],
    }


def _why_no_more(progress: precision.Progress, within: float) -> str:
    reached = f"every watched metric is known within {100 * within:.4g} % of its mean"
    if progress.reached:
        return reached
    if not progress.missing:
        return f"{reached}; max_replications left no room to see whether that lasts"
    assert progress.worst_key is not None
    name, metric, scope = progress.worst_key
    widest = f"{name}.{scope}.{metric}" if scope else f"{name}.{metric}"
    apart = f"± {100 * progress.worst:.3g} %" if np.isfinite(progress.worst) else "not known at all"
    number = len(progress.missing)
    return (
        f"max_replications; {number} watched metric{' is' if number == 1 else 's are'} not known within "
        f"{100 * within:.4g} % of the mean, the least {widest}: {apart}"
    )


def _watched_values(scenario: Scenario, runs: list[Run]) -> dict[precision.Key, np.ndarray]:
    """The values of the metrics that must be precise, one per replication."""
    values = values_of(_samples(scenario, runs))
    return {key: values[key] for key in watched(scenario) if key in values}


def _samples(scenario: Scenario, runs: list[Run]) -> pd.DataFrame:
    """Every value; what callers know who ask for a status is left out where none does."""
    asks = scenario.workload.client.poll_status is not None
    rows = [
        (run.architecture, run.replication, metric, scope, value)
        for run in runs
        for (metric, scope), value in run.metrics.items()
        if asks or metric not in STATUS_METRICS
    ]
    return pd.DataFrame(rows, columns=["architecture", "replication", "metric", "scope", "value"])
