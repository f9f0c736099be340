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
    return [(each["verdict"], f"{each['expectation']:<{width}}  {because(each)}") for each in verdicts]


def keeps_every_promise(manifest: Mapping[str, Any]) -> str:
    """Which architectures are shown to keep all that is promised of them; empty where that says nothing."""
    found: dict[str, set[str]] = {}
    for verdict in manifest.get("verdicts", []):
        for entry in verdict["architectures"]:
            found.setdefault(entry["name"], set()).add(entry["verdict"])
    good = [name for name, verdicts in found.items() if verdicts == {Verdict.PASS}]
    if len(found) < 2 or len(good) == len(found):
        return ""
    is_certain = all(name in good or Verdict.FAIL in verdicts for name, verdicts in found.items())
    is_one = len(good) < 2
    keeps = f"keep{'s' if is_one else ''}" if is_certain else f"{'is' if is_one else 'are'} shown to keep"
    return f"{'only ' + ' and '.join(good) if good else 'none'} {keeps} every promise"


def exit_code(manifest: Mapping[str, Any]) -> ExitCode:
    """What the verdicts mean for the shell."""
    found = [_CODES[Verdict(each["verdict"])] for each in manifest.get("verdicts", [])]
    return worst_code(found)


def worst_code(codes: Sequence[ExitCode]) -> ExitCode:
    """Of several the worst: 2 > 1 > 99 > 98 > 0."""
    order = (ExitCode.BAD_INPUT, ExitCode.ENVIRONMENT, ExitCode.FAIL, ExitCode.INCONCLUSIVE)
    return next((code for code in order if code in codes), ExitCode.OK)


def because(verdict: Mapping[str, Any]) -> str:
    """The architectures behind a verdict, those that decide it first, and why it is none."""
    text = verdict["expectation"]
    entries: list[Mapping[str, Any]] = verdict["architectures"]
    deciding = [each for each in entries if each["verdict"] == verdict["verdict"]]
    others = [each for each in entries if each["verdict"] != verdict["verdict"]]
    if verdict["verdict"] == Verdict.PASS and len(deciding) > 1:
        told = _extremes(deciding, text)
    else:
        reasons = list(dict.fromkeys(each["why"] for each in deciding))
        is_shared = len(reasons) == 1
        told = ", ".join(
            _told(each, text, is_single=len(entries) == 1, with_why=not is_shared)
            for each in deciding[:_SHOWN]
        )
        told += f" and {len(deciding) - _SHOWN} more" if len(deciding) > _SHOWN else ""
        told += f" ({reasons[0]})" if is_shared and reasons[0] else ""
    rest = ", ".join(_told(each, text, is_single=False, with_why=False) for each in others[:_SHOWN])
    rest += f" and {len(others) - _SHOWN} more" if len(others) > _SHOWN else ""
    return f"{told}   | {rest}" if rest else told


def value_told(entry: Mapping[str, Any], text: str, *, with_interval: bool = False) -> str:
    """What was seen of one architecture.

    Args:
        entry: of a verdict's ``architectures``.
        text: the expectation.
        with_interval: whether the interval is told too.
    """
    return _value(entry, text, with_interval=with_interval)


def _extremes(entries: Sequence[Mapping[str, Any]], text: str) -> str:
    """Where all keep a promise, the one that is nearest to breaking it."""
    known = [each for each in entries if each["value"] is not None]
    if not known or len({each["value"] for each in known}) == 1:
        return "all " + _value(known[0], text) if known else ""
    is_upper = "<" in text or "==" in text or "~" in text
    pick = max if is_upper else min
    worst = pick(known, key=lambda each: each["value"] if each["share"] is None else each["share"])
    return f"worst {worst['name']} {_value(worst, text)}"


def _told(entry: Mapping[str, Any], text: str, *, is_single: bool, with_why: bool) -> str:
    name = "" if is_single else f"{entry['name']} "
    why = f" ({entry['why']})" if entry["why"] and with_why else ""
    return f"{name}{_value(entry, text, with_interval=is_single)}{why}"


def _value(entry: Mapping[str, Any], text: str, *, with_interval: bool = False) -> str:
    """The value of one architecture: as a share where one is promised, beside the bound where it varies."""
    if entry["value"] is None:
        return "no value"
    metric = _metric(text)
    low, high = entry["low"], entry["high"]
    if entry["share"] is None:
        told = numbers.value(metric, entry["value"])
        if with_interval and low is not None and high is not None and low != high:
            told += f" [{numbers.value(metric, low)}, {numbers.value(metric, high)}]"
    else:
        told = numbers.percent(entry["share"])
    if entry["is_compared"] and entry["bound"] is not None:
        told += f" against {numbers.value(metric, entry['bound'])}"
    if entry["risk"] is not None and entry["verdict"] == Verdict.PASS:
        told += f" (the chance of any in a run is at most {numbers.percent(round(entry['risk'], 3))}, 95 %)"
    return told


def _metric(text: str) -> str:
    """The metric at the left of an expectation."""
    words = "".join(letter if letter.isalnum() or letter in "_." else " " for letter in text).split()
    metric = words[0].rpartition(".")[2]
    assert metric in METRICS
    return metric
