"""Outages as fluids: what piles up while something is away, how long it takes to clear, what is given up.

Arrivals and work flow evenly; randomness only spreads the results around these values. Times in seconds,
rates per second, counts in messages.
"""

from __future__ import annotations

import math

_TOLERANCE = 1e-9


def backlog_at_restore(arrival_rate: float, outage: float, capacity: float = 0.0) -> float:
    """What waits at the end of an outage: (lambda - capacity that is left) x D, never below 0."""
    return max(0.0, arrival_rate - capacity) * outage


def drain_time(backlog: float, capacity: float, arrival_rate: float) -> float:
    """Time until a backlog is gone while more comes: B / (mu - lambda); infinite at mu <= lambda."""
    if backlog <= 0:
        return 0.0
    return backlog / (capacity - arrival_rate) if capacity > arrival_rate else math.inf


def drain_deviation(backlog: float, capacity: float, arrival_rate: float) -> float:
    """Standard deviation of that time, Poisson arrivals at restore and exponential service.

    sqrt(B (lambda + mu) / (mu - lambda)^3 + B / (mu - lambda)^2).
    """
    slack = capacity - arrival_rate
    return math.sqrt(backlog * (arrival_rate + capacity) / slack**3 + backlog / slack**2)


def messages_delayed(arrival_rate: float, outage: float, rho: float) -> float:
    """Messages that meet an outage or its backlog: lambda D / (1 - rho)."""
    return arrival_rate * outage / (1 - rho) if rho < 1 else math.inf


def mean_wait_of_delayed(outage: float) -> float:
    """Mean wait of these: D / 2, since it falls evenly from D to 0."""
    return outage / 2


def consumers_for_recovery(
    arrival_rate: float, backlog: float, recovery_time: float, rate_of_one: float
) -> int:
    """Consumers that clear a backlog in time: ceil((lambda + B / RTO) / mu of one)."""
    return math.ceil((arrival_rate + backlog / recovery_time) / rate_of_one - _TOLERANCE)


def expired(arrival_rate: float, outage: float, retention: float) -> float:
    """Messages that retention removes before their consumer is back: lambda max(0, D - R)."""
    return arrival_rate * max(0.0, outage - retention)


def catch_up_time(arrival_rate: float, outage: float, retention: float, capacity: float) -> float:
    """Time to read what retention has left: lambda min(D, R) / (mu - lambda)."""
    return drain_time(arrival_rate * min(outage, retention), capacity, arrival_rate)


def given_up(arrival_rate: float, outage: float, span: float) -> float:
    """Messages whose attempts all fall into an outage: lambda max(0, D - span).

    The span is from the first attempt to the last: n g for n further pushes g apart, (k - 1) v for k
    receives with visibility timeout v, the retry window of a publish.
    """
    return arrival_rate * max(0.0, outage - span)


def late(arrival_rate: float, outage: float, span: float) -> float:
    """Messages that an outage hits and a later attempt saves: lambda min(D, span)."""
    return arrival_rate * min(outage, span)


def repeats(arrival_rate: float, outage: float, gap: float, receives: float) -> float:
    """Repeated effects of a shared worker while a later effect is rejected.

    Of the messages whose first attempt is r before the end, min(k, floor(r / v) + 1) deliveries fail, and
    each delivery applies the earlier effect again: lambda x integral over r of failures, less the one first
    application where none succeeds. With D = 4 v, k = 3: lambda (v + 2 v) + 2 x dead letters.

    Args:
        arrival_rate: lambda.
        outage: D.
        gap: v, between two receives.
        receives: k.
    """
    total, count = 0.0, 1
    while (count - 1) * gap < outage and count < receives:
        total += count * (min(outage, count * gap) - (count - 1) * gap)
        count += 1
    if not math.isinf(receives):
        total += (receives - 1) * max(0.0, outage - (receives - 1) * gap)
    return arrival_rate * total


def acceptable_backlog(latency: float, mean_service: float) -> float:
    """Backlog per consumer that still meets a latency: latency / E[S] (AWS Auto Scaling guide)."""
    return latency / mean_service


def desired_consumers(backlog: float, acceptable: float) -> int:
    """Consumers for a backlog: ceil(Q / acceptable backlog per consumer)."""
    return math.ceil(backlog / acceptable - _TOLERANCE)


def safe_rate(capacity: float, retries: float) -> float:
    """Arrival rate below which a storm of retries heals by itself: mu / (1 + r)."""
    return capacity / (1 + retries)
