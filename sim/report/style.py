"""Colours and lines: one colour per kind of architecture, per outcome and per effect, the same everywhere.

The colours are those of Okabe and Ito, which people with any kind of colour vision can tell apart.
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

INK = "#222222"
QUIET = "#8a8a8a"
FAULT = "#e0e0e0"
HIT = "#c1121f"
"""Of a part that a fault hits; always with hatching or dashes, and no colour of anything else."""

KINDS: dict[str, str] = {
    "synchronous": "#4d4d4d",
    "single_broker": "#e69f00",
    "dual_brokers": "#d55e00",
    "stream": "#0072b2",
    "pubsub": "#009e73",
    "sns_sqs": "#cc79a7",
}

OUTCOMES: dict[str, str] = {
    "complete": "#b9d9ea",
    "partial": "#d55e00",
    "failed": "#3b0f4f",
    "rejected": "#e6b800",
    "pending": "#8a8a8a",
}

_EFFECTS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00")
_DASHES: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1.2, 1.2)), (0, (5, 1.5, 1.2, 1.5)))

_SETTINGS: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": "#666666",
    "axes.labelcolor": INK,
    "axes.labelsize": 9,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.8,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "lines.solid_capstyle": "butt",
    "figure.facecolor": "white",
    "figure.dpi": 100,
    "savefig.dpi": 150,
    "svg.hashsalt": "messaging-sim",
}


def applied() -> AbstractContextManager[None]:
    """Apply the house style inside a ``with`` block and leave the user's settings as they were."""
    from matplotlib import rc_context  # noqa: PLC0415 - heavy, and colours need it not

    return rc_context(_SETTINGS)


def architectures(entries: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Colour and line style of each architecture.

    Variants of one kind share its hue: the second is a darker shade and dashed, and so on.

    Args:
        entries: ``name`` and ``kind``, as in the manifest.

    Returns:
        Keyword arguments for ``Axes.plot`` by name.
    """
    seen: dict[str, int] = {}
    styles: dict[str, dict[str, Any]] = {}
    for entry in entries:
        kind = entry.get("kind") or entry["name"]
        number = seen.get(kind, 0)
        seen[kind] = number + 1
        styles[entry["name"]] = {
            "color": _shade(KINDS.get(kind, QUIET), number),
            "linestyle": _DASHES[number % len(_DASHES)],
        }
    return styles


def effects(names: Sequence[str]) -> dict[str, str]:
    """Colour of each effect."""
    return {name: _EFFECTS[place % len(_EFFECTS)] for place, name in enumerate(names)}


def tint(colour: str, share: float) -> str:
    """The colour mixed with white; ``share`` is what is left of it."""
    parts = [int(colour[place : place + 2], 16) for place in (1, 3, 5)]
    return "#" + "".join(f"{round(255 - (255 - part) * share):02x}" for part in parts)


def components(names: Sequence[str], effects: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Colour and line style of each component: the colour of its effect, dark where it serves several."""
    seen: dict[str, int] = {}
    styles: dict[str, dict[str, Any]] = {}
    for name in names:
        effect = next((effect for effect in effects if name == effect or name.startswith(f"{effect}_")), "")
        number = seen.get(effect, 0)
        seen[effect] = number + 1
        colour = _EFFECTS[list(effects).index(effect) % len(_EFFECTS)] if effect else INK
        styles[name] = {"color": colour, "linestyle": _DASHES[number % len(_DASHES)]}
    return styles


def _shade(colour: str, number: int) -> str:
    """The colour, darker by a third for each earlier variant."""
    parts = [int(colour[place : place + 2], 16) for place in (1, 3, 5)]
    return "#" + "".join(f"{round(part * (2 / 3) ** number):02x}" for part in parts)
