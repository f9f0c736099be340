"""A sweep of one factor: latency, and what is expected, against its values."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.report import axes as parts
from sim.report import style
from sim.report.sweep_answers import answers
from sim.report.sweep_axes import (
    bound_line,
    error_line,
    factor_axis,
    legend_below,
    metric_axis,
    places,
    widths,
)
from sim.report.sweep_values import DEFAULT, Measure, SweepValues
from sim.vocabulary import METRICS, Verdict

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from sim.experiment.sweep import SweepData

_MOST = 6
"""Panels."""


def factor(data: SweepData) -> Any:
    """Draw the expected metrics and the 99th percentile of latency against the only factor.

    Filled marks are values that are shown to keep what is expected (PASS), hollow ones are not. Thin dotted
    lines are closed forms, where there are any.

    Args:
        data: a sweep of one factor.

    Returns:
        One axes per metric, shape (rows, columns).
    """
    values = SweepValues(data)
    measures = _measures(values)
    columns = min(len(measures), 2)
    rows = -(-len(measures) // columns)
    with style.applied():
        axes = parts.panels(rows, columns, width=8.6 if columns == 1 else 9.8, height=1.0 + 3.1 * rows)
        for panel, measure in zip(axes.ravel(), measures, strict=False):
            _draw(panel, values, measure)
        for panel in axes.ravel()[len(measures) :]:
            panel.set_visible(False)
        told = answers(data)
        parts.headline(axes, _headline(told, values))
        legend_below(axes, _handles(values, measures), _caption(values, measures))
        return axes


def _measures(values: SweepValues) -> list[Measure]:
    found = values.expected()
    if DEFAULT not in [(measure.metric, measure.scope) for measure in found]:
        found.append(Measure(*DEFAULT))
    return found[:_MOST]


def _draw(ax: Axes, values: SweepValues, measure: Measure) -> None:
    spots = places(values.factors[0])
    styles = style.architectures(values.entries)
    thick = widths(values.names)
    shown: list[np.ndarray] = []
    for name in values.names:
        series = values.measured(name, measure)
        if np.all(np.isnan(series[:, 0])):
            continue
        line: dict[str, Any] = {**styles[name], "linewidth": thick[name]}
        beside = spots
        if not values.factors[0].numbers:
            line["linestyle"] = "none"
            beside = spots + 0.06 * (values.names.index(name) - (len(values.names) - 1) / 2)
        error_line(ax, beside, series, line, name)
        if measure.promise:
            _mark(ax, beside, series[:, 0], values.verdicts_of(name, measure.promise), line["color"])
        else:
            ax.plot(beside, series[:, 0], ".", ms=6, color=line["color"], zorder=5)
        theory = values.theory(name, measure)
        if not measure.is_share and np.any(np.isfinite(theory)):
            order = np.argsort(spots)
            ax.plot(spots[order], theory[order], color=line["color"], linewidth=1.1, linestyle=(0, (1, 2)))
            shown.append(theory[np.isfinite(theory)])
        shown.append(series.ravel())
    if measure.bound is not None:
        shown.append(np.array([measure.bound]))
    factor_axis(ax, values.factors[0])
    metric_axis(ax, measure, np.concatenate([np.ravel(each) for each in shown] or [np.empty(0)]))
    bound_line(ax, measure)
    ax.set_title(textwrap.fill(f"{measure.name}: {METRICS[measure.metric].meaning}", 58), fontsize=8.5)


def _mark(ax: Axes, spots: np.ndarray, mean: np.ndarray, verdicts: list[str], colour: str) -> None:
    """Filled where the verdict is PASS, hollow elsewhere."""
    is_kept = np.array([verdict == Verdict.PASS for verdict in verdicts])
    for chosen, inside in ((is_kept, colour), (~is_kept, "white")):
        ax.plot(
            spots[chosen], mean[chosen], "o", ms=5.5, color=colour, markerfacecolor=inside,
            markeredgewidth=1.4, zorder=5,
        )  # fmt: skip


def _headline(told: list[str], values: SweepValues) -> str:
    """The answer for all expectations, which stands last."""
    return told[-1] if told else f"{values.data.grid.scenario.name}: {values.factors[0].path} varied"


def _handles(values: SweepValues, measures: list[Measure]) -> list[Any]:
    """One for each architecture, for what marks mean, for closed forms."""
    from matplotlib.lines import Line2D  # noqa: PLC0415 - only where a figure is made

    styles = style.architectures(values.entries)
    bare: dict[str, Any] = {} if values.factors[0].numbers else {"marker": "o", "linestyle": "none", "ms": 5}
    handles = [Line2D([], [], label=name, **{**styles[name], **bare}) for name in values.names]
    if any(measure.promise for measure in measures):
        dot: dict[str, Any] = {"marker": "o", "ls": "none", "color": style.INK, "ms": 5.5}
        handles += [
            Line2D([], [], label="PASS", **dot),
            Line2D([], [], label="not PASS", markerfacecolor="white", **dot),
        ]
    if any(
        np.any(np.isfinite(values.theory(name, each)))
        for each in measures
        if not each.is_share
        for name in values.names
    ):
        handles.append(Line2D([], [], color=style.INK, lw=1.1, ls=(0, (1, 2)), label="closed form"))
    return handles


def _caption(values: SweepValues, measures: list[Measure]) -> str:
    scenario = values.data.grid.scenario
    told = f"Means of {scenario.replications} replications with 95 % intervals."
    if scenario.replications == 1:
        told = "One replication: no intervals."
    lost = [
        f"{measure.name} of {name}"
        for measure in measures
        for name in values.names
        if np.any(np.isnan(values.measured(name, measure)[:, 0]))
        and measure.architecture in ("", "all", name)
    ]
    return told + (f" No value at some points: {', '.join(lost)}." if lost else "")
