"""The picture of a sweep: which one fits its factors, and its file."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from sim.report import style
from sim.report.figure_factor import factor
from sim.report.figure_heatmap import heatmap
from sim.report.figure_saturation import saturation
from sim.report.sweep_values import SweepValues

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sim.experiment.sweep import SweepData

__all__ = ["drawing", "factor", "heatmap", "saturation", "save"]


def drawing(data: SweepData) -> Callable[[SweepData], Any] | None:
    """What draws a sweep: load, another factor, two factors; None for more of them."""
    if SweepValues(data).is_load:
        return saturation
    return {1: factor, 2: heatmap}.get(len(data.grid.factors))


def save(data: SweepData, folder: Path) -> None:
    """Write ``saturation.png``, ``factor.png`` or ``heatmap.png``; one of an earlier sweep goes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - only where files are written

    chosen = drawing(data)
    for draw in (saturation, factor, heatmap):
        path = folder / f"{draw.__name__}.png"
        if draw is not chosen:
            path.unlink(missing_ok=True)
            continue
        figure = draw(data).ravel()[0].get_figure()
        FigureCanvasAgg(figure)
        aside = path.with_name(f".{path.name}.{os.getpid()}.new")
        with style.applied():
            figure.savefig(aside, format="png", dpi=150, metadata={"Software": None})
        aside.replace(path)
