"""Backlog as a fluid: it rises while arrivals exceed what a line can do, and falls afterwards.

Follows the arrivals of the scenario, changes of rate and their end included, through outages in order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

_STEPS = 400


@dataclass(frozen=True)
class Flood:
    """What outages do to one line.

    Attributes:
        backlogs: messages at the end of each outage.
        drain: seconds from the end of the last one until the backlog is gone; infinite if it never is.
    """

    backlogs: tuple[float, ...]
    drain: float


def flood(
    between: Callable[[float, float], float],
    windows: Sequence[tuple[float, float]],
    capacity: float,
    left: float,
    end: float,
) -> Flood:
    """Follow one line through outages.

    Args:
        between: messages that arrive at the line from one time to another.
        windows: start and end of each outage, in order.
        capacity: what the line can do, per second.
        left: what it can do during an outage.
        end: of the arrivals, s.
    """
    backlog, since, backlogs = 0.0, windows[0][0], list[float]()
    for start, stop in windows:
        backlog = max(0.0, backlog + between(since, start) - capacity * (start - since))
        backlog = max(0.0, backlog + between(start, stop) - left * (stop - start))
        backlogs.append(backlog)
        since = stop
    return Flood(tuple(backlogs), _drain(between, since, backlog, capacity, end))


def _drain(
    between: Callable[[float, float], float], since: float, backlog: float, capacity: float, end: float
) -> float:
    if backlog <= 0:
        return 0.0
    if capacity <= 0:
        return math.inf

    def left(time: float) -> float:
        return backlog + between(since, since + time) - capacity * time

    longest = (backlog + between(since, end)) / capacity  # by then all that ever comes is done
    step = longest / _STEPS
    high = next((count * step for count in range(1, _STEPS) if left(count * step) <= 0), longest)
    low = high - step
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if left(middle) > 0 else (low, middle)
    return high
