"""The cases as ``verification_cases.json`` states them: what a metric must be, and how close.

The golden outcome matrix of the same file becomes four more cases, F1 to F4. Left out: the self-tests of the
statistics, which judge the method and not the model.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

DATA = Path(__file__).parents[1] / "data"
"""Where the cases lie, and in ``selfcheck`` their scenarios."""

Kind = Literal["observed", "formula", "negative_control"]


@dataclass(frozen=True)
class Metric:
    """One number of a case.

    Attributes:
        name: as in the file.
        expected: a number, or a yes or no.
        tolerance: the name of its class.
        kind: observed in a simulation, told by the theory side, or what a wrong model gives.
        is_slow: whether it takes minutes to observe.
        sd_one_run: of a ``fluid`` metric, how much one run scatters; None where that is not told.
    """

    name: str
    expected: float | bool
    tolerance: str
    kind: Kind = "observed"
    is_slow: bool = False
    sd_one_run: float | None = None


@dataclass(frozen=True)
class Case:
    """A set-up with its metrics.

    Attributes:
        id: ``V01`` to ``V31``, ``F1`` to ``F4``.
        name: one line for a person.
        metrics: in the order of the file.
    """

    id: str
    name: str
    metrics: tuple[Metric, ...]


@cache
def verification_cases() -> tuple[Case, ...]:
    """The closed-form cases, in the order of the file."""
    return tuple(
        Case(each["id"], each["name"], tuple(_metric(metric) for metric in each["metrics"]))
        for each in raw()["cases"]
    )


@cache
def raw() -> dict[str, Any]:
    """The whole file."""
    return json.loads((DATA / "verification_cases.json").read_text(encoding="utf-8"))


def _metric(raw_metric: dict[str, Any]) -> Metric:
    return Metric(
        name=raw_metric["metric"],
        expected=raw_metric["expected"],
        tolerance=raw_metric["tolerance"],
        kind=raw_metric.get("kind", "observed"),
        is_slow=raw_metric.get("run") == "slow",
        sd_one_run=raw_metric.get("sd_one_run"),
    )
