"""What theory needs to know of a service time: two moments, the tail, and whether it has a famous shape."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from sim.analysis.delivery import gamma_tail, lognormal_tail
from sim.components.effect import EffectOptions
from sim.components.workload import Workload
from sim.engine.distributions import (
    Constant,
    Empirical,
    Histogram,
    Mixture,
    RandomQuantity,
    Spread,
    TraceColumn,
)

Tail = Callable[[float], float]
"""Share of the values above a time."""


@dataclass(frozen=True)
class Law:
    """A service time.

    Attributes:
        mean: E[S], s.
        square: E[S^2], s^2.
        tail: P(S > t); approximate for a gamma distribution.
        shape: whether it is always the same, or exponential.
    """

    mean: float
    square: float
    tail: Tail
    shape: Literal["constant", "exponential", "general"] = "general"

    @property
    def variance(self) -> float:
        """E[S^2] - E[S]^2."""
        return max(0.0, self.square - self.mean**2)


def service_law(options: EffectOptions, workload: Workload, horizon: float) -> Law:
    """The service time of an effect, its share of long jobs included.

    Args:
        options: of the effect.
        workload: for times that come from the trace.
        horizon: rows of the trace after it are not published.
    """
    normal = _law(options.service, workload, horizon)
    if options.long is None or options.long.share == 0:
        return normal
    longer = _law(options.long.service, workload, horizon)
    return _mixed([(1 - options.long.share, normal), (options.long.share, longer)])


def _law(quantity: RandomQuantity, workload: Workload, horizon: float) -> Law:
    match quantity:
        case Constant():
            return _constant(quantity.value)
        case Spread():
            return _spread(quantity)
        case Mixture():
            parts = [_law(part, workload, horizon) for part in quantity.parts]
            return _mixed(list(zip(quantity.weights, parts, strict=True)))
        case Histogram():
            edges, shares = np.array((0.0, *quantity.bounds)), np.array((0.0, *quantity.shares))
            low, high = edges[:-1], edges[1:]
            square = float(np.sum(np.diff(shares) * (low * low + low * high + high * high) / 3))
            return Law(quantity.mean, square, lambda time: 1 - float(np.interp(time, edges, shares)))
        case Empirical():
            return _of_values(np.array(quantity.values))
        case TraceColumn():
            trace = workload.arrivals.trace
            assert trace is not None  # the loader has seen to it
            count = int(np.searchsorted(trace.times, horizon, side="left"))
            return _of_values(trace.column(quantity.trace_column)[:count] * quantity.times)


def _constant(value: float) -> Law:
    return Law(value, value * value, lambda time: float(value > time), "constant")


def _spread(quantity: Spread) -> Law:
    mean, cv = quantity.mean_value, quantity.cv
    if cv == 0 or mean == 0:
        return _constant(mean)
    square = mean * mean * (1 + cv * cv)
    if quantity.distribution == "exponential":
        return Law(mean, square, lambda time: math.exp(-time / mean), "exponential")
    tail = lognormal_tail if quantity.distribution == "lognormal" else gamma_tail
    return Law(mean, square, lambda time: tail(time, mean, cv))


def _mixed(parts: list[tuple[float, Law]]) -> Law:
    return Law(
        math.fsum(weight * law.mean for weight, law in parts),
        math.fsum(weight * law.square for weight, law in parts),
        lambda time: math.fsum(weight * law.tail(time) for weight, law in parts),
    )


def _of_values(values: np.ndarray) -> Law:
    return Law(float(values.mean()), float((values**2).mean()), lambda time: float(np.mean(values > time)))
