"""From a scenario to results: the one verb of the Python interface and of ``sim run``."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path

from sim.experiment.estimate import Estimate, estimate, fitting, usable_memory
from sim.experiment.parallel import Apply, is_told_where
from sim.experiment.study import Run, run_study
from sim.report.results import Results
from sim.scenario.load import load
from sim.scenario.model import Scenario
from sim.vocabulary import Engine

KEEP = ("first", "all", "none")
"""Of which replications the messages can be kept."""


def run(  # noqa: PLR0913 - one argument per option
    scenario: Scenario | str | Path,
    *,
    replications: int | None = None,
    seed: int | None = None,
    jobs: int | None = None,
    apply: Apply | None = None,
    engine: Engine | str = Engine.AUTO,
    overrides: Sequence[str] = (),
    keep: str = "first",
    memory: float | None = None,
    scratch: Path | None = None,
    on_estimate: Callable[[Estimate], None] | None = None,
    on_done: Callable[[Run], None] | None = None,
) -> Results:
    """Run a scenario.

    Args:
        scenario: the file, or what :func:`sim.load` made of it.
        replications: instead of the scenario's.
        seed: instead of the scenario's.
        jobs: processes; where it is left out, joblib's active ``parallel_config`` decides, else the size of
            the study.
        apply: makes the runs instead, e.g. ``with sim.on_cluster("tcp://scheduler:8786") as apply``.
        engine: ``auto``, ``processes`` or ``blocks``; the ledger is the same, see :mod:`sim.accelerator`.
        overrides: ``path=value`` as after ``--set``; only with a file.
        keep: ``first``, ``all`` or ``none``: of which replications the messages are kept. Without any, the
            runs are measured slice by slice and percentiles are approximate (``manifest["percentiles"]``).
        memory: bytes that the study may use; a quarter of the machine's where it is left out. What would need
            more is measured slice by slice, and its messages go to a file as they come: percentiles are
            approximate then too, and ``messages`` reads that file.
        scratch: the folder for that file; the system's for temporary files where it is left out.
        on_estimate: told what the study will take, before it begins.
        on_done: told of each run as it ends.

    Raises:
        ScenarioError: the scenario is wrong; every problem with its place in the file.
        ValueError: overrides without a file, or ``keep`` is none of these words.
        MemoryError: the study would need more; the text says what to change.
    """
    if keep not in KEEP:
        raise ValueError(f"keep must be 'first', 'all' or 'none', not {keep!r}")
    if isinstance(scenario, Scenario):
        if overrides:
            raise ValueError("overrides change a file: give them to sim.load")
        changes = {"replications": replications, "seed": seed}
        scenario = scenario.model_copy(
            update={key: value for key, value in changes.items() if value is not None}
        )
    else:
        scenario = load(scenario, overrides=overrides, replications=replications, seed=seed)
    allowed = usable_memory() if memory is None else memory
    expected = fitting(
        scenario,
        estimate(scenario, jobs, keep, engine),
        allowed,
        jobs,
        can_spill=apply is None and not is_told_where(),  # elsewhere files may not be seen from here
    )
    if on_estimate is not None:
        on_estimate(expected)
    folder = _folder(scratch) if expected.spills else None
    try:
        data = run_study(
            scenario,
            jobs=jobs,
            apply=apply,
            engine=Engine(engine),
            keeps_all_messages=keep == "all",
            keeps_no_messages=keep == "none",
            spill_to=folder,
            memory=allowed / expected.processes,
            on_done=on_done,
        )
    except BaseException:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        raise
    results = Results(data)
    if folder is not None:
        weakref.finalize(results, shutil.rmtree, folder, ignore_errors=True)
    return results


def _folder(scratch: Path | None) -> Path:
    """A new folder for messages, which vanishes with the results."""
    if scratch is not None:
        scratch.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix=".messages_", dir=scratch)).resolve()
