"""The verb ``draw``: pictures of what a scenario builds, on axes, in files, or as Mermaid text."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sim.report.diagram.mermaid import mermaid
from sim.scenario.load import load
from sim.scenario.model import Scenario
from sim.scenario.problems import meant

FORMATS = ("svg", "png", "mermaid")
_DPI = 150
_ENDINGS = {"svg": "svg", "png": "png", "mermaid": "mmd"}


def draw(
    scenario: Scenario | str | Path, ax: Any = None, architecture: str | Sequence[str] | None = None
) -> Any:
    """Draw the architectures of a scenario as they are built: parts, settings, rates, and what fails.

    Args:
        scenario: the file, or what :func:`sim.load` made of it.
        ax: axes, one per architecture; a figure of its own is made where it is left out.
        architecture: name of the one to draw, or several; all of them where it is left out.

    Returns:
        The axes that were drawn on.

    Raises:
        ScenarioError: the scenario is wrong.
        ValueError: no architecture has that name, or there are not as many axes as architectures.
    """
    from sim.report import figures  # noqa: PLC0415 - Matplotlib is heavy
    from sim.report.diagram.figure import diagram  # noqa: PLC0415

    if not isinstance(scenario, Scenario):
        scenario = load(scenario)
    axes = diagram(scenario, chosen(scenario, architecture), ax)
    if ax is None:
        figures.show_in_notebook(axes)
    return axes


def chosen(scenario: Scenario, names: str | Sequence[str] | None = None) -> list[str]:
    """The architectures to draw, in the order of the scenario.

    Raises:
        ValueError: one of the names is unknown, or there is none.
    """
    known = list(scenario.architectures)
    wanted = known if names is None else [names] if isinstance(names, str) else list(names)
    for name in wanted:
        if name not in known:
            raise ValueError(
                f"no architecture is called {name!r}{meant(name, known)}; known are {', '.join(known)}"
            )
    if not wanted:
        raise ValueError(f"name at least one architecture of {', '.join(known)}")
    return [name for name in known if name in wanted]


def save(scenario: Scenario, folder: Path, names: Sequence[str], formats: Sequence[str]) -> list[Path]:
    """Write drawings into a folder: one of all architectures, and one of each.

    Nothing else in the folder is touched.

    Args:
        scenario: what to draw.
        folder: made where it does not exist.
        names: the architectures.
        formats: of :data:`FORMATS`.

    Returns:
        The files, in the order in which they were written.
    """
    texts: dict[str, bytes] = {}
    drawings = [("diagram", list(names)), *((f"diagram_{name}", [name]) for name in names)]
    for stem, shown in drawings:
        for each in formats:
            if each == "mermaid":
                content = mermaid(scenario, shown).encode()
            else:
                content = picture(draw_quietly(scenario, shown), each)
            texts[f"{stem}.{_ENDINGS[each]}"] = content
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in texts.items():
        (folder / name).write_bytes(content)
    return [folder / name for name in texts]


def draw_quietly(scenario: Scenario, names: Sequence[str]) -> Any:
    """A figure of its own that no notebook shows."""
    from sim.report.diagram.figure import diagram  # noqa: PLC0415 - Matplotlib is heavy

    return diagram(scenario, names)


def picture(axes: Any, ending: str) -> bytes:
    """The file of a figure, the same bytes for the same scenario."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - only where files are written

    from sim.report import style  # noqa: PLC0415

    figure = np.ravel(axes)[0].get_figure()
    metadata = {"Software": None} if ending == "png" else {"Date": None, "Creator": None}
    FigureCanvasAgg(figure)
    stream = io.BytesIO()
    with style.applied():
        figure.savefig(stream, format=ending, dpi=_DPI, metadata=metadata)
    return stream.getvalue()
