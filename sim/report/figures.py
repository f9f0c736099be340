"""The four pictures of a study: lag, outcomes, latency, throughput.

Each takes a study and axes, draws and returns the axes; without axes it makes a figure with small multiples.
With a single ``ax`` it draws all architectures over each other. ``save_all`` writes PNGs of equal bytes for
equal studies.
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, Any

from sim.experiment.archive import keeps_messages
from sim.report import style
from sim.report.figure_lag import lag
from sim.report.figure_latency import latency
from sim.report.figure_outcomes import outcomes
from sim.report.figure_throughput import throughput

if TYPE_CHECKING:
    from pathlib import Path

    from sim.experiment.archive import StudyData

__all__ = ["lag", "latency", "outcomes", "save_all", "show_in_notebook", "throughput"]


def save_all(data: StudyData, folder: Path) -> None:
    """Write ``lag.png``, ``outcomes.png``, ``latency.png`` and ``throughput.png`` into a folder.

    Without messages, and where a file has them because they are many, the last two are left out.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - only where files are written

    of_messages = (latency, throughput) if keeps_messages(data.manifest) and data.spilled is None else ()
    for draw in (lag, outcomes, *of_messages):
        axes: Any = draw(data)
        figure = axes.ravel()[0].get_figure()
        FigureCanvasAgg(figure)
        with style.applied():
            figure.savefig(folder / f"{draw.__name__}.png", dpi=150, metadata={"Software": None})


def show_in_notebook(axes: Any) -> None:
    """Show a figure that belongs to no pyplot below the running cell; nothing outside of a notebook."""
    if "IPython" not in sys.modules:
        return
    from IPython.core.getipython import get_ipython  # noqa: PLC0415 - only there

    shell = get_ipython()
    if shell is None or not hasattr(shell, "kernel"):
        return
    from IPython.display import Image, display  # noqa: PLC0415
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415

    figure = axes.ravel()[0].get_figure()
    FigureCanvasAgg(figure)
    picture = io.BytesIO()
    with style.applied():
        figure.savefig(picture, format="png", dpi=100, metadata={"Software": None})
    display(Image(data=picture.getvalue()))
