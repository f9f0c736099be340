"""The parts of a built system as boxes: their text broken into lines, their sizes, the rows they serve.

Lengths are points (1/72 inch), x to the right and y downwards.
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass, field

from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

from sim.components.log import StreamOptions
from sim.components.wiring import Kind, Node, Wiring
from sim.report.diagram.words import Words, node_words
from sim.scenario.model import Scenario

TITLE, FACT = 8.4, 7.6
"""Sizes of letters: titles of parts, and everything else."""
LINE, TITLE_LINE = 9.8, 11.8
"""Heights of their lines."""
PAD = 4.5
"""Between the edge of a box and what stands in it."""
STRIP = 5.0
"""Width of the hatched strip of a part that is hit."""
LID = 4.0
"""Half the height of the lid of a sink's cylinder."""

_GLYPHS: dict[Kind, float] = {"callers": 19.0, "topic": 15.0, "queue": 13.0, "memory": 13.0, "pool": 11.0}
_LETTERS = 19
"""A fact is broken into lines of so many letters, of about equal length."""
_UNIT = re.compile(r"(?<=\d) (?=(?:d|h|min|s|ms|µs)\b)")


@dataclass
class Box:
    """A part on paper.

    Attributes:
        node: the part.
        words: its text, facts and faults broken into lines.
        width: from edge to edge.
        height: from edge to edge.
        rows: first and last row that it serves.
        x: of its centre.
        y: of its centre.
        inner: the outboxes inside an API server.
    """

    node: Node
    words: Words
    width: float = 0.0
    height: float = 0.0
    rows: tuple[int, int] = (0, 0)
    x: float = 0.0
    y: float = 0.0
    inner: list[Box] = field(default_factory=list["Box"])

    @property
    def middle(self) -> float:
        """X of the centre of what stands in it, beside the strip of a part that is hit."""
        return self.x + (STRIP / 2 if self.words.is_hit else 0.0)

    @property
    def text_height(self) -> float:
        """Of title, glyph, facts and faults, with the space around them."""
        lines = len(self.words.facts) + sum(1 + text.count("\n") + 1 for _, text in self.words.faults)
        return 2 * PAD + TITLE_LINE + self.glyph + lines * LINE + (2.0 if self.words.faults else 0.0)

    @property
    def glyph(self) -> float:
        """Height of the picture inside: slots of a queue, lanes of a stream, workers of a pool."""
        options = self.node.options
        if isinstance(options, StreamOptions):
            return min(max(7.0 * options.partitions, 14.0), 72.0) + 4.0
        return _GLYPHS.get(self.node.kind, 0.0)


def boxes_of(wiring: Wiring, scenario: Scenario) -> dict[str, Box]:
    """Every part with its size; where it stands is not yet known."""
    order = _order(wiring, list(scenario.effects))
    boxes: dict[str, Box] = {}
    for node in wiring.nodes.values():
        box = Box(node, _broken(node_words(node, wiring, scenario)))
        rows = [order.index(effect) for effect in node.effects]
        box.rows = (min(rows), max(rows))
        widths = [text_width(box.words.title, TITLE, bold=True)]
        widths += [text_width(fact, FACT) for fact in box.words.facts]
        for name, text in box.words.faults:
            widths += [text_width(name, FACT, bold=True)]
            widths += [text_width(line, FACT) for line in text.split("\n")]
        box.width = 1.03 * max(widths) + 2 * PAD + (STRIP if box.words.is_hit else 0.0)
        if node.kind == "callers":
            box.width -= 2 * PAD
        if node.kind == "sink":
            box.width = max(box.width, 62.0)
        box.height = box.text_height + (2 * LID - 1 if node.kind == "sink" else 0.0)
        boxes[node.name] = box
    server = next((box for box in boxes.values() if box.node.kind == "api"), None)
    for box in boxes.values():
        if box.node.kind == "outbox":
            assert server is not None
            server.inner.append(box)
            server.width = max(server.width, box.width + 2 * PAD)
            server.height += box.height + PAD
    return boxes


def _order(wiring: Wiring, effects: list[str]) -> list[str]:
    """Effects that follow others below those, where these have brokers of their own."""
    depth = dict.fromkeys(effects, 0)
    for edge in wiring.edges:
        if edge.flow == "report":
            before = wiring.nodes[edge.source].effects[0]
            for effect in wiring.nodes[edge.target].effects:
                depth[effect] = depth[before] + 1  # built in the order of the scenario: known by now
    return sorted(effects, key=lambda effect: depth[effect])


def _broken(words: Words) -> Words:
    """In lines that are short enough, without a break between a number and its unit."""
    facts = [line for fact in words.facts for line in _lines(fact)]
    faults = [(name, "\n".join(_lines(text))) for name, text in words.faults]
    return Words(words.title, tuple(facts), tuple(faults))


def _lines(text: str) -> list[str]:
    joined = _UNIT.sub("\u00a0", text)
    fewest = len(textwrap.wrap(joined, _LETTERS))
    letters = next(n for n in range(1, _LETTERS + 1) if len(textwrap.wrap(joined, n)) <= fewest)
    return [line.replace("\u00a0", " ") for line in textwrap.wrap(joined, letters)]


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """Width of a line of text, points."""
    letters = FontProperties(family="DejaVu Sans", weight="bold" if bold else "normal", size=size)
    return float(text_to_path.get_text_width_height_descent(text, letters, ismath=False)[0])
