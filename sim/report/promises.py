"""Verdicts as lines of text: what was promised, who keeps it and by how much."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sim.report import numbers
from sim.vocabulary import METRICS, ExitCode, Verdict

_CODES = {Verdict.PASS: ExitCode.OK, Verdict.INCONCLUSIVE: ExitCode.INCONCLUSIVE, Verdict.FAIL: ExitCode.FAIL}
_SHOWN = 4
"""Architectures told of one by one; the others are counted."""


def verdict_lines(manifest: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The verdict on each expectation, with the line that a person reads."""
    verdicts: list[dict[str, Any]] = manifest.get("verdicts", [])
    width = max((len(each["expectation"]) for each in verdicts), default=0)
    return [(each["verdict"], f"{each['expectation']:<{width}}  {_because(each)}") for each in verdicts]


def keeps_every_promise(manifest: Mapping[str, Any]) -> str:
    """Which architectures keep all that is promised of them; empty where that says nothing."""
    kept: dict[str, bool] = {}
    for verdict in manifest.get("verdicts", []):
        for entry in verdict["architectures"]:
            is_kept = entry["verdict"] == Verdict.PASS
            kept[entry["name"]] = kept.get(entry["name"], True) and is_kept
    good = [name for name, is_kept in kept.items() if is_kept]
    if len(kept) < 2 or len(good) == len(kept):
        return ""
    if not good:
        return "none keeps every promise"
    return f"only {' and '.join(good)} keep{'s' if len(good) == 1 else ''} every promise"


def exit_code(manifest: Mapping[str, Any]) -> ExitCode:
    """What the verdicts mean for the shell."""
    found = [_CODES[Verdict(each["verdict"])] for each in manifest.get("verdicts", [])]
    return worst_code(found)


def worst_code(codes: Sequence[ExitCode]) -> ExitCode:
    """Of several the worst: 2 > 1 > 99 > 98 > 0."""
    order = (ExitCode.BAD_INPUT, ExitCode.ENVIRONMENT, ExitCode.FAIL, ExitCode.INCONCLUSIVE)
    return next((code for code in order if code in codes), ExitCode.OK)


def _because(verdict: Mapping[str, Any]) -> str:
    """The architectures behind a verdict, those that decide it first."""
    metric = _metric(verdict["expectation"])
    entries: list[Mapping[str, Any]] = verdict["architectures"]
    deciding = [each for each in entries if each["verdict"] == verdict["verdict"]]
    others = [each for each in entries if each["verdict"] != verdict["verdict"]]
    is_single = len(entries) == 1
    if verdict["verdict"] == Verdict.PASS and len(deciding) > 1:
        told = _extremes(deciding, metric, verdict["expectation"])
    else:
        told = "  ".join(_told(each, metric, is_single=is_single) for each in deciding[:_SHOWN])
        told += f"  and {len(deciding) - _SHOWN} more" if len(deciding) > _SHOWN else ""
    rest = "  ".join(_told(each, metric, is_single=False, with_why=False) for each in others[:_SHOWN])
    return f"{told}   | {rest}" if rest else told


def _extremes(entries: Sequence[Mapping[str, Any]], metric: str, text: str) -> str:
    """Where all keep a promise, the one that is nearest to breaking it."""
    known = [each for each in entries if each["value"] is not None]
    if not known or len({each["value"] for each in known}) == 1:
        return "all " + _value(known[0], metric) if known else ""
    is_upper = "<" in text or "==" in text or "~" in text
    pick = max if is_upper else min
    worst = pick(known, key=lambda each: each["value"] if each["share"] is None else each["share"])
    return f"worst {worst['name']} {_value(worst, metric)}"


def _told(entry: Mapping[str, Any], metric: str, *, is_single: bool, with_why: bool = True) -> str:
    name = "" if is_single else f"{entry['name']} "
    interval = ""
    low, high = entry["low"], entry["high"]
    if is_single and low is not None and high is not None and low != high and entry["share"] is None:
        interval = f" [{numbers.value(metric, low)}, {numbers.value(metric, high)}]"
    why = f" ({entry['why']})" if entry["why"] and with_why else ""
    return f"{name}{_value(entry, metric)}{interval}{why}"


def _value(entry: Mapping[str, Any], metric: str) -> str:
    if entry["value"] is None:
        return numbers.NOTHING
    if entry["share"] is not None:
        return numbers.percent(entry["share"])
    risk = entry["risk"]
    bound = "" if risk is None else f" (a run has one with at most {numbers.percent(risk)}, 95 %)"
    return numbers.value(metric, entry["value"]) + bound


def _metric(text: str) -> str:
    """The metric at the left of an expectation."""
    words = "".join(letter if letter.isalnum() or letter in "_." else " " for letter in text).split()
    metric = words[0].rpartition(".")[2]
    assert metric in METRICS
    return metric
