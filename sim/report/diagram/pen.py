"""The pen of a drawing: a shape for each kind of part, arrows, ribbons of partitions."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, PathPatch, Rectangle
from matplotlib.path import Path

from sim.report import style
from sim.report.diagram.boxes import FACT, LID, LINE, PAD, STRIP, TITLE, TITLE_LINE, Box
from sim.report.diagram.glyphs import PLAIN, ROUND, cylinder, glyph, lane, person
from sim.report.diagram.layout import Arrow, Panel

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

    from sim.scenario.model import Scenario

_LINE_COLOUR = "#5a5a5a"
_MOST_RIBBONS = 40
"""Of a greater group several members share a ribbon."""


class Pen:
    """Draws on one axes whose unit is a point.

    Args:
        ax: where.
        scenario: gives the effects their colours.
        scale: points of the page per point of the drawing.
    """

    def __init__(self, ax: Axes, scenario: Scenario, scale: float) -> None:
        self._ax = ax
        self._scale = scale
        self._colours = style.effects(list(scenario.effects))

    def text(
        self,
        x: float,
        y: float,
        text: str,
        size: float,
        *,
        align: str = "center",
        colour: str = style.INK,
        bold: bool = False,
        halo: bool = False,
    ) -> None:
        """Write a line, centred on its height."""
        if not text:
            return
        behind: Any = {"facecolor": "white", "alpha": 0.75, "lw": 0, "pad": 0.4} if halo else None
        self._ax.text(
            x,
            y,
            text,
            fontsize=size * self._scale,
            ha=align,
            va="center",
            color=colour,
            weight="bold" if bold else "normal",
            bbox=behind,
            zorder=5,
        )

    def rectangle(self, x: float, y: float, width: float, height: float, colour: str, **how: Any) -> None:
        """A filled rectangle, its left upper corner at (x, y)."""
        settings: Any = {"facecolor": colour, "lw": 0, **how}
        self._ax.add_patch(Rectangle((x, y), width, height, **settings))

    def box(self, box: Box) -> None:
        """A part with its picture and its text."""
        colour = self._colour(box)
        top = box.y - box.height / 2
        self._outline(box, colour)
        if box.node.kind == "sink":
            top += 2 * LID - 1
        x = box.middle
        y = top + PAD
        if box.node.kind == "callers":
            self._add(person(box.x, y, self._scale))
            y += box.glyph
        self.text(x, y + TITLE_LINE / 2, box.words.title, TITLE, bold=True)
        y += TITLE_LINE
        if box.node.kind != "callers" and box.glyph:
            self._add(glyph(box, y, colour, self._scale))
            y += box.glyph
        for fact in box.words.facts:
            self.text(x, y + LINE / 2, fact, FACT)
            y += LINE
        y += 2.0
        for name, text in box.words.faults:
            for number, line in enumerate([name, *text.split("\n")]):
                self.text(x, y + LINE / 2, line, FACT, colour=style.HIT, bold=number == 0)
                y += LINE

    def arrow(self, arrow: Arrow, panel: Panel) -> None:
        """An edge with what goes along it; for a consumer group a ribbon per member."""
        is_hit = bool(arrow.words.faults)
        colour = style.HIT if is_hit else _LINE_COLOUR
        if arrow.edge.shares:
            self._ribbons(arrow, panel)
        else:
            line = (0, (4, 2)) if is_hit else (0, (1.5, 1.5)) if arrow.edge.flow == "report" else "-"
            self._ax.add_patch(
                FancyArrowPatch(
                    path=_rounded(arrow.points),
                    arrowstyle="-|>",
                    mutation_scale=7.5 * self._scale,
                    lw=(1.6 if is_hit else 1.1) * self._scale,
                    color=colour,
                    linestyle=line,
                    shrinkA=0,
                    shrinkB=0,
                    joinstyle="miter",
                    capstyle="butt",
                    zorder=2,
                )
            )
        x, y = arrow.label
        halo = bool(arrow.edge.shares)
        if arrow.edge.flow == "report":
            told = " · ".join([arrow.words.verb, arrow.words.rate, *(name for name, _ in arrow.words.faults)])
            self.text(x, y, told, FACT, align="right", colour=colour)
            return
        self.text(x, y - 6.5, arrow.words.verb, FACT, colour=colour, halo=halo)
        self.text(x, y + 6.5, arrow.words.rate, FACT, colour=colour, halo=halo)
        for number, (name, _) in enumerate(arrow.words.faults, start=1):
            self.text(x, y + 6.5 + number * LINE, name, FACT, colour=style.HIT, bold=True)

    def _add(self, artists: Iterable[Artist]) -> None:
        for artist in artists:
            self._ax.add_artist(artist)

    def _colour(self, box: Box) -> str:
        """That of the effect; grey where a part is there for several."""
        if box.node.kind in ("callers", "api", "outbox", "topic") or len(box.node.effects) != 1:
            return PLAIN
        return self._colours[box.node.effects[0]]

    def _outline(self, box: Box, colour: str) -> None:
        if box.node.kind == "callers":
            return
        is_hit = box.words.is_hit
        left, top = box.x - box.width / 2, box.y - box.height / 2
        fill = style.tint(style.HIT if is_hit else colour, 0.07)
        how: dict[str, Any] = {
            "facecolor": "white" if box.node.kind == "outbox" else fill,
            "edgecolor": style.HIT if is_hit else colour,
            "lw": (1.8 if is_hit else 1.1) * self._scale,
            "zorder": 3,
        }
        if box.node.kind == "memory":
            how["linestyle"] = (0, (4, 2))
        if box.node.kind == "sink":
            self._add(cylinder(box, how))
        else:
            corner = "round,pad=0,rounding_size=4"
            shape = FancyBboxPatch((left, top), box.width, box.height, boxstyle=corner, **how)
            self._ax.add_patch(shape)
        if is_hit:
            inset = 2 * LID + 3 if box.node.kind == "sink" else 4.0
            foot = 2 * LID if box.node.kind == "sink" else 4.0
            self.rectangle(
                left + 1.5,
                top + inset,
                STRIP,
                (box.text_height if box.inner else box.height) - inset - foot,
                "none",
                hatch="//////",
                edgecolor=style.HIT,
                zorder=4,
            )

    def _ribbons(self, arrow: Arrow, panel: Panel) -> None:
        """From each member's partitions to its place in the pool."""
        source, target = panel.boxes[arrow.edge.source], panel.boxes[arrow.edge.target]
        lanes_from = source.y - source.height / 2 + PAD + TITLE_LINE
        left, right = source.x + source.width / 2, target.x - target.width / 2
        shares = _merged([share for share in arrow.edge.shares if len(share)])
        room = min(target.height - 12, 7.0 * len(shares) + 5)
        for number, share in enumerate(shares):
            top, bottom = lane(source, lanes_from, share[0])[0], lane(source, lanes_from, share[-1])[1]
            high = target.y - room / 2 + room * (number + 0.12) / len(shares)
            low = target.y - room / 2 + room * (number + 0.88) / len(shares)
            ribbon = _ribbon((left, top, bottom), (right, high, low))
            colour = style.tint(self._colours[target.node.effects[0]], 0.8)
            self._ax.add_patch(PathPatch(ribbon, facecolor=colour, alpha=0.3, lw=0, zorder=1.5))


def _merged(shares: Sequence[range]) -> list[range]:
    """Neighbours together, where there are too many to tell apart."""
    each = -(-len(shares) // _MOST_RIBBONS)
    parts = [shares[start : start + each] for start in range(0, len(shares), each)]
    return [range(part[0].start, part[-1].stop) for part in parts]


def _ribbon(start: tuple[float, float, float], end: tuple[float, float, float]) -> Path:
    """A curved band between two upright lines, each given as x, upper and lower end."""
    (left, top, bottom), (right, high, low) = start, end
    middle = (left + right) / 2
    corners = [
        (left, top),
        (middle, top),
        (middle, high),
        (right, high),
        (right, low),
        (middle, low),
        (middle, bottom),
        (left, bottom),
        (left, top),
    ]
    return Path(corners, [Path.MOVETO, *ROUND, Path.LINETO, *ROUND, Path.LINETO])


def _rounded(points: list[tuple[float, float]], radius: float = 4.0) -> Path:
    """A line through corners that are rounded."""
    corners: list[tuple[float, float]] = [points[0]]
    codes: list[Any] = [Path.MOVETO]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        corners += [_towards(corner, before, radius), corner, _towards(corner, after, radius)]
        codes += [Path.LINETO, Path.CURVE3, Path.CURVE3]
    return Path([*corners, points[-1]], [*codes, Path.LINETO])


def _towards(start: tuple[float, float], end: tuple[float, float], by: float) -> tuple[float, float]:
    """The point on the way, at most half of it away."""
    across, down = end[0] - start[0], end[1] - start[1]
    length = max((across * across + down * down) ** 0.5, 1e-9)
    share = min(by / length, 0.5)
    return start[0] + share * across, start[1] + share * down
