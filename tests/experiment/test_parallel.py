"""Where the runs of a study are made, and that it does not matter."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import joblib
import pytest

import sim
from sim.experiment.effort import SECONDS_PER_PAIR, SECONDS_PER_RUN, estimated_seconds, planned_runs
from sim.experiment.parallel import START_UP, here, is_told_where, worthwhile_processes

TEXT = """
replications: 3
horizon: 40s
workload: {arrivals: 20/s, backlog: 100}
effects: {db: {service: {mean: 50ms, cv: 1}}, index: 20ms}
architectures: {single_broker: {consumers: 3}, stream: }
"""


def test_work_is_estimated_in_seconds() -> None:
    """2 architectures × 3 replications of (20/s × 40 s + 100) messages × 2 effects."""
    scenario = sim.loads(TEXT)
    assert planned_runs(scenario) == 6
    assert estimated_seconds(scenario) == pytest.approx(6 * (SECONDS_PER_RUN + 1800 * SECONDS_PER_PAIR))


@pytest.mark.parametrize(("processors", "runs", "count"), [(2, 20, 2), (8, 20, 8), (8, 3, 3)])
def test_processes_are_started_where_they_end_sooner(processors: int, runs: int, count: int) -> None:
    """At START_UP + T / n = T one and n processes end together; above, n, each with a run at least."""
    even = START_UP * count / (count - 1)
    assert START_UP + even / count == pytest.approx(even)
    assert worthwhile_processes(even * 0.999, runs, processors) == 1
    assert worthwhile_processes(even * 1.001, runs, processors) == count


@pytest.mark.parametrize(("processors", "runs"), [(1, 20), (8, 1)])
def test_one_processor_or_one_run_needs_one_process(processors: int, runs: int) -> None:
    """However long it takes."""
    assert worthwhile_processes(1e6, runs, processors) == 1


def test_joblibs_context_is_seen_and_nothing_else() -> None:
    """A backend or a number of jobs says where; how much joblib shall print does not."""
    assert not is_told_where()
    for told in ({"n_jobs": 1}, {"n_jobs": 2}, {"backend": "threading"}):
        with joblib.parallel_config(**told):
            assert is_told_where()
    with joblib.parallel_config(verbose=0):
        assert not is_told_where()


PLACES = {"threads": {"backend": "threading"}, "a pool": {"backend": "multiprocessing"}, "loky": {}}


@pytest.mark.parametrize("place", list(PLACES))
def test_a_study_goes_where_joblib_is_told(place: str, tmp_path: Path) -> None:
    """Threads, processes that yield nothing before all are done, processes that do: the same bytes."""
    scenario = sim.loads(TEXT)
    with joblib.parallel_config(n_jobs=2, **PLACES[place]):
        sim.run(scenario).save(tmp_path / "told")
    sim.run(scenario, jobs=1).save(tmp_path / "here")
    for name in ("summary.csv", "comparison.csv", "messages.parquet", "lag.parquet"):
        assert (tmp_path / "told" / name).read_bytes() == (tmp_path / "here" / name).read_bytes(), name


def test_threads_are_used_when_told() -> None:
    """The runs of a study in a threading context are made in this process, but not in this thread."""
    import threading

    scenario = sim.loads(TEXT)
    threads: set[str] = set()
    run_one = sim.experiment.study.run_one  # type: ignore[attr-defined]

    def noted(*arguments: Any) -> Any:
        threads.add(threading.current_thread().name)
        return run_one(*arguments)

    with pytest.MonkeyPatch.context() as patch, joblib.parallel_config(backend="threading", n_jobs=2):
        patch.setattr("sim.experiment.study.run_one", noted)
        sim.run(scenario)
    assert threading.current_thread().name not in threads
    assert threads


def test_any_apply_will_do() -> None:
    """Whoever calls the function with every tuple, in whatever order, makes the study."""
    scenario = sim.loads(TEXT)
    pids: list[int] = []

    def backwards(function: Callable[..., Any], arguments: Iterable[tuple[Any, ...]]) -> Iterator[Any]:
        pids.append(os.getpid())
        return here(function, reversed(list(arguments)))

    turned, straight = sim.run(scenario, apply=backwards), sim.run(scenario, jobs=1)
    assert pids == [os.getpid()]
    assert turned.summary.equals(straight.summary)
    assert turned.lag.equals(straight.lag)
