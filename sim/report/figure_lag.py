"""Age of the oldest message and backlog over time."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.report import axes as parts
from sim.report import numbers, style
from sim.report.rows import Values, names

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from sim.experiment.archive import StudyData


def lag(data: StudyData, ax: Any = None) -> Any:
    """Draw age (left) and backlog (right) over time, one row per architecture on common axes.

    Lines are means over replications, bands run from the least to the greatest of them.

    Args:
        data: the study.
        ax: axes of shape (architectures, 2), or a single one for the ages of all architectures.

    Returns:
        The axes that were drawn on.
    """
    with style.applied():
        if ax is not None and not isinstance(ax, np.ndarray):
            return _overlay(data, ax)
        listed = names(data)
        axes = ax
        if axes is None:
            axes = parts.panels(len(listed), 2, height=0.9 + 1.15 * len(listed), sharex=True, sharey="col")
            parts.headline(axes, _sentence(data))
        _panels(data, listed, axes)
        return axes


def _panels(data: StudyData, listed: list[str], axes: np.ndarray) -> None:
    series: Any = data.lag
    end = _end(series, data.manifest.get("horizon", 0.0))
    top = {quantity: _top(series, quantity) for quantity in ("age", "backlog")}
    for row, name in enumerate(listed):
        mine = series[series["architecture"] == name]
        age, backlog = axes[row]
        components = _worth_drawing(mine, data.manifest.get("copies", {}))
        styles = style.components(components, data.manifest.get("effects", []))
        for component in components:
            own = mine[mine["component"] == component]
            _draw(age, _spread(own, "age"), component, styles[component])
            _draw(backlog, _spread(own, "backlog"), component, styles[component])
        for ax in (age, backlog):
            parts.time_axis(ax, end, label=row == len(listed) - 1)
            missing = parts.shade_faults(ax, data, name)
        parts.duration_axis(age, top["age"])
        backlog.set_ylim(0, top["backlog"] * 1.12 or 1.0)
        parts.counts_axis(backlog.yaxis)
        age.set_ylabel("oldest message", fontsize=8)
        backlog.set_ylabel("waiting copies", fontsize=8)
        cut = "cut off before all had drained" if parts.is_censored(data, name) else ""
        empty = "" if components else "no queue: nothing is held"
        parts.note(age, parts.without(missing), cut, empty)
        if components:
            backlog.legend(loc="best", borderaxespad=0.2, handlelength=1.6, labelspacing=0.2)
        lines = max(parts.name_faults(ax, data, points=280) for ax in (age, backlog)) if row == 0 else 0
        age.set_title(name, pad=4 + 10 * lines)


def _worth_drawing(series: Any, copies: dict[str, list[str]]) -> list[str]:
    """The components in which something ever stayed; all of them where there is none.

    Of the receivers of a broadcast, the one with the highest peak.
    """
    peaks = series.groupby("component", observed=True)[["age", "backlog"]].max().max(axis=1)
    components = list(dict.fromkeys(series["component"]))
    for receivers in copies.values():
        mine = [name for name in components if name.startswith(tuple(f"{copy}_" for copy in receivers))]
        highest = max(mine, key=lambda name: peaks[name], default=None)
        components = [name for name in components if name not in mine or name == highest]
    return [name for name in components if peaks[name] > 0] or components


def _draw(ax: Axes, series: tuple[np.ndarray, ...], component: str, line: dict[str, Any]) -> None:
    time, mean, low, high = series
    ax.fill_between(time, low, high, color=line["color"], alpha=0.18, linewidth=0)
    ax.plot(time, mean, label=component, linewidth=1.4, **line)


def _overlay(data: StudyData, ax: Axes) -> Axes:
    styles = style.architectures(data.manifest["architectures"])
    series: Any = data.lag
    for name in names(data):
        mine = series[series["architecture"] == name]
        if len(mine):
            worst = mine.groupby(["replication", "time"], as_index=False)["age"].max()
            _draw(ax, _spread(worst, "age"), name, styles[name])
    parts.time_axis(ax, _end(series, data.manifest.get("horizon", 0.0)))
    parts.duration_axis(ax, _top(series, "age"))
    parts.shade_faults(ax, data, None)
    lines = parts.name_faults(ax, data, points=400)
    ax.set_ylabel("age of the oldest message")
    ax.set_title(_sentence(data), pad=6 + 10 * lines)
    ax.legend(loc="best")
    return ax


def _spread(series: Any, quantity: str) -> tuple[np.ndarray, ...]:
    """Time, mean, least and greatest over replications; a run that is over holds nothing."""
    wide = series.pivot(index="time", columns="replication", values=quantity).fillna(0.0)
    values = wide.to_numpy(dtype=float)
    return wide.index.to_numpy(dtype=float), values.mean(axis=1), values.min(axis=1), values.max(axis=1)


def _end(series: Any, horizon: float) -> float:
    """Where the pictures end: soon after the last thing was held, and not before arrivals stop."""
    busy = series[(series["backlog"] > 0) | (series["age"] > 0)]
    last = float(busy["time"].max()) if len(busy) else 0.0
    return max(horizon, last * 1.02, 1e-9)


def _top(series: Any, quantity: str) -> float:
    return float(series[quantity].max()) if len(series) else 0.0


def _sentence(data: StudyData) -> str:
    values = Values(data)
    ages = {name: values.mean(name, "age_max") for name in values.names}
    known = {name: age for name, age in ages.items() if not math.isnan(age)}
    if not known:
        return "No architecture holds messages"
    worst, best = max(known, key=lambda name: known[name]), min(known, key=lambda name: known[name])
    if numbers.duration(known[worst]) == numbers.duration(known[best]):
        where = "in every architecture" if len(known) == len(ages) else "wherever messages are held"
        return f"The oldest message waits up to {numbers.duration(known[worst])} {where}"
    return (
        f"The oldest message waits up to {numbers.duration(known[worst])} in {worst}, "
        f"{numbers.duration(known[best])} in {best}"
    )
