"""Closed forms beside what a run found, in a few lines for the terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from sim.report import numbers

_MOST = 8
_FIRST = ("latency_mean", "drain_time", "partial", "dead_lettered", "dropped", "rejected", "latency_p99")
_NOT_WORTH_A_LINE = ("utilization", "throughput", "latency_p50", "latency_p95")


def theory_lines(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Lines for people from the rows of :func:`sim.forecast.forecast.beside`.

    Every value that disagrees gets a line, then those that say most; the rest is counted. Last come the
    reasons why some latencies have no closed form.
    """
    compared = [row for row in rows if row["agrees"] is not None]
    wrong = [row for row in compared if not row["agrees"]]
    good = [row for row in compared if row["agrees"] and row["metric"] not in _NOT_WORTH_A_LINE]
    good = [row for row in good if row["expected"] and numbers.value(row["metric"], row["simulated"]) != "0"]
    good.sort(key=lambda row: (_rank(row["metric"]), row["scope"] != ""))
    good = _once(good)
    shown = [*wrong, *good[: max(0, _MOST - len(wrong))]]
    lines = [_line(row) for row in shown]
    if compared:
        agreeing = f"{len(compared) - len(wrong)} of {len(compared)}"
        lines.append(f"closed form: {agreeing} values that theory knows agree with the run")
    reasons: dict[str, list[str]] = {}
    for row in rows:
        if row["expected"] is None and row["metric"] == "latency_mean" and row["why"]:
            reasons.setdefault(row["why"], []).append(row["architecture"])
    every = {row["architecture"] for row in rows}
    for why, names in reasons.items():
        where = list(dict.fromkeys(names))
        told = "" if set(where) == every else f" ({', '.join(where)})"
        lines.append(f"no closed form for latency: {why}{told}")
    return lines


def _once(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of rows that say the same number of the same metric under several scopes, the first."""
    found: dict[tuple[str, str, float], dict[str, Any]] = {}
    for row in rows:
        found.setdefault((row["architecture"], row["metric"], row["simulated"]), row)
    return list(found.values())


def _rank(metric: str) -> int:
    return _FIRST.index(metric) if metric in _FIRST else len(_FIRST)


def _line(row: dict[str, Any]) -> str:
    metric, simulated = row["metric"], numbers.value(row["metric"], _number(row["simulated"]))
    low, high = _number(row["ci_low"]), _number(row["ci_high"])
    interval = ""
    if not (math.isnan(low) or math.isnan(high)) and high > low:
        interval = f" [{numbers.value(metric, low)}, {numbers.value(metric, high)}]"
    expected = numbers.value(metric, _number(row["expected"]))
    name = " ".join(part for part in (row["architecture"], row["scope"], metric) if part)
    bound = "at most " if row["kind"] == "bound" else ""
    model = row["model"] if row["model"] not in ("counting", "fluid") else (row["formula"] or row["model"])
    verdict = "" if row["agrees"] else f": they differ ({row['kind']})"
    return f"closed form: {name} {simulated}{interval}, {model} says {bound}{expected}{verdict}"


def _number(value: float | None) -> float:
    return math.nan if value is None else value
