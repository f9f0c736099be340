"""From a study's samples to verdicts: gathers for each architecture what a referee would ask."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from sim.analysis.verdict import Evidence, Key, judge
from sim.scenario.chance import can_expire, keys_are_drawn, keys_matter, random_parts
from sim.scenario.model import Scenario


def values_of(samples: pd.DataFrame) -> dict[Key, np.ndarray]:
    """Samples as one array per architecture, metric and scope, a value per replication."""
    ordered = samples.sort_values("replication", kind="stable")
    keys = [ordered[name].to_numpy() for name in ("architecture", "metric", "scope")]
    values: dict[Key, list[float]] = {}
    for architecture, metric, scope, value in zip(*keys, ordered["value"].to_numpy(), strict=True):
        values.setdefault((architecture, metric, scope), []).append(value)
    return {key: np.array(found, dtype=float) for key, found in values.items()}


def watched(scenario: Scenario) -> list[Key]:
    """The metrics that ``precision`` is about: those expected of, save what must hold in every replication.

    Where nothing is expected of an interval, it is the mean latency of each architecture.
    """
    names = list(scenario.architectures)
    found: list[Key] = []
    for expectation in scenario.expect:
        if expectation.op in ("==", "!="):
            continue
        for subject in (expectation.left, expectation.right):
            if subject is not None:
                asked = names if subject.architecture == "all" else [subject.architecture]
                found += [(name, subject.metric, subject.scope) for name in asked]
    return list(dict.fromkeys(found)) or [(name, "latency_mean", "") for name in names]


def judged(scenario: Scenario, samples: pd.DataFrame, manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The verdict on every expectation of a scenario, as it stands in the manifest."""
    if not scenario.expect:
        return []
    values = values_of(samples)
    evidence = {name: _evidence(scenario, name, manifest) for name in scenario.architectures}
    return [judge(expectation, values, evidence) for expectation in scenario.expect]


def _evidence(scenario: Scenario, name: str, manifest: Mapping[str, Any]) -> Evidence:
    warmup = manifest["warmup_rule"]
    return Evidence(
        replications=manifest["replications"],
        censored=sum(entry["architecture"] == name for entry in manifest["censored"]),
        unfired=_unfired(scenario, name, manifest),
        random_parts=random_parts(scenario, name),
        keys_matter=keys_matter(scenario, name),
        keys_drawn=keys_are_drawn(scenario),
        can_expire=can_expire(scenario, name),
        uncounted=_uncounted(scenario, name, manifest),
        imprecise=tuple(
            (metric, scope) for other, metric, scope in manifest["precision"]["missing"] if other == name
        ),
        unsettled="no steady state was seen: the run is too short" if name in warmup["unsettled"] else "",
    )


def _unfired(scenario: Scenario, name: str, manifest: Mapping[str, Any]) -> tuple[str, ...]:
    """Faults meant for an architecture that hit nothing in any of its runs, or that no architecture has."""
    by_name = {fault["name"]: fault for fault in manifest["faults"]}
    found: list[str] = []
    for fault, each in scenario.faults.items():
        if each.only is not None and name not in each.only:
            continue
        entry = by_name.get(fault)
        applies = {} if entry is None else entry["applies"]
        fired = {} if entry is None else entry["fired"]
        has_part = applies.get(name) is not None
        if not fired.get(name) and (has_part or not any(fired.values())):
            found.append(fault)
    return tuple(found)


def _uncounted(scenario: Scenario, name: str, manifest: Mapping[str, Any]) -> tuple[str, ...]:
    """Scheduled faults of an architecture that end within the warm-up, before any message counts."""
    return tuple(
        fault["name"]
        for fault in manifest["faults"]
        if fault["scheduled"]
        and fault["applies"].get(name) is not None
        and all(end is not None and end <= scenario.counted_from for _, end in fault["windows"])
    )
