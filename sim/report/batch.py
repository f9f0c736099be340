"""Many scenarios after each other: one line for each, the worst verdict for all."""

# pyright: reportMissingTypeStubs=false, reportUnknownVariableType=false

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sim.experiment.estimate import usable_memory
from sim.experiment.parallel import Apply, is_told_where
from sim.report.promises import exit_code, keeps_every_promise, verdict_lines
from sim.report.run import run
from sim.scenario.load import load
from sim.scenario.model import Scenario
from sim.vocabulary import ExitCode, Problem, ScenarioError, Verdict


@dataclass(frozen=True)
class Ended:
    """How one scenario of several ended.

    Attributes:
        path: its file.
        code: what it alone would return to the shell.
        told: what is wrong with it, where it could not be run.
        manifest: of the study, empty where there is none.
    """

    path: Path
    code: ExitCode
    told: str = ""
    manifest: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def verdict(self) -> str:
        """The worst verdict of its expectations; empty without any."""
        if not self.manifest.get("verdicts"):
            return ""
        names = {ExitCode.FAIL: Verdict.FAIL, ExitCode.INCONCLUSIVE: Verdict.INCONCLUSIVE}
        return str(names.get(self.code, Verdict.PASS))

    @property
    def figure(self) -> str:
        """The expectation that decides the verdict, with what was seen."""
        lines = [line for verdict, line in verdict_lines(self.manifest) if verdict == self.verdict]
        return " ".join(lines[0].split()) if lines else keeps_every_promise(self.manifest)


def scenario_files(paths: Sequence[Path]) -> list[Path]:
    """The files, and for each folder the scenarios that lie directly in it, sorted by name.

    Raises:
        ScenarioError: a folder has none.
    """
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            found = sorted(file for file in path.iterdir() if file.suffix in (".yaml", ".yml"))
            if not found:
                raise ScenarioError([Problem(str(path), 1, 1, "no scenario lies in this folder: *.yaml")])
            files += found
        else:
            files.append(path)
    return files


def run_all(
    files: Sequence[Path],
    folder: Path,
    *,
    jobs: int | None = None,
    apply: Apply | None = None,
    options: dict[str, Any],
    how: dict[str, Any] | None = None,
) -> Iterator[Ended]:
    """Run scenarios and yield how each ended, in their order.

    Several at a time, each in one process; on a cluster, and where joblib's ``parallel_config`` says where,
    one after the other, each with its runs spread out. The files are always written here.

    Args:
        files: the scenarios.
        folder: where each gets a folder of its own.
        jobs: processes; as many as the machine has where it is left out.
        apply: makes the runs instead, see :func:`sim.run`.
        options: for :func:`sim.load`, the same for all.
        how: further arguments of :func:`sim.run`, the same for all.
    """
    how = {**(how or {}), "scratch": folder}
    work = list(zip(files, _loaded(files, options), strict=True))
    if apply is not None or (jobs is None and is_told_where()):
        yield from (_run_one(path, scenario, folder, {"apply": apply, **how}) for path, scenario in work)
        return
    from joblib import Parallel, delayed  # noqa: PLC0415 - heavy, and only needed here

    processes = jobs or min(os.cpu_count() or 1, len(files))
    share = (how.get("memory") or usable_memory()) / processes
    how = {"jobs": 1, **how, "memory": share}
    parallel: Any = Parallel(n_jobs=processes, return_as="generator")
    yield from parallel(delayed(_run_one)(path, scenario, folder, how) for path, scenario in work)


def _loaded(files: Sequence[Path], options: dict[str, Any]) -> list[Scenario | ScenarioError]:
    """Each scenario, or why it cannot be run; two of them cannot leave their files in the same folder."""
    found: list[Scenario | ScenarioError] = []
    owners: dict[str, Path] = {}
    for path in files:
        try:
            scenario = load(path, **options)
        except ScenarioError as error:
            found.append(error)
            continue
        owner = owners.setdefault(scenario.slug, path)
        taken = f"{scenario.name!r} would overwrite the results of {owner}: give it another name"
        found.append(scenario if owner is path else ScenarioError([scenario.problem("name", taken)]))
    return found


def _run_one(
    path: Path,
    scenario: Scenario | ScenarioError,
    folder: Path,
    how: dict[str, Any],
) -> Ended:
    try:
        if isinstance(scenario, ScenarioError):
            raise scenario
        results = run(scenario, **how)
        results.save(folder / scenario.slug)
    except ScenarioError as error:
        return Ended(path, ExitCode.BAD_INPUT, str(error))
    except (OSError, MemoryError) as error:
        return Ended(path, ExitCode.ENVIRONMENT, f"{path}: {error or type(error).__name__}")
    return Ended(path, exit_code(results.manifest), manifest=results.manifest)
