"""The saturation curve: goodput and the tail of latency against offered load, with the knee marked."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sim.report import axes as parts
from sim.report import numbers, style
from sim.report.sweep_answers import KNEE_RULE, knee_of
from sim.report.sweep_axes import bound_line, caption, error_line, metric_axis, widths
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
        axes = parts.panels(2, 1, width=9.0, height=7.0, sharex=True)
        top, bottom = axes.ravel()
        _goodput(top, values)
        _latency(bottom, values)
        for number, (place, names) in enumerate(_knees(values).items()):
            _knee(axes, values, place, names, number)
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
    thick = widths(values.names)
    for name in values.names:
        line = {**styles[name], "marker": ".", "linewidth": thick[name]}
        error_line(ax, values.offered_rate(name), values.series(name, "throughput"), line, name)
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
    thick = widths(values.names)
    shown = [np.array([] if measure.bound is None else [measure.bound])]
    for name in values.names:
        series = values.measured(name, measure)
        line = {**styles[name], "marker": ".", "linewidth": thick[name]}
        error_line(ax, values.offered_rate(name), series, line, name)
        shown.append(series[:, 0])
    metric_axis(ax, measure, np.concatenate(shown))
    bound_line(ax, measure)
    ax.set_ylabel("p99 latency")
    ax.set_title("99th percentile of latency: the slowest 1 % take at least so long")


def _knees(values: SweepValues) -> dict[int, list[str]]:
    """The architectures by the point of their knee, without those that keep up with every load or none."""
    found: dict[int, list[str]] = {}
    for name in values.names:
        place = knee_of(values, name)
        load = values.offered_rate(name)
        if place is not None and load[place] < np.nanmax(load):
            found.setdefault(place, []).append(name)
    return dict(sorted(found.items(), key=lambda each: values.offered_rate(each[1][0])[each[0]]))


def _knee(axes: np.ndarray, values: SweepValues, place: int, names: list[str], number: int) -> None:
    """A ring on each line at the last load that holds, a line down to the axis."""
    top, bottom = axes.ravel()
    styles = style.architectures(values.entries)
    load = values.offered_rate(names[0])[place]
    for ax, metric in ((top, "throughput"), (bottom, "latency_p99")):
        ax.axvline(load, color=style.INK, linewidth=0.8, linestyle=(0, (4, 3)), alpha=0.6, zorder=1)
        for name in names:
            ax.plot(
                load, values.series(name, metric)[place, 0], "o", ms=10, markerfacecolor="none",
                markeredgecolor=styles[name]["color"], markeredgewidth=1.8, zorder=6,
            )  # fmt: skip
    top.annotate(
        f"knee, {numbers.rate(float(load))}: {', '.join(names)}", (load, 0.05 + 0.08 * number),
        xycoords=top.get_xaxis_transform(), xytext=(5, 0), textcoords="offset points", ha="left",
        fontsize=8, color=style.INK, bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
    )  # fmt: skip


def _sentence(values: SweepValues) -> str:
    told = [
        f"{' and '.join(names)} up to {numbers.rate(float(values.offered_rate(names[0])[place]))}"
        for place, names in _knees(values).items()
    ]
    knees = {name: knee_of(values, name) for name in values.names}
    bent = [name for names in _knees(values).values() for name in names]
    never = [name for name, place in knees.items() if place is None]
    always = [name for name in values.names if name not in bent and name not in never]
    told += [f"{' and '.join(always)} with every load tried"] if always else []
    told += [f"{' and '.join(never)} with none of the loads tried"] if never else []
    return f"Keeping up: {', '.join(told)}"


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
