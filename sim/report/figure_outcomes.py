"""What became of the messages."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.report import axes as parts
from sim.report import numbers, style
from sim.report.rows import Values

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from sim.experiment.archive import StudyData

_NOT_COMPLETE = ("partial", "failed", "rejected", "pending")


def outcomes(data: StudyData, ax: Any = None) -> Any:
    """Draw shares of all messages, counts of those that are not complete, and repeated effects.

    Args:
        data: the study.
        ax: three axes, or a single one for the shares alone.

    Returns:
        The axes that were drawn on.
    """
    values = Values(data)
    with style.applied():
        if ax is not None and not isinstance(ax, np.ndarray):
            _shares(ax, values)
            ax.set_title(_sentence(values))
            _legend(ax)
            return ax
        axes = ax
        if axes is None:
            height = 1.5 + 0.42 * len(values.names)
            axes = parts.panels(1, 3, height=height, sharey=True, width_ratios=[1.0, 1.6, 1.0])
            parts.headline(axes, _sentence(values))
            _figure_legend(axes)
        shares, losses, repeats = axes.ravel()
        _shares(shares, values)
        shares.set_title("all messages")
        _losses(losses, values)
        _repeats(repeats, values)
        return axes


def _shares(ax: Axes, values: Values) -> None:
    left = np.zeros(len(values.names))
    offered = _column(values, "offered")
    for outcome in ("complete", *_NOT_COMPLETE):
        share = np.divide(_column(values, outcome), offered, out=np.zeros(len(left)), where=offered > 0)
        ax.barh(range(len(left)), share, left=left, height=0.62, color=style.OUTCOMES[outcome], label=outcome)
        left += share
    complete = np.divide(_column(values, "complete"), offered, out=np.zeros(len(left)), where=offered > 0)
    for row, share in enumerate(complete):
        ax.text(0.02, row, f"{numbers.percent(float(share))} complete", va="center", fontsize=8)
    ax.set_xlim(0, 1)
    ax.set_xticks([0, 0.5, 1], ["0%", "50%", "100%"])
    ax.set_xlabel("share of offered messages")
    _architectures(ax, values)


def _losses(ax: Axes, values: Values) -> None:
    totals = sum((_column(values, outcome) for outcome in _NOT_COMPLETE), np.zeros(len(values.names)))
    top = max(float(totals.max(initial=0.0)), 1.0)
    left = np.zeros(len(values.names))
    for outcome in _NOT_COMPLETE:
        number = _column(values, outcome)
        ax.barh(
            range(len(left)), number, left=left, height=0.62, color=style.OUTCOMES[outcome], label=outcome
        )
        left += number
    for row, name in enumerate(values.names):
        found = [(outcome, values.mean(name, outcome)) for outcome in _NOT_COMPLETE]
        text = ", ".join(f"{numbers.count(number)} {outcome}" for outcome, number in found if number > 0)
        in_dlq = values.mean(name, "dead_lettered")
        text += f"\n{numbers.count(in_dlq)} dead-lettered" if in_dlq > 0 else ""
        _label(ax, left[row], row, text or "0")
    _bars(ax, 1.75 * top, "not complete", "messages")


def _repeats(ax: Axes, values: Values) -> None:
    number = _column(values, "duplicate_effects")
    top = max(float(number.max(initial=0.0)), 1.0)
    ax.barh(range(len(number)), number, height=0.62, color="#7a6fac")
    for row, count in enumerate(number):
        _label(ax, count, row, numbers.count(float(count)))
    _bars(ax, 1.3 * top, "repeated effects", "applications beyond the first")


def _label(ax: Axes, value: float, row: int, text: str) -> None:
    """Write beside the end of a bar."""
    ax.annotate(
        text,
        (value, row),
        xytext=(4, 0),
        textcoords="offset points",
        va="center",
        fontsize=7.5,
        linespacing=1.15,
    )


def _bars(ax: Axes, end: float, title: str, label: str) -> None:
    ax.set_title(title)
    ax.set_xlabel(label)
    ax.set_xlim(0, end)
    ax.locator_params(axis="x", nbins=4)
    parts.counts_axis(ax.xaxis)
    ax.grid(visible=True, axis="x")
    ax.grid(visible=False, axis="y")


def _architectures(ax: Axes, values: Values) -> None:
    ax.set_yticks(range(len(values.names)), [parts.titled(values.data, name) for name in values.names])
    ax.set_ylim(len(values.names) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
    ax.grid(visible=False)


def _legend(ax: Axes) -> None:
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=5, handlelength=1, columnspacing=1.2)


def _figure_legend(axes: np.ndarray) -> None:
    from matplotlib.patches import Patch  # noqa: PLC0415 - only where a figure is made

    handles = [Patch(color=colour, label=outcome) for outcome, colour in style.OUTCOMES.items()]
    figure = axes.ravel()[0].get_figure()
    figure.legend(handles=handles, loc="outside lower left", ncols=5, handlelength=1, columnspacing=1.4)


def _column(values: Values, metric: str) -> np.ndarray:
    return np.nan_to_num(np.array([values.mean(name, metric) for name in values.names], dtype=float))


def _sentence(values: Values) -> str:
    missing = {name: sum(values.mean(name, outcome) for outcome in _NOT_COMPLETE) for name in values.names}
    known = {name: number for name, number in missing.items() if not math.isnan(number)}
    if not known or max(known.values()) == 0:
        return "Every architecture completes every message"
    worst = max(known, key=lambda name: known[name])
    spared = [name for name, number in known.items() if number == 0]
    offered = values.mean(worst, "offered")
    text = f"{worst} leaves {numbers.count(known[worst])} of {numbers.count(offered)} messages incomplete"
    if len(spared) == 1:
        return f"{text}, {spared[0]} none"
    if spared:
        return f"{text}; {len(spared)} of {len(known)} architectures leave none"
    best = min(known, key=lambda name: known[name])
    return text if best == worst else f"{text}, {best} {numbers.count(known[best])}"
