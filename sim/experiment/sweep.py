"""A sweep: the study of every point, each of them once, however often the sweep is begun.

Points that are many and small run beside each other, one process each; few points run one after the other,
each with as many processes as a study of its own would take. Either way the results are the same to the bit,
as those of a study are. What is kept of a point is its summary and its verdicts, not its messages.
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sim.analysis.inference import CONFIDENCE
from sim.analysis.verdict import worst
from sim.experiment.effort import estimated_seconds
from sim.experiment.parallel import Apply, applier, worthwhile_processes
from sim.experiment.point_store import FOLDER, forget, refusal_of, replace, result_of, store, stored
from sim.experiment.study import run_study
from sim.scenario.factors import Factor
from sim.scenario.model import Scenario
from sim.scenario.points import Grid, Point
from sim.vocabulary import SCHEMA_VERSION, SUMMARY_COLUMNS, ScenarioError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Result = dict[str, Any]
"""What is kept of a point (:func:`sim.experiment.point_store.result_of`)."""
VERDICT_COLUMNS = ("expectation", "verdict", "why")
_KIND = "sweep"


@dataclass(frozen=True)
class SweepData:
    """What is kept of a sweep.

    Attributes:
        grid: the question at every point.
        results: of each point, in the order of the grid.
        table: the factors, then ``SUMMARY_COLUMNS``; one row per point, architecture, metric and scope.
        verdicts: the factors, then ``VERDICT_COLUMNS``; one row per point and expectation.
        manifest: everything else, as in ``manifest.json``.
        again: how many points were there already.
    """

    grid: Grid
    results: tuple[Result, ...]
    table: pd.DataFrame
    verdicts: pd.DataFrame
    manifest: dict[str, Any]
    again: int


def run_sweep(
    grid: Grid,
    folder: Path | None = None,
    *,
    jobs: int | None = None,
    apply: Apply | None = None,
    fresh: bool = False,
    on_done: Callable[[int], None] | None = None,
    **options: Any,
) -> SweepData:
    """Run every point that has not been run, and gather all of them.

    Args:
        grid: the points.
        folder: where the results of points are kept as they end; nothing is kept without it.
        jobs: processes; None chooses by the size of the sweep.
        apply: runs the points elsewhere, e.g. :func:`sim.experiment.cluster.on_cluster`'s.
        fresh: run every point anew.
        on_done: told how many points are done, whenever that changes.
        options: for :func:`sim.experiment.study.run_study`.

    Raises:
        FileExistsError: the folder holds something that is not a sweep.
    """
    started = time.perf_counter()
    done = {} if folder is None else _kept(grid, folder, fresh=fresh)
    again = len(done)
    if on_done is not None:
        on_done(len(done))
    left = [point for point in grid.points if point.key not in done]
    for key, result in _run(left, folder, jobs, apply, options):
        done[key] = result
        if on_done is not None:
            on_done(len(done))
    results = [done[point.key] for point in grid.points]
    told = _manifest(grid, results)
    told["wall_time_s"] = round(time.perf_counter() - started, 3)
    return SweepData(grid, tuple(results), _table(grid, results), _verdicts(grid, results), told, again)


def write(data: SweepData, folder: Path, extra: Callable[[Path], None] | None = None) -> None:
    """Write ``sweep.csv``, ``verdicts.csv`` and ``manifest.json``, each of them whole or not at all.

    Args:
        data: the sweep.
        folder: where the files shall be, beside ``points/``.
        extra: called with the folder to add further files, before the manifest says that all is there.

    Raises:
        FileExistsError: the folder holds something that is not a sweep.
    """
    _refuse_foreign(folder)
    folder.mkdir(parents=True, exist_ok=True)
    replace(folder / "sweep.csv", data.table.to_csv(index=False, lineterminator="\n"))
    replace(folder / "verdicts.csv", data.verdicts.to_csv(index=False, lineterminator="\n"))
    if extra is not None:
        extra(folder)
    text = json.dumps(data.manifest, indent=2, ensure_ascii=False, allow_nan=False)
    replace(folder / "manifest.json", text + "\n")


def run_point(
    scenario: Scenario, key: str, folder: Path | None, jobs: int | None, options: Mapping[str, Any]
) -> tuple[str, Result]:
    """Run one point and keep its result; one without a steady state has none, and says so."""
    try:
        result = result_of(key, run_study(scenario, jobs=jobs, **options))
    except ScenarioError as error:
        result = refusal_of(key, scenario, "; ".join(problem.message for problem in error.problems))
    if folder is not None:
        store(folder, result)
    return key, result


def verdict_at(result: Result) -> str:
    """The worst verdict of a point; empty where nothing is expected."""
    return worst([each["verdict"] for each in result["verdicts"]]) if result["verdicts"] else ""


def _run(
    points: Sequence[Point],
    folder: Path | None,
    jobs: int | None,
    apply: Apply | None,
    options: Mapping[str, Any],
) -> Iterator[tuple[str, Result]]:
    """Run points; who runs a point on this machine keeps its result, even if the sweep is killed then."""
    if apply is not None:  # elsewhere, where this folder may not be
        for key, result in apply(run_point, ((each.scenario, each.key, None, 1, options) for each in points)):
            if folder is not None:
                store(folder, result)
            yield key, result
        return
    seconds = sum(estimated_seconds(point.scenario) for point in points)
    processes = worthwhile_processes(seconds, len(points), os.cpu_count() or 1) if jobs is None else jobs
    is_beside = 1 < processes <= len(points)
    inside = 1 if is_beside else jobs
    tasks: Iterable[Any] = ((point.scenario, point.key, folder, inside, options) for point in points)
    yield from applier(processes if is_beside else 1, seconds, len(points))(run_point, tasks)


def _kept(grid: Grid, folder: Path, *, fresh: bool) -> dict[str, Result]:
    _refuse_foreign(folder)
    if fresh:
        forget(folder)
    found = {point.key: stored(folder, point.key) for point in grid.points}
    return {key: result for key, result in found.items() if result is not None}


def _refuse_foreign(folder: Path) -> None:
    """Never mix a sweep with files of something else."""
    if not folder.exists() or (folder.is_dir() and ((folder / FOLDER).is_dir() or not any(folder.iterdir()))):
        return
    try:
        if json.loads((folder / "manifest.json").read_text(encoding="utf-8")).get("kind") == _KIND:
            return
    except (OSError, ValueError):
        pass
    raise FileExistsError(f"{folder} exists and is not the folder of a sweep; name another one")


def _table(grid: Grid, results: Sequence[Result]) -> pd.DataFrame:
    columns: dict[str, Any] = _repeated(grid, [len(result["summary"]) for result in results])
    rows = [row for result in results for row in result["summary"]]
    for place, name in enumerate(SUMMARY_COLUMNS):
        cells = [row[place] for row in rows]
        columns[name] = np.array(cells, dtype=float) if name in ("mean", "ci_low", "ci_high") else cells
    return pd.DataFrame(columns)


def _verdicts(grid: Grid, results: Sequence[Result]) -> pd.DataFrame:
    columns: dict[str, Any] = _repeated(grid, [len(result["verdicts"]) for result in results])
    judged = [verdict for result in results for verdict in result["verdicts"]]
    columns["expectation"] = [each["expectation"] for each in judged]
    columns["verdict"] = [each["verdict"] for each in judged]
    columns["why"] = [_why(each) for each in judged]
    return pd.DataFrame(columns)


def _why(verdict: Mapping[str, Any]) -> str:
    decides = [each for each in verdict["architectures"] if each["verdict"] == verdict["verdict"]]
    return "; ".join(dict.fromkeys(each["why"] for each in decides if each["why"]))


def _repeated(grid: Grid, counts: Sequence[int]) -> dict[str, Any]:
    """The columns of the factors, each point as often as it has rows."""
    return {
        factor.path: [
            cell
            for point, count in zip(grid.points, counts, strict=True)
            for cell in [_cell(factor, point, place)] * count
        ]
        for place, factor in enumerate(grid.factors)
    }


def _cell(factor: Factor, point: Point, place: int) -> Any:
    """Plain numbers as numbers, all else as text that ``--set`` would take."""
    is_plain = all(isinstance(each.value, int | float) for each in factor.levels) and factor.kind == "number"
    level = point.levels[place]
    return level.value if is_plain else level.text


def _manifest(grid: Grid, results: Sequence[Result]) -> dict[str, Any]:
    scenario = grid.scenario
    packages = ("messaging-sim", "simpy", "numpy", "pandas", "scipy")
    return {
        "schema_version": SCHEMA_VERSION,
        "kind": _KIND,
        "name": scenario.name,
        "description": scenario.description,
        "scenario": scenario.text,
        "scenario_sha256": scenario.sha256,
        "seed": scenario.seed,
        "study": scenario.study,
        "replications": scenario.replications,
        "confidence": CONFIDENCE,
        "effects": list(scenario.effects),
        "expect": [each.text for each in scenario.expect],
        "factors": [
            {"path": factor.path, "kind": factor.kind, "values": [level.text for level in factor.levels]}
            for factor in grid.factors
        ],
        "points": [
            {
                "values": list(point.texts),
                "key": point.key,
                "verdict": verdict_at(result),
                "replications": result["replications"],
                "censored": result["censored"],
                "refused": result["refused"],
            }
            for point, result in zip(grid.points, results, strict=True)
        ],
        "versions": {"python": platform.python_version(), **{name: version(name) for name in packages}},
    }
