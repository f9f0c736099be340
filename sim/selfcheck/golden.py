"""The golden outcome matrix as cases F1 to F4: four failures, what each architecture makes of them.

The scenarios are those of ``scenarios/golden``; a metric is called ``architecture.key`` after the matrix,
with our names of the architectures.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from sim.selfcheck.cases import Case, Metric, raw
from sim.selfcheck.experiment import Experiment
from sim.selfcheck.seen import metric

_FILES = {
    "F1": "golden/f1_consumer_down",
    "F2": "golden/f2_sink_rejects",
    "F3": "golden/f3_broker_refuses",
    "F4": "golden/f4_producer_crash",
}
_OURS = {"push": "pubsub", "push_plus_queue": "sns_sqs"}
_BROKERED = ("single_broker", "dual_brokers", "stream", "pubsub", "sns_sqs")
_VARIANTS = {
    ("single_broker", "no_retry_variant_partial"): ("single_broker_once", "partial"),
    ("stream", "retry_in_place"): ("stream", ""),
    ("stream", "skip_on_error"): ("stream_skip", ""),
}
_KEYS = {
    "partial": ("golden count", "partial", ""),
    "partial_in_dlq": ("golden count", "dead_lettered", "index"),
    "lost": ("golden count", "lost", ""),
    "late": ("golden count", "late", "index"),
    "not_accepted": ("golden count", "rejected", ""),
    "complete": ("golden count", "complete", ""),
    "duplicate_db_writes": ("golden repeats", "duplicate_effects", "db"),
    "peak_lag_s": ("golden time", "age_max", "index"),
    "peak_index_lag_s": ("golden time", "age_max", "index"),
    "mean_late_s": ("golden time", "late_mean", "index"),
    "drain_s": ("golden time", "drain_time", "index_down"),
    "max_extra_delay_s": ("golden time", "age_max", "index"),
}
"""Keys of the matrix: tolerance, and the metric and scope that they are in ``summary.csv``."""
_OUTBOX_DELAY = 61.0
"""What the matrix calls ``60 + poll``, s."""


@cache
def golden_cases() -> tuple[Case, ...]:
    """The four rows of the matrix."""
    rows: list[dict[str, Any]] = raw()["golden_outcome_matrix"]["rows"]
    return tuple(
        Case(name, row["failure"], tuple(_metric(name, *cell) for cell in _cells(row)))
        for name, row in zip(_FILES, rows, strict=True)
    )


def golden_experiments() -> dict[str, tuple[Experiment, ...]]:
    """One study per row; the metric's name says where to look."""
    return {
        case.id: (
            Experiment(
                _FILES[case.id],
                {
                    each.name: metric(*_KEYS[key][1:], architecture)
                    for each in case.metrics
                    for architecture, _, key in [each.name.partition(".")]
                },
                is_quick=case.id != "F4",
            ),
        )
        for case in golden_cases()
    }


def _cells(row: dict[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """(architecture, key, expected) of one row."""
    for column, values in row.items():
        if column == "failure":
            continue
        names = [f"{name}_outbox" for name in _BROKERED] if column == "any_with_outbox" else [column]
        for name in names:
            yield from _of(_OURS.get(name, name), values)


def _of(architecture: str, values: dict[str, Any]) -> Iterator[tuple[str, str, Any]]:
    for key, expected in values.items():
        if key.endswith("note"):
            continue
        variant, renamed = _VARIANTS.get((architecture, key), (architecture, key))
        if isinstance(expected, dict):
            yield from _of(variant, expected)  # pyright: ignore[reportUnknownArgumentType]
        else:
            yield variant, renamed, expected


def _metric(case: str, architecture: str, key: str, expected: Any) -> Metric:
    tolerance = _KEYS[key][0]
    if case == "F4" and expected:
        tolerance = "golden rare"
    value = _OUTBOX_DELAY if key == "max_extra_delay_s" else float(expected)
    return Metric(f"{architecture}.{key}", value, tolerance)
