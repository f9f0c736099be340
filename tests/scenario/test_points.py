"""Sweeps: ranges, factors that cross, and a scenario at every point."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small import SMALL

import sim
from sim.engine.quantities import parse_duration, parse_rate
from sim.scenario.points import grid_of
from sim.scenario.ranges import even_steps

SWEPT = SMALL + "sweep: {architectures.stream.consumers: [4, 8], workload.arrivals: 10/s..30/s:3}\n"


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("100/s..1000/s:10", [f"{rate}/s" for rate in range(100, 1001, 100)]),
        ("5m..60m:12", [f"{minutes}m" for minutes in range(5, 61, 5)]),
        ("4..16:4", [4, 8, 12, 16]),
        ("0%..10%:5", ["0%", "2.5%", "5%", "7.5%", "10%"]),
        ("0..1:11", [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1]),
        ("10k..50k:5", ["10k", "20k", "30k", "40k", "50k"]),
        ("1k..3000:3", [1000, 2000, 3000]),
        ("500ms..2s:4", ["0.5s", "1s", "1.5s", "2s"]),
        ("1h30m..2h30m:3", ["5400s", "7200s", "9000s"]),
        ("30 s .. 60 s : 2", ["30s", "60s"]),
        ("16..4:4", [16, 12, 8, 4]),
        ("1s..2s:4", ["1s", "1.33333s", "1.66667s", "2s"]),
        ("0.1234567s..1s:2", ["0.1234567s", "1s"]),
        ("1/s..120/min:2", ["1/s", "2/s"]),
    ],
)
def test_ranges(text: str, values: list[object]) -> None:
    """A range has even steps and both of its ends, in their unit."""
    assert even_steps(text) == values


@given(
    low=st.decimals(0, 1000, places=2),
    apart=st.decimals("0.01", 1000, places=2),
    count=st.integers(2, 60),
    unit=st.sampled_from(["s", "ms", "m", "h"]),
)
def test_ranges_are_even(low, apart, count, unit) -> None:
    """First and last value are the ends to the digit, all gaps are equal, and there are as many as asked."""
    values = even_steps(f"{low}{unit}..{low + apart}{unit}:{count}")
    numbers = [parse_duration(value) for value in values]
    assert len(values) == count
    assert Fraction(values[0].removesuffix(unit)) == Fraction(low)
    assert Fraction(values[-1].removesuffix(unit)) == Fraction(low + apart)
    gap = (numbers[-1] - numbers[0]) / (count - 1)
    for place, number in enumerate(numbers):
        assert number == pytest.approx(numbers[0] + place * gap, rel=5.1e-6)  # six digits


@settings(deadline=None, max_examples=20)
@given(lengths=st.lists(st.integers(1, 4), min_size=1, max_size=3))
def test_factors_cross(lengths: list[int]) -> None:
    """Every combination is one point, the last factor changes fastest, and no two have the same key."""
    paths = ["seed", "workload.arrivals", "architectures.stream.consumers"]
    values = [[1, 2, 3, 4], ["10/s", "20/s", "30/s", "40/s"], [1, 2, 3, 4]]
    chosen = [each[:length] for each, length in zip(values, lengths, strict=False)]
    vary = [f"{path}={','.join(map(str, each))}" for path, each in zip(paths, chosen, strict=False)]
    points = grid_of(sim.loads(SMALL), vary).points
    assert [point.texts for point in points] == [tuple(map(str, each)) for each in product(*chosen)]
    assert len({point.key for point in points}) == len(points)


def test_points_are_what_set_makes() -> None:
    """The scenario of a point is the one with the same values behind --set; shorthands are taken as there."""
    for point in grid_of(sim.loads(SWEPT)).points:
        consumers, rate = point.texts
        override = [f"architectures.stream.consumers={consumers}", f"workload.arrivals={rate}"]
        assert point.scenario == sim.loads(SWEPT, override).model_copy(update={"sweep": ()})
        assert point.scenario.architectures["stream"].consumers.count == int(consumers)
        assert point.scenario.workload.arrivals.rate == parse_rate(rate)


def test_run_ignores_the_sweep() -> None:
    """A scenario with a sweep is, apart from it, the scenario without."""
    plain, swept = sim.loads(SMALL), sim.loads(SWEPT)
    assert [factor.path for factor in swept.sweep] == ["architectures.stream.consumers", "workload.arrivals"]
    assert plain.model_dump(exclude={"sweep"}) == swept.model_dump(exclude={"sweep"})


def test_points_do_not_change_each_other() -> None:
    """Blocks are merged into what is there at one point and not at the next."""
    vary = ["architectures.stream.consumers={batch: 7},{speeds: [2, 1]},5"]
    points = grid_of(sim.loads(SMALL), vary).points
    pools = [point.scenario.architectures["stream"].consumers for point in points]
    assert [(pool.count, pool.batch) for pool in pools] == [(1, 7), (1, 500), (5, 500)]
    assert [point.texts[0] for point in points] == ["{batch: 7}", "{speeds: [2, 1]}", "5"]


def test_vary_replaces_the_sweep_and_set_stays() -> None:
    """--vary takes the place of the whole block; what --set says holds where no factor says otherwise."""
    scenario = sim.loads(SWEPT, ["horizon=2h", "seed=3"])
    points = grid_of(scenario, ["seed=[1, 2]"]).points
    assert [point.scenario.seed for point in points] == [1, 2]
    assert {point.scenario.horizon for point in points} == {7200.0}
    assert {point.scenario.architectures["stream"].consumers.count for point in points} == {1}


def test_none_is_a_value() -> None:
    """``none`` among the values clears what is there."""
    text = SMALL + "faults: {out: {kind: down, target: consumers, at: 1m, duration: 1m}}\n"
    points = grid_of(sim.loads(text + "sweep: {faults.out.count: [none, 1]}\n")).points
    counts = [point.scenario.faults["out"].count for point in points]
    assert [None if count is None else count.number for count in counts] == [None, 1]
    assert [point.texts for point in points] == [("none",), ("1",)]


def test_a_file_inherits_a_sweep(tmp_path: Path) -> None:
    """A sweep is merged path by path; ``none`` clears a path of it."""
    (tmp_path / "base.yaml").write_text(SWEPT)
    own = "extends: base.yaml\nsweep: {workload.arrivals: none, seed: 1..3:3}\n"
    scenario = sim.loads(own, folder=tmp_path)
    assert [factor.path for factor in scenario.sweep] == ["architectures.stream.consumers", "seed"]


@pytest.mark.parametrize(
    ("vary", "told"),
    [
        ("workload.arrivals=10/s,20", "--vary workload.arrivals=10/s,20:1:24: a rate needs a unit"),
        ("seed=1..3", "--vary seed=1..3:1:6: '1..3' is no range"),
        ("seed", "--vary seed:1:5: write path=values"),
        ("seed=", "--vary seed=:1:5: write path=values"),
        ("seed=[1", "--vary seed=[1:1:"),
        ("faults.x.at=1m", "--vary faults.x.at=1m:1:8: no fault is called 'x'"),
        ("architectures.stream.consumers=0..4:3", ":1:32: 0 is out of range"),
    ],
)
def test_problems_of_vary_have_their_columns(vary: str, told: str) -> None:
    """What is wrong with --vary is told with its text and the column in it."""
    with pytest.raises(sim.ScenarioError) as caught:
        grid_of(sim.loads(SMALL), [vary])
    assert told in str(caught.value)


def test_the_key_is_of_what_is_said(tmp_path: Path) -> None:
    """Comments and the name leave a point's key alone; a value, the version of a data file change it."""

    def keys(text: str, *overrides: str) -> list[str]:
        return [point.key for point in grid_of(sim.loads(text, overrides, folder=tmp_path)).points]

    assert keys("# why\nname: other\n" + SWEPT) == keys(SWEPT)
    assert not set(keys(SWEPT, "seed=1")) & set(keys(SWEPT))
    assert not set(keys(SWEPT, "replications=3")) & set(keys(SWEPT))
    assert not set(keys(SWEPT + "expect: [all.partial == 0]\n")) & set(keys(SWEPT))
    trace = SWEPT.replace("workload.arrivals: 10/s..30/s:3", "seed: [1, 2]").replace(
        "arrivals: 10/s", "arrivals: {trace: {file: t.csv, time: time}}"
    )
    (tmp_path / "t.csv").write_text("time\n1\n2\n")
    before = keys(trace)
    (tmp_path / "t.csv").write_text("time\n1\n3\n")
    assert not set(keys(trace)) & set(before)


def test_levels_know_their_numbers() -> None:
    """Values of one kind are numbers in SI units; values of several kinds, or blocks, are none."""
    found = grid_of(
        sim.loads(SMALL),
        ["workload.arrivals=60/min,2/s", "horizon=1h,90m", "seed=1,2k", "architectures.stream.stream=6,{}"],
    ).factors
    assert [(factor.kind, factor.numbers) for factor in found] == [
        ("rate", (1.0, 2.0)),
        ("duration", (3600.0, 5400.0)),
        ("number", (1.0, 2000.0)),
        ("", ()),
    ]
