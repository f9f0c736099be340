"""How long a worker holds a message: the service times of its effects, attempts, pauses and hops together."""

from __future__ import annotations

from dataclasses import dataclass

from sim.analysis.partitions import member_shares
from sim.forecast.loads import Load


@dataclass(frozen=True)
class Work:
    """How long a worker holds a message.

    Attributes:
        mean: E[T], s.
        square: E[T^2], s^2.
        until: mean time from the start of a delivery that succeeds to the end of each effect, s.
        shape: whether T is always the same or exponential.
    """

    mean: float
    square: float
    until: tuple[float, ...]
    shape: str


@dataclass(frozen=True)
class Line:
    """One line of messages in front of equal servers: share of the pool's messages, servers, their speed."""

    share: float
    servers: int
    work: Work


def overstay(load: Load) -> float:
    """At most this share of deliveries outlasts the visibility timeout; bounded over effects and batch."""
    plan = load.plan
    if plan.queue is None or getattr(plan.workers, "heartbeat", None) is not None:
        return 0.0
    room = (plan.queue.visibility_timeout - plan.hop) / plan.batch * min(plan.speeds)
    total = sum(law.mean for law in load.laws)
    if total == 0:
        return 0.0
    if all(law.shape == "constant" for law in load.laws):
        return float(total > room)
    return min(1.0, sum(law.tail(room * law.mean / total) for law in load.laws))


def work_of(load: Load, speed: float) -> Work:
    """How long one worker holds a message of a pool."""
    plan = load.plan
    hop = 0.0 if plan.source == "push" else plan.hop
    scaled = [(law.mean / speed, law.variance / speed**2) for law in load.laws]
    until: list[float] = []
    if plan.retries_in_place:
        mean, variance = hop, 0.0
        for (each, spread), failure in zip(scaled, load.failures, strict=True):
            count, count_variance = 1 / (1 - failure), failure / (1 - failure) ** 2
            mean += count * (each + plan.retry_delay) - plan.retry_delay
            variance += count * spread + count_variance * (each + plan.retry_delay) ** 2
            until.append(mean)
        square = variance + mean**2
    else:
        mean = square = 0.0
        for (each, spread), failure in reversed(list(zip(scaled, load.failures, strict=True))):
            square = spread + each**2 + (1 - failure) * (2 * each * mean + square)
            mean = each + (1 - failure) * mean
        square += hop * (2 * mean + hop)
        mean += hop
        done = hop
        for each, _ in scaled:
            done += each
            until.append(done)
    return Work(mean, square, tuple(until), _shape(load, hop))


def _shape(load: Load, hop: float) -> str:
    shapes = {law.shape for law in load.laws}
    fails = any(load.failures)
    in_place = load.plan.retries_in_place and fails
    if shapes == {"exponential"} and len(load.laws) == 1 and not hop:
        return "general" if in_place and load.plan.retry_delay else "exponential"
    return "constant" if shapes == {"constant"} and not fails else "general"


def lines_of(load: Load) -> list[Line]:
    """The lines in front of a pool: one, or that of each member that owns a partition with keys."""
    if not load.shares:
        speeds = load.plan.speeds
        return [Line(1.0, load.plan.count, work_of(load, sum(speeds) / len(speeds)))]
    owning = [
        speed
        for speed, owned in zip(load.plan.speeds, member_shares(load.shares, load.plan.count), strict=True)
        if owned > 0
    ]
    return [
        Line(share, 1, work_of(load, speed)) for (share, _), speed in zip(load.lines(), owning, strict=True)
    ]
