"""Architectures drawn from the built system: callers, API, brokers, consumers, effects, and what fails.

Each architecture is built as a run would build it, without messages, and its wiring is drawn: what does not
stand on the drawing was not built. The form of a part tells what it is (slots of a queue, lanes of a stream,
workers of a pool), its colour the effect for which it is there; red and hatched is what a fault hits.
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from sim.report import numbers, style
from sim.report.diagram.boxes import FACT, text_width
from sim.report.diagram.layout import Grid, Panel, lay_out
from sim.report.diagram.pen import Pen
from sim.report.diagram.words import fault_words, mean_rate
from sim.scenario.model import Scenario
from sim.scenario.parts import wiring

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NAME = 10.0
"""Size of the letters of an architecture's name."""
_MARGIN, _HEADER, _LINE = 8.0, 17.0, 10.5
_SPACE = 15.0
"""Between two panels."""


def diagram(scenario: Scenario, names: Sequence[str], ax: Any = None) -> Any:
    """Draw architectures.

    Args:
        scenario: where they stand.
        names: which of them.
        ax: as many axes; a figure of its own is made where it is left out.

    Returns:
        The axes that were drawn on.

    Raises:
        ValueError: there are not as many axes as architectures.
    """
    built = {name: wiring(scenario, name) for name in names}
    panels, grid = lay_out(scenario, built)
    axes = _figure(scenario, panels, grid) if ax is None else ax
    each = axes.ravel() if isinstance(axes, np.ndarray) else [axes]
    if len(each) != len(panels):
        raise ValueError(f"{len(panels)} architectures need as many axes, not {len(each)}: name those wanted")
    entries = [{"name": name, "kind": each.kind} for name, each in scenario.architectures.items()]
    accents = style.architectures(entries)
    with style.applied():
        for panel, one in zip(panels, each, strict=True):
            _panel(one, panel, grid, scenario, accents[panel.name]["color"])
    return axes


def _panel(ax: Axes, panel: Panel, grid: Grid, scenario: Scenario, accent: str) -> None:
    ax.set_xlim(0, grid.total)
    ax.set_ylim(panel.height, 0)
    ax.set_aspect("equal", anchor="NW")
    ax.set_axis_off()
    pen = Pen(ax, scenario, _scale(ax, grid.total, panel.height))
    pen.rectangle(0, 3.5, 4.5, 11, accent)
    pen.text(10, 9, panel.name, _NAME, align="left", bold=True)
    kind = scenario.architectures[panel.name].kind
    hit = {name for box in panel.boxes.values() for name, _ in box.words.faults}
    hit |= {name for arrow in panel.arrows for name in arrow.edge.faults}
    spared = [name for name in scenario.faults if name not in hit]
    remarks = [kind] if kind != panel.name else []
    remarks += [f"{numbers.NOTHING} not hit by {', '.join(spared)}"] if spared else []
    x = 10 + text_width(panel.name, _NAME, bold=True) + 8
    pen.text(x, 9.4, "  ".join(remarks), FACT, align="left", colour="#666666")
    for arrow in panel.arrows:
        pen.arrow(arrow, panel)
    for box in panel.boxes.values():
        pen.box(box)


def _scale(ax: Axes, width: float, height: float) -> float:
    """How many points of the page are a point of the drawing."""
    figure: Any = ax.get_figure()
    place = ax.get_position()
    inches = figure.get_size_inches()
    return min(72 * inches[0] * place.width / width, 72 * inches[1] * place.height / height)


def _figure(scenario: Scenario, panels: list[Panel], grid: Grid) -> np.ndarray:
    """A figure of its own in which a point is a point."""
    letters = int((grid.total - 4) / (0.56 * FACT))
    lines = [line for text in _faults(scenario, panels) for line in textwrap.wrap(text, letters)]
    remarks = [*textwrap.wrap(scenario.description, letters), *textwrap.wrap(_remark(scenario), letters)]
    width = grid.total + 2 * _MARGIN
    body = sum(panel.height for panel in panels) + _SPACE * (len(panels) - 1)
    foot = _LINE * len(lines) + (4.0 if lines else 0.0)
    head = _HEADER + _LINE * len(remarks) + 8.0
    height = 2 * _MARGIN + head + body + foot
    figure = Figure(figsize=(width / 72, height / 72))
    with style.applied():
        _words(figure, (_MARGIN, _MARGIN + 9), scenario.name, size=12, weight="bold")
        for number, line in enumerate(remarks):
            y = _MARGIN + _HEADER + _LINE * (number + 0.5)
            _words(figure, (_MARGIN, y), line, color="#666666")
        for number, line in enumerate(lines):
            y = height - _MARGIN - _LINE * (len(lines) - number - 0.5)
            _words(figure, (_MARGIN, y), line, color=style.HIT)
        axes: list[Any] = []
        y = _MARGIN + head
        for panel in panels:
            if axes:
                _rule(figure, y - _SPACE / 2)
            box = (
                _MARGIN / width,
                1 - (y + panel.height) / height,
                grid.total / width,
                panel.height / height,
            )
            axes.append(figure.add_axes(box))
            y += panel.height + _SPACE
    return np.array(axes)


def _remark(scenario: Scenario) -> str:
    mean = numbers.rate(mean_rate(scenario))
    return (
        f"Messages: {mean} on average; each takes every arrow once while nothing fails. Red: hit by a fault."
    )


def _faults(scenario: Scenario, panels: list[Panel]) -> list[str]:
    """One line for each fault that hits something."""
    hit = {name for panel in panels for box in panel.boxes.values() for name, _ in box.words.faults}
    hit |= {name for panel in panels for arrow in panel.arrows for name in arrow.edge.faults}
    return [
        f"{name} ({fault.target}): {fault_words(fault)}"
        + (f", only in {', '.join(fault.only)}" if fault.only else "")
        for name, fault in scenario.faults.items()
        if name in hit
    ]


def _words(figure: Any, place: tuple[float, float], text: str, *, size: float = FACT, **how: Any) -> None:
    """Write at a place given in points from the top left."""
    width, height = 72 * figure.get_size_inches()
    figure.text(place[0] / width, 1 - place[1] / height, text, fontsize=size, va="center", **how)


def _rule(figure: Any, y: float) -> None:
    from matplotlib.lines import Line2D  # noqa: PLC0415 - only where there are several panels

    width, height = 72 * figure.get_size_inches()
    level = 1 - y / height
    ends = [_MARGIN / width, 1 - _MARGIN / width]
    figure.add_artist(Line2D(ends, [level, level], color="#dddddd", lw=0.8))
