"""The wait in front of one pool in its steady state: the nearest textbook queue.

``exact`` is claimed only where every assumption holds in the model. A member of a consumer group takes its
partitions in turn; that changes no mean, but it does change percentiles, which are given only for one
partition per member.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from sim.analysis import queueing
from sim.analysis.delivery import dead_letter_share
from sim.components.faults import Down, Fault
from sim.components.producer import ProducerOptions
from sim.forecast.closed_form import Kind
from sim.forecast.loads import Load
from sim.forecast.work import Line, lines_of, work_of
from sim.vocabulary import Role

_AT_ONCE = 1e-3
_MANY_PLACES = 100_000
NO_STEADY_STATE = "more arrives than can be done: no steady state"


@dataclass(frozen=True)
class Latency:
    """What is known of a pool's latency.

    Attributes:
        wait: mean before a first delivery, s.
        means: mean latency of each effect from the arrival at the pool, s.
        quantile: of the last effect's latency; None where it is not known.
        model: ``M/M/10``.
        formula: in short.
        kind: how good it is.
        why: no closed form for this reason, or what was left out.
    """

    wait: float
    means: tuple[float, ...]
    quantile: Callable[[float], float] | None
    model: str
    formula: str
    kind: Kind
    why: str = ""


def unknown(load: Load, why: str) -> Latency:
    """No closed form, for this reason."""
    return Latency(math.nan, tuple(math.nan for _ in load.laws), None, "", "", "approximation", why)


def steady(load: Load) -> Latency:
    """The steady state at the mean rate, without outages."""
    if load.is_lossy and (room := bounded(load)) is not None:
        return room
    if load.rho >= 1:
        return unknown(load, NO_STEADY_STATE)
    lines = lines_of(load)
    if load.plan.source == "queue" and load.plan.on_error == "nack" and _is_feedback(load):
        rate, mean = load.rate, lines[0].work.mean
        value = queueing.feedback_latency(rate, 1 / mean, load.failures[0], load.plan.count)
        wait = queueing.mean_wait(rate * load.tries.deliveries, 1 / mean, load.plan.count)
        model, formula = f"M/M/{load.plan.count} with feedback", "L / λ at λ / (1 − p)"
        return Latency(wait, (value,), None, model, formula, "exact")
    return _queue(load, lines)


def _queue(load: Load, lines: list[Line]) -> Latency:
    """M/M/c, M/G/1 or an approximation, averaged over lines; failed deliveries come back later."""
    plan, is_poisson = load.plan, load.offered.is_poisson
    shape, servers = lines[0].work.shape, lines[0].servers
    is_even = len(set(plan.speeds)) == 1 or plan.source == "stream"
    exact = is_poisson and is_even and (servers == 1 or shape == "exponential")
    waits = [_wait(line, load.rate * load.tries.deliveries * line.share, load) for line in lines]
    if not is_poisson and is_even and shape == "constant" and not any(waits):
        exact = True
    wait = math.fsum(line.share * each for line, each in zip(lines, waits, strict=True))
    means = [
        math.fsum(
            line.share * (each + line.work.until[index]) for line, each in zip(lines, waits, strict=True)
        )
        for index in range(len(load.laws))
    ]
    comes_back = load.tries.deliveries > 1
    if comes_back:
        exact = False
        for index in range(len(means)):
            means[index] += _failures_before(load, index) * (plan.redelivery_delay + wait)
    model, formula = _name(load, shape, servers, is_poisson=is_poisson)
    why = "failed deliveries come back after a fixed time, not at random" if comes_back else ""
    quantile: Callable[[float], float] | None = None
    if exact and is_poisson and shape == "exponential" and _is_in_order(load):
        quantile = lambda share: queueing.quantile_of(lambda time: _tail(load, lines, time), share)  # noqa: E731

    kind: Kind = "exact" if exact else "approximation"
    return Latency(wait, tuple(means), quantile, model, formula, kind, why)


def _wait(line: Line, rate: float, load: Load) -> float:
    """Mean wait in one line."""
    work = line.work
    if work.mean == 0 or rate == 0:
        return 0.0
    if load.offered.is_poisson and line.servers == 1:
        return queueing.pollaczek_khinchine(rate, work.mean, work.square)
    scv = 1.0 if load.offered.is_poisson else 1 - line.share
    is_clockwork = scv < 1e-9 and work.shape == "constant" and rate * work.mean <= line.servers
    if is_clockwork:
        return 0.0
    return queueing.allen_cunneen(rate, work.mean, work.square, line.servers, scv)


def _tail(load: Load, lines: list[Line], time: float) -> float:
    return math.fsum(
        line.share * queueing.latency_tail(time, load.rate * line.share, 1 / line.work.mean, line.servers)
        for line in lines
    )


def _name(load: Load, shape: str, servers: int, *, is_poisson: bool) -> tuple[str, str]:
    letter = {"exponential": "M", "constant": "D"}.get(shape, "G")
    arrivals = "M" if is_poisson else ("GI" if load.shares and len(load.lines()) > 1 else "D")
    model = f"{arrivals}/{letter}/{servers}"
    if load.shares and len(load.lines()) > 1:
        model += f" × {len(load.lines())}"
    if arrivals == "D" and letter == "D":
        return model, "E[S]"
    if not is_poisson:
        return model, "Allen-Cunneen"
    if letter == "M":
        return model, "1 / (μ − λ)" if servers == 1 else "C / (cμ − λ) + 1/μ"
    return model, "λE[S²] / (2(1 − rho)) + E[S]" if servers == 1 else "Allen-Cunneen"


def _failures_before(load: Load, index: int) -> float:
    """Failed deliveries before an effect's first success, given that there is one."""
    reached = math.prod(1 - failure for failure in load.failures[: index + 1])
    failure, limit = 1 - reached, load.plan.receives
    if failure == 0:
        return 0.0
    if math.isinf(limit):
        return failure / (1 - failure)
    given_up = dead_letter_share(failure, limit)
    if given_up >= 1:
        return 0.0
    return failure / (1 - failure) - limit * given_up / (1 - given_up)


def bounded(load: Load) -> Latency | None:
    """M/M/c/K or Erlang's loss system, where a pool is one."""
    plan = load.plan
    if not load.offered.is_poisson or any(load.failures) or plan.room > _MANY_PLACES or len(load.laws) > 1:
        return None
    if len(set(plan.speeds)) > 1 or _refused_come_back(load) or plan.batch > 1:
        return None
    work = work_of(load, plan.speeds[0])
    room, count = int(plan.room), plan.count
    if room == count:
        return Latency(0.0, (work.mean,), None, f"M/G/{count}/{count}", "Erlang B", "exact")
    if work.shape != "exponential":
        return None
    found = queueing.bounded(load.rate, 1 / work.mean, min(count, room), room)
    wait = found.latency - work.mean
    return Latency(wait, (found.latency,), None, f"M/M/{count}/{room}", "L / (λ(1 − P_K))", "exact")


def refused_share(load: Load) -> float:
    """Share of the messages that find no room; NaN where no closed form tells."""
    if bounded(load) is None:
        return 0.0 if is_roomy(load) else math.nan
    plan = load.plan
    work = work_of(load, plan.speeds[0])
    if int(plan.room) == plan.count:
        return queueing.erlang_b(plan.count, load.rate * work.mean)
    return queueing.bounded(load.rate, 1 / work.mean, min(plan.count, int(plan.room)), int(plan.room)).refused


def is_roomy(load: Load) -> bool:
    """Whether a limit of room is practically never reached."""
    return load.rho < 0.9 and load.plan.room >= load.plan.count + 500


def _refused_come_back(load: Load) -> bool:
    plan = load.plan
    if plan.topic is not None:
        return plan.topic.retries > 0
    return isinstance(plan.producer, ProducerOptions) and plan.producer.retry_for > 0


def _is_feedback(load: Load) -> bool:
    """Whether a failed message goes straight to the tail of an exponential queue, as often as it takes."""
    return (
        load.offered.is_poisson
        and load.plan.redelivery_delay <= _AT_ONCE * load.laws[0].mean
        and load.tries.given_up < _AT_ONCE
        and load.tries.deliveries > 1
        and len(load.laws) == 1
        and load.laws[0].shape == "exponential"
        and load.plan.hop == 0
        and len(set(load.plan.speeds)) == 1
    )


def _is_in_order(load: Load) -> bool:
    """Whether messages of a line are worked on in the order of their arrival."""
    if load.plan.stream is None:
        return True
    return load.plan.count >= load.plan.stream.partitions


def is_breakdown(load: Load, fault: Fault) -> bool:
    """Whether a fault is the textbook's breakdown: one server that fails at random and resumes."""
    return (
        isinstance(fault, Down)
        and fault.role == Role.CONSUMERS
        and fault.mean_up is not None
        and fault.in_hand == "resume"
        and load.plan.count == 1
        and load.plan.source == "queue"
        and load.offered.is_poisson
        and load.tries.deliveries == 1
        and load.plan.hop == 0
        and load.plan.batch == 1
    )


def breakdown(load: Load, fault: Fault) -> Latency:
    """One server that fails at random, busy or idle, and resumes its work."""
    assert fault.mean_up is not None
    assert fault.mean_down is not None
    work = work_of(load, load.plan.speeds[0])
    total = queueing.breakdowns(load.rate, work.mean, work.square, fault.mean_up, fault.mean_down)
    stretch = 1 + fault.mean_down / fault.mean_up
    means = tuple(total - (work.until[-1] - until) * stretch for until in work.until)
    return Latency(math.nan, means, None, "M/G/1 with breakdowns", "Avi-Itzhak and Naor", "exact")
