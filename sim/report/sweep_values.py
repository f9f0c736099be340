"""What tables and pictures of a sweep ask for: series over the points, verdicts, names."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.analysis.verdict import worst

if TYPE_CHECKING:
    from sim.experiment.sweep import SweepData
    from sim.scenario.factors import Factor

_RATES = ("workload.arrivals", "workload.arrivals.rate", "workload.arrivals.scale")
"""Paths that are the arrival rate or scale it."""
DEFAULT = ("latency_p99", "")
"""What is shown where nothing is expected."""


@dataclass(frozen=True)
class Measure:
    """A metric with its scope, as a share of the messages offered or as it is.

    Attributes:
        metric: as in ``summary.csv``.
        scope: likewise.
        is_share: whether it is divided by the messages offered.
        bound: the number that is promised of it; None where there is none, or it is another metric.
        promise: the text of the expectation; empty where there is none.
        architecture: of which it is promised; ``all`` or empty for all of them.
    """

    metric: str
    scope: str
    is_share: bool = False
    bound: float | None = None
    promise: str = ""
    architecture: str = ""

    @property
    def name(self) -> str:
        """``index.latency_p99``."""
        return f"{self.scope}.{self.metric}" if self.scope else self.metric


class SweepValues:
    """A sweep by architecture, metric and scope: one value per point.

    Attributes:
        data: the sweep.
        factors: what is varied.
        entries: name and kind of every architecture that some point has.
    """

    def __init__(self, data: SweepData) -> None:
        self.data = data
        self.factors: Sequence[Factor] = data.grid.factors
        found: dict[str, dict[str, Any]] = {}
        for result in data.results:
            for entry in result["architectures"]:
                found.setdefault(entry["name"], entry)
        self.entries = list(found.values())
        self._means = [
            {(row[0], row[1], row[2]): row[4:7] for row in result["summary"]} for result in data.results
        ]

    @property
    def names(self) -> list[str]:
        """The architectures, in the order of the scenario."""
        return [entry["name"] for entry in self.entries]

    @property
    def is_load(self) -> bool:
        """Whether the only factor is the arrival rate, or scales it."""
        return len(self.factors) == 1 and self.factors[0].path in _RATES and bool(self.factors[0].numbers)

    def series(self, name: str, metric: str, scope: str = "") -> np.ndarray:
        """Mean and interval of a metric at every point, shape (points, 3), NaN where there is none."""
        rows = [means.get((name, metric, scope)) or [None] * 3 for means in self._means]
        return np.array(rows, dtype=float)

    def measured(self, name: str, measure: Measure) -> np.ndarray:
        """A measure at every point, shape (points, 3)."""
        found = self.series(name, measure.metric, measure.scope)
        if measure.is_share:
            offered = self.series(name, "offered", measure.scope)[:, :1]
            offered = np.where(np.isnan(offered), self.series(name, "offered")[:, :1], offered)
            with np.errstate(divide="ignore", invalid="ignore"):
                return np.where(offered > 0, found / offered, np.nan)
        return found

    def offered_rate(self, name: str) -> np.ndarray:
        """Messages offered per second in the window that counts, at every point."""
        seconds = np.array([result["seconds"] for result in self.data.results])
        return self.series(name, "offered")[:, 0] / seconds

    def theory(self, name: str, measure: Measure) -> np.ndarray:
        """What closed forms say of a measure at every point, NaN where they say nothing."""
        found = [
            next(
                (
                    row["expected"]
                    for row in result["theory"]
                    if (row["architecture"], row["metric"], row["scope"])
                    == (name, measure.metric, measure.scope)
                ),
                None,
            )
            for result in self.data.results
        ]
        return np.array(found, dtype=float)

    def expected(self) -> list[Measure]:
        """What the expectations speak of, in their order; of several about the same, the first."""
        found: dict[tuple[str, str], Measure] = {}
        for each in self.data.grid.scenario.expect:
            left = each.left
            measure = Measure(
                left.metric, left.scope, each.is_share, each.bound, each.text, left.architecture
            )
            found.setdefault((left.metric, left.scope), measure)
        return list(found.values())

    def verdicts(self, expectation: str | None = None) -> list[str]:
        """The verdict at every point: of one expectation, or the worst of all; empty if none was judged."""
        found: list[str] = []
        for result in self.data.results:
            judged = [
                each["verdict"] for each in result["verdicts"] if expectation in (None, each["expectation"])
            ]
            found.append(worst(judged) if judged else "")
        return found

    def verdicts_of(self, name: str, promise: str | None = None) -> list[str]:
        """The verdict on one architecture at every point, of one promise or the worst of all."""
        found: list[str] = []
        for result in self.data.results:
            judged = [
                entry["verdict"]
                for each in result["verdicts"]
                if promise in (None, each["expectation"])
                for entry in each["architectures"]
                if entry["name"] == name
            ]
            found.append(worst(judged) if judged else "")
        return found

    def short(self, factor: Factor) -> str:
        """The last part of a path, where no other factor ends with the same."""
        last = factor.path.rpartition(".")[2]
        others = [each.path.rpartition(".")[2] for each in self.factors if each is not factor]
        return factor.path if last in others or last.isdigit() else last
