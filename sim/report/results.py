"""A finished study as an object: frames, tables and pictures."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.experiment import archive

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from rich.table import Table

    from sim.experiment.archive import StudyData


class Results:
    """What a study found, in tidy frames, with one-line tables and plots.

    Attributes:
        data: all of it, as it is written to files.
    """

    def __init__(self, data: StudyData) -> None:
        self.data = data

    @classmethod
    def read(cls, folder: str | Path) -> Results:
        """Read the folder of an earlier run."""
        return cls(archive.read(Path(folder)))

    def save(self, folder: str | Path) -> Path:
        """Write files and pictures into a folder, all at once; an earlier study in it is replaced."""
        from sim.report import figures  # noqa: PLC0415 - Matplotlib is heavy

        archive.write(self.data, Path(folder), extra=lambda aside: figures.save_all(self.data, aside))
        return Path(folder)

    @property
    def name(self) -> str:
        """The name of the scenario."""
        return self.data.name

    @property
    def summary(self) -> pd.DataFrame:
        """Means with intervals, one row per architecture, metric and scope."""
        return self.data.summary

    @property
    def comparison(self) -> pd.DataFrame:
        """Paired differences to the baseline, with intervals."""
        return self.data.comparison

    @property
    def messages(self) -> pd.DataFrame:
        """One row per message and effect, of replication 0 unless more were kept.

        Where a file has them, it is read each time. Empty where none were: ``messages.attrs["why"]`` says so.
        """
        return self.data.with_messages().messages

    @property
    def lag(self) -> pd.DataFrame:
        """Backlog, copies in flight, age and lag over time."""
        return self.data.lag

    @property
    def status(self) -> pd.DataFrame | None:
        """Jobs pending, running, succeeded and failed over time; None where no caller asks."""
        return self.data.status

    @property
    def samples(self) -> pd.DataFrame | None:
        """Every value of every replication; None where the study was read from files."""
        return self.data.samples

    @property
    def manifest(self) -> dict[str, Any]:
        """Scenario, seed, versions, faults and whatever else is needed to repeat the study."""
        return self.data.manifest

    def value(self, metric: str, architecture: str, scope: str = "") -> float:
        """The mean of a metric over replications.

        Raises:
            KeyError: the summary has no such row.
        """
        table = self.summary
        found = table.loc[
            (table["metric"] == metric) & (table["architecture"] == architecture) & (table["scope"] == scope),
            "mean",
        ]
        if not len(found):
            raise KeyError(f"no {metric} of {architecture}" + (f" for {scope}" if scope else ""))
        return float(found.iloc[0])

    def table(self, metrics: Sequence[str] | None = None) -> Table:
        """The comparison table, for ``rich.print``."""
        from sim.report.tables import comparison_table  # noqa: PLC0415 - only where it is shown

        return comparison_table(self.data, metrics)

    def headline(self) -> str:
        """One line: what was run, how often and how long it took."""
        manifest = self.manifest
        replications = manifest["replications"]
        parts = [
            f"{len(manifest['architectures'])} architectures × {replications} replication"
            + ("s" if replications != 1 else ""),
            "same storm",
            f"{manifest['messages_per_run']:,.0f} messages each",
            f"{manifest['wall_time_s']:.0f} s",
        ]
        return f"{self.name}   {', '.join(parts)}"

    def verdicts(self) -> list[tuple[str, str]]:
        """The verdict on each expectation (PASS, FAIL or INCONCLUSIVE), with a line that says why."""
        from sim.report.promises import verdict_lines  # noqa: PLC0415 - only where it is shown

        return verdict_lines(self.manifest)

    def notes(self) -> list[str]:
        """What a reader must know before trusting the comparison."""
        from sim.report.notes import notes  # noqa: PLC0415 - only where it is shown

        return notes(self.data)

    def plot_lag(self, ax: Any = None) -> Any:
        """Age and backlog over time; returns the axes."""
        return self._plot("lag", ax)

    def plot_outcomes(self, ax: Any = None) -> Any:
        """What became of the messages; returns the axes."""
        return self._plot("outcomes", ax)

    def plot_latency(self, ax: Any = None) -> Any:
        """The tail of the latencies; returns the axes."""
        return self._plot("latency", ax)

    def plot_throughput(self, ax: Any = None) -> Any:
        """Completions per second over time; returns the axes."""
        return self._plot("throughput", ax)

    def _plot(self, name: str, ax: Any) -> Any:
        from sim.report import figures  # noqa: PLC0415 - Matplotlib is heavy

        axes = getattr(figures, name)(self.data.with_messages(), ax)
        if ax is None:
            figures.show_in_notebook(axes)
        return axes

    def __repr__(self) -> str:
        architectures = ", ".join(dict.fromkeys(self.summary["architecture"]))
        return f"<Results of {self.name}: {architectures}>"

    def _repr_html_(self) -> str:
        from sim.report.html import table_html  # noqa: PLC0415 - only where it is shown

        return table_html(self.data)
