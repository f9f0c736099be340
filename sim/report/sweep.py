"""From a scenario to its sweep: the verb of the Python interface, and what it returns."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.experiment.sweep import SweepData, run_sweep, write
from sim.scenario.load import load
from sim.scenario.model import Scenario
from sim.scenario.points import Grid, grid_of
from sim.vocabulary import Problem, ScenarioError

if TYPE_CHECKING:
    import pandas as pd


class SweepResults:
    """What a sweep found.

    Attributes:
        data: all of it.
    """

    def __init__(self, data: SweepData) -> None:
        self.data = data

    @classmethod
    def of(cls, grid: Grid, folder: Path | None = None, **options: Any) -> SweepResults:
        """Run a grid; the options are those of :func:`sim.experiment.sweep.run_sweep`."""
        return cls(run_sweep(grid, folder, **options))

    @property
    def name(self) -> str:
        """The name of the scenario."""
        return self.data.grid.scenario.name

    @property
    def table(self) -> pd.DataFrame:
        """The factors, then the columns of a summary; a row per point, architecture, metric and scope."""
        return self.data.table

    @property
    def verdicts(self) -> pd.DataFrame:
        """The factors, expectation, verdict and why; a row per point and expectation."""
        return self.data.verdicts

    @property
    def answers(self) -> list[str]:
        """The smallest passing value for every expectation, and the knees, in words."""
        from sim.report.sweep_answers import answers  # noqa: PLC0415 - only where it is shown

        return answers(self.data)

    @property
    def manifest(self) -> dict[str, Any]:
        """What is needed to repeat the sweep."""
        return self.data.manifest

    def plot(self) -> Any:
        """The saturation curve, the curve over one factor, or the heat map over two; returns the axes.

        Raises:
            ValueError: there are more than two factors.
        """
        from sim.report import figures, sweep_figures  # noqa: PLC0415 - Matplotlib is heavy

        draw = sweep_figures.drawing(self.data)
        if draw is None:
            raise ValueError("a sweep of more than two factors has no picture: fix some of them")
        axes = draw(self.data)
        figures.show_in_notebook(axes)
        return axes

    def save(self, folder: str | Path) -> Path:
        """Write the tables, the manifest and the picture into a folder."""
        from sim.report import sweep_figures  # noqa: PLC0415 - Matplotlib is heavy

        self.data.manifest["answers"] = self.answers
        write(self.data, Path(folder), extra=lambda inside: sweep_figures.save(self.data, inside))
        return Path(folder)

    def __repr__(self) -> str:
        factors = " × ".join(factor.path for factor in self.data.grid.factors)
        return f"<SweepResults of {self.name}: {len(self.data.results)} points, {factors}>"

    def _repr_html_(self) -> str:
        from sim.report.sweep_table import table_html  # noqa: PLC0415 - only where it is shown

        return table_html(self.data)


def sweep(
    scenario: Scenario | str | Path,
    vary: Mapping[str, Sequence[Any] | str] | None = None,
    *,
    out: str | Path | None = None,
    overrides: Sequence[str] = (),
    replications: int | None = None,
    seed: int | None = None,
    jobs: int | None = None,
    fresh: bool = False,
    on_done: Callable[[int], None] | None = None,
) -> SweepResults:
    """Run a scenario at every point of a sweep.

    Args:
        scenario: the file, or what :func:`sim.load` made of it.
        vary: paths and the values that each takes, a list or a range such as ``100/s..1000/s:10``; the
            scenario's own ``sweep`` where it is left out.
        out: where results are kept as they end; nothing is written without it.
        overrides: ``path=value`` as after ``--set``; only with a file.
        replications: instead of the file's; only with a file.
        seed: instead of the file's; only with a file.
        jobs: processes; chosen by the size of the sweep where it is left out.
        fresh: run every point anew, also those that were done before.
        on_done: told how many points are done.

    Raises:
        ScenarioError: the scenario or one of the points is wrong; every problem with its place.
        ValueError: what changes a file is given with a scenario that is loaded.
    """
    if isinstance(scenario, Scenario):
        if overrides or replications is not None or seed is not None:
            raise ValueError("overrides, replications and seed change a file: give them to sim.load")
    else:
        scenario = load(scenario, overrides=overrides, replications=replications, seed=seed)
    grid = grid_of(scenario, [f"{path}={_yaml(path, values)}" for path, values in (vary or {}).items()])
    folder = None if out is None else Path(out)
    results = SweepResults.of(grid, folder, jobs=jobs, fresh=fresh, on_done=on_done)
    if folder is not None:
        results.save(folder)
    return results


def _yaml(path: str, values: Sequence[Any] | str) -> str:
    """Values as they would stand behind ``--vary``."""
    if isinstance(values, str):
        return values
    try:
        return json.dumps([each.item() if hasattr(each, "item") else each for each in values])
    except (TypeError, ValueError) as error:
        raise ScenarioError([Problem(f"vary {path}", 1, 1, f"not what YAML could hold: {error}")]) from None
