"""Where the steady state begins: MSER-5 (White 1997; kept by the review behind Warwick's AutoSimOA).

Batches of five; of all cuts the one after which the mean is known best is taken. A cut in the last half says
that the run is too short to tell. Never for a scripted incident, whose start is part of the question.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_BATCH = 5
_END = 5
"""Batches at the end that are no candidates: a mean over next to nothing always looks certain."""

_ROUNDING = 1e-9
"""Batch means that differ by less than this share are equal: times are sums of floating-point numbers."""


@dataclass(frozen=True)
class Cut:
    """What to leave out at the start of a series.

    Attributes:
        count: observations.
        is_too_late: whether it lies in the last half, so that the series never settled.
    """

    count: int
    is_too_late: bool


def mser5(series: np.ndarray) -> Cut:
    """The cut d that minimises sum over i > d of (Z_i - mean of Z after d)² / (k - d)², Z being batch means.

    Args:
        series: observations in their order, shape (n,). With fewer than 50 nothing is cut and the series
            counts as too short.
    """
    batches = len(series) // _BATCH
    if batches < 2 * _END:
        return Cut(0, is_too_late=True)
    means = series[: batches * _BATCH].reshape(batches, _BATCH).mean(axis=1)
    noise = (_ROUNDING * float(np.abs(means).max())) ** 2
    means = means - means.mean()  # sums of squares of small numbers lose fewer digits
    left = np.arange(batches, 0, -1)
    total = np.cumsum(means[::-1])[::-1]
    squares = np.cumsum((means * means)[::-1])[::-1]
    spread = squares - total * total / left
    spread[spread <= noise * left] = 0.0  # of all cuts after which nothing varies, the first
    error = spread / (left * left)
    cut = int(np.argmin(error[: batches - _END]))
    return Cut(cut * _BATCH, is_too_late=cut > batches / 2)


def mean_series(series: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The average over replications of the i-th observation, as long as the shortest of them.

    Args:
        series: one per replication; NaN where a message never came to an end.

    Returns:
        The averages, and which i each of them stands for: where nothing came to an end there is none.
    """
    length = min(len(each) for each in series)
    stacked = np.stack([each[:length] for each in series])
    present = ~np.isnan(stacked)
    total = np.where(present, stacked, 0.0).sum(axis=0)
    count = present.sum(axis=0)
    places = np.flatnonzero(count)
    return total[places] / count[places], places
