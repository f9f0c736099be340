"""What tells at a glance which kind of part a box is: a person, slots, lanes, workers, a fan, a cylinder."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from matplotlib.lines import Line2D
from matplotlib.patches import Circle, Ellipse, PathPatch, Rectangle
from matplotlib.path import Path

from sim.components.log import StreamOptions
from sim.report import style
from sim.report.diagram.boxes import LID, PAD, STRIP, Box
from sim.report.diagram.words import pool_workers

if TYPE_CHECKING:
    from matplotlib.artist import Artist

PLAIN = "#6b6b6b"
"""Of what is there for several effects."""
ROUND: list[Any] = [Path.CURVE4] * 3
"""Codes of a curve with two control points and an end."""
_MOST_DOTS = 12
_MOST_LANES = 18
"""More lanes than these are told apart by two shades, without room between them."""
_MOST_STRIPES = 48
_LANE = 0.74
"""Share of a lane that is coloured where there is room between them."""


def glyph(box: Box, y: float, colour: str, scale: float) -> Iterator[Artist]:
    """The picture inside a box.

    Args:
        box: the part.
        y: upper edge of the picture.
        colour: of its effect.
        scale: points of the page per point of the drawing.
    """
    kind = box.node.kind
    if kind in ("queue", "memory"):
        yield from _slots(box.middle, y + 2, colour)
    elif kind == "pool":
        yield from _workers(box, y + 5, colour)
    elif kind == "topic":
        yield from _fan(box.middle, y + 6.5, scale)
    elif kind == "log":
        yield from _stack(box, y, colour)


def person(x: float, y: float, scale: float) -> Iterator[Artist]:
    """Somebody who sends messages; ``y`` is the top of the head."""
    how: dict[str, Any] = {"facecolor": "white", "edgecolor": PLAIN, "lw": 1.2 * scale, "zorder": 3}
    body = [(x - 8, y + 18), (x - 8, y + 6), (x + 8, y + 6), (x + 8, y + 18), (x - 8, y + 18)]
    yield PathPatch(Path(body, [Path.MOVETO, *ROUND, Path.CLOSEPOLY]), **how)
    yield Circle((x, y + 5), 4.2, **how)


def cylinder(box: Box, how: dict[str, Any]) -> Iterator[Artist]:
    """The outline of a sink."""
    left, right = box.x - box.width / 2, box.x + box.width / 2
    top, bottom = box.y - box.height / 2 + LID, box.y + box.height / 2 - LID
    bulge, lid = bottom + LID * 4 / 3, top - LID * 4 / 3
    corners = [
        (left, top),
        (left, bottom),
        (left, bulge),
        (right, bulge),
        (right, bottom),
        (right, top),
        (right, lid),
        (left, lid),
        (left, top),
    ]
    codes = [Path.MOVETO, Path.LINETO, *ROUND, Path.LINETO, *ROUND]
    yield PathPatch(Path(corners, codes), **how)
    rim: Any = {**how, "facecolor": "white"}
    yield Ellipse((box.x, top), box.width, 2 * LID, **rim)


def lane(box: Box, y: float, partition: int) -> tuple[float, float]:
    """Upper and lower edge of a partition's lane; ``y`` is the upper edge of all."""
    options = box.node.options
    assert isinstance(options, StreamOptions)
    height = (box.glyph - 4.0) / options.partitions
    top = y + 1 + height * partition
    return top, top + height * (1.0 if options.partitions > _MOST_LANES else _LANE)


def _stack(box: Box, y: float, colour: str) -> Iterator[Artist]:
    """The partitions of a stream, one below the other; very many of them as stripes."""
    options = box.node.options
    assert isinstance(options, StreamOptions)
    left = box.x - box.width / 2 + PAD + (STRIP if box.words.is_hit else 0.0)
    width = box.x + box.width / 2 - PAD - left
    stripes = min(options.partitions, _MOST_STRIPES)
    for number in range(stripes):
        first = number * options.partitions // stripes
        last = (number + 1) * options.partitions // stripes - 1
        top, bottom = lane(box, y, first)[0], lane(box, y, last)[1]
        is_light = stripes > _MOST_LANES and number % 2
        shade = style.tint(colour, 0.22 if is_light else 0.38)
        yield Rectangle((left, top), width, bottom - top, facecolor=shade, lw=0, zorder=4)


def _slots(x: float, y: float, colour: str) -> Iterator[Artist]:
    """A queue, its messages moving to the right."""
    for slot in range(6):
        shade = style.tint(colour, 0.15 + 0.12 * slot)
        yield Rectangle((x - 30 + 10 * slot, y), 9, 8, facecolor=shade, lw=0, zorder=4)


def _workers(box: Box, y: float, colour: str) -> Iterator[Artist]:
    """A dot per worker, smaller where it is slower; many of them as a row that fades."""
    speeds = pool_workers(box.node)
    shown = speeds[:_MOST_DOTS]
    step = min(8.0, (box.width - 2 * PAD - (2 * STRIP if box.words.is_hit else 0.0)) / len(shown))
    left = box.middle - step * (len(shown) - 1) / 2
    for number, speed in enumerate(shown):
        fades = len(speeds) > _MOST_DOTS and number >= _MOST_DOTS - 3
        shade = style.tint(colour, 0.25 * (_MOST_DOTS - number)) if fades else colour
        radius = min(2.9, 0.36 * step) * max((speed / max(speeds)) ** 0.5, 0.35)
        yield Circle((left + step * number, y), radius, facecolor=shade, lw=0, zorder=4)


def _fan(x: float, y: float, scale: float) -> Iterator[Artist]:
    """One message in, a copy to everybody."""
    yield Circle((x - 8, y), 2.6, facecolor=PLAIN, lw=0, zorder=4)
    for rise in (-5, 0, 5):
        yield Line2D([x - 8, x + 9], [y, y + rise], color=PLAIN, lw=1.1 * scale, zorder=4)
        yield Circle((x + 9, y + rise), 1.5, facecolor=PLAIN, lw=0, zorder=4)
