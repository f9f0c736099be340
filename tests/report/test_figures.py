"""The pictures: they draw what there is, where they are told to, and leave no trace."""

import dataclasses
import hashlib

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure
from records import study as build_study

from sim.report import figures, style
from sim.report.axes import round_duration
from sim.report.figure_lag import _sentence as lag_sentence
from sim.report.figure_outcomes import _sentence as outcome_sentence
from sim.report.results import Results
from sim.report.rows import Values

DRAWINGS = [figures.lag, figures.outcomes, figures.latency, figures.throughput]


@pytest.mark.parametrize("draw", DRAWINGS)
def test_the_given_ax_is_returned(study, draw):
    """A picture drawn on an ax returns that ax, with something on it and its axes named."""
    ax = Figure().subplots()
    assert draw(study, ax) is ax
    assert ax.has_data()
    assert ax.get_title(loc="left")
    assert ax.get_xlabel()


@pytest.mark.parametrize("draw", DRAWINGS)
def test_the_given_axes_are_returned(study, draw):
    """Pictures with several panels draw on the array of axes that they are given."""
    shapes = {"lag": (3, 2), "outcomes": (3,), "latency": (2,), "throughput": (3,)}
    axes = Figure().subplots(*np.pad(shapes[draw.__name__], (0, 1), constant_values=1)[:2])
    assert draw(study, axes) is axes
    assert any(ax.has_data() for ax in axes.ravel())


@pytest.mark.parametrize("draw", DRAWINGS)
def test_small_multiples(study, draw):
    """Without an ax a picture makes a figure, with a sentence above it."""
    axes = draw(study)
    assert isinstance(axes, np.ndarray)
    assert axes.ravel()[0].get_figure().get_suptitle()


def test_nothing_global_changes(study):
    """Drawing leaves the user's settings as they were and opens no pyplot figure."""
    import sys

    before = dict(mpl.rcParams)
    for draw in DRAWINGS:
        draw(study)
    assert dict(mpl.rcParams) == before
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or not pyplot.get_fignums()


def test_files_are_reproducible(study, tmp_path):
    """Saved twice, the pictures are the same bytes."""
    digests = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        figures.save_all(study, tmp_path / name)
        files = sorted((tmp_path / name).iterdir())
        digests.append([(path.name, hashlib.sha256(path.read_bytes()).hexdigest()) for path in files])
    assert digests[0] == digests[1]
    assert [name for name, _ in digests[0]] == ["lag.png", "latency.png", "outcomes.png", "throughput.png"]


def test_odd_studies_draw(tmp_path):
    """One architecture without queues, one replication, endless faults and cut-off runs can be drawn."""
    data = build_study(replications=1, architectures=("calls",))
    fault = {**data.manifest["faults"][0], "windows": [[20.0, None]], "applies": {"calls": []}}
    never = {**fault, "name": "never", "windows": []}
    cut = [{"architecture": "calls", "replication": 0}]
    manifest = {**data.manifest, "faults": [fault, never], "censored": cut}
    figures.save_all(dataclasses.replace(data, manifest=manifest), tmp_path)
    assert len(list(tmp_path.iterdir())) == 4


def test_faults_are_shaded_and_named(study):
    """A scheduled fault is shaded where it applies, named at the top, and missed where it does not apply."""
    axes = figures.lag(study)
    texts = [[text.get_text() for text in ax.texts] for ax in axes[:, 0]]
    assert "outage" in texts[0]
    assert "outage" not in texts[1]
    assert any("outage: not here" in text for text in texts[2])
    assert [len(ax.patches) for ax in axes[:, 0]] == [1, 1, 0]


def test_sentences_say_what_is_seen(study):
    """The title above a picture follows from its numbers."""
    assert outcome_sentence(Values(study)) == "calls leaves 10 of 60 messages incomplete, stream none"
    assert lag_sentence(study).startswith("The oldest message waits up to")


def test_variants_share_a_hue():
    """Two variants of a kind have different shades and lines, other kinds other colours."""
    entries = [
        {"name": name, "kind": kind} for name, kind in (("a", "stream"), ("b", "stream"), ("c", "pubsub"))
    ]
    styles = style.architectures(entries)
    assert styles["a"]["color"] == style.KINDS["stream"]
    assert styles["b"] != styles["a"]
    assert styles["c"]["color"] == style.KINDS["pubsub"]


def test_components_take_the_colour_of_their_effect():
    """Queues of the same effect look alike in all panels; a shared one is dark."""
    styles = style.components(["queue", "db_queue", "index_queue"], ["db", "index"])
    assert styles["queue"]["color"] == style.INK
    assert styles["db_queue"] == style.components(["db_log"], ["db", "index"])["db_log"]
    assert styles["db_queue"]["color"] != styles["index_queue"]["color"]


@pytest.mark.parametrize(("seconds", "text"), [(0, "0"), (0.01, "10 ms"), (90, "1.5 min"), (7200, "2 h")])
def test_marks_on_axes(seconds, text):
    """Marks on an axis of durations are in friendly units."""
    assert round_duration(seconds) == text


def test_results_save_and_read(study, tmp_path):
    """Results write files and pictures into one folder and read back to the same table."""
    results = Results(study)
    results.save(tmp_path / "storm")
    again = Results.read(tmp_path / "storm")
    assert sorted(path.suffix for path in (tmp_path / "storm").iterdir()).count(".png") == 4
    assert again._repr_html_() == results._repr_html_()
    assert repr(again) == "<Results of storm: calls, queues, stream>"
    assert again.manifest["seed"] == 1


def test_results_plot_and_value(study):
    """Results give single values and draw on the ax that they are given."""
    results = Results(study)
    assert results.value("partial", "calls") == 10
    assert results.value("applied", "queues", "index") == 55
    with pytest.raises(KeyError, match="no late of nobody"):
        results.value("late", "nobody")
    for plot in (results.plot_lag, results.plot_outcomes, results.plot_latency, results.plot_throughput):
        ax = Figure().subplots()
        assert plot(ax=ax) is ax
