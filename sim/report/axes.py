"""Pieces that several pictures share: time axes, shaded faults, panels."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter, MultipleLocator

from sim.report import numbers, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from sim.experiment.archive import StudyData

_UNITS = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))


def panels(rows: int, columns: int, *, width: float = 9.0, height: float, **options: Any) -> np.ndarray:
    """Make a figure of its own, free of pyplot, with axes of shape (rows, columns)."""
    figure = Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(w_pad=0.06, h_pad=0.05))
    return np.asarray(figure.subplots(rows, columns, squeeze=False, **options))


def headline(axes: np.ndarray, text: str) -> None:
    """Say above all panels what is to be seen."""
    figure = axes.ravel()[0].get_figure()
    figure.suptitle(textwrap.fill(text, 95), x=0.01, ha="left", fontsize=11, fontweight="bold")


def time_axis(ax: Axes, end: float, *, label: bool = True) -> None:
    """Label the horizontal axis in the unit that fits its length; the data stay in seconds."""
    scale, name = next(((scale, name) for scale, name in _UNITS if end >= 3 * scale), _UNITS[-1])

    def in_units(value: float, _: object) -> str:
        return f"{value / scale:g}"

    ax.set_xlim(0, end)
    ax.xaxis.set_major_locator(MultipleLocator(_tick(end / scale, 7) * scale))
    ax.xaxis.set_major_formatter(FuncFormatter(in_units))
    if label:
        ax.set_xlabel(f"time ({name})")


def duration_axis(ax: Axes, top: float) -> None:
    """Let the vertical axis run from zero with marks at round numbers of seconds, minutes or hours."""
    top = top * 1.12 if top > 0 else 1.0
    scale = next((scale for scale, _ in _UNITS if top >= 2 * scale), 1.0)
    ax.set_ylim(0, top)
    ax.yaxis.set_major_locator(MultipleLocator(_tick(top / scale, 4) * scale))
    ax.yaxis.set_major_formatter(FuncFormatter(round_duration))


def counts_axis(axis: Any) -> None:
    """Mark an axis of counts with thousands separators."""
    axis.set_major_formatter(FuncFormatter(_count))


def shade_faults(ax: Axes, data: StudyData, architecture: str | None) -> list[str]:
    """Shade the scheduled faults.

    Args:
        ax: with time in seconds along the bottom.
        data: the study.
        architecture: whose panel it is; None where several share it.

    Returns:
        Names of the faults that do not apply to the architecture and are not shaded.
    """
    right = ax.get_xlim()[1]
    missing: list[str] = []
    for fault in _scheduled(data):
        if architecture is not None and (fault.get("applies") or {}).get(architecture) is None:
            missing.append(str(fault["name"]))
            continue
        for start, end in fault["windows"]:
            ax.axvspan(start, min(right if end is None else end, right), color=style.FAULT, lw=0, zorder=0)
    return missing


def name_faults(ax: Axes, data: StudyData, *, points: float) -> int:
    """Write the names of the scheduled faults above a panel, in as many lines as they need.

    Args:
        ax: with its time axis set.
        data: the study.
        points: width of the panel, 1/72 inch, about.

    Returns:
        The number of lines.
    """
    right = ax.get_xlim()[1]
    filled: list[float] = []  # how far to the right each line is filled, in points
    starts = [(fault["windows"][0][0], str(fault["name"])) for fault in _scheduled(data) if fault["windows"]]
    for start, name in sorted(starts):
        width = 4.6 * len(name) + 8
        left = min(start / right * points, max(points - width, 0))
        line = next((line for line, end in enumerate(filled) if end <= left), len(filled))
        filled[line : line + 1] = [left + width]
        ax.annotate(
            name,
            (left / points, 1),
            xycoords="axes fraction",
            xytext=(0, 2 + 9.5 * line),
            textcoords="offset points",
            va="bottom",
            fontsize=7.5,
            color="#666666",
        )
    return len(filled)


def without(missing: list[str]) -> str:
    """A remark on faults that do not apply; empty when all do."""
    return f"{numbers.NOTHING} {', '.join(missing)}: not here" if missing else ""


def round_duration(seconds: float, _: object = None) -> str:
    """The text of a mark on an axis: ``30 s``, ``1.5 min``, ``2 h``."""
    if seconds <= 0:
        return "0"
    scale, name = next(((scale, name) for scale, name in _UNITS if seconds >= scale), _UNITS[-1])
    return f"{seconds / scale:.6g} {name}" if seconds >= 1 else numbers.duration(seconds)


def note(ax: Axes, *texts: str) -> None:
    """Quiet remarks at the top right of a panel; empty ones are left out."""
    text = "\n".join(text for text in texts if text)
    ax.text(0.995, 0.97, text, transform=ax.transAxes, ha="right", va="top", fontsize=7.5, color="#666666")


def is_censored(data: StudyData, architecture: str) -> bool:
    """Whether any run of the architecture was cut off."""
    return any(entry["architecture"] == architecture for entry in data.manifest.get("censored", []))


def titled(data: StudyData, architecture: str) -> str:
    """The architecture's name, marked where a run of it was cut off."""
    return f"{architecture} (cut off)" if is_censored(data, architecture) else architecture


def _scheduled(data: StudyData) -> list[dict[str, Any]]:
    return [fault for fault in data.manifest.get("faults", []) if fault.get("scheduled")]


def _tick(length: float, ticks: int) -> float:
    wanted = length / ticks
    power = 10.0 ** np.floor(np.log10(wanted)) if wanted > 0 else 1.0
    return float(next(step * power for step in (1, 2, 5, 10) if step * power >= wanted * (1 - 1e-9)))


def _count(value: float, _: object) -> str:
    return f"{value:,.10g}"
