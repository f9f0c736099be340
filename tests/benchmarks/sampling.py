"""One measurement in a process of its own: ``sampling.py NAME MESSAGES [ENGINE] [PATH=VALUE …]`` prints JSON.

A fresh process for each, so that its peak memory is its own. Before the work, B is
measured in the same process: the rate of bare ``yield env.timeout(1)`` loops in 16 processes.
"""

from __future__ import annotations

import gc
import json
import resource
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import simpy
from peers import PEERS
from workloads import FULL, STUDY, STUDY_NAME, WORKLOADS

import sim
from sim.analysis.lag import grid_step, lag_series
from sim.engine.record import Record
from sim.experiment.effort import expected_messages
from sim.experiment.replication import run_replication
from sim.experiment.study import run_study
from sim.vocabulary import Outcome


@dataclass(frozen=True)
class Sample:
    """What one measurement saw.

    Attributes:
        bare: B, SimPy timeouts per CPU second.
        rate: of the workload's units, per CPU second.
        bytes_each: of the ledger, per message and effect; None where no single record is kept.
        peak: resident memory of the process at its most, MB.
    """

    bare: float
    rate: float
    bytes_each: float | None
    peak: float

    @property
    def ratio(self) -> float:
        """To B."""
        return self.rate / self.bare


def cpu_seconds(work: Callable[[], object]) -> float:
    """CPU time of a call, s."""
    start = time.process_time()
    work()
    return time.process_time() - start


def bare_timeouts(events: int, processes: int = 16) -> float:
    """B: SimPy timeouts per CPU second."""
    env = simpy.Environment()

    def loop() -> Iterator[simpy.Event]:
        for _ in range(events // processes):
            yield env.timeout(1.0)

    for _ in range(processes):
        env.process(loop())
    return events / cpu_seconds(env.run)


def sample(name: str, messages: int, engine: str = "", *overrides: str) -> Sample:
    """Measure a workload, the study or a peer.

    Args:
        name: of a workload, the study or a peer.
        messages: to be expected of a run.
        engine: of which path; empty is what runs choose.
        overrides: of the workload's scenario, ``path=value``.
    """
    bare = bare_timeouts(min(400_000, 16 * messages))
    each: float | None = None
    if name in PEERS:
        done: list[int] = []
        seconds = cpu_seconds(lambda: done.append(PEERS[name](messages)))
        rate = done[0] / seconds
    elif name == STUDY_NAME:
        rate = _study(messages)
    else:
        rate, each = _replication(name, messages, engine, overrides)
    return Sample(bare, rate, each, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def _replication(name: str, messages: int, engine: str, overrides: tuple[str, ...]) -> tuple[float, float]:
    """One run with its full ledger, and the lag series of its components, after a short one as a start.

    The short one does all that is measured, so that imports that wait for their first use are not.
    """
    workload = WORKLOADS[name]
    start = workload.scenario(1000)
    lag_series(run_replication(start, workload.architecture, 0), grid_step(start.horizon))
    scenario = workload.scenario(messages, *overrides)
    gc.collect()
    gc.freeze()  # whether a collection looks at all imported libraries in just this run is left to chance
    path: dict[str, Any] = {"engine": engine} if engine else {}
    kept: list[Record] = []

    def work() -> None:
        record = run_replication(scenario, workload.architecture, 0, **path)
        lag_series(record, grid_step(scenario.horizon))
        kept.append(record)

    seconds = cpu_seconds(work)
    (record,) = kept
    pairs = len(record.published) * len(record.effects)
    ended = sum(int(np.sum(pair.outcome != Outcome.PENDING)) for pair in record.pairs)
    return ended / pairs * len(record.published) * workload.units / seconds, record.nbytes / pairs


def _study(messages: int) -> float:
    """The whole study in this process, every file but the pictures computed; messages of all its runs."""
    replications = max(2, round(20 * messages / FULL))
    scenario = sim.load(STUDY, replications=replications)
    seconds = cpu_seconds(lambda: run_study(scenario, jobs=1))
    return expected_messages(scenario) * len(scenario.architectures) * replications / seconds


if __name__ == "__main__":
    name, messages, *rest = sys.argv[1:]
    print(json.dumps(asdict(sample(name, int(messages), *rest))))
