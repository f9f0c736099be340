"""The workload: when messages are published, with which key, size and trace values.

Arrivals are open: they never depend on what the system does, so that all of them are drawn before the run
and shared by every architecture. A Poisson process with a changing rate is a Poisson process of rate 1
stretched by the inverse of the cumulative rate. Left out: closed loops, clients that re-send.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field, PrivateAttr, model_validator

from sim.engine.distributions import Constant, RandomSize, TraceColumn, read_columns, read_numbers
from sim.engine.quantities import Block, Count, Duration, DurationOrNone, Rate
from sim.engine.streams import Streams

_PART = 1 << 15
"""Arrivals that are drawn at a time: what is made on the way fits into the cache."""
_GREATEST_SHORT = np.iinfo(np.int32).max
"""The greatest key that takes half the memory."""


def _rate_or_series(value: Any) -> Any:
    return {"rate": value} if isinstance(value, str | int | float) else value


class Stage(Block):
    """A stretch of time at one rate, or with a rate that changes evenly."""

    duration: Duration
    """How long the stage lasts."""
    rate: Rate
    """Rate at its start."""
    ramp_to: Rate | None = None
    """Rate at its end; the same as `rate` where it is left out."""


class Bursts(Block):
    """Quiet and bursts in turn, each of exponential length, starting quiet."""

    rate: Rate
    """Rate during a burst; the rate beside it holds in the quiet."""
    mean_quiet: Duration
    """Mean length of the quiet between two bursts."""
    mean_burst: Duration
    """Mean length of a burst."""

    @model_validator(mode="after")
    def _takes_time(self) -> Self:
        if self.mean_quiet + self.mean_burst == 0:
            raise ValueError("bursts that take no time never end: mean_quiet or mean_burst must be above 0s")
        return self


class RateSeries(Block):
    """Rates from a CSV file, as Prometheus and Grafana export them: each holds until the next row."""

    file: str
    """CSV file, relative to the scenario's folder."""
    time: str
    """Column of the times: numbers in seconds or ISO 8601."""
    rate: str
    """Column of the rates, per second."""
    _times: tuple[float, ...] = PrivateAttr()
    _rates: tuple[float, ...] = PrivateAttr()

    def model_post_init(self, context: Any) -> None:
        """Read the file."""
        del context
        self._times = tuple(read_times(self.file, self.time).tolist())
        self._rates = tuple(read_numbers(self.file, self.rate).tolist())
        if len(self._times) < 2:
            raise ValueError(f"{Path(self.file).name} needs at least two rows")

    @property
    def times(self) -> NDArray[Any]:
        """When each rate begins, seconds since the first, shape (rows,)."""
        return np.array(self._times)

    @property
    def per_second(self) -> NDArray[Any]:
        """The rates, shape (rows,)."""
        return np.array(self._rates)

    @property
    def end(self) -> float:
        """When the last rate ends: one mean step after the last row."""
        return self._times[-1] * len(self._times) / (len(self._times) - 1)


class Trace(Block):
    """A message per row of a CSV file."""

    file: str
    """CSV file, relative to the scenario's folder."""
    time: str
    """Column of the times: numbers in seconds or ISO 8601; the first row is time 0."""
    _times: tuple[float, ...] = PrivateAttr()

    def model_post_init(self, context: Any) -> None:
        """Read the times."""
        del context
        self._times = tuple(read_times(self.file, self.time).tolist())

    @property
    def times(self) -> NDArray[Any]:
        """When each message is published, seconds since the first, shape (rows,)."""
        return np.array(self._times)

    @property
    def end(self) -> float:
        """When the last message's turn ends, seconds: one mean gap after the last row."""
        rows = len(self._times)
        return self._times[-1] * rows / (rows - 1) if rows > 1 else 1.0

    def column(self, name: str) -> NDArray[Any]:
        """A numeric column, floats of shape (rows,)."""
        return read_numbers(self.file, name)


class Arrivals(Block):
    """When messages are published."""

    rate: Rate | None = None
    """Messages per second."""
    stages: tuple[Stage, ...] | None = None
    """Rates that change over time."""
    bursts: Bursts | None = None
    """Bursts on top of `rate`."""
    rates: RateSeries | None = None
    """Rates from a file."""
    trace: Trace | None = None
    """Every single arrival from a file."""
    process: Literal["poisson", "constant"] = "poisson"
    """Random (poisson) or evenly spaced arrivals, the first after half a gap."""
    scale: Annotated[float, Field(gt=0)] = 1.0
    """Factor on every rate."""

    @model_validator(mode="after")
    def _has_one_source(self) -> Self:
        sources = [name for name in ("rate", "stages", "rates", "trace") if getattr(self, name) is not None]
        if len(sources) != 1:
            not_several = f", not {' and '.join(sources)}" if sources else ""
            raise ValueError(f"arrivals need exactly one of rate, stages, rates or trace{not_several}")
        if self.bursts and self.rate is None:
            raise ValueError("bursts stand beside a rate: {rate: 50/s, bursts: {rate: 500/s, …}}")
        if self.stages is not None and not self.stages:
            raise ValueError("stages needs at least one stage")
        if self.trace and (self.scale != 1 or self.process != "poisson"):
            raise ValueError("a trace fixes every arrival: scale and process do not apply to it")
        return self

    @property
    def end(self) -> float | None:
        """When the arrivals end by themselves, seconds; None where only a horizon ends them."""
        if self.stages:
            return sum(stage.duration for stage in self.stages)
        source = self.rates or self.trace
        return None if source is None else source.end

    def times(self, streams: Streams, horizon: float) -> NDArray[Any]:
        """Intended publish times in [0, horizon), sorted floats of shape (messages,)."""
        return _joined(self.times_in_parts(streams, horizon), self.expected(horizon))

    def times_in_parts(self, streams: Streams, horizon: float, size: int = _PART) -> Iterator[NDArray[Any]]:
        """The same times, about ``size`` of them at a time."""
        if self.trace:
            times = self.trace.times
            times = times[: int(np.searchsorted(times, horizon, side="left"))]
            yield from (times[start : start + size] for start in range(0, len(times), size))
            return
        knots, rates = self._rate_function(streams, horizon)
        cumulative = np.concatenate(([0.0], np.cumsum(np.diff(knots) * (rates[:, 0] + rates[:, 1]) / 2)))
        total = float(cumulative[-1])
        if self.process == "constant":
            parts = _even_marks(total, size)
        else:
            enough = int(total + 6 * math.sqrt(total) + 16)
            parts = _unit_poisson(streams.generator("arrivals"), total, min(size, enough))
        for marks in parts:
            times = _invert(marks, knots, rates, cumulative)
            yield times if times.max(initial=0.0) < horizon else times[times < horizon]

    def expected(self, horizon: float) -> float:
        """Expected number of messages in [0, horizon) (bursts by their long-run share)."""
        if self.trace:
            return float(np.searchsorted(self.trace.times, horizon, side="left"))
        if self.bursts and self.rate is not None:
            quiet, burst = self.bursts.mean_quiet, self.bursts.mean_burst
            return horizon * self.scale * (self.rate * quiet + self.bursts.rate * burst) / (quiet + burst)
        knots, rates = self._rate_function(Streams(0, 0), horizon)
        ends = np.minimum(knots[1:], horizon)
        lengths = np.maximum(ends - knots[:-1], 0.0)
        slopes = np.divide(
            rates[:, 1] - rates[:, 0], np.diff(knots), out=np.zeros(len(rates)), where=np.diff(knots) > 0
        )
        return float(np.sum(lengths * (rates[:, 0] + slopes * lengths / 2)))

    def _rate_function(self, streams: Streams, horizon: float) -> tuple[NDArray[Any], NDArray[Any]]:
        """The rate as straight pieces: knots (n+1,), rates at both ends of each piece (n, 2)."""
        pieces: list[tuple[float, float, float]]
        if self.stages:
            pieces = [
                (stage.duration, stage.rate, stage.rate if stage.ramp_to is None else stage.ramp_to)
                for stage in self.stages
            ]
        elif self.rates:
            series = self.rates
            lengths = np.diff(np.append(series.times, series.end))
            pieces = [
                (length, rate, rate)
                for length, rate in zip(lengths.tolist(), series.per_second.tolist(), strict=True)
            ]
        elif self.bursts:
            pieces = self._burst_pieces(streams, horizon)
        else:
            assert self.rate is not None
            pieces = [(horizon, self.rate, self.rate)]
        knots = np.concatenate(([0.0], np.cumsum([length for length, _, _ in pieces])))
        rates = np.array([(start, end) for _, start, end in pieces], dtype=float)
        return knots, rates * self.scale

    def _burst_pieces(self, streams: Streams, horizon: float) -> list[tuple[float, float, float]]:
        assert self.bursts is not None
        assert self.rate is not None
        rng = streams.generator("bursts")
        pieces: list[tuple[float, float, float]] = []
        time = 0.0
        while time < horizon:
            quiet = float(rng.exponential(self.bursts.mean_quiet))
            burst = float(rng.exponential(self.bursts.mean_burst))
            pieces += [(quiet, self.rate, self.rate), (burst, self.bursts.rate, self.bursts.rate)]
            time += quiet + burst
        return pieces


class Keys(Block):
    """The keys of the messages, whole numbers from 0: key 0 is the most popular one under zipf."""

    count: Annotated[Count, Field(ge=1)] = 10_000
    """How many keys there are."""
    distribution: Literal["uniform", "zipf", "constant"] = "uniform"
    """How often each of them comes."""
    exponent: Annotated[float, Field(gt=0)] = 1.0
    """Of zipf: key k has weight 1 / (k + 1) ** exponent."""

    def draw(self, rng: np.random.Generator, count: int) -> NDArray[Any]:
        """Keys, whole numbers of shape (count,), drawn in parts that fit into the cache."""
        keys = np.empty(count, dtype=np.int64 if self.count > _GREATEST_SHORT else np.int32)
        for start in range(0, count, _PART):
            part = keys[start : start + _PART]
            part[:] = self._draw(rng, len(part))
        return keys

    def _draw(self, rng: np.random.Generator, count: int) -> NDArray[Any]:
        if self.distribution == "constant":
            return np.zeros(count, dtype=np.int64)
        if self.distribution == "uniform":
            return rng.integers(0, self.count, count)
        weights = np.cumsum(np.arange(1, self.count + 1, dtype=float) ** -self.exponent)
        return np.searchsorted(weights / weights[-1], rng.random(count), side="right")


def _as_keys(value: Any) -> Any:
    return {"count": value} if isinstance(value, str | int | float) else value


class Client(Block):
    """What a caller does after the reply."""

    poll_status: Annotated[DurationOrNone, Field(gt=0)] = None
    """It asks for the status of its job every so long, until that is final."""


class Workload(Block):
    """What the callers send."""

    arrivals: Annotated[Arrivals, BeforeValidator(_rate_or_series)]
    """When messages are published."""
    keys: Annotated[Keys, BeforeValidator(_as_keys)] = Keys()
    """The key of each message."""
    size: RandomSize = Constant(value=1024.0)
    """Bytes of a message."""
    backlog: Count = 0
    """Messages already waiting at 0 s."""
    client: Client = Client()
    """What a caller does after the reply."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if isinstance(self.size, TraceColumn) and not self.arrivals.trace:
            raise ValueError("a size from a trace_column needs arrivals from a trace")
        if self.backlog and self.arrivals.trace:
            raise ValueError("a trace fixes every message: a starting backlog cannot stand beside it")
        return self

    def draw_in_parts(
        self, streams: Streams, horizon: float, size: int
    ) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
        """Publish times and keys of the messages of a replication as :meth:`draw` has them, part by part."""
        keys, waiting = streams.generator("keys"), np.zeros(self.backlog)
        for start in range(0, self.backlog, size):
            published = waiting[start : start + size]
            yield published, self.keys.draw(keys, len(published))
        for published in self.arrivals.times_in_parts(streams, horizon, size):
            if len(published):
                yield published, self.keys.draw(keys, len(published))

    def draw(self, streams: Streams, horizon: float, trace_columns: Sequence[str] = ()) -> Messages:
        """All messages of one replication; the starting backlog comes first, published at 0 s."""
        times = self.arrivals.times(streams, horizon)
        published = np.concatenate((np.zeros(self.backlog), times)) if self.backlog else times
        count = len(published)
        columns: dict[str, NDArray[Any]] = {}
        if self.arrivals.trace:
            wanted = [*trace_columns]
            if isinstance(self.size, TraceColumn):
                wanted.append(self.size.trace_column)
            columns = {name: self.arrivals.trace.column(name)[:count] for name in wanted}
        if isinstance(self.size, TraceColumn):
            size = columns[self.size.trace_column] * self.size.times
        elif isinstance(self.size, Constant):
            size = np.broadcast_to(np.float64(self.size.value), (count,))
        else:
            size = self.size.sample(streams.generator("sizes"), count)
        keys = self.keys.draw(streams.generator("keys"), count)
        return Messages(published=published, key=keys, size=size, waiting=self.backlog, trace=columns)


@dataclass(frozen=True)
class Messages:
    """The messages of one replication, the same for every architecture.

    Attributes:
        published: intended publish times, s, sorted, shape (messages,).
        key: whole numbers, shape (messages,).
        size: bytes, shape (messages,).
        waiting: how many of them, from the first, already wait at 0 s.
        trace: the trace's columns that somebody asked for, shape (messages,) each.
    """

    published: NDArray[Any]
    key: NDArray[Any]
    size: NDArray[Any]
    waiting: int = 0
    trace: dict[str, NDArray[Any]] = field(default_factory=dict[str, NDArray[Any]])

    def __len__(self) -> int:
        return len(self.published)


def read_times(path: str, column: str) -> NDArray[Any]:
    """A column of times as seconds since its first row, sorted floats of shape (rows,).

    Raises:
        ValueError: when a cell is neither a number of seconds nor ISO 8601, or the times go backwards.
    """
    seconds: list[float] = []
    for line, cell in enumerate(read_columns(path, [column])[0], start=2):
        try:
            seconds.append(_seconds(cell))
        except (TypeError, ValueError):
            raise ValueError(
                f"{Path(path).name}, line {line}: {cell!r} in column {column!r} "
                "is neither seconds nor ISO 8601"
            ) from None
    times = np.array(seconds)
    times -= times[0]
    if np.any(np.diff(times) < 0):
        line = int(np.argmax(np.diff(times) < 0)) + 3
        raise ValueError(f"{Path(path).name}, line {line}: the times in column {column!r} go backwards")
    return np.asarray(times, dtype=np.float64)


def _seconds(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        moment = datetime.fromisoformat(cell)
        epoch = datetime(1970, 1, 1, tzinfo=moment.tzinfo)
        return (moment - epoch).total_seconds()


def _even_marks(total: float, size: int) -> Iterator[NDArray[Any]]:
    """0.5, 1.5, 2.5 … below a total."""
    for start in range(0, math.floor(total + 0.5) + 1, size):
        marks = np.arange(start, start + size) + 0.5
        yield marks[marks < total]


def _joined(parts: Iterable[NDArray[Any]], expected: float) -> NDArray[Any]:
    """Parts as one array, about so long, without holding them twice."""
    joined, length = np.empty(int(expected + 6 * math.sqrt(expected) + 16)), 0
    for part in parts:
        until = length + len(part)
        if until > len(joined):
            joined = np.concatenate((joined[:length], np.empty(len(joined) + len(part))))
        joined[length:until] = part
        length = until
    return joined[:length]


def _unit_poisson(rng: np.random.Generator, total: float, size: int) -> Iterator[NDArray[Any]]:
    """Points of a Poisson process of rate 1 in [0, total), the same whatever the size of the parts."""
    last = 0.0
    while last < total:
        points = rng.standard_exponential(size)
        points[0] += last
        np.cumsum(points, out=points)
        last = float(points[-1])
        yield points if last < total else points[: int(np.searchsorted(points, total))]


def _invert(
    marks: NDArray[Any], knots: NDArray[Any], rates: NDArray[Any], cumulative: np.ndarray
) -> NDArray[Any]:
    """Times at which the cumulative rate passes the marks."""
    if len(rates) == 1 and rates[0, 0] == rates[0, 1]:
        return marks / rates[0, 0]
    piece = np.clip(np.searchsorted(cumulative, marks, side="right") - 1, 0, len(rates) - 1)
    start, end = rates[piece, 0], rates[piece, 1]
    length = knots[piece + 1] - knots[piece]
    need = marks - cumulative[piece]
    slope = np.divide(end - start, length, out=np.zeros_like(length), where=length > 0)
    level = slope == 0
    with np.errstate(divide="ignore", invalid="ignore"):
        even = need / start
        root = np.sqrt(np.maximum(start * start + 2 * slope * need, 0.0))
        ramp = 2 * need / (start + root)  # the stable form of the quadratic's solution
    return np.asarray(knots[piece] + np.where(level, even, ramp), dtype=np.float64)
