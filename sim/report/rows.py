"""The rows of the comparison table as text, for the terminal and for HTML."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sim.report import numbers
from sim.vocabulary import METRICS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd

    from sim.experiment.archive import StudyData

_ALWAYS = ("partial", "rejected")
_WHERE_ANY = ("failed", "pending", "dead_lettered", "expired", "lost", "duplicate_effects")
_LABELS = {"age_max": "oldest message", "dead_lettered": "dead-lettered"}


@dataclass(frozen=True)
class Cell:
    """One architecture's value in a row.

    Attributes:
        text: the value, a dash where there is none.
        difference: to the baseline; ``~`` where its interval holds zero, ``≈`` where all of it lies within
            the scenario's indifference.
        is_better: than the baseline; None where that is not known or neither is better.
    """

    text: str
    difference: str = ""
    is_better: bool | None = None


@dataclass(frozen=True)
class Row:
    """A line of the table, one cell per architecture."""

    label: str
    cells: tuple[Cell, ...]


if TYPE_CHECKING:
    _Show = Callable[[str, float], str]


@dataclass(frozen=True)
class _Estimate:
    value: float
    low: float
    high: float


class Values:
    """Means and paired differences of a study by (architecture, metric, scope)."""

    def __init__(self, data: StudyData) -> None:
        self.data = data
        self.names = names(data)
        self.means = _estimates(data.summary, "mean")
        self.differences = _estimates(data.comparison, "difference")

    def mean(self, architecture: str, metric: str, scope: str = "") -> float:
        """The mean over replications, NaN where there is none."""
        found = self.means.get((architecture, metric, scope))
        return found.value if found else math.nan

    def scopes(self, metric: str) -> list[str]:
        """The scopes under which a metric has a value, sorted; the empty one first."""
        return sorted(
            {key[2] for key, row in self.means.items() if key[1] == metric and not math.isnan(row.value)}
        )

    def row(
        self, label: str, row: tuple[str, str], show: _Show | None = None, apart: _Show | None = None
    ) -> Row:
        """A row of means with their differences to the baseline.

        Args:
            label: for the first column.
            row: metric and scope, as in the summary.
            show: text of an architecture's value; that of the metric's unit unless given.
            apart: text of a difference without its plus; as ``show`` unless given.
        """

        def plain(_: str, number: float) -> str:
            return numbers.value(row[0], number)

        show = show or plain
        return Row(label, tuple(self._cell((name, *row), show, apart or show) for name in self.names))

    def _cell(self, row: tuple[str, str, str], show: _Show, apart: _Show) -> Cell:
        name, metric, _ = row
        mean = self.means.get(row)
        if mean is None:
            return Cell(numbers.NOTHING)
        if math.isnan(mean.value):
            return Cell("not seen" if metric == "drain_time" else numbers.NOTHING)
        text = show(name, mean.value)
        found = self.differences.get(row)
        if found is None or math.isnan(found.value):
            return Cell(text)
        if found.low <= 0 <= found.high or found.value == 0:
            return Cell(text, "~")
        if self._is_indifferent(row, found):
            return Cell(text, "≈")
        lower_is_better = METRICS[metric].lower_is_better
        is_known = lower_is_better is not None and not math.isnan(found.low)
        is_better = (found.value < 0) == lower_is_better if is_known else None
        return Cell(text, numbers.signed(apart(name, found.value)), is_better)

    def _is_indifferent(self, row: tuple[str, str, str], found: _Estimate) -> bool:
        """Whether all of the difference's interval is within what the scenario calls no difference."""
        manifest = self.data.manifest
        zone = manifest.get("indifference", 0.0) * abs(self.mean(manifest.get("baseline", ""), *row[1:]))
        return zone > 0 and -zone <= found.low and found.high <= zone


def names(data: StudyData) -> list[str]:
    """The architectures in the order of the scenario."""
    listed = [entry["name"] for entry in data.manifest.get("architectures", [])]
    return listed or list(dict.fromkeys(data.summary["architecture"]))


def rows(data: StudyData, metrics: Sequence[str] | None = None) -> list[Row]:
    """The rows that matter, or those asked for.

    Args:
        data: the study.
        metrics: names as in ``summary.csv``, perhaps with a scope before them (``index.latency_p99``).

    Raises:
        ValueError: a name is not known; the message says which one may have been meant.
    """
    values = Values(data)
    if metrics is None:
        return _main_rows(values)
    return [row for text in metrics for row in _rows_of(values, text.strip())]


def check_names(metrics: Sequence[str]) -> None:
    """Judge names of metrics before anything has run; their scopes can only be judged afterwards.

    Raises:
        ValueError: a name is not known; the message says which one may have been meant.
    """
    for text in metrics:
        metric = text.strip().rpartition(".")[2]
        if metric not in METRICS:
            raise ValueError(f"no metric is called {metric!r}{_meant(metric, list(METRICS))}")


def shown_effects(values: Values) -> dict[str, str]:
    """The effects that a person looks at, with their labels: of the copies of a broadcast only one.

    It is the receiver with the greatest 99th percentile of the latency in any architecture, the same one for
    all of them.
    """
    manifest = values.data.manifest
    effects: list[str] = manifest.get("effects") or [scope for scope in values.scopes("latency_p99") if scope]
    copies: dict[str, list[str]] = manifest.get("copies", {})
    shown = {effect: effect for effect in effects}
    for names_of_copies in copies.values():
        latencies = [
            max((values.mean(name, "latency_p99", copy) for name in values.names), key=_known)
            for copy in names_of_copies
        ]
        slowest = names_of_copies[latencies.index(max(latencies, key=_known))]
        shown[slowest] = f"{slowest}, slowest of {len(names_of_copies)}"
        for copy in names_of_copies:
            if copy != slowest:
                del shown[copy]
    return shown


def _known(value: float) -> float:
    return -1.0 if math.isnan(value) else value


def _main_rows(values: Values) -> list[Row]:
    manifest = values.data.manifest
    offered = {name: values.mean(name, "offered") for name in values.names}

    def share(name: str, number: float) -> str:
        return numbers.percent(number / offered[name]) if offered[name] else numbers.NOTHING

    def points(name: str, number: float) -> str:
        return f"{100 * number / offered[name]:.2f} pp".replace("-", numbers.MINUS)

    found = [values.row("complete", ("complete", ""), share, points)]
    for metric in METRICS:
        seen = any(values.mean(name, metric) > 0 for name in values.names)
        if metric in _ALWAYS or (metric in _WHERE_ANY and seen):
            found.append(values.row(_label(metric, ""), (metric, "")))
    found += [
        values.row(f"latency p99 {label}", ("latency_p99", effect))
        for effect, label in shown_effects(values).items()
    ]
    found.append(values.row("oldest message", ("age_max", "")))
    scheduled = [fault["name"] for fault in manifest.get("faults", []) if fault.get("scheduled")]
    drained = {scope for _, metric, scope in values.means if metric == "drain_time"}
    found += [
        values.row(f"drain after {name}", ("drain_time", name)) for name in scheduled if name in drained
    ]
    workers = {entry["name"]: entry.get("workers") for entry in manifest.get("architectures", [])}
    if any(workers.values()):
        cells = [
            numbers.count(workers[name]) if workers.get(name) else numbers.NOTHING for name in values.names
        ]
        found.append(Row("workers in total", tuple(Cell(text) for text in cells)))
    return found


def _rows_of(values: Values, text: str) -> list[Row]:
    check_names([text])
    scope, _, metric = text.rpartition(".")
    scopes = values.scopes(metric)
    if scope:
        known = sorted({key[2] for key in values.means if key[1] == metric and key[2]})
        if scope not in known:
            raise ValueError(f"{metric} has no scope {scope!r}{_meant(scope, known)}")
        scopes = [scope]
    elif "" in scopes or not scopes:
        scopes = [""]
    return [values.row(_label(metric, scope), (metric, scope)) for scope in scopes]


def _label(metric: str, scope: str) -> str:
    label = _LABELS.get(metric, metric.replace("_", " "))
    return f"{label} {scope}".strip()


def _meant(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; there are {', '.join(known)}" if known else ""


def _estimates(frame: pd.DataFrame, column: str) -> dict[tuple[str, str, str], _Estimate]:
    keys = zip(frame["architecture"], frame["metric"], frame["scope"], strict=True)
    estimates = zip(frame[column], frame["ci_low"], frame["ci_high"], strict=True)
    return {
        (str(architecture), str(metric), str(scope)): _Estimate(float(value), float(low), float(high))
        for (architecture, metric, scope), (value, low, high) in zip(keys, estimates, strict=True)
    }
