"""Pieces that the pictures of sweeps share: axes of factors and of metrics, lines with intervals."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from sim.report import axes as parts
from sim.report import numbers, style
from sim.vocabulary import METRICS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from sim.report.sweep_values import Measure
    from sim.scenario.factors import Factor

_LETTER = 0.0165
"""Width of a letter below a panel of half a figure, as a share of the panel."""
_UNEVEN = 3.0
"""Where gaps between values differ so much, an axis may be logarithmic."""
_WIDE = 30.0
"""Where the largest value is so many times the smallest, an axis is logarithmic."""
_MARKS = (1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.1, 1.0, 10.0, 60.0, 600.0, 3600.0, 36000.0, 864000.0)

_FINE_MARKS = tuple(
    sorted(
        [step * 10.0**power for power in range(-6, 1) for step in (1, 2, 5)]
        + [10.0, 20.0]
        + [minutes * 60.0 for minutes in (1, 2, 5, 10, 20, 60, 120, 300, 600, 1440, 7200, 14400)]
    )
)


def places(factor: Factor) -> np.ndarray:
    """Where the values of a factor stand along an axis: at their numbers, or evenly if they are none."""
    return np.array(factor.numbers or range(len(factor.levels)), dtype=float)


def factor_axis(ax: Axes, factor: Factor) -> None:
    """Mark the horizontal axis at the values that were tried, as the scenario writes them."""
    spots = places(factor)
    texts = [level.text for level in factor.levels]
    gaps = np.diff(np.sort(spots))
    is_wide = bool(factor.numbers) and spots.min() > 0 and spots.max() > _WIDE * spots.min()
    is_wide = is_wide and gaps.max() > _UNEVEN * gaps.min()
    if is_wide:
        ax.set_xscale("log")
        ax.xaxis.set_minor_locator(NullLocator())
    along = np.log(spots) if is_wide else spots
    texts = ["\n".join(textwrap.wrap(text, 24)[:3]) for text in texts]
    if factor.numbers:
        texts = _with_room(texts, along)
    ax.set_xticks(spots, texts)
    if not factor.numbers:
        ax.set_xlim(-0.5, len(spots) - 0.5)
    elif not is_wide:
        margin = 0.05 * (float(np.ptp(spots)) or 1.0)
        ax.set_xlim(spots.min() - margin, spots.max() + margin)
    ax.set_xlabel(factor.path)


def _with_room(texts: list[str], along: np.ndarray) -> list[str]:
    """Texts of marks, empty where one would lie upon the last; every value keeps its mark."""
    share = float(np.ptp(along)) or 1.0
    shown = [""] * len(texts)
    filled = -np.inf
    for place in np.argsort(along):
        half = _LETTER * share * (len(texts[place]) + 1) / 2
        if along[place] - half >= filled:
            shown[place] = texts[place]
            filled = along[place] + half
    return shown


def metric_axis(ax: Axes, measure: Measure, values: np.ndarray) -> None:
    """Scale and mark the vertical axis for the values of a metric."""
    known = values[np.isfinite(values)]
    positive = known[known > 0]
    unit = METRICS[measure.metric].unit
    is_wide = len(positive) > 0 and len(positive) == len(known) and known.max() > _WIDE * positive.min()
    ax.set_ylabel(_label(measure))

    def marked(value: float, _: object) -> str:
        return _shown(measure, value)

    if is_wide:
        ax.set_yscale("log")
        low, high = positive.min() / 1.6, known.max() * 1.6
        ax.set_ylim(low, high)
        ax.yaxis.set_minor_locator(NullLocator())
        if unit == "s":
            sparse = [mark for mark in _MARKS if low <= mark <= high]
            ax.yaxis.set_major_locator(FixedLocator(sparse if len(sparse) > 3 else _FINE_MARKS))
        ax.yaxis.set_major_formatter(FuncFormatter(marked))
        return
    top = float(known.max()) if len(known) else 1.0
    if unit == "s":
        parts.duration_axis(ax, top)
        return
    ax.set_ylim(0, top * 1.12 or 1.0)
    ax.yaxis.set_major_formatter(FuncFormatter(marked))


def widths(names: Sequence[str]) -> dict[str, float]:
    """Of lines that may lie upon each other: the later are thinner, so that all are seen."""
    return dict(zip(names, np.linspace(1.4 + 0.9 * (len(names) - 1), 1.4, len(names)), strict=True))


def error_line(ax: Axes, x: np.ndarray, series: np.ndarray, line: dict[str, Any], label: str) -> None:
    """A line through means with their intervals; gaps where there is no value."""
    order = np.argsort(x)
    mean, low, high = series[order].T
    ax.plot(x[order], mean, label=label, **line)
    error = np.nan_to_num(np.vstack([mean - low, high - mean]))
    is_known = np.isfinite(mean)
    ax.errorbar(
        x[order][is_known], mean[is_known], yerr=np.maximum(error[:, is_known], 0), fmt="none",
        ecolor=line["color"], elinewidth=1.1, capsize=2.5,
    )  # fmt: skip


def bound_line(ax: Axes, measure: Measure) -> None:
    """What is promised, as a line across the panel."""
    if measure.bound is None:
        return
    ax.axhline(measure.bound, color=style.INK, linewidth=1.0, linestyle=(0, (5, 3)), zorder=1)
    ax.annotate(
        f"expected: {measure.promise}", (1, measure.bound), xycoords=ax.get_yaxis_transform(),
        xytext=(-2, 3), textcoords="offset points", ha="right", va="bottom", fontsize=7.5, color=style.INK,
    )  # fmt: skip


def caption(axes: np.ndarray, text: str) -> None:
    """Quiet words below all panels."""
    figure = axes.ravel()[0].get_figure()
    wrapped = textwrap.fill(text, 128)
    figure.supxlabel(wrapped, x=0.01, ha="left", fontsize=7.5, color="#555555")


def legend_below(axes: np.ndarray, handles: Sequence[Any], text: str) -> None:
    """Quiet words and a legend below all panels."""
    axes.ravel()[0].get_figure().legend(
        handles=handles,
        loc="outside lower left",
        ncols=max(min(len(handles), 7), 1),
        title=textwrap.fill(text, 128),
        title_fontsize=7.5,
        alignment="left",
    )


def value_text(measure: Measure, value: float) -> str:
    """A value as people write it, a share where one is promised."""
    if np.isnan(value):
        return numbers.NOTHING
    return numbers.percent(value) if measure.is_share else numbers.value(measure.metric, value)


def _shown(measure: Measure, value: float) -> str:
    if measure.is_share or METRICS[measure.metric].unit == "1":
        return f"{100 * value:.6g}%"
    return parts.round_duration(value) if METRICS[measure.metric].unit == "s" else f"{value:,.10g}"


def _label(measure: Measure) -> str:
    if measure.is_share:
        return "share of offered"
    return {"s": "time", "1": "share", "1/s": "messages / s"}.get(
        METRICS[measure.metric].unit, METRICS[measure.metric].unit
    )
