"""The comparison table of the terminal: architectures as columns, the rows that matter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from sim.report.notes import notes
from sim.report.rows import Cell, names, rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sim.experiment.archive import StudyData

__all__ = ["comparison_table", "notes"]


def comparison_table(data: StudyData, metrics: Sequence[str] | None = None) -> Table:
    """Build the table; under each value stands its paired difference to the baseline.

    Args:
        data: the study.
        metrics: rows to show instead of the usual ones, as in ``summary.csv`` (``index.latency_p99``).

    Raises:
        ValueError: a metric is not known.
    """
    found = rows(data, metrics)
    baseline = data.manifest.get("baseline")
    cut_off = {entry["architecture"] for entry in data.manifest.get("censored", [])}
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, header_style="bold")
    table.add_column("")
    for name in names(data):
        heading = Text(name, overflow="fold")
        if name == baseline:
            heading.append("\nbaseline", style="dim not bold")
        if name in cut_off:
            heading.append("\ncut off", style="yellow not bold")
        table.add_column(heading, justify="right", vertical="top")
    for row in found:
        table.add_row(Text(row.label), *(_text(cell) for cell in row.cells))
    return table


def _text(cell: Cell) -> Text:
    text = Text(cell.text)
    if cell.difference:
        colours: dict[bool | None, str] = {True: "dim green", False: "dim red", None: "dim"}
        text.append(f"\n{cell.difference}", style=colours[cell.is_better])
    return text
