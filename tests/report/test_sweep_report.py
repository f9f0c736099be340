"""What a sweep says and draws: answers in words, one row per point, pictures that hold the data."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.collections import QuadMesh
from matplotlib.patches import Rectangle

import sim
from sim.analysis.sizing import sizing
from sim.report.figure_heatmap import heatmap
from sim.report.sweep_answers import answers, sentence
from sim.report.sweep_table import columns, remarks, table_html
from sim.report.sweep_values import SweepValues

SMALL = """\
name: small
description: Where does it break?
replications: 3
horizon: 2m
workload: {arrivals: {rate: 20/s, process: constant}}
effects: {db: {service: {mean: 40ms, cv: 0.5}}}
architectures: {single_broker: , stream: {consumers: 2, stream: {partitions: 2}}}
expect: [all.latency_p99 < 1s, single_broker.db.latency_mean < 200ms]
"""
PATH = "architectures.stream.consumers"
P, F, I = "PASS", "FAIL", "INCONCLUSIVE"  # noqa: E741


@pytest.fixture(scope="module")
def load() -> sim.SweepResults:
    """A sweep of the arrival rate: a single server of 25/s, and two of them."""
    return sim.sweep(sim.loads(SMALL), {"workload.arrivals.rate": ["40/s", "10/s", "20/s", "30/s"]}, jobs=1)


@pytest.fixture(scope="module")
def service() -> sim.SweepResults:
    """A sweep of the mean service time."""
    return sim.sweep(sim.loads(SMALL), {"effects.db.service.mean": "20ms..60ms:3"}, jobs=1)


@pytest.fixture(scope="module")
def crossed() -> sim.SweepResults:
    """A sweep of two factors."""
    vary = {"workload.arrivals.rate": ["20/s", "10/s"], "effects.db.service.mean": "20ms..60ms:3"}
    return sim.sweep(sim.loads(SMALL), vary, jobs=1)


@pytest.mark.parametrize(
    ("verdicts", "told"),
    [
        ([F, F, P, P], f"smallest passing value of {PATH}: 12"),
        ([P, P, P, P], f"smallest passing value of {PATH}: 8, the smallest that was tried"),
        ([F, F, F, F], f"no value of {PATH} passes, up to 16"),
        ([F, I, P, P], f"smallest passing value of {PATH}: 12; INCONCLUSIVE at 10"),
        (
            [P, F, P, P],
            f"smallest passing value of {PATH}: 12 (not monotone: 8 passes too, but not all between)",
        ),
        ([P, P, F, F], f"largest passing value of {PATH}: 10; the largest tried does not pass"),
        (
            [P, F, P, F],
            (
                f"largest passing value of {PATH}: 8; the largest tried does not pass "
                "(not monotone: 12 passes too)"
            ),
        ),
        (
            [F, P, P, I],
            (
                f"no smallest passing value of {PATH}: 10, 12 pass, but the largest tried does not"
                "; INCONCLUSIVE at 16"
            ),
        ),
    ],
)
def test_the_answer_says_no_more_than_is_known(verdicts: list[str], told: str) -> None:
    """The sentence names the smallest passing value only where all larger ones pass, and what spoils it."""
    assert sentence(PATH, ["8", "10", "12", "16"], sizing([8, 10, 12, 16], verdicts)) == told


def test_answers_of_a_sweep(load: sim.SweepResults) -> None:
    """One sentence per expectation, one for all, one knee each; the order of the file does not matter."""
    found = answers(load.data)
    path = "workload.arrivals.rate"
    assert found[0].startswith(f"all.latency_p99 < 1s: largest passing value of {path}: 20/s")
    assert found[1].startswith(
        f"single_broker.db.latency_mean < 200ms: largest passing value of {path}: 20/s"
    )
    assert found[2].startswith(f"all expectations: largest passing value of {path}: 20/s")
    assert found[3] == "knee of single_broker: 20/s (20/s offered)"
    assert found[4] == "stream keeps up with every load that was tried, up to 40/s"
    assert "RFC 2544" in found[5]
    assert load.answers == found


def test_no_answer_without_an_order(crossed: sim.SweepResults) -> None:
    """Two factors have no smallest value."""
    assert answers(crossed.data) == []


def test_one_row_per_point(crossed: sim.SweepResults) -> None:
    """The table begins with the factors, has a verdict on each expectation, and as many rows as points."""
    found = columns(crossed.data)
    headings = [column.heading for column in found]
    assert headings[:3] == ["rate", "mean", "all"]
    assert headings[3:5] == ["all.latency_p99 < 1s", "single_broker.db.latency_mean < 200ms"]
    assert {len(column.cells) for column in found} == {6}
    assert list(zip(found[0].cells, found[1].cells, strict=True))[:2] == [("20/s", "20ms"), ("20/s", "40ms")]
    verdicts = crossed.verdicts
    for column in found[3:5]:
        rows = verdicts[verdicts["expectation"] == column.heading]
        assert list(column.verdicts) == list(rows["verdict"])


def test_html_is_escaped(service: sim.SweepResults) -> None:
    """In a notebook the table stands as HTML, every text escaped."""
    html = table_html(service.data)
    assert "all.latency_p99 &lt; 1s" in html
    assert html == service._repr_html_()
    assert "3 points" in repr(service)


def test_runs_that_are_cut_off_are_told() -> None:
    """A point whose runs are cut off says so."""
    text = SMALL.replace("horizon: 2m", "horizon: 2m\ndrain: 1s")
    found = sim.sweep(sim.loads(text), {"workload.arrivals.rate": ["10/s", "40/s"]}, jobs=1)
    assert "40/s: cut off in single_broker." in remarks(found.data)


def test_saturation_curve_holds_the_data(load: sim.SweepResults) -> None:
    """Goodput and p99 latency stand over the offered load; a ring marks the knee where there is one."""
    axes = load.plot()
    top, bottom = axes.ravel()
    for panel, metric in ((top, "throughput"), (bottom, "latency_p99")):
        table = load.table[(load.table["metric"] == metric) & (load.table["scope"] == "")]
        for name in ("single_broker", "stream"):
            (line,) = [line for line in panel.get_lines() if line.get_label() == name]
            means = table[table["architecture"] == name].set_index("workload.arrivals.rate")["mean"]
            assert line.get_xdata() == pytest.approx([10, 20, 30, 40], rel=0.01)
            assert list(line.get_ydata()) == [means[rate] for rate in ("10/s", "20/s", "30/s", "40/s")]
        rings = [line for line in panel.get_lines() if line.get_markersize() == 10]
        assert [float(ring.get_xdata()[0]) for ring in rings] == pytest.approx([20], rel=0.01)
    assert "RFC 2544" in top.get_figure().get_supxlabel()
    assert "single_broker up to 20/s" in top.get_figure().get_suptitle()


def test_curve_over_a_factor_holds_the_data(service: sim.SweepResults) -> None:
    """Expected metrics stand over the factor, filled where they PASS, with the promise as a line."""
    axes = service.plot()
    panels = [panel for panel in axes.ravel() if panel.get_visible()]
    assert [panel.get_title(loc="left").split(":")[0] for panel in panels] == [
        "latency_p99",
        "db.latency_mean",
    ]
    table, verdicts = service.table, service.verdicts
    (line,) = [line for line in panels[1].get_lines() if line.get_label() == "single_broker"]
    rows = table[(table["metric"] == "latency_mean") & (table["scope"] == "db")]
    assert list(line.get_xdata()) == pytest.approx([0.02, 0.04, 0.06])
    assert list(line.get_ydata()) == list(rows[rows["architecture"] == "single_broker"]["mean"])
    assert any(np.allclose(line.get_ydata(), 0.2) for line in panels[1].get_lines())
    judged = verdicts[verdicts["expectation"] == "single_broker.db.latency_mean < 200ms"]["verdict"]
    colour = line.get_color()
    filled = [
        x
        for mark in panels[1].get_lines()
        if mark.get_marker() == "o" and mark.get_markerfacecolor() == colour and mark.get_color() == colour
        for x in mark.get_xdata()
    ]
    assert filled == pytest.approx([0.02, 0.04, 0.06][: (judged == P).sum()])
    assert [tick.get_text() for tick in panels[0].get_xticklabels()] == ["20ms", "40ms", "60ms"]


def test_heat_map_holds_the_data(crossed: sim.SweepResults) -> None:
    """Each panel has the first expected metric, smallest values at the lower left, broken cells hatched."""
    axes = heatmap(crossed.data)
    values = SweepValues(crossed.data)
    for panel, name in zip(axes.ravel(), ["single_broker", "stream"], strict=True):
        assert panel.get_title(loc="left") == name
        (mesh,) = [each for each in panel.collections if isinstance(each, QuadMesh)]
        means = values.series(name, "latency_p99")[:, 0].reshape(2, 3)[::-1].T  # rates stand 20/s, 10/s
        assert np.array_equal(np.asarray(mesh.get_array()).reshape(3, 2), means)
        hatched = sum(isinstance(patch, Rectangle) and patch.get_hatch() == "////" for patch in panel.patches)
        assert hatched == values.verdicts_of(name).count("FAIL")
        assert len(panel.texts) == 6
    assert [text.get_text() for text in axes.ravel()[0].get_xticklabels()] == ["10/s", "20/s"]
    assert "FAIL" in values.verdicts_of("single_broker")


def test_three_factors_have_no_picture() -> None:
    """More than two factors are told in tables only."""
    vary = {"seed": [1, 2], "workload.arrivals.rate": ["10/s"], "effects.db.service.mean": ["20ms"]}
    found = sim.sweep(sim.loads(SMALL), vary, jobs=1)
    with pytest.raises(ValueError, match="more than two factors"):
        found.plot()


def test_values_that_are_no_numbers_have_a_picture() -> None:
    """Blocks stand beside each other in the order of the file, without a line through them."""
    vary = {"effects.db.service": [{"mean": "20ms", "cv": 1}, "30ms"]}
    axes = sim.sweep(sim.loads(SMALL), vary, jobs=1).plot()
    panel = axes.ravel()[0]
    assert [tick.get_text() for tick in panel.get_xticklabels()] == ["{mean: 20ms, cv: 1}", "30ms"]
    (line,) = [line for line in panel.get_lines() if line.get_label() == "stream"]
    assert line.get_linestyle() == "None"


def test_pictures_change_nothing_and_repeat(load: sim.SweepResults, tmp_path) -> None:
    """Equal sweeps give equal bytes; the user's settings stay; a picture of another kind goes."""
    before = dict(mpl.rcParams)
    load.save(tmp_path / "a")
    (tmp_path / "a" / "heatmap.png").write_bytes(b"old")
    first = (tmp_path / "a" / "saturation.png").read_bytes()
    load.save(tmp_path / "a")
    assert (tmp_path / "a" / "saturation.png").read_bytes() == first
    assert {path.name for path in (tmp_path / "a").iterdir()} == {
        "sweep.csv",
        "verdicts.csv",
        "manifest.json",
        "saturation.png",
    }
    assert dict(mpl.rcParams) == before
