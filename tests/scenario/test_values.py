"""The grammar of values: durations, rates, sizes, shares, counts and random quantities."""

from __future__ import annotations

import math

import pytest
from small import SMALL, small, told

import sim
from sim.engine.distributions import Constant, Empirical, Histogram, Mixture, Spread, TraceColumn


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("30s", 30),
        ("5m", 300),
        ("1h30m", 5400),
        ("1h 30m", 5400),
        ("4d", 345600),
        ("4 days", 345600),
        ("30 s", 30),
        ("PT30S", 30),
        ("P1DT2H3M4.5S", 93784.5),
        ("1.5h", 5400),
        ("2w", 1209600),
        ("250us", 0.00025),
        ("1e3s", 1000),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    """Every spelling of a duration means so many seconds."""
    assert small(f"horizon={text}").horizon == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text", ["30", "30 parsecs", "s", "-5s", "PT", "1h30", "[1s]", "{a: 1s}", "true", "1e999s"]
)
def test_no_durations(text: str) -> None:
    """What is no duration is refused with a word about durations."""
    (message,) = told(SMALL, f"horizon={text}")
    assert "duration" in message or "too long" in message


@pytest.mark.parametrize(
    ("text", "rate"),
    [("200/s", 200), ("12k/min", 200), ("3M/h", 3e6 / 3600), ("0.5 / s", 0.5), ("86400/d", 1)],
)
def test_rates(text: str, rate: float) -> None:
    """A rate is so many per second."""
    assert small(f"workload.arrivals.rate={text}").workload.arrivals.rate == pytest.approx(rate)


@pytest.mark.parametrize(
    ("text", "size"), [("2KiB", 2048), ("512B", 512), ("1MB", 1e6), ("1.5 kB", 1500), ("1GiB", 2**30)]
)
def test_sizes(text: str, size: float) -> None:
    """A size is so many bytes, in powers of 1000 or of 1024 as its unit says."""
    assert small(f"workload.size={text}").workload.size == Constant(value=size)


@pytest.mark.parametrize(
    ("text", "share"), [("2%", 0.02), ("0.02", 0.02), ("0.5 %", 0.005), ("1", 1), ("0", 0)]
)
def test_shares(text: str, share: float) -> None:
    """A share is a percentage or a number from 0 to 1."""
    assert small(f"effects.db.failure={text}").effects["db"].failure == pytest.approx(share)


@pytest.mark.parametrize(
    ("text", "count"), [("50k", 50000), ("8", 8), ("2M", 2000000), ("1.5k", 1500), ("3.0", 3)]
)
def test_counts(text: str, count: int) -> None:
    """A count is a whole number, k and M allowed."""
    assert small(f"workload.backlog={text}").workload.backlog == count


@pytest.mark.parametrize("text", ["yes", "no", "on", "1", "True", '"true"'])
def test_only_two_booleans(text: str) -> None:
    """Only true and false are booleans."""
    assert "neither true nor false" in told(SMALL, f"architectures.sns_sqs.queue.dead_letter={text}")[0]


def test_booleans() -> None:
    """True and false are what they say."""
    design = small("architectures.sns_sqs.queue.dead_letter=false").architectures["sns_sqs"]
    assert [branch.queue.dead_letter for branch in design.per_effect.values()] == [False, False]


def test_unlimited_is_no_bound() -> None:
    """``unlimited`` removes a bound."""
    design = small("architectures.sns_sqs.queue.max_receives=unlimited").architectures["sns_sqs"]
    assert design.queue.max_receives == math.inf


@pytest.mark.parametrize("text", ["true", '"2"', "x", "50%"])
def test_numbers_are_numbers(text: str) -> None:
    """A plain number is neither text nor a boolean."""
    assert "a number is needed" in told(SMALL, f"workload.arrivals.scale={text}")[0]


@pytest.mark.parametrize(
    ("text", "kind", "mean"),
    [
        ("40ms", Constant, 0.04),
        ("{mean: 40ms}", Constant, 0.04),
        ("{mean: 40ms, cv: 1.2}", Spread, 0.04),
        ("{mean: 40ms, cv: 0.5, distribution: gamma}", Spread, 0.04),
        ("{mean: 40ms, distribution: exponential}", Spread, 0.04),
        ("{p50: 20ms, p99: 20ms}", Spread, 0.02),
        ("{mixture: [{weight: 90%, mean: 50ms}, {weight: 0.1, mean: 1s, cv: 1}]}", Mixture, 0.145),
        ("{histogram: {100ms: 50%, 200ms: 100%}}", Histogram, 0.1),
    ],
)
def test_random_quantities(text: str, kind: type, mean: float) -> None:
    """Every form of a random quantity has the mean that was written."""
    service = small(f"effects.db.service={text}").effects["db"].service
    assert isinstance(service, kind)
    assert service.mean == pytest.approx(mean)


def test_percentiles_are_those_written() -> None:
    """Of draws from ``p50`` with ``p99``, half lie below the one and 99% below the other."""
    import numpy as np

    service = small("effects.db.service={p50: 20ms, p99: 250ms}").effects["db"].service
    drawn = service.sample(np.random.default_rng(1), 200_000)
    assert np.quantile(drawn, [0.5, 0.99]) == pytest.approx([0.02, 0.25], rel=0.03)


def test_quantities_from_files(tmp_path) -> None:
    """A column of a file is drawn from in its unit; a column of the trace is scaled."""
    (tmp_path / "s.csv").write_text("c\n10\n30\n")
    (tmp_path / "t.csv").write_text("at,tokens\n0,5\n2,7\n")
    scenario = sim.loads(
        "workload: {arrivals: {trace: {file: t.csv, time: at}}, size: {trace_column: tokens, times: 4B}}\n"
        "effects: {a: {service: {file: s.csv, column: c, unit: ms}},"
        " b: {service: {trace_column: tokens, times: 20ms}}}\n"
        "architectures: {stream: }\n",
        folder=tmp_path,
    )
    first, second = scenario.effects["a"].service, scenario.effects["b"].service
    assert isinstance(first, Empirical)
    assert first.values == pytest.approx((0.01, 0.03))
    assert second == TraceColumn(trace_column="tokens", times=0.02)
    assert scenario.workload.size == TraceColumn(trace_column="tokens", times=4)


def test_dates_stay_text() -> None:
    """What YAML 1.1 takes for a date or an octal number is text."""
    assert small("name=2026-01-01").name == "2026-01-01"
    assert small("name=0x10").name == "0x10"
