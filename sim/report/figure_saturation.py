"""The saturation curve: goodput and the tail of latency against offered load, with the knee marked."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sim.report import axes as parts
from sim.report import numbers, style
from sim.report.sweep_answers import KNEE_RULE, knee_of
from sim.report.sweep_axes import bound_line, caption, error_line, metric_axis
from sim.report.sweep_values import Measure, SweepValues

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from sim.experiment.sweep import SweepData


def saturation(data: SweepData) -> Any:
    """Draw goodput and the 99th percentile of latency against offered load, one line per architecture.

    The load is what the callers offered per second in the window that counts, the mean over replications.
    The knee is that of :func:`sim.analysis.saturation.knee`: the largest load up to which goodput stays
    within 2 % of what is offered (RFC 2544, section 26.1).

    Args:
        data: a sweep of the arrival rate.

    Returns:
        Two axes, goodput above latency, shape (2, 1).
    """
    values = SweepValues(data)
    with style.applied():
        axes = parts.panels(2, 1, width=7.6, height=7.0, sharex=True)
        top, bottom = axes.ravel()
        _goodput(top, values)
        _latency(bottom, values)
        for name in values.names:
            _knee(top, bottom, values, name)
        for panel in (top, bottom):
            parts.counts_axis(panel.xaxis)
        top.legend(loc="upper left")
        bottom.set_xlabel("offered load (messages / s)")
        parts.headline(axes, _sentence(values))
        caption(axes, _caption(values))
        return axes


def _goodput(ax: Axes, values: SweepValues) -> None:
    styles = style.architectures(values.entries)
    top = max(float(np.nanmax(values.offered_rate(name), initial=0.0)) for name in values.names)
    ax.plot([0, top], [0, top], color=style.QUIET, linewidth=1.0, linestyle=(0, (2, 2)), label="as offered")
    for name in values.names:
        load = values.offered_rate(name)
        error_line(ax, load, values.series(name, "throughput"), {**styles[name], "marker": "."}, name)
    ax.set_xlim(0, top * 1.04)
    ax.set_ylim(0, top * 1.08)
    ax.set_ylabel("goodput (messages / s)")
    ax.set_title("goodput: distinct messages completed per second")


def _latency(ax: Axes, values: SweepValues) -> None:
    styles = style.architectures(values.entries)
    measure = next(
        (each for each in values.expected() if (each.metric, each.scope) == ("latency_p99", "")),
        Measure("latency_p99", ""),
    )
    shown = [np.array([] if measure.bound is None else [measure.bound])]
    for name in values.names:
        series = values.measured(name, measure)
        error_line(ax, values.offered_rate(name), series, {**styles[name], "marker": "."}, name)
        shown.append(series[:, 0])
    metric_axis(ax, measure, np.concatenate(shown))
    bound_line(ax, measure)
    ax.set_ylabel("p99 latency")
    ax.set_title("latency of the slowest 1 % and more (99th percentile)")


def _knee(top: Axes, bottom: Axes, values: SweepValues, name: str) -> None:
    """A ring at the last load that holds, a line down to the axis; nothing where every load holds."""
    place = knee_of(values, name)
    load = values.offered_rate(name)
    if place is None or load[place] == np.nanmax(load):
        return
    colour = style.architectures(values.entries)[name]["color"]
    for ax, metric in ((top, "throughput"), (bottom, "latency_p99")):
        ax.axvline(load[place], color=colour, linewidth=0.9, linestyle=(0, (4, 3)), alpha=0.7, zorder=1)
        ax.plot(
            load[place], values.series(name, metric)[place, 0], "o", ms=10, markerfacecolor="none",
            markeredgecolor=colour, markeredgewidth=1.8, zorder=6,
        )  # fmt: skip
    number = [each for each in values.names if knee_of(values, each) is not None].index(name)
    top.annotate(
        f"knee of {name}: {numbers.rate(float(load[place]))}", (load[place], 0.04 + 0.075 * number),
        xycoords=top.get_xaxis_transform(), xytext=(5, 0), textcoords="offset points", ha="left",
        fontsize=8, color=colour, bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
    )  # fmt: skip


def _sentence(values: SweepValues) -> str:
    knees = {name: knee_of(values, name) for name in values.names}
    told: list[str] = []
    for name, place in knees.items():
        load = values.offered_rate(name)
        if place is None:
            told.append(f"{name} keeps up with no load tried")
        elif load[place] == np.nanmax(load):
            told.append(f"{name} keeps up with every load tried")
        else:
            told.append(f"{name} keeps up to {numbers.rate(float(load[place]))}")
    return ", ".join(told)


def _caption(values: SweepValues) -> str:
    scenario = values.data.grid.scenario
    seconds = max(result["seconds"] for result in values.data.results)
    many = scenario.replications > 1
    bars = (
        f"Means of {scenario.replications} replications, bars are 95 % intervals."
        if many
        else ("One replication, no intervals.")
    )
    window = f"Window {numbers.exact_duration(seconds)}; beyond the knee, latency grows with it."
    refused = [
        point.texts[0]
        for point, result in zip(values.data.grid.points, values.data.results, strict=True)
        if result["refused"]
    ]
    gap = f" No steady state at {', '.join(refused)}: not drawn." if refused else ""
    return f"{KNEE_RULE} {window} {bars}{gap}"
