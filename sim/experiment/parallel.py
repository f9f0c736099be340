"""Where the runs of a study are made: one after the other, in several processes, or where joblib is told to.

A study calls a function with many argument tuples and does not care where (:data:`Apply`). Whatever the
place, results come back in any order and the study sorts them, so that its files are the same bytes. A Dask
cluster is such a place too, see :mod:`sim.experiment.cluster`.
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

Apply = Callable[[Callable[..., Any], Iterable[tuple[Any, ...]]], Iterator[Any]]
"""Calls a function with each of the argument tuples, here or elsewhere; yields the results, in any order."""

START_UP = 1.0
"""Wall time until further processes are at work, s: each imports the model. Measured on two idle cores:
0.8 s until the first two trivial runs are back, 1.0 s from whole studies (6.3 s of work: 4.9 s with two
processes, 7.0 s without, 0.7 s of either outside of the runs)."""


def applier(jobs: int | None, seconds: float, runs: int) -> Apply:
    """Where a study is made.

    Args:
        jobs: processes; None leaves it to joblib's active ``parallel_config`` (Dask, Ray, threads, …) or,
            where there is none, to the size of the study.
        seconds: how much work the study is, CPU time.
        runs: into how many pieces it falls.
    """
    if jobs is None:
        if is_told_where():
            return by_joblib(None)
        jobs = worthwhile_processes(seconds, runs, os.cpu_count() or 1)
    return here if jobs == 1 else by_joblib(jobs)


def worthwhile_processes(seconds: float, runs: int, processors: int) -> int:
    """As many processes as end first.

    One needs T, n of them START_UP + T / n: several pay above T = START_UP x n / (n - 1).

    Args:
        seconds: T, the work.
        runs: of which one process does at least one.
        processors: of this machine.
    """
    count = min(processors, runs)
    return count if count > 1 and seconds > START_UP * count / (count - 1) else 1


def is_told_where() -> bool:
    """Whether a ``joblib.parallel_config`` is active that names a backend or a number of jobs."""
    if "joblib" not in sys.modules:  # nobody can have configured it, and importing it costs time
        return False
    from joblib.parallel import BACKENDS, DEFAULT_BACKEND, get_active_backend  # noqa: PLC0415

    backend, jobs = get_active_backend()
    return jobs is not None or type(backend) is not BACKENDS[DEFAULT_BACKEND]


def here(function: Callable[..., Any], arguments: Iterable[tuple[Any, ...]]) -> Iterator[Any]:
    """One after the other in this process: an :data:`Apply`."""
    for each in arguments:
        yield function(*each)


def by_joblib(jobs: int | None) -> Apply:
    """In several processes, or wherever joblib's active ``parallel_config`` says.

    Args:
        jobs: processes; None leaves that to joblib too.
    """

    def apply(function: Callable[..., Any], arguments: Iterable[tuple[Any, ...]]) -> Iterator[Any]:
        from joblib import Parallel, delayed  # noqa: PLC0415 - only where it is needed
        from joblib.parallel import get_active_backend  # noqa: PLC0415

        backend: Any = get_active_backend()[0]
        returned = "generator_unordered" if backend.supports_return_generator else "list"
        parallel: Any = Parallel(n_jobs=jobs, return_as=returned)
        yield from parallel(delayed(function)(*each) for each in arguments)

    return apply
