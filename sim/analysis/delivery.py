"""Deliveries in closed form: attempts until success, dead letters, duplicates, half-done writes, delays.

Attempts are independent unless a message is poison, for which every attempt fails. Probabilities are shares
between 0 and 1, times are seconds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from statistics import NormalDist

_NORMAL = NormalDist()
_NEGLIGIBLE = 1e-15


def dead_letter_share(failure: float, receives: float) -> float:
    """Share of the messages of which all k deliveries fail: p^k."""
    return failure**receives


def mean_deliveries(failure: float, receives: float) -> float:
    """Deliveries per message: (1 - p^k) / (1 - p); 1 / (1 - p) without a limit, k for a poison message."""
    if failure == 1:
        return receives
    return (1 - failure**receives) / (1 - failure)


@dataclass(frozen=True, slots=True)
class Attempts:
    """What becomes of a message whose worker does several effects in order.

    Attributes:
        deliveries: mean per message; infinite where a poison message is retried without end.
        tries: mean attempts of each effect per message.
        applied: share of the messages for which each effect happens at least once.
        given_up: share of the messages that use up all deliveries.
        repeats: mean applications of each effect beyond the first, per message.
    """

    deliveries: float
    tries: tuple[float, ...]
    applied: tuple[float, ...]
    given_up: float
    repeats: tuple[float, ...]


def attempts(
    failures: Sequence[float], poisons: Sequence[float], receives: float, *, idempotent: bool = False
) -> Attempts:
    """Deliveries of a message to a worker that does effects in order and stops at the first that fails.

    With f = 1 - prod(1 - p_i): deliveries (1 - f^k) / (1 - f), attempts of effect i that times the chance
    prod(1 - p_j, j < i) to come so far; poison messages are a case of their own with p = 1.

    Args:
        failures: p of each effect per attempt.
        poisons: share of messages for which every attempt of that effect fails.
        receives: k, how often a message is delivered at most.
        idempotent: whether effects that were applied are skipped.
    """
    number = len(failures)
    totals = [0.0] * (2 + 3 * number)
    for case in product((False, True), repeat=number):
        weight = math.prod(
            share if poisoned else 1 - share for share, poisoned in zip(poisons, case, strict=True)
        )
        if weight == 0:
            continue
        chances = [1.0 if poisoned else p for p, poisoned in zip(failures, case, strict=True)]
        found = _attempts(chances, receives, idempotent=idempotent)
        totals = [total + weight * each for total, each in zip(totals, found, strict=True)]
    tries, applied, repeated = (tuple(totals[2 + part * number :][:number]) for part in range(3))
    return Attempts(totals[0], tries, applied, totals[1], repeated)


def _attempts(failures: list[float], receives: float, *, idempotent: bool) -> list[float]:
    """Deliveries, share given up, then attempts, applied shares and repeats of each effect."""
    number = len(failures)
    if math.isinf(receives) and 1.0 in failures:
        stop = failures.index(1.0)
        tries = [1.0 / (1 - p) if idempotent else math.inf for p in failures[:stop]]
        repeated = [0.0 if idempotent else math.inf] * stop + [0.0] * (number - stop)
        tries += [math.inf] + [0.0] * (number - stop - 1)
        return [math.inf, 0.0, *tries, *([1.0] * stop + [0.0] * (number - stop)), *repeated]
    come, deliveries = 1.0, 0.0  # share of the messages still under way
    done_to = [1.0] + [0.0] * number  # share with the first n effects applied, once idempotent workers skip
    tries, applications, never = [0.0] * number, [0.0] * number, [1.0] * number
    count = 0
    while count < receives and come > _NEGLIGIBLE:
        deliveries += come
        after = [0.0] * (number + 1)
        for have, share in enumerate(done_to):
            chance = share
            for effect in range(have if idempotent else 0, number):
                tries[effect] += chance
                after[max(have, effect)] += chance * failures[effect]
                chance *= 1 - failures[effect]
                applications[effect] += chance
            after[number] += chance
        come = math.fsum(after[:number])
        done_to = [*after[:number], 0.0]
        count += 1
    never = [math.fsum(done_to[: effect + 1]) for effect in range(number)]
    applied = [1 - share for share in never]
    again = [happened - once for happened, once in zip(applications, applied, strict=True)]
    repeated = [share if share > 1e-12 else 0.0 for share in again]  # the rest is rounding
    return [deliveries, come, *tries, *applied, *repeated]


def copies_stored(not_stored: float, answer_lost: float) -> float:
    """Mean copies of a message that is sent until an answer arrives: (1 - f) / (1 - f - q)."""
    return (1 - not_stored) / (1 - not_stored - answer_lost)


def redeliveries(overstay: float, receives: float, *, late_delete: bool) -> float:
    """Mean deliveries where work outlasts the visibility timeout with probability q = P(S > v).

    An idle worker takes the message at once. If a late delete counts, 1 + sum over n of q^(n (n + 1) / 2);
    if not, 1 + q + q^2 + …; both with k terms at most.
    """
    if overstay >= 1:
        return receives
    total, count = 0.0, 0
    while count < receives:
        term = overstay ** (count * (count + 1) / 2 if late_delete else count)
        if term < _NEGLIGIBLE:
            break
        total += term
        count += 1
    return total


def both_writes(first: float, second: float) -> float:
    """Share with both of two independent writes: (1 - a) (1 - b)."""
    return (1 - first) * (1 - second)


def partial_writes(first: float, second: float) -> float:
    """Share with exactly one of two independent writes: a + b - 2 a b; with n attempts use a^n and b^n."""
    return first + second - 2 * first * second


def crash_between(crash_rate: float, gap: float) -> float:
    """Share of requests that a crash cuts between two writes: 1 - e^(-c gap)."""
    return -math.expm1(-crash_rate * gap)


def repeated_per_crash(rate: float, commit_interval: float, crash_rate: float) -> float:
    """Records repeated after a crash: r (1 / g - T / (e^(g T) - 1)), about r T / 2 for rare crashes."""
    if crash_rate == 0:
        return rate * commit_interval / 2
    return rate * (1 / crash_rate - commit_interval / math.expm1(crash_rate * commit_interval))


def repeated_per_batch_crash(batch: float) -> float:
    """Records repeated by a crash within a batch that is committed after it: (N - 1) / 2."""
    return (batch - 1) / 2


def lost_per_batch_crash(batch: float) -> float:
    """Records lost by a crash within a batch that was committed before it: (N + 1) / 2."""
    return (batch + 1) / 2


def poll_delay(interval: float, hops: int = 1, *, same_timer: bool = True) -> float:
    """Mean delay of polling hops: T / 2 + (n - 1) T on one timer, n T / 2 on independent ones."""
    return interval / 2 + (hops - 1) * interval if same_timer else hops * interval / 2


def linger_batch(arrival_rate: float, linger: float) -> float:
    """Mean size of a batch that stays open so long: 1 + lambda L."""
    return 1 + arrival_rate * linger


def linger_delay(arrival_rate: float, linger: float) -> float:
    """Mean delay of a message in it: L (1 + lambda L / 2) / (1 + lambda L)."""
    return linger * (1 + arrival_rate * linger / 2) / linger_batch(arrival_rate, linger)


def lognormal_parameters(mean: float, cv: float) -> tuple[float, float]:
    """M and s of the normal distribution behind a lognormal: s^2 = ln(1 + cv^2), m = ln(mean) - s^2 / 2."""
    square = math.log1p(cv * cv)
    return math.log(mean) - square / 2, math.sqrt(square)


def lognormal_tail(value: float, mean: float, cv: float) -> float:
    """Share of a lognormal above a value: 1 - Phi((ln v - m) / s)."""
    if value <= 0:
        return 1.0
    middle, spread = lognormal_parameters(mean, cv)
    return _NORMAL.cdf((middle - math.log(value)) / spread)


def lognormal_quantile(share: float, mean: float, cv: float) -> float:
    """Quantile of a lognormal: e^(m + z s)."""
    middle, spread = lognormal_parameters(mean, cv)
    return math.exp(middle + _NORMAL.inv_cdf(share) * spread)


def gamma_tail(value: float, mean: float, cv: float) -> float:
    """Share of a gamma distribution above a value, approximately (Wilson and Hilferty 1931)."""
    if value <= 0:
        return 1.0
    ninth = cv * cv / 9
    return _NORMAL.cdf((1 - ninth - (value / mean) ** (1 / 3)) / math.sqrt(ninth))
