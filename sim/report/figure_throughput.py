"""Completions per second over time."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sim.analysis.throughput import rates
from sim.experiment.archive import need_messages
from sim.report import axes as parts
from sim.report import numbers, style
from sim.report.rows import Values, names

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from sim.experiment.archive import StudyData

_BINS = 120
_Curves = dict[str, tuple[np.ndarray, np.ndarray]]


def throughput(data: StudyData, ax: Any = None) -> Any:
    """Draw completed against offered messages per second, of the first replication in ``messages``.

    Args:
        data: the study.
        ax: one axes per architecture, or a single one for all.

    Returns:
        The axes that were drawn on.

    Raises:
        ValueError: the study kept no messages.
    """
    need_messages(data.manifest)
    listed = names(data)
    edges, curves = _curves(data, listed)
    styles = style.architectures(data.manifest["architectures"])
    top = max((float(max(pair[0].max(), pair[1].max())) for pair in curves.values()), default=1.0) or 1.0
    with style.applied():
        if ax is not None and not isinstance(ax, np.ndarray):
            for number, name in enumerate(listed):
                _draw(ax, edges, curves[name], {**styles[name], "label": name}, offered=number == 0)
            _finish(ax, data, None, edges, top)
            ax.set_title(_sentence(data), pad=6 + 10 * parts.name_faults(ax, data, points=400))
            ax.legend(loc="best")
            return ax
        axes = ax
        if axes is None:
            columns = min(len(listed), 2)
            rows = -(-len(listed) // columns)
            axes = parts.panels(rows, columns, height=1.2 + 1.4 * rows, sharex=True, sharey=True)
            parts.headline(axes, _sentence(data))
            _figure_legend(axes)
        for number, (panel, name) in enumerate(zip(axes.ravel(), listed, strict=False)):
            _draw(panel, edges, curves[name], {**styles[name], "label": "completed"}, offered=True)
            missing = _finish(panel, data, name, edges, top)
            parts.note(panel, parts.without(missing))
            is_above = number < axes.shape[-1] or axes.ndim == 1
            lines = parts.name_faults(panel, data, points=280) if is_above else 0
            panel.set_title(parts.titled(data, name), pad=4 + 10 * lines)
            panel.label_outer()
        for panel in axes.ravel()[len(listed) :]:
            panel.set_visible(False)
        return axes


def _figure_legend(axes: np.ndarray) -> None:
    from matplotlib.lines import Line2D  # noqa: PLC0415 - only where a figure is made

    handles = [
        Line2D([], [], color=style.QUIET, lw=1, label="offered"),
        Line2D([], [], color=style.INK, label="completed"),
    ]
    axes.ravel()[0].get_figure().legend(handles=handles, loc="outside lower left", ncols=2)


def _curves(data: StudyData, listed: list[str]) -> tuple[np.ndarray, _Curves]:
    messages: Any = data.messages
    first = int(messages["replication"].min()) if len(messages) else 0
    messages = messages[messages["replication"] == first]
    last = np.nanmax([data.manifest.get("horizon", 1.0), messages["first_applied"].max()])
    edges = np.linspace(0.0, float(last) * (1 + 1e-9), _BINS + 1)
    return edges, {name: rates(messages[messages["architecture"] == name], edges) for name in listed}


def _draw(
    ax: Axes, edges: np.ndarray, curves: tuple[np.ndarray, np.ndarray], line: dict[str, Any], *, offered: bool
) -> None:
    if offered:
        ax.stairs(curves[0], edges, baseline=None, color=style.QUIET, linewidth=1.0, label="offered")
    ax.stairs(curves[1], edges, baseline=None, linewidth=1.5, **line)


def _finish(ax: Axes, data: StudyData, name: str | None, edges: np.ndarray, top: float) -> list[str]:
    parts.time_axis(ax, float(edges[-1]))
    ax.set_ylim(0, top * 1.15)
    parts.counts_axis(ax.yaxis)
    ax.locator_params(axis="y", nbins=4)
    ax.set_ylabel("messages / s")
    return parts.shade_faults(ax, data, name)


def _sentence(data: StudyData) -> str:
    values = Values(data)
    shares = {
        name: values.mean(name, "complete") / values.mean(name, "offered")
        for name in values.names
        if values.mean(name, "offered") > 0
    }
    if not shares:
        return "Nothing was offered"
    worst = min(shares, key=lambda name: shares[name])
    if shares[worst] == 1:
        return "Every architecture catches up with what was offered"
    return f"{worst} completes {numbers.percent(shares[worst])} of what was offered, the least of all"
