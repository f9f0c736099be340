"""What a reader must know before trusting a comparison: the remarks under the table."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from sim.analysis.inference import no_event_bound
from sim.analysis.outcomes import LEAST_MESSAGES
from sim.experiment.archive import keeps_messages
from sim.report import numbers
from sim.report.rows import Values, names

if TYPE_CHECKING:
    from sim.experiment.archive import StudyData

_UNWANTED = ("partial", "failed", "rejected", "dead_lettered", "expired", "lost")


def notes(data: StudyData) -> list[str]:
    """The remarks, the most important first; empty when there is nothing to say."""
    found = [
        *_censored(data),
        *_unsettled(data),
        *_unfaulted(data),
        _few_replications(data),
        _few_messages(data),
        _no_messages(data),
        _unequal_workers(data),
        _precision(data),
        _warmup(data),
        _nothing_seen(data),
        _levels(data),
        _pairing(data),
    ]
    return [text for text in found if text]


def _no_messages(data: StudyData) -> str:
    spills = data.manifest.get("messages_spilled", False)
    if keeps_messages(data.manifest) and not spills:
        return ""
    error = data.manifest["percentiles"]["relative_error"]
    if spills:
        return (
            "Messages went to messages.parquet as they came, since they would not fit into memory: "
            f"percentiles are within {numbers.percent(error)} of themselves, and no pictures of latency and "
            "throughput were made."
        )
    return (
        f"Messages were not kept: percentiles are within {numbers.percent(error)} of themselves, "
        "and there are no pictures of latency and throughput."
    )


def _unequal_workers(data: StudyData) -> str:
    entries = [entry for entry in data.manifest.get("architectures", []) if entry.get("workers")]
    if len({entry["workers"] for entry in entries}) < 2:
        return ""
    totals = ", ".join(f"{entry['name']} {numbers.count(entry['workers'])}" for entry in entries)
    return f"The architectures run unequal numbers of consumers in total: {totals}."


def _censored(data: StudyData) -> list[str]:
    cut: dict[str, int] = {}
    for entry in data.manifest.get("censored", []):
        cut[entry["architecture"]] = cut.get(entry["architecture"], 0) + 1
    total = data.manifest.get("replications", 1)
    return [
        f"{name}: {number} of {total} replications were cut off before everything had drained; "
        "their latencies and maxima are lower bounds."
        for name, number in cut.items()
    ]


def _unsettled(data: StudyData) -> list[str]:
    return [
        f"{name}: no steady state was seen, the warm-up would be over half of the run: make horizon longer."
        for name in data.manifest.get("warmup_rule", {}).get("unsettled", [])
    ]


def _unfaulted(data: StudyData) -> list[str]:
    found: list[str] = []
    for fault in data.manifest.get("faults", []):
        applies = fault.get("applies") or {}
        only = fault.get("only")
        if only:
            found.append(f"{fault['name']} is restricted to {', '.join(only)}.")
        spared = [name for name in names(data) if applies.get(name) is None and name in (only or names(data))]
        if spared:
            target = fault.get("target", "")
            found.append(f"{fault['name']} hits nothing in {', '.join(spared)}: no such part as {target}.")
        fired = fault.get("fired") or {}
        missed = [name for name in names(data) if applies.get(name) is not None and fired.get(name) == 0]
        if missed:
            where = "" if len(missed) == len(applies) else f" in {', '.join(missed)}"
            found.append(f"{fault['name']} never fired{where}: it hit nothing in any replication.")
        total = data.manifest.get("replications", 1)
        seldom = [
            f"{fired[name]} of {total} in {name}" for name in names(data) if 0 < fired.get(name, 0) < total
        ]
        if seldom:
            found.append(f"{fault['name']} hit something in some replications only: {', '.join(seldom)}.")
    return found


def _few_replications(data: StudyData) -> str:
    total = data.manifest.get("replications", 1)
    if total >= 5 or not _is_random(data):
        return ""
    if total < 2:
        return "One replication: no intervals, and differences may be chance."
    return f"Only {total} replications: the intervals are wide."


def _few_messages(data: StudyData) -> str:
    offered = data.summary.loc[(data.summary["metric"] == "offered") & (data.summary["scope"] == ""), "mean"]
    least, needed = float(offered.min()) if len(offered) else math.inf, LEAST_MESSAGES["latency_p99"]
    if least >= needed:
        return ""
    return (
        f"No 99th percentile is told of fewer than {needed:,} messages in a replication; "
        f"here there are about {numbers.count(round(least))}."
    )


def _precision(data: StudyData) -> str:
    stop = data.manifest.get("precision", {})
    if "within" not in stop:
        return ""
    return f"Stopped after {stop['replications']} replications: {stop['why']}."


def _warmup(data: StudyData) -> str:
    rule = data.manifest.get("warmup_rule", {})
    if not rule.get("cuts"):
        return ""
    seconds = numbers.duration(rule["seconds"])
    slowest = max(rule["cuts"], key=lambda name: rule["cuts"][name])
    return f"Warm-up {seconds} ({rule['rule']}; {slowest} needs it longest), taken off everywhere."


def _nothing_seen(data: StudyData) -> str:
    """Zero events are not zero risk."""
    total = data.manifest.get("replications", 1)
    values = Values(data)
    seen = any(values.mean(name, metric) == 0 for name in values.names for metric in _UNWANTED)
    if not seen or total < 2 or not _is_random(data):
        return ""
    bound = numbers.percent(round(no_event_bound(total), 3))
    return (
        f"0 means: in none of {total} replications; the chance that a run has one is at most {bound} (95 %)."
    )


def _levels(data: StudyData) -> str:
    others = len(names(data)) - 1
    if others < 2 or data.manifest.get("replications", 1) < 2:
        return ""
    level = data.manifest.get("comparison_confidence", 0.95)
    return (
        f"Differences are to {data.manifest.get('baseline')}, ~ where their {100 * level:.4g} % interval "
        f"holds zero; the {others} intervals of a row hold together with 95 % (Bonferroni)."
    )


def _pairing(data: StudyData) -> str:
    """What the shared randomness was worth for the mean latency."""
    table = data.comparison
    rows = table[(table["metric"] == "latency_mean") & (table["scope"] == "")]
    columns = (rows["architecture"], rows["variance_ratio"], rows["correlation"])
    told = [
        f"{name} {ratio:.1f} (r {correlation:.2f})"
        for name, ratio, correlation in zip(*columns, strict=True)
        if not math.isnan(ratio)
    ]
    if not told:
        return ""
    return f"Variance ratio of the paired difference in mean latency, 1 is no gain: {', '.join(told)}."


def _is_random(data: StudyData) -> bool:
    """Whether replications can differ; of an old folder that does not say, they can."""
    chance = data.manifest.get("checklist", {}).get("data", {}).get("left_to_chance")
    return chance != "nothing"
