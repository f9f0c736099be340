"""The window of time over which a run is judged, and counting along the time axis."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from sim.engine.record import Record


def published_inside(record: Record) -> np.ndarray:
    """Which messages count: those published in [warm-up, horizon), shape (messages,)."""
    return (record.published >= record.warmup) & (record.published < record.horizon)


def counted(record: Record) -> slice:
    """The same messages as a slice, since publish times are sorted."""
    return slice(*np.searchsorted(record.published, [record.warmup, record.horizon]).tolist())


def length(record: Record) -> float:
    """Seconds from the warm-up to the horizon."""
    return record.horizon - record.warmup


def last_applied(record: Record) -> np.ndarray:
    """When the last effect of each message first happened; NaN unless all of them did, shape (messages,)."""
    first, *others = [pair.first_applied for pair in record.pairs]
    for other in others:
        first = np.maximum(first, other)
    return first


def grid(end: float, step: float) -> np.ndarray:
    """The times 0, step, 2 step … of which the last is at or after the end; seconds, shape (points,)."""
    points = np.arange(math.ceil(end / step) + 1) * step
    return points if points[-1] >= end else np.append(points, len(points) * step)


def ratio(part: float, whole: float) -> float:
    """A quotient that is NaN, and not an error, over nothing."""
    return part / whole if whole > 0 else float("nan")
