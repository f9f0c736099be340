"""The tail of the latencies."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.ticker import FixedLocator, FuncFormatter

from sim.experiment.archive import need_messages
from sim.report import axes as parts
from sim.report import numbers, style
from sim.report.rows import Values, shown_effects

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from sim.experiment.archive import StudyData

_POINTS = 400
_MARKS = (1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.1, 1.0, 10.0, 60.0, 600.0, 3600.0, 36000.0, 864000.0)
_DOTS = (("latency_p50", 0.5), ("latency_p95", 0.05), ("latency_p99", 0.01))


def latency(data: StudyData, ax: Any = None) -> Any:
    """Draw, per effect, the share of applied pairs slower than x, with p50, p95 and p99 as dots.

    Curves are of the replications in ``messages``, dots and their intervals of all replications. Pairs that
    were never applied have no latency; the legend says how many they are.

    Args:
        data: the study.
        ax: one axes per effect (of a broadcast, its slowest receiver), or a single one for all effects.

    Returns:
        The axes that were drawn on.

    Raises:
        ValueError: the study kept no messages.
    """
    need_messages(data.manifest)
    values = Values(data)
    labels = shown_effects(values)
    effects = list(labels)
    with style.applied():
        if ax is not None and not isinstance(ax, np.ndarray):
            for number, effect in enumerate(effects):
                _draw(ax, data, values, effect, dashed=number > 0)
            _finish(ax, " and ".join(effects))
            return ax
        axes = ax
        if axes is None:
            columns = min(len(effects), 2)
            rows = -(-len(effects) // columns)
            axes = parts.panels(rows, columns, height=0.5 + 3.9 * rows, sharex=True, sharey=True)
            parts.headline(axes, _sentence(values, effects))
        for panel, effect in zip(axes.ravel(), effects, strict=False):
            _draw(panel, data, values, effect, dashed=False)
            _finish(panel, labels[effect])
        for panel in axes.ravel()[len(effects) :]:
            panel.set_visible(False)
        return axes


def _draw(ax: Axes, data: StudyData, values: Values, effect: str, *, dashed: bool) -> None:
    styles = style.architectures(data.manifest["architectures"])
    mine: Any = data.messages
    mine = mine[mine["effect"] == effect]
    warmup, horizon = data.manifest.get("warmup", 0.0), data.manifest.get("horizon", np.inf)
    mine = mine[(mine["published"] >= warmup) & (mine["published"] < horizon)]
    widths = np.linspace(3.6, 1.2, max(len(values.names), 2))  # equal curves stay visible below each other
    for name, width in zip(values.names, widths, strict=False):
        pairs = mine[mine["architecture"] == name]
        delay = (pairs["first_applied"] - pairs["published"]).to_numpy(dtype=float)
        done = np.sort(delay[np.isfinite(delay)])
        line: dict[str, Any] = {**styles[name], **({"linestyle": (0, (2, 1))} if dashed else {})}
        label = f"{name} {effect}" if dashed else name
        is_pending = (pairs["outcome"] == "pending").to_numpy()
        never, waiting = np.mean(~np.isfinite(delay) & ~is_pending), np.mean(is_pending)
        shares = [(never, "never"), (waiting, "still waiting when cut off")]
        told = ", ".join(f"{numbers.percent(share)} {word}" for share, word in shares if share > 0)
        label += f" ({told})" if told else ""
        ax.plot(*_tail(done), label=label, linewidth=width, alpha=0.85, solid_joinstyle="round", **line)
        for metric, share in _DOTS:
            found = values.means.get((name, metric, effect))
            if found is not None and found.value > 0:
                interval = np.nan_to_num([[found.value - found.low], [found.high - found.value]])
                interval[0] = np.minimum(interval[0], found.value * 0.999)
                ax.errorbar(
                    found.value, share, xerr=interval, fmt="o", ms=4.5, color=line["color"],
                    mec="white", mew=0.7, capsize=2.5, elinewidth=1.2, zorder=5,
                )  # fmt: skip


def _tail(done: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Delays and the share that is at least as slow, at ranks thinned out evenly on the log scale."""
    count = len(done)
    if not count:
        return np.empty(0), np.empty(0)
    ranks = np.unique(np.geomspace(1, count, _POINTS).round().astype(int))  # counted from the slowest
    return np.maximum(done[count - ranks], 1e-6), ranks / count


def _finish(ax: Axes, title: str) -> None:
    ax.set_xscale("log")
    ax.set_yscale("log")
    low, high = ax.get_xlim()
    if high / low < 100:
        ax.set_xlim(low / 4, high * 4)
    ax.set_ylim(bottom=max(ax.get_ylim()[0], 1e-6), top=1.15)
    ax.xaxis.set_major_locator(FixedLocator(_MARKS))
    ax.xaxis.set_major_formatter(FuncFormatter(parts.round_duration))
    ax.xaxis.set_minor_locator(FixedLocator([]))
    shares = [10.0**power for power in range(0, -7, -1)]
    ax.yaxis.set_major_locator(FixedLocator(sorted([*shares, 0.5, 0.05])))
    ax.yaxis.set_major_formatter(FuncFormatter(_percent))
    ax.yaxis.set_minor_locator(FixedLocator([]))
    ax.grid(visible=True, axis="both")
    ax.set_title(title)
    ax.set_xlabel("latency: published to first applied")
    ax.set_ylabel("share of applied pairs that are slower")
    ax.label_outer()
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=2, handlelength=1.8)


def _percent(share: float, _: object) -> str:
    return f"{100 * share:.6g}%"


def _sentence(values: Values, effects: list[str]) -> str:
    """What can be said of the tail: of the slowest 1 %, or of more where few messages tell no such thing."""
    for metric, share in (
        ("latency_p99", "slowest 1%"),
        ("latency_p95", "slowest 5%"),
        ("latency_p50", "slower half"),
    ):
        found = _apart(values, effects, metric, share)
        if found:
            return max(found)[1]
    applied = any(values.mean(name, "applied", effect) > 0 for name in values.names for effect in effects)
    return "Too few messages to tell a tail" if applied else "No effect was ever applied"


def _apart(values: Values, effects: list[str], metric: str, share: str) -> list[tuple[float, str]]:
    """Slowest against fastest for each effect, with how far they differ; survivors are not called fast."""
    found: list[tuple[float, str]] = []
    for effect in effects:
        tails = {name: values.mean(name, metric, effect) for name in values.names}
        known = {name: tail for name, tail in tails.items() if tail > 0}
        whole = {
            name: tail
            for name, tail in known.items()
            if values.mean(name, "applied", effect) == values.mean(name, "offered", effect)
        }
        if not known:
            continue
        worst, best = (
            max(known, key=lambda name: known[name]),
            min(whole or known, key=(whole or known).__getitem__),
        )
        text = f"The {share} of {effect} take {numbers.duration(known[worst])} or more"
        ends = f"{text} in {worst}, {numbers.duration(known[best])} in {best}"
        is_same = numbers.duration(known[worst]) == numbers.duration(known[best])
        found.append((known[worst] / known[best], f"{text} in every architecture" if is_same else ends))
    return found
