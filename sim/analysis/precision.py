"""When enough replications have been run: the relative-precision rule with look-ahead.

Law and Kelton: go on until the half-width of the interval is at most g / (1 + g) of the mean, so that the
relative error against the unknown truth is at most g. Hoad, Robinson and Davies: an interval that is narrow
by chance must stay narrow for a few more replications before the study ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sim.analysis.inference import interval

if TYPE_CHECKING:
    from collections.abc import Mapping

Key = tuple[str, str, str]
"""Architecture, metric and scope."""

LOOK_AHEAD = 5
"""Replications for which the precision must last."""
BATCH = 5
"""Replications that are added at once; fixed, so that a study does not depend on the machine."""


@dataclass(frozen=True)
class Progress:
    """How precise a study is.

    Attributes:
        reached: whether every metric is precise, and was for all of the look-ahead.
        missing: the metrics that are not precise, or were not in as much of the look-ahead as has been run.
        worst: the greatest relative half-width of all, and whose it is; NaN where there is none.
    """

    reached: bool
    missing: tuple[Key, ...]
    worst: float
    worst_key: Key | None


def assess(values: Mapping[Key, np.ndarray], within: float, at_least: int) -> Progress:
    """Judge the replications so far.

    Args:
        values: per metric one value per replication, NaN where there is none.
        within: the relative error allowed, g.
        at_least: replications that are run in any case; the rule is not asked before them.
    """
    if not values:
        return Progress(reached=True, missing=(), worst=float("nan"), worst_key=None)
    count, at_least = len(next(iter(values.values()))), max(at_least, 2)
    sizes = range(max(count - LOOK_AHEAD, min(at_least, count)), count + 1)
    bound = within / (1 + within)
    missing: list[Key] = []
    worst, worst_key = float("nan"), None
    for key, series in values.items():
        relative = [relative_half_width(series[:size]) for size in sizes]
        if max(relative) > bound:
            missing.append(key)
        if not relative[-1] <= worst:
            worst, worst_key = relative[-1], key
    has_looked_ahead = count - LOOK_AHEAD >= at_least
    return Progress(has_looked_ahead and not missing, tuple(missing), worst, worst_key)


def relative_half_width(series: np.ndarray) -> float:
    """Half-width of the 95 % interval over the mean: 0 where nothing varies, infinite where it is unknown."""
    mean, half, count = interval(series[None, :])
    if int(count[0]) < 2:
        return float("inf")
    if float(half[0]) == 0:
        return 0.0
    return float(half[0] / abs(mean[0])) if mean[0] else float("inf")
