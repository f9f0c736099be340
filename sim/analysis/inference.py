"""From replications to intervals: means of one architecture, paired differences of two.

The unit of analysis is the replication. Means and variances are summed replication by replication, so the
numbers of an architecture are the same to the last bit whatever other architectures stand beside it.
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from sim.vocabulary import COMPARISON_COLUMNS, METRICS, SUMMARY_COLUMNS, Clock

if TYPE_CHECKING:
    from collections.abc import Collection

CONFIDENCE = 0.95
"""How many of the intervals hold the truth."""
_ROUNDING = 1e-9
"""Values that differ by less than this share are equal: times are sums of floating-point numbers."""


def unit(metric: str, scope: str, effects: Collection[str]) -> str:
    """The unit of a row: counts of messages are in pairs per effect and in copies per component."""
    known = METRICS[metric]
    if known.unit != "messages" or known.clock is not Clock.PER_MESSAGE or not scope:
        return known.unit
    return "pairs" if scope in effects else "copies"


def summarize(samples: pd.DataFrame, effects: Collection[str]) -> pd.DataFrame:
    """Means over replications with 95 % intervals of Student's t.

    Args:
        samples: columns architecture, replication, metric, scope, value; NaN where there is no value.
        effects: the names of the effects, for the units.

    Returns:
        ``SUMMARY_COLUMNS``, sorted by architecture, metric, scope. ``replications`` is how many had a value;
        with fewer than two the interval is NaN.
    """
    wide = _wide(samples)
    mean, half, count = interval(wide.to_numpy(dtype=float))
    table = wide.index.to_frame(index=False)
    table["unit"] = _units(table, effects)
    table["mean"], table["ci_low"], table["ci_high"] = mean, mean - half, mean + half
    table["replications"] = count
    return pd.DataFrame(table, columns=list(SUMMARY_COLUMNS))


def comparison_confidence(comparisons: int) -> float:
    """The level of each interval so that, with 95 %, all of them hold their truth at once (Bonferroni)."""
    return 1 - (1 - CONFIDENCE) / max(comparisons, 1)


def no_event_bound(replications: int) -> float:
    """The greatest chance that a run has an event, if none of so many had one (95 %, one-sided).

    Losses cluster in outages, so it is replications that count, not messages: 30 of them without a loss leave
    room for a chance of 9.5 %.
    """
    return float(1 - (1 - CONFIDENCE) ** (1 / replications))


def compare(samples: pd.DataFrame, baseline: str, effects: Collection[str]) -> pd.DataFrame:
    """Paired differences to a baseline, architecture - baseline in the same replication.

    The level of the intervals is that of :func:`comparison_confidence` for the number of architectures that
    are compared with the baseline.

    Rows that only one of the two has are left out. ``variance_ratio`` is (var A + var B) / var(A - B): how
    many times fewer replications the shared randomness needed; NaN where the difference never varies. What
    only rounding keeps apart is equal.

    Args:
        samples: as for :func:`summarize`.
        baseline: the architecture to compare with.
        effects: the names of the effects, for the units.

    Returns:
        ``COMPARISON_COLUMNS``, sorted by architecture, metric, scope.
    """
    wide = _wide(samples)
    is_baseline = np.asarray(wide.index.get_level_values("architecture") == baseline)
    ours, others = wide.loc[is_baseline].droplevel("architecture"), wide.loc[~is_baseline]
    others = others.loc[np.asarray(others.index.droplevel("architecture").isin(ours.index))]
    theirs = ours.loc[others.index.droplevel("architecture")].to_numpy(dtype=float)

    values = others.to_numpy(dtype=float)
    unpaired = np.isnan(values) | np.isnan(theirs)
    values, theirs = np.where(unpaired, np.nan, values), np.where(unpaired, np.nan, theirs)
    is_rounding = np.abs(values - theirs) <= _ROUNDING * np.maximum(np.abs(values), np.abs(theirs))
    apart = np.where(is_rounding, 0.0, values - theirs)
    compared = len(set(samples["architecture"].astype(str)) - {baseline})
    mean, half, count = interval(apart, comparison_confidence(compared))
    spread, other_spread = _products(values, values), _products(theirs, theirs)
    difference_spread = _products(apart, apart)

    table = others.index.to_frame(index=False)
    table.insert(0, "baseline", baseline)
    table["unit"] = _units(table, effects)
    table["difference"], table["ci_low"], table["ci_high"] = mean, mean - half, mean + half
    scale = np.sqrt(spread * other_spread)
    table["correlation"] = np.clip(_divide(_products(values, theirs), scale), -1, 1)
    table["variance_ratio"] = _divide(spread + other_spread, difference_spread)
    table["replications"] = count
    return pd.DataFrame(table, columns=list(COMPARISON_COLUMNS))


def _wide(samples: pd.DataFrame) -> pd.DataFrame:
    """One row per architecture, metric and scope, one column per replication, both sorted."""
    named = samples.astype({"architecture": str, "metric": str, "scope": str})
    keys = ["architecture", "metric", "scope"]
    wide = named.pivot(index=keys, columns="replication", values="value")  # noqa: PD010 - refuses duplicates
    return pd.DataFrame(wide.sort_index().sort_index(axis=1))


def _units(table: pd.DataFrame, effects: Collection[str]) -> list[str]:
    return [
        unit(metric, scope, effects) for metric, scope in zip(table["metric"], table["scope"], strict=True)
    ]


def _mean(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and number of the values that are not NaN, by row; exact where all of them are equal."""
    present = ~np.isnan(values)
    count = present.sum(axis=1)
    start = np.full(len(values), np.nan)
    for column in values.T[::-1]:
        start = np.where(np.isnan(column), start, column)
    total = np.zeros(len(values))
    for column in values.T:
        total = total + np.where(np.isnan(column), 0.0, column - start)
    return start + _divide(total, count.astype(float)), count


def _products(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Sum over the columns of the products of deviations, by row."""
    left = left - _mean(left)[0][:, None]
    right = right - _mean(right)[0][:, None]
    total = np.zeros(len(left))
    for one, other in zip(left.T, right.T, strict=True):
        total = total + np.where(np.isnan(one * other), 0.0, one * other)
    return total


def interval(values: np.ndarray, confidence: float = CONFIDENCE) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, half-width of its interval of Student's t and number of values, by row.

    Args:
        values: shape (rows, replications), NaN where there is none.
        confidence: how many of the intervals hold the truth.
    """
    from scipy.stats import t  # noqa: PLC0415 - heavy, and not needed to read results

    mean, count = _mean(values)
    freedom = count - 1
    deviation = np.sqrt(_divide(_products(values, values), freedom.astype(float)))
    known = {
        int(number): float(t.ppf((1 + confidence) / 2, number)) for number in np.unique(freedom) if number > 0
    }
    factor = np.array([known.get(int(number), np.nan) for number in freedom], dtype=float)
    return mean, factor * deviation / np.sqrt(np.maximum(count, 1)), count


def _divide(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Quotients, NaN where the divisor is not positive."""
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)
