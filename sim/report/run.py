"""From a scenario to results: the one verb of the Python interface and of ``sim run``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from sim.experiment.estimate import estimate, refuse_what_does_not_fit
from sim.experiment.parallel import Apply
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
        memory: bytes that the study may use; a quarter of the machine's where it is left out.
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
    refuse_what_does_not_fit(scenario, estimate(scenario, jobs, keep), memory)
    data = run_study(
        scenario,
        jobs=jobs,
        apply=apply,
        engine=Engine(engine),
        keeps_all_messages=keep == "all",
        keeps_no_messages=keep == "none",
        on_done=on_done,
    )
    return Results(data)
