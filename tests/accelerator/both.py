"""One scenario run both ways, in blocks and by its processes."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from compare import differences

import sim
from sim.engine.record import NO_FATE
from sim.experiment.replication import simulate
from sim.vocabulary import Outcome

POISSON = {"arrivals": {"rate": "6/s", "process": "poisson"}}
EXPONENTIAL = {"db": {"service": {"mean": "0.5s", "distribution": "exponential"}}}


def both(
    kind, times=None, *, workload=None, effects=None, faults=None, horizon="100s", drain="empty", **blocks
):
    """Run one architecture in blocks, all of it, and hold it against its processes.

    Args:
        kind: of the architecture.
        times: when each message is published; None leaves the arrivals to ``workload``.
        workload: as in a scenario.
        effects: as in a scenario; 1 s for ``db`` where nothing is said.
        faults: as in a scenario.
        horizon: when arrivals stop.
        drain: how long the run goes on then.
        blocks: of the architecture.

    Returns:
        The record.
    """
    record, (reasons, _), by_processes = _run(
        kind, times, workload, effects, faults, (horizon, drain), blocks
    )
    assert not reasons
    assert not differences(by_processes, record)
    return record


def left_to_processes(
    kind, *, workload=None, effects=None, faults=None, horizon="100s", drain="empty", **blocks
):
    """Why blocks leave a run to the processes; arguments as of :func:`both`."""
    _, (reasons, in_blocks), _ = _run(kind, None, workload, effects, faults, (horizon, drain), blocks)
    assert not in_blocks
    return set(reasons.values())


def _run(kind, times, workload, effects, faults, span, blocks):  # noqa: PLR0917 - as in `both`
    tree = {
        "seed": 1,
        "horizon": span[0],
        "drain": span[1],
        "workload": workload or POISSON,
        "effects": effects or {"db": "1s"},
        "architectures": {kind: blocks},
        "faults": faults or {},
    }
    with tempfile.TemporaryDirectory() as folder:
        if times is not None:
            Path(folder, "trace.csv").write_text("\n".join(["time", *map(str, times), ""]), encoding="utf-8")
            tree["workload"] = {"arrivals": {"trace": {"file": "trace.csv", "time": "time"}}}
        scenario = sim.loads(json.dumps(tree), folder=folder)
        record, ways = simulate(scenario, kind, 0, "blocks")
        in_blocks = [name for name in ways.paths if ways.paths[name] == "blocks"]
        return record, (ways.reasons, in_blocks), simulate(scenario, kind, 0, "processes")[0]


def fates(record, copies=0):
    """How each message ended at one holder; empty where it never came there or has not ended."""
    codes = record.copies[copies].fate.tolist()
    return ["" if code == NO_FATE else Outcome(code).name.lower() for code in codes]
