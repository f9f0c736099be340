"""Where the parts of a built system stand on paper: columns from the callers to the sinks, a row per effect.

All panels of a figure share their columns, so that queues stand below queues and sinks below sinks. A part
that serves several effects stands in the middle of their rows; an outbox stands inside the API server whose
transaction writes it. Lengths are points (1/72 inch), x to the right and y downwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sim.components.wiring import Edge, Kind, Wiring
from sim.report.diagram.boxes import FACT, PAD, Box, boxes_of, text_width
from sim.report.diagram.words import EdgeWords, edge_words
from sim.scenario.model import Scenario

_COLUMNS: dict[Kind, int] = {
    "callers": 0,
    "api": 1,
    "outbox": 1,
    "topic": 2,
    "queue": 3,
    "log": 3,
    "memory": 3,
    "pool": 4,
    "sink": 5,
}
_LEAST_GAP, _RIBBON_GAP, _BEND = 34.0, 52.0, 7.0
_ROW_GAP, _REPORT_GAP = 11.0, 16.0
"""Between two rows; more above one whose work starts when another effect is done."""
_PANEL_TITLE = 19.0


@dataclass
class Arrow:
    """An edge on paper.

    Attributes:
        edge: the edge.
        words: its text.
        points: corners of its line, the last one at the tip.
        label: where its text stands, the verb above and the rate below.
    """

    edge: Edge
    words: EdgeWords
    points: list[tuple[float, float]]
    label: tuple[float, float]


@dataclass
class Panel:
    """One architecture on paper.

    Attributes:
        name: of the architecture.
        boxes: parts by name.
        arrows: edges, without those inside an API server.
        height: of the whole panel, its title included.
    """

    name: str
    boxes: dict[str, Box]
    arrows: list[Arrow]
    height: float = 0.0


@dataclass(frozen=True)
class Grid:
    """The columns that all panels share.

    Attributes:
        left: left edge of each column.
        width: of each column.
        gap: the space before each column.
        total: the width of a panel.
    """

    left: tuple[float, ...]
    width: tuple[float, ...]
    gap: tuple[float, ...]
    total: float


def lay_out(scenario: Scenario, wirings: dict[str, Wiring]) -> tuple[list[Panel], Grid]:
    """Place everything that was built, one panel per architecture."""
    panels = [Panel(name, boxes_of(wiring, scenario), []) for name, wiring in wirings.items()]
    texts = [
        (edge, edge_words(edge, wiring, scenario), panel)
        for panel, wiring in zip(panels, wirings.values(), strict=True)
        for edge in wiring.edges
        if edge.flow != "insert"
    ]
    grid = _grid(panels, texts)
    for panel, wiring in zip(panels, wirings.values(), strict=True):
        tops = _place(panel, wiring, grid)
        mine = [(edge, words) for edge, words, where in texts if where is panel]
        sources = [edge.source for edge, _ in mine if edge.flow != "report"]
        panel.arrows += [
            _arrow(edge, words, panel, grid, has_siblings=sources.count(edge.source) > 1)
            if edge.flow != "report"
            else _report(edge, words, panel, tops)
            for edge, words in mine
        ]
    return panels, grid


def _grid(panels: Sequence[Panel], texts: Sequence[tuple[Edge, EdgeWords, Panel]]) -> Grid:
    count = max(_COLUMNS.values()) + 1
    width, gap = [0.0] * count, [0.0] * count
    for panel in panels:
        for box in panel.boxes.values():
            column = _COLUMNS[box.node.kind]
            width[column] = max(width[column], box.width)
    for edge, words, panel in texts:
        if edge.flow == "report":
            continue
        column = _COLUMNS[panel.boxes[edge.target].node.kind]
        siblings = sum(other.source == edge.source for other, _, where in texts if where is panel) - 1
        bend = _BEND if siblings else 0.0
        lines = [words.verb, words.rate, *(name for name, _ in words.faults)]
        longest = max(text_width(line, FACT) for line in lines)
        gap[column] = max(gap[column], longest + 13.0 + bend, _LEAST_GAP, _RIBBON_GAP if edge.shares else 0.0)
    left: list[float] = []
    x = 1.0  # half the thickness of a line
    for column in range(count):
        x += gap[column] if width[column] else 0.0
        left.append(x)
        x += width[column]
    return Grid(tuple(left), tuple(width), tuple(gap), x + 1.0)


def _place(panel: Panel, wiring: Wiring, grid: Grid) -> list[float]:
    """Give every box its centre; the tops of the rows."""
    outer = [box for box in panel.boxes.values() if box.node.kind != "outbox"]
    last = max(box.rows[1] for box in outer)
    heights = [0.0] * (last + 1)
    for box in outer:
        if box.rows[0] == box.rows[1]:
            heights[box.rows[0]] = max(heights[box.rows[0]], box.height)
    followed = {panel.boxes[edge.target].rows[0] for edge in wiring.edges if edge.flow == "report"}
    gaps = [
        0.0 if not row else _ROW_GAP + (_REPORT_GAP if row in followed else 0.0) for row in range(last + 1)
    ]
    for box in outer:
        first, end = box.rows
        has = sum(heights[first : end + 1]) + sum(gaps[first + 1 : end + 1])
        for row in range(first, end + 1):
            heights[row] += max(box.height - has, 0.0) / (end - first + 1)
    tops: list[float] = []
    y = _PANEL_TITLE + PAD
    for height, gap in zip(heights, gaps, strict=True):
        tops.append(y + gap)
        y += gap + height
    panel.height = y + PAD
    for box in outer:
        column = _COLUMNS[box.node.kind]
        box.width = grid.width[column]
        box.x = grid.left[column] + grid.width[column] / 2
        box.y = (tops[box.rows[0]] + tops[box.rows[1]] + heights[box.rows[1]]) / 2
        _place_inner(box)
    callers = next(box for box in outer if box.node.kind == "callers")
    callers.y = next(box.y for box in outer if box.node.kind == "api")
    return tops


def _place_inner(box: Box) -> None:
    top = box.y - box.height / 2 + box.text_height - PAD / 2
    for inner in box.inner:
        inner.x, inner.y = box.x, top + inner.height / 2
        inner.width = box.width - 2 * PAD
        top += inner.height + PAD


def _arrow(edge: Edge, words: EdgeWords, panel: Panel, grid: Grid, *, has_siblings: bool) -> Arrow:
    """To the right; straight where that reaches the target and nothing else leaves the source."""
    source, target = panel.boxes[edge.source], panel.boxes[edge.target]
    gap = grid.gap[_COLUMNS[target.node.kind]]
    start = source.x + source.width / 2 + (PAD if source.node.kind == "outbox" else 0.0)
    tip = target.x - target.width / 2
    y = source.y
    room = 2.0 if has_siblings else target.height / 2 - 4
    end = y if abs(target.y - y) < room else target.y
    column_end = grid.left[_COLUMNS[source.node.kind]] + grid.width[_COLUMNS[source.node.kind]]
    bend = column_end + _BEND
    points = [(start, y), (tip, y)] if end == y else [(start, y), (bend, y), (bend, end), (tip, end)]
    column_start = grid.left[_COLUMNS[target.node.kind]]
    return Arrow(edge, words, points, (column_start - gap / 2 + 2.5, end))


def _report(edge: Edge, words: EdgeWords, panel: Panel, tops: list[float]) -> Arrow:
    """From below a pool, through the gap before it, down to the broker of the effect that follows."""
    source, target = panel.boxes[edge.source], panel.boxes[edge.target]
    x, y = source.x - source.width / 2 + 12.0, source.y + source.height / 2
    over = tops[target.rows[0]] - 8.0
    points = [(x, y)]
    if target.rows[0] > source.rows[1] + 1:
        gap = target.x + target.width / 2 + 4.0
        points += [(x, y + 4.0), (gap, y + 4.0), (gap, over)]
    else:
        points.append((x, over))
    points += [(target.x, over), (target.x, target.y - target.height / 2)]
    return Arrow(edge, words, points, (target.x - 6.0, over))
