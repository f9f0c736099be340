"""A sweep of two factors: one metric as a heat map, one panel per architecture."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import LogNorm, Normalize
from matplotlib.patches import Patch, Rectangle

from sim.report import axes as parts
from sim.report import style
from sim.report.sweep_axes import legend_below, places, value_text
from sim.report.sweep_values import DEFAULT, Measure, SweepValues
from sim.vocabulary import METRICS, Verdict

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from sim.experiment.sweep import SweepData

_COLOURS = "YlGnBu"
_WIDE = 30.0
_DARK = 0.55
"""Of the scale: above, text is white."""
_HATCHES: dict[str, str] = {Verdict.FAIL: "////", Verdict.INCONCLUSIVE: ".."}


def heatmap(data: SweepData) -> Any:
    """Draw the first expected metric (else the 99th percentile of latency) over two factors.

    Every cell bears its value. Cells at which an architecture breaks an expectation are hatched, cells at
    which nothing can be said are dotted.

    Args:
        data: a sweep of two factors.

    Returns:
        One axes per architecture, shape (rows, columns).
    """
    values = SweepValues(data)
    measure = (values.expected() or [Measure(*DEFAULT)])[0]
    grids = {name: _grid(values, name, measure) for name in values.names}
    norm = _norm(np.concatenate([grid.ravel() for grid in grids.values()]))
    columns = min(len(grids), 2)
    rows = -(-len(grids) // columns)
    wide = max(3.2, 0.9 * len(values.factors[0].levels) + 1.2)
    high = max(2.2, 0.42 * len(values.factors[1].levels) + 1.0)
    with style.applied():
        axes = parts.panels(
            rows, columns, width=min(max(wide * columns, 6.4), 16), height=1.5 + rows * high, sharex=True,
            sharey=True,
        )  # fmt: skip
        for panel, name in zip(axes.ravel(), values.names, strict=False):
            _draw(panel, values, name, measure, grids[name], norm)
        for panel in axes.ravel()[len(grids) :]:
            panel.set_visible(False)
        parts.headline(axes, _sentence(values, measure))
        legend_below(axes, _handles(values), _caption(values, measure))
        return axes


def _order(values: SweepValues, place: int) -> np.ndarray:
    """The values of a factor from the smallest to the largest; as in the file if they are no numbers."""
    return np.argsort(places(values.factors[place]), kind="stable")


def _grid(values: SweepValues, name: str, measure: Measure) -> np.ndarray:
    """Means with the second factor upwards and the first to the right."""
    shape = tuple(len(factor.levels) for factor in values.factors)
    found = values.measured(name, measure)[:, 0].reshape(shape)
    return found[_order(values, 0)][:, _order(values, 1)].T


def _verdicts(values: SweepValues, name: str) -> np.ndarray:
    shape = tuple(len(factor.levels) for factor in values.factors)
    found = np.array(values.verdicts_of(name), dtype=object).reshape(shape)
    return found[_order(values, 0)][:, _order(values, 1)].T


def _norm(shown: np.ndarray) -> Normalize:
    known = shown[np.isfinite(shown)]
    if not len(known):
        return Normalize(0, 1)
    low, high = float(known.min()), float(known.max())
    if low > 0 and high > _WIDE * low:
        return LogNorm(low, high)
    return Normalize(low, high if high > low else low + (abs(low) or 1.0))


def _draw(
    ax: Axes, values: SweepValues, name: str, measure: Measure, grid: np.ndarray, norm: Normalize
) -> None:
    colours = colormaps[_COLOURS].with_extremes(bad="#f2f2f2")
    ax.pcolormesh(np.ma.masked_invalid(grid), cmap=colours, norm=norm, edgecolors="white", linewidth=1.5)
    verdicts = _verdicts(values, name)
    for row, column in np.ndindex(grid.shape):
        value = float(grid[row, column])
        is_dark = np.isfinite(value) and float(norm(value)) > _DARK
        hatch = _HATCHES.get(str(verdicts[row, column]))
        if hatch:
            ax.add_patch(
                Rectangle(
                    (column, row), 1, 1, fill=False, hatch=hatch, linewidth=0,
                    edgecolor="#ffffff" if is_dark else "#777777", alpha=0.55,
                )
            )  # fmt: skip
        ax.text(
            column + 0.5, row + 0.5, value_text(measure, value), ha="center", va="center", fontsize=8,
            color="white" if is_dark else style.INK,
            bbox={"facecolor": colours(norm(value)) if np.isfinite(value) else "#f2f2f2",
                  "edgecolor": "none", "pad": 1.2},
        )  # fmt: skip
    _ticks(ax, values)
    ax.set_title(name)
    ax.grid(visible=False)


def _ticks(ax: Axes, values: SweepValues) -> None:
    across, upwards = values.factors
    for place, (factor, put) in enumerate(((across, ax.set_xticks), (upwards, ax.set_yticks))):
        texts = [factor.levels[level].text for level in _order(values, place)]
        put(np.arange(len(texts)) + 0.5, [textwrap.shorten(text, 18) for text in texts])
    ax.tick_params(length=0)
    ax.set_xlabel(across.path)
    ax.set_ylabel(upwards.path)
    ax.label_outer()


def _handles(values: SweepValues) -> list[Any]:
    """One for each verdict that some cell has."""
    found = {verdict for name in values.names for verdict in values.verdicts_of(name)}
    told = {
        Verdict.FAIL: "breaks an expectation",
        Verdict.INCONCLUSIVE: "INCONCLUSIVE",
        Verdict.PASS: "keeps what is expected",
    }
    return [
        Patch(facecolor="#e8eef2", edgecolor="#777777", hatch=_HATCHES.get(verdict), linewidth=0, label=text)
        for verdict, text in told.items()
        if verdict in found
    ]


def _sentence(values: SweepValues, measure: Measure) -> str:
    if not measure.promise:
        return f"{measure.name} over {values.short(values.factors[0])} and {values.short(values.factors[1])}"
    verdicts = values.verdicts()
    kept = sum(verdict == Verdict.PASS for verdict in verdicts)
    what = measure.promise if len(values.data.grid.scenario.expect) == 1 else "everything expected"
    return f"{what}: kept at {kept} of {len(verdicts)} points"


def _caption(values: SweepValues, measure: Measure) -> str:
    scenario = values.data.grid.scenario
    cells = "share of the messages offered" if measure.is_share else METRICS[measure.metric].meaning
    number = scenario.replications
    runs = f"means of {number} replications" if number > 1 else "one replication"
    return f"Cells: {measure.name}, {cells}; {runs}."
