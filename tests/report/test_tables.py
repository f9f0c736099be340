"""The comparison table, its remarks and its HTML."""

import dataclasses
import subprocess
import sys

import pytest
from records import study as build_study
from rich.console import Console

import sim
from sim.report import numbers
from sim.report.html import table_html
from sim.report.rows import rows
from sim.report.tables import comparison_table, notes


def _render(data, metrics=None, width=120):
    console = Console(width=width, color_system=None, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    with console.file:
        console.print(comparison_table(data, metrics))
        return console.export_text()


def _cells(data, label, metrics=None):
    (row,) = [row for row in rows(data, metrics) if row.label == label]
    return dict(zip([entry["name"] for entry in data.manifest["architectures"]], row.cells, strict=True))


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (9400, "9,400"), (197100.4, "197,100"), (12.5, "12.5"), (0.05, "0.05"), (-600, "−600")],
)
def test_counts(value, text):
    """Counts have thousands separators; small means keep a decimal."""
    assert numbers.count(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.000123, "123 µs"),
        (0.012, "12 ms"),
        (0.9999, "1 s"),
        (8.3, "8.3 s"),
        (59.99, "1m 00s"),
        (252, "4m 12s"),
        (3599.9, "1h 00m"),
        (7500, "2h 05m"),
        (100 * 3600, "4d 04h"),
        (-0.5, "−500 ms"),
        (float("inf"), "∞"),
    ],
)
def test_durations(seconds, text):
    """Durations are in the unit in which people speak of them."""
    assert numbers.duration(seconds) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (1, "100%"),
        (0, "0%"),
        (0.94, "94.0%"),
        (0.99996, "99.996%"),
        (1 - 1e-9, ">99.9999%"),
        (1e-9, "<0.0001%"),
    ],
)
def test_shares(share, text):
    """Only all is 100 % and only none is 0 %."""
    assert numbers.percent(share) == text


def test_values_and_differences(study):
    """A cell shows the mean, and under it the paired difference to the baseline."""
    cells = _cells(study, "partial")
    assert [cells[name].text for name in ("queues", "stream", "calls")] == ["5", "0", "10"]
    assert [cells[name].difference for name in ("queues", "stream", "calls")] == ["", "−5", "+5"]
    assert [cells[name].is_better for name in ("queues", "stream", "calls")] == [None, True, False]


def test_no_difference_is_a_tilde(study):
    """Where the interval of the difference holds zero there stands a tilde."""
    assert _cells(study, "rejected")["stream"].difference == "~"


def test_shares_differ_in_points(study):
    """The share of complete messages differs in percentage points."""
    cells = _cells(study, "complete")
    assert (cells["queues"].text, cells["stream"].text, cells["stream"].difference) == (
        "91.7%",
        "100%",
        "+8.33 pp",
    )


def test_what_does_not_exist_is_a_dash(study):
    """An architecture without queues has no age, no backlog and nothing to drain."""
    for label in ("oldest message", "drain after outage", "workers in total"):
        assert _cells(study, label)["calls"].text == numbers.NOTHING


def test_drained_too_late_to_be_seen(study):
    """A drain time that is NaN in every replication is not a dash: the role exists."""
    summary = study.summary.copy()
    summary.loc[(summary["metric"] == "drain_time") & (summary["architecture"] == "stream"), "mean"] = float(
        "nan"
    )
    assert (
        _cells(dataclasses.replace(study, summary=summary), "drain after outage")["stream"].text == "not seen"
    )


def test_metrics_asked_for(study):
    """Asked for by name, a metric shows under its empty scope, else under all it has, or the one given."""
    labels = [
        row.label for row in rows(study, ["complete", "backlog_max", "index.latency_p99", "drain_time"])
    ]
    assert labels == [
        "complete",
        "backlog max db_copies",
        "backlog max index_copies",
        "latency p99 index",
        "drain time outage",
    ]
    assert _cells(study, "complete", ["complete"])["queues"].text == "55"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("latency_99", "did you mean 'latency_p99'"),
        ("indx.latency_p99", "did you mean 'index'"),
        ("xyzzy", "no metric is called 'xyzzy'"),
    ],
)
def test_unknown_metrics(study, name, message):
    """An unknown name is refused with the one that may have been meant."""
    with pytest.raises(ValueError, match=message):
        comparison_table(study, [name])


@pytest.mark.parametrize("width", [60, 100, 140])
def test_table_renders(study, width):
    """The table names all architectures, marks the baseline and fits the terminal."""
    text = _render(study, width=width)
    assert "baseline" in text
    assert max(len(line.rstrip()) for line in text.splitlines()) <= width


def test_one_replication():
    """With one replication differences are shown without a verdict, and a remark says so."""
    data = build_study(replications=1)
    cells = _cells(data, "partial")
    assert (cells["stream"].difference, cells["stream"].is_better) == ("−5", None)
    assert "One replication" in " ".join(notes(data))
    assert "partial" in _render(data)


def test_one_architecture():
    """A study of one architecture has a table without differences."""
    data = build_study(architectures=("calls",))
    assert all(not cell.difference for row in rows(data) for cell in row.cells)
    assert "calls" in _render(data)


def test_all_nan(study):
    """A study in which nothing could be measured still renders."""
    empty = study.summary.assign(mean=float("nan"), ci_low=float("nan"), ci_high=float("nan"))
    text = _render(dataclasses.replace(study, summary=empty, comparison=study.comparison.iloc[:0]))
    assert numbers.NOTHING in text


def _with(study, **changes):
    return dataclasses.replace(study, manifest={**study.manifest, "replications": 20, **changes})


def test_notes_on_workers(study):
    """Unequal totals of consumers are named; an architecture without consumers is no contender."""
    assert not [text for text in notes(study) if "consumers in total" in text]
    entries = [{**entry} for entry in study.manifest["architectures"]]
    entries[0]["workers"] = 8
    (text,) = [text for text in notes(_with(study, architectures=entries)) if "consumers in total" in text]
    assert "queues 8, stream 4" in text


def test_notes_on_censoring(study):
    """Runs that were cut off are counted per architecture."""
    cut = [{"architecture": "stream", "replication": number} for number in (0, 3)]
    assert any(
        "stream: 2 of 20 replications were cut off" in text for text in notes(_with(study, censored=cut))
    )


def test_notes_on_faults(study):
    """A fault that hits nothing in an architecture is named."""
    assert any("outage hits nothing in calls" in text for text in notes(study))


def test_notes_on_few(study):
    """Few replications and few messages are remarked upon; enough of both are not."""
    assert any("Only 3 replications" in text for text in notes(study))
    assert any("No 99th percentile is told of fewer than 1,000 messages" in text for text in notes(study))
    summary = study.summary.copy()
    summary.loc[summary["metric"] == "offered", "mean"] = 5000.0
    enough = notes(dataclasses.replace(_with(study), summary=summary))
    assert not [text for text in enough if "Only" in text or "percentile" in text]


def test_html_is_escaped(study):
    """Texts of a scenario cannot break out of the HTML."""
    html = table_html(study)
    assert "&lt;angles&gt; &amp; more" in html
    assert "<angles>" not in html


def test_html_holds_the_rows(study):
    """The HTML shows the values of the table and its remarks."""
    html = table_html(study)
    assert "91.7%" in html
    assert "outage hits nothing in calls" in html
    assert html.count("<tr>") == len(rows(study))


def test_tables_need_no_matplotlib():
    """Printing a table does not load Matplotlib."""
    code = "import sys, sim.report.tables, sim.report.html, sim.report.results; print(sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "sim.report.tables" in loaded
    assert "matplotlib" not in loaded
    assert "simpy" not in loaded


def test_a_broadcast_has_one_row_of_latency():
    """Of its receivers the slowest one, whose name and whose number of fellows the label tells."""
    scenario = sim.loads(
        "horizon: 100s\nreplications: 2\nworkload: {arrivals: 20/s}\n"
        "effects: {db: 1ms, config: {service: 10ms, copies: 4}}\n"
        "architectures: {pubsub: , sns_sqs: }\n"
        "faults: {slow: {kind: slow, target: config_3.sink, factor: 9, at: 0s, duration: 1h}}\n"
    )
    data = sim.run(scenario, jobs=1).data
    labels = [row.label for row in rows(data) if row.label.startswith("latency")]
    assert labels == ["latency p99 db", "latency p99 config_3, slowest of 4"]
    assert data.manifest["copies"] == {"config": ["config_1", "config_2", "config_3", "config_4"]}
