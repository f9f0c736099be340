"""Waiting lines in closed form: how long messages wait for a free worker, and how many find no room.

Pure functions over floats. Rates are per second, times in seconds, shares between 0 and 1. Every model is in
its steady state; where the load is too high to have one, waits are infinite. Left out: closed networks,
servers of different speed, distributions of waits other than the exponential ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass


def erlang_b(servers: int, load: float) -> float:
    """Share of arrivals that find all servers busy and leave, for any service distribution.

    B(c) = a B(c-1) / (c + a B(c-1)), B(0) = 1 (Erlang 1917).

    Args:
        servers: c.
        load: a = arrival rate x mean service, in busy servers.
    """
    blocked = 1.0
    for count in range(1, servers + 1):
        blocked = load * blocked / (count + load * blocked)
    return blocked


def erlang_c(servers: int, load: float) -> float:
    """Share of arrivals that must wait in M/M/c; 1 where the load is too high.

    C = B / (1 - rho + rho B) with rho = a / c (Erlang 1917).
    """
    rho = load / servers
    if rho >= 1:
        return 1.0
    blocked = erlang_b(servers, load)
    return blocked / (1 - rho + rho * blocked)


def mean_wait(arrival_rate: float, service_rate: float, servers: int = 1) -> float:
    """Mean wait before service in M/M/c: C / (c mu - lambda); for one server rho / (mu - lambda)."""
    slack = servers * service_rate - arrival_rate
    return math.inf if slack <= 0 else erlang_c(servers, arrival_rate / service_rate) / slack


def wait_quantile(share: float, arrival_rate: float, service_rate: float, servers: int = 1) -> float:
    """Quantile of the wait in M/M/c with first come, first served: ln(C / (1 - q)) / (c mu - lambda)."""
    slack = servers * service_rate - arrival_rate
    if slack <= 0:
        return math.inf
    return max(0.0, math.log(erlang_c(servers, arrival_rate / service_rate) / (1 - share)) / slack)


def mean_latency(arrival_rate: float, service_rate: float, servers: int = 1) -> float:
    """Mean time in M/M/c: wait + 1 / mu; for one server 1 / (mu - lambda)."""
    return mean_wait(arrival_rate, service_rate, servers) + 1 / service_rate


def latency_tail(time: float, arrival_rate: float, service_rate: float, servers: int = 1) -> float:
    """Share of messages whose time in M/M/c, first come, first served, exceeds a time.

    e^(-mu t) (1 - C) + C times the tail of the sum of Exp(c mu - lambda) and Exp(mu); for one server
    e^(-(mu - lambda) t).
    """
    slack = servers * service_rate - arrival_rate
    if slack <= 0:
        return 1.0
    waits = erlang_c(servers, arrival_rate / service_rate)
    work = math.exp(-service_rate * time)
    if math.isclose(slack, service_rate, rel_tol=1e-9):
        return work * (1 + waits * service_rate * time)
    both = (slack * work - service_rate * math.exp(-slack * time)) / (slack - service_rate)
    return (1 - waits) * work + waits * both


def latency_quantile(share: float, arrival_rate: float, service_rate: float, servers: int = 1) -> float:
    """Quantile of the time in M/M/c, first come, first served; for one server ln(1/(1-q)) / (mu - lambda)."""
    if servers * service_rate <= arrival_rate:
        return math.inf
    return quantile_of(lambda time: latency_tail(time, arrival_rate, service_rate, servers), share)


def quantile_of(tail: Callable[[float], float], share: float) -> float:
    """The time that a share of the values does not exceed, by bisection of a falling tail.

    Args:
        tail: share of the values above a time; falls from at most 1 to 0.
        share: q, below 1.
    """
    high = 1e-9
    while tail(high) > 1 - share:
        high *= 2
        if high > 1e15:
            return math.inf
    low = 0.0
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if tail(middle) > 1 - share else (low, middle)
    return high


@dataclass(frozen=True, slots=True)
class Bounded:
    """The steady state of a queue with room for so many.

    Attributes:
        refused: share of the arrivals that find no room.
        throughput: accepted per second.
        in_system: mean number inside.
        latency: mean time of the accepted, s.
    """

    refused: float
    throughput: float
    in_system: float
    latency: float


def bounded(arrival_rate: float, service_rate: float, servers: int, room: int) -> Bounded:
    """M/M/c/K: birth-death probabilities, p(n+1) = p(n) lambda / (min(n+1, c) mu); Little for the latency.

    Args:
        arrival_rate: lambda.
        service_rate: mu of each server.
        servers: c.
        room: K, those in service included.
    """
    weights, weight = [1.0], 1.0
    for count in range(1, room + 1):
        weight *= arrival_rate / (service_rate * min(count, servers))
        weights.append(weight)
        if weight > 1e200:
            weights = [each / weight for each in weights]
            weight = 1.0
    total = math.fsum(weights)
    refused = weights[-1] / total
    inside = math.fsum(count * each for count, each in enumerate(weights)) / total
    throughput = arrival_rate * (1 - refused)
    return Bounded(refused, throughput, inside, inside / throughput)


def pollaczek_khinchine(arrival_rate: float, mean: float, square: float) -> float:
    """Mean wait in M/G/1: lambda E[S^2] / (2 (1 - rho)) (Pollaczek 1930, Khinchine 1932).

    Args:
        arrival_rate: lambda.
        mean: E[S].
        square: E[S^2].
    """
    rho = arrival_rate * mean
    return math.inf if rho >= 1 else arrival_rate * square / (2 * (1 - rho))


def allen_cunneen(
    arrival_rate: float, mean: float, square: float, servers: int, arrival_scv: float = 1.0
) -> float:
    """Approximate mean wait in GI/G/c: that of M/M/c times (ca^2 + cs^2) / 2 (Allen 1990).

    Exact for M/M/c and M/G/1; elsewhere good at high load and rough at low load.

    Args:
        arrival_rate: lambda.
        mean: E[S].
        square: E[S^2].
        servers: c.
        arrival_scv: squared coefficient of variation of the gaps, 1 for Poisson, 0 for even arrivals.
    """
    if mean == 0:
        return 0.0
    service_scv = square / mean**2 - 1
    return mean_wait(arrival_rate, 1 / mean, servers) * (arrival_scv + service_scv) / 2


def fork_join(arrival_rate: float, service_rate: float) -> float:
    """Mean time until both of two equal M/M/1 branches with shared arrivals are done.

    (12 - rho) / 8 x 1 / (mu - lambda), exact for two (Flatto and Hahn 1984, Nelson and Tantawi 1988).
    """
    if arrival_rate >= service_rate:
        return math.inf
    return (12 - arrival_rate / service_rate) / 8 / (service_rate - arrival_rate)


def all_done(branches: int, mean: float) -> float:
    """Mean of the longest of N independent exponential times: E[S] H(N)."""
    return mean * math.fsum(1 / count for count in range(1, branches + 1))


def tandem(arrival_rate: float, service_rates: Sequence[float]) -> float:
    """Mean time through M/M/1 stages in series: sum of 1 / (mu_i - lambda) (Burke 1956, Jackson 1957)."""
    return math.fsum(mean_latency(arrival_rate, rate) for rate in service_rates)


def feedback_latency(arrival_rate: float, service_rate: float, failure: float, servers: int = 1) -> float:
    """Mean time until success in M/M/c where a failed message goes back to the tail at once.

    L / lambda with L of M/M/c at lambda / (1 - p); for one server (rho / (1 - rho)) / lambda (Jackson 1957).
    """
    visits = arrival_rate / (1 - failure)
    return mean_latency(visits, service_rate, servers) / (1 - failure)


def breakdowns(arrival_rate: float, mean: float, square: float, mean_up: float, mean_down: float) -> float:
    """Mean time in M/G/1 whose server fails, busy or idle, and resumes the work (Avi-Itzhak and Naor 1963).

    E[C] + lambda E[C^2] / (2 (1 - lambda E[C])) + (1 - A) E[D], with E[C] = E[S] (1 + f/r) and
    E[C^2] = E[S^2] (1 + f/r)^2 + f E[S] E[D^2]; exponential times up (1/f) and down (1/r).
    """
    stretch = 1 + mean_down / mean_up
    completion = mean * stretch
    completion_square = square * stretch**2 + mean * 2 * mean_down**2 / mean_up
    wait = pollaczek_khinchine(arrival_rate, completion, completion_square)
    return completion + wait + (1 - availability(mean_up, mean_down)) * mean_down


def availability(mean_up: float, mean_down: float) -> float:
    """Share of the time in which something works: up / (up + down)."""
    return mean_up / (mean_up + mean_down)


def priority_waits(rates: Sequence[float], service_rate: float) -> list[float]:
    """Mean wait of each class, the most urgent first, in M/M/1 that interrupts nothing (Cobham 1954).

    W0 / ((1 - sigma(k-1)) (1 - sigma(k))), W0 = sum of lambda_i E[S^2] / 2.
    """
    rest = math.fsum(rates) / service_rate**2
    waits: list[float] = []
    before = 0.0
    for rate in rates:
        until = before + rate / service_rate
        waits.append(math.inf if until >= 1 else rest / ((1 - before) * (1 - until)))
        before = until
    return waits


def messages_for_precision(rho: float, relative: float) -> float:
    """Messages that one long M/M/1 run needs for a 95 % interval of its mean wait of so much either way.

    n = 1.96^2 s^2 / (e Wq)^2 with s^2 = rho (2 + 5 rho - 4 rho^2 + rho^3) / (1 - rho)^4 and Wq = rho /
    (1 - rho), both in units of the service time (Daley 1968).
    """
    return (1.96 / relative) ** 2 * _relative_variance(rho)


def precision_of(rho: float, messages: float) -> float:
    """Half-width relative to the mean wait that so many messages of M/M/1 give; see the inverse above."""
    return 1.96 * math.sqrt(_relative_variance(rho) / messages)


def relaxation_time(rho: float, service_rate: float) -> float:
    """Time in which M/M/1 forgets how it started: 1 / (mu (1 - sqrt(rho))^2) (Morse 1958)."""
    return math.inf if rho >= 1 else 1 / (service_rate * (1 - math.sqrt(rho)) ** 2)


def _relative_variance(rho: float) -> float:
    variance = rho * (2 + 5 * rho - 4 * rho**2 + rho**3) / (1 - rho) ** 4
    return variance / (rho / (1 - rho)) ** 2
