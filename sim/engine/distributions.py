"""Random quantities of the scenario language and how they are drawn.

Parametrised by what people know (mean and coefficient of variation, percentiles, a histogram), so that the
mean in the file is the mean of the draws. Left out: correlation between consecutive draws.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, Self, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from sim.engine.quantities import UNLIMITED, Block, Share, parse_duration, parse_share, parse_size

_Z99 = 2.3263478740408408  # 99th percentile of the standard normal distribution


class Constant(Block):
    """The same value every time."""

    value: float

    @property
    def mean(self) -> float:
        """The value."""
        return self.value

    def sample(self, rng: np.random.Generator, count: int) -> NDArray[Any]:
        """``count`` times the value; nothing is drawn."""
        del rng
        return np.full(count, self.value)


class Spread(Block):
    """Mean and coefficient of variation, or median and 99th percentile."""

    mean_value: float
    cv: float
    distribution: Literal["lognormal", "gamma", "exponential"]

    @property
    def mean(self) -> float:
        """The expected value."""
        return self.mean_value

    def sample(self, rng: np.random.Generator, count: int) -> NDArray[Any]:
        """``count`` independent values."""
        if self.cv == 0:
            return np.full(count, self.mean_value)
        if self.distribution == "exponential":
            drawn = rng.standard_exponential(count)
            drawn *= self.mean_value  # in place, which exponential(mean) takes longer for
            return drawn
        square = self.cv * self.cv
        if self.distribution == "gamma":
            return rng.gamma(1 / square, self.mean_value * square, count)
        variance = math.log1p(square)
        return rng.lognormal(math.log(self.mean_value) - variance / 2, math.sqrt(variance), count)


class Mixture(Block):
    """One of several quantities, chosen by weight for every draw."""

    weights: tuple[float, ...]
    parts: tuple[Constant | Spread, ...]

    @property
    def mean(self) -> float:
        """The expected value."""
        return sum(weight * part.mean for weight, part in zip(self.weights, self.parts, strict=True))

    def sample(self, rng: np.random.Generator, count: int) -> NDArray[Any]:
        """``count`` independent values."""
        chosen = np.searchsorted(np.cumsum(self.weights)[:-1], rng.random(count), side="right")
        drawn = np.stack([part.sample(rng, count) for part in self.parts])
        return drawn[chosen, np.arange(count)]


class Histogram(Block):
    """Cumulative shares up to upper bounds, like Prometheus' ``le``; even within a bucket, from 0 upwards."""

    bounds: tuple[float, ...]
    shares: tuple[float, ...]

    @property
    def mean(self) -> float:
        """The expected value."""
        edges, shares = np.array((0.0, *self.bounds)), np.array((0.0, *self.shares))
        return float(np.sum(np.diff(shares) * (edges[1:] + edges[:-1]) / 2))

    def sample(self, rng: np.random.Generator, count: int) -> NDArray[Any]:
        """``count`` independent values."""
        return np.interp(rng.random(count), (0.0, *self.shares), (0.0, *self.bounds))


class Empirical(Block):
    """Values of a column of a CSV file, drawn with replacement."""

    file: str
    column: str
    values: tuple[float, ...] = Field(repr=False)

    @property
    def mean(self) -> float:
        """The mean of the column."""
        return float(np.mean(self.values))

    def sample(self, rng: np.random.Generator, count: int) -> NDArray[Any]:
        """``count`` independent values."""
        return np.asarray(self.values)[rng.integers(0, len(self.values), count)]


class TraceColumn(Block):
    """A column of the trace that gives the arrivals, times a factor: one fixed value per message."""

    trace_column: str
    times: float

    @property
    def mean(self) -> float:
        """Unknown before the trace has been read."""
        return math.nan


RandomQuantity = Constant | Spread | Mixture | Histogram | Empirical | TraceColumn


def _spread(raw: dict[str, Any], parse: Callable[[Any], float]) -> Constant | Spread:
    allowed = {"mean", "cv", "p50", "p99", "distribution"}
    if unknown := [key for key in raw if key not in allowed]:
        raise ValueError(
            f"unknown key {unknown[0]!r} of a random quantity: use mean with cv, p50 with p99, "
            "mixture, histogram, file with column, or trace_column with times"
        )
    distribution = raw.get("distribution", "lognormal")
    if distribution not in ("lognormal", "gamma", "exponential"):
        raise ValueError(f"unknown distribution {distribution!r}: use lognormal, gamma or exponential")
    if "p50" in raw or "p99" in raw:
        if set(raw) - {"distribution"} != {"p50", "p99"} or distribution != "lognormal":
            raise ValueError("percentiles are given as p50 with p99 and nothing else; they mean a lognormal")
        p50, p99 = parse(raw["p50"]), parse(raw["p99"])
        if not 0 < p50 <= p99:
            raise ValueError("p50 must be above 0 and not above p99")
        sigma = math.log(p99 / p50) / _Z99
        return Spread(
            mean_value=p50 * math.exp(sigma**2 / 2),
            cv=math.sqrt(math.expm1(sigma**2)),
            distribution="lognormal",
        )
    if "mean" not in raw:
        raise ValueError("a random quantity needs a mean (with cv), or p50 with p99")
    mean = parse(raw["mean"])
    if distribution == "exponential":
        if "cv" in raw:
            raise ValueError("an exponential quantity takes a mean only: its cv is always 1")
        return Spread(mean_value=mean, cv=1.0, distribution="exponential")
    cv = raw.get("cv", 0)
    if isinstance(cv, bool) or not isinstance(cv, int | float) or cv < 0:
        raise ValueError(f"cv must be a number of at least 0, not {cv!r}")
    if mean == 0 or cv == 0:
        return Constant(value=mean)
    return Spread(mean_value=mean, cv=float(cv), distribution=distribution)


def _mixture(raw: dict[str, Any], parse: Callable[[Any], float]) -> Mixture:
    items = cast("list[Any]", raw["mixture"])
    if len(raw) > 1 or not isinstance(raw["mixture"], list) or not items:
        raise ValueError("a mixture is a list such as [{weight: 90%, mean: 50ms}, {weight: 10%, mean: 1s}]")
    weights: list[float] = []
    parts: list[Constant | Spread] = []
    for each in items:
        item = cast("dict[str, Any]", each)
        if not isinstance(each, dict) or "weight" not in item:
            raise ValueError("every part of a mixture needs a weight and a mean")
        weights.append(parse_share(item["weight"]))
        parts.append(_spread({key: value for key, value in item.items() if key != "weight"}, parse))
    if not math.isclose(sum(weights), 1, abs_tol=1e-6):
        raise ValueError(f"the weights of a mixture must sum to 100%, not {100 * sum(weights):.6g}%")
    return Mixture(weights=tuple(weights), parts=tuple(parts))


def _histogram(raw: dict[str, Any], parse: Callable[[Any], float]) -> Histogram:
    buckets = cast("dict[str, Any]", raw["histogram"])
    if len(raw) > 1 or not isinstance(raw["histogram"], dict) or not buckets:
        raise ValueError("a histogram maps upper bounds to cumulative shares: {25ms: 38%, 1s: 100%}")
    bounds = [parse(bound) for bound in buckets]
    shares = [parse_share(share) for share in buckets.values()]
    if sorted(set(bounds)) != bounds or sorted(shares) != shares:
        raise ValueError("the bounds of a histogram must rise and its cumulative shares must not fall")
    if not math.isclose(shares[-1], 1):
        raise ValueError(f"the last share of a histogram must be 100%, not {100 * shares[-1]:.6g}%")
    return Histogram(bounds=tuple(bounds), shares=(*shares[:-1], 1.0))


def read_columns(path: str, columns: list[str]) -> list[list[str]]:
    """Columns of a CSV file as text, one list each.

    Raises:
        ValueError: when the file cannot be read or has no such column, or a row is short.
    """
    try:
        with Path(path).open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            missing = [column for column in columns if column not in (rows.fieldnames or ())]
            if missing:
                names = ", ".join(rows.fieldnames or ())
                raise ValueError(f"{Path(path).name} has no column {missing[0]!r}; its columns are {names}")
            found = [[row[column] for column in columns] for row in rows]
    except OSError as error:
        raise ValueError(f"cannot read {Path(path).name}: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error):
        raise ValueError(f"{Path(path).name} is not a CSV file in UTF-8") from None
    if not found:
        raise ValueError(f"{Path(path).name} has no rows")
    return [list(column) for column in zip(*found, strict=True)]


def read_numbers(path: str, column: str) -> NDArray[Any]:
    """A numeric column of a CSV file, floats of shape (rows,).

    Raises:
        ValueError: as :func:`read_columns`, or where a cell is no finite number of at least 0.
    """
    values: list[float] = []
    for line, cell in enumerate(read_columns(path, [column])[0], start=2):
        try:
            value = float(cell)
        except (TypeError, ValueError):
            value = math.nan
        if not (math.isfinite(value) and value >= 0):
            found = repr(cell or "")
            raise ValueError(f"{Path(path).name}, line {line}: {found} in column {column!r} is not a number")
        values.append(value)
    return np.array(values)


def _empirical(raw: dict[str, Any], parse: Callable[[Any], float]) -> Empirical:
    if set(raw) != {"file", "column", "unit"}:
        raise ValueError("a quantity from a file needs file, column and unit, and nothing else")
    factor = parse(f"1{raw['unit']}")
    numbers = read_numbers(str(raw["file"]), str(raw["column"]))
    return Empirical(
        file=str(raw["file"]), column=str(raw["column"]), values=tuple((numbers * factor).tolist())
    )


def _trace_column(raw: dict[str, Any], parse: Callable[[Any], float]) -> TraceColumn:
    if set(raw) != {"trace_column", "times"}:
        raise ValueError("a quantity from the trace needs trace_column and times, and nothing else")
    return TraceColumn(trace_column=str(raw["trace_column"]), times=parse(raw["times"]))


_FORMS = {"mixture": _mixture, "histogram": _histogram, "file": _empirical, "trace_column": _trace_column}


def _quantity(parse: Callable[[Any], float]) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if isinstance(value, RandomQuantity):
            return value
        if not isinstance(value, dict):
            return Constant(value=parse(value))
        raw = cast("dict[str, Any]", value)
        for form, build in _FORMS.items():
            if form in raw:
                return build(raw, parse)
        return _spread(raw, parse)

    return read


def _quantity_schema(example: str) -> WithJsonSchema:
    value: dict[str, Any] = {"type": "string", "examples": [example]}
    share: dict[str, Any] = {"type": ["string", "number"]}
    spread: dict[str, Any] = {
        "mean": value,
        "cv": {"type": "number", "minimum": 0},
        "p50": value,
        "p99": value,
        "distribution": {"enum": ["lognormal", "gamma", "exponential"]},
    }

    def block(required: list[str], **properties: Any) -> dict[str, Any]:
        return {
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": False,
        }

    part = block(["weight"], weight=share, **spread)
    return WithJsonSchema(
        {
            "anyOf": [
                value,
                block([], **spread),
                block(["mixture"], mixture={"type": "array", "items": part}),
                block(["histogram"], histogram={"type": "object", "additionalProperties": share}),
                block(["file", "column", "unit"], file=value, column=value, unit=value),
                block(["trace_column", "times"], trace_column=value, times=value),
            ]
        }
    )


RandomDuration = Annotated[
    RandomQuantity, BeforeValidator(_quantity(parse_duration)), _quantity_schema("40ms")
]
RandomSize = Annotated[RandomQuantity, BeforeValidator(_quantity(parse_size)), _quantity_schema("1KiB")]


def _length(value: Any) -> Any:
    if value == "unlimited":
        return UNLIMITED
    if not isinstance(value, dict):
        try:
            return parse_duration(value)
        except ValueError as error:
            raise ValueError(f"{error}; or unlimited") from None
    quantity = _quantity(parse_duration)(value)
    if isinstance(quantity, TraceColumn):
        raise ValueError("a length of time cannot come from the trace")  # noqa: TRY004
    return quantity.value if isinstance(quantity, Constant) else quantity


def _length_schema() -> WithJsonSchema:
    options: list[Any] = [*cast("Any", _quantity_schema("30s").json_schema)["anyOf"], {"const": "unlimited"}]
    return WithJsonSchema({"anyOf": options})


Length = Annotated[
    float | Spread | Mixture | Histogram | Empirical, BeforeValidator(_length), _length_schema()
]
"""Seconds, unlimited, or drawn anew each time."""


class Long(Block):
    """A share of the messages that take another, usually much longer, service time."""

    share: Share
    """Share of the messages."""
    service: RandomDuration
    """Their service time."""

    @model_validator(mode="after")
    def _is_drawn(self) -> Self:
        if isinstance(self.service, TraceColumn):
            raise ValueError("the service time of long jobs cannot come from the trace")  # noqa: TRY004
        return self
