"""``manifest.json``: everything that is needed to repeat a study and to believe it.

Its ``checklist`` follows STRESS-DES (Monks, Currie, Onggo, Robinson, Kunc and Taylor 2019: strengthening the
reporting of empirical simulation studies), filled from the scenario and from what the run found out.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from sim.analysis.folds.histogram import ERROR
from sim.analysis.inference import CONFIDENCE, comparison_confidence
from sim.scenario.chance import random_parts
from sim.scenario.model import Scenario
from sim.vocabulary import SCHEMA_VERSION

if TYPE_CHECKING:
    from sim.experiment.steady import Warmup
    from sim.experiment.study import Run

_PACKAGES = ("messaging-sim", "simpy", "numpy", "pandas", "scipy")


def manifest(
    scenario: Scenario, runs: Sequence[Run], warmup: Warmup, stop: Mapping[str, Any]
) -> dict[str, Any]:
    """Everything but verdicts, theory and wall time.

    Args:
        scenario: with its warm-up in seconds.
        runs: all of them, by architecture and then by replication.
        warmup: how it came about.
        stop: how many replications were run and why no more.
    """
    first = {run.architecture: run for run in runs if run.replication == 0}
    versions = {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}}
    others = len(scenario.architectures) - 1
    return {
        "schema_version": SCHEMA_VERSION,
        "name": scenario.name,
        "description": scenario.description,
        "scenario": scenario.text,
        "scenario_sha256": scenario.sha256,
        "seed": scenario.seed,
        "study": scenario.study,
        "replications": stop["replications"],
        "precision": dict(stop),
        "confidence": CONFIDENCE,
        "comparison_confidence": comparison_confidence(others),
        "indifference": scenario.indifference,
        "messages_per_run": _mean_offered(runs),
        "horizon": scenario.horizon,
        "warmup": warmup.seconds,
        "warmup_rule": warmup.as_dict(),
        "baseline": scenario.baseline,
        "effects": list(scenario.effects),
        "copies": {name: list(names) for name, names in scenario.copies.items()},
        "architectures": [_architecture(scenario, name, run, runs) for name, run in first.items()],
        "faults": [
            fault for name, each in scenario.faults.items() for fault in _fault(name, each.only, first, runs)
        ],
        "censored": [
            {"architecture": run.architecture, "replication": run.replication}
            for run in runs
            if run.is_censored
        ],
        "fingerprints": {
            name: [run.fingerprint for run in runs if run.architecture == name] for name in first
        },
        "verdicts": [],
        "theory": [],
        "checklist": _checklist(scenario, warmup, stop, runs, versions),
        "versions": versions,
    }


def messages_kept(which: str, *, spills: bool = False) -> dict[str, Any]:
    """Of which replications the messages are kept, and where percentiles come from.

    Args:
        which: ``first``, ``all`` or ``none``.
        spills: whether they went to files while runs were measured slice by slice.
    """
    error = ERROR if spills or which == "none" else 0.0
    source = "a histogram over the bits of the values" if error else "every message"
    return {
        "messages_kept": which,
        "messages_spilled": spills,
        "percentiles": {"from": source, "relative_error": error},
    }


def _mean_offered(runs: Sequence[Run]) -> float:
    offered = [run.metrics["offered", ""] for run in runs]
    return sum(offered) / len(offered)


def _architecture(scenario: Scenario, name: str, run: Run, runs: Sequence[Run]) -> dict[str, Any]:
    pools = {pool.name: pool.workers for pool in run.pools}
    mine = [each for each in runs if each.architecture == name]
    parts = (*run.components, *pools)
    return {
        "name": name,
        "kind": scenario.architectures[name].kind,
        "pools": pools,
        "workers": sum(pools.values()),
        "components": list(run.components),
        "path": {part: _path([each.ways.paths[part] for each in mine]) for part in parts},
        "why_processes": {part: why for each in reversed(mine) for part, why in each.ways.reasons.items()},
    }


def _path(paths: Sequence[str]) -> str:
    """The way that a part took in all replications, or in how many of them."""
    if len(set(paths)) == 1:
        return paths[0]
    return f"blocks in {paths.count('blocks')} of {len(paths)} replications, else processes"


def _fault(
    name: str, only: tuple[str, ...] | None, first: Mapping[str, Run], runs: Sequence[Run]
) -> list[dict[str, Any]]:
    """One fault: its windows in replication 0, what it touches, in how many replications it hit anything."""
    found = {run.architecture: fault for run in first.values() for fault in run.faults if fault.name == name}
    if not found:  # it hits none of the architectures
        return []
    any_fault = next(iter(found.values()))
    windows = [
        [start, None if end == float("inf") else end]
        for start, end in zip(any_fault.starts.tolist(), any_fault.ends.tolist(), strict=True)
    ]
    fired = {
        architecture: sum(
            fault.has_fired
            for run in runs
            if run.architecture == architecture
            for fault in run.faults
            if fault.name == name
        )
        for architecture in found
    }
    entry = {
        "name": name,
        "kind": any_fault.kind,
        "target": any_fault.target,
        "scheduled": any_fault.is_scheduled,
        "only": None if only is None else list(only),
        "windows": windows,
        "applies": {architecture: list(fault.components) or None for architecture, fault in found.items()},
        "fired": fired,
    }
    return [entry]


def _checklist(
    scenario: Scenario,
    warmup: Warmup,
    stop: Mapping[str, Any],
    runs: Sequence[Run],
    versions: Mapping[str, str],
) -> dict[str, Any]:
    cut = sum(run.is_censored for run in runs)
    chance = list(
        dict.fromkeys(part for name in scenario.architectures for part in random_parts(scenario, name))
    )
    until = "until empty, at most 10 x horizon" if scenario.drain is None else f"{scenario.drain:g} s"
    return {
        "objectives": {
            "purpose": scenario.description or "not stated",
            "outputs": [each.text for each in scenario.expect] or "the metrics of summary.csv",
            "aims": f"{', '.join(scenario.architectures)} compared with {scenario.baseline}",
        },
        "logic": {
            "base_model": {name: design.kind for name, design in scenario.architectures.items()},
            "scenarios": {name: f"{fault.kind} of {fault.target}" for name, fault in scenario.faults.items()},
            "algorithms": "simpy processes, and blocks that leave the same ledger (see path); "
            "draws attached to (message, effect, attempt)",
            "components": {run.architecture: list(run.components) for run in runs if run.replication == 0},
        },
        "data": {
            "sources": "the scenario text in this manifest, and the files that it names",
            "left_to_chance": chance or "nothing",
            "assumptions": "what each component leaves out is told at the head of its module",
        },
        "experimentation": {
            "initialisation": f"{scenario.workload.backlog} messages wait at 0 s, all workers idle",
            "warmup": f"{warmup.seconds:g} s ({warmup.rule})",
            "run_length": f"arrivals until {scenario.horizon:g} s, then {until}",
            "censored_runs": cut,
            "estimation": f"{stop['replications']} replications: {stop['why']}; Student t, "
            f"{CONFIDENCE:.0%}, paired differences by Bonferroni",
        },
        "implementation": {
            "software": dict(versions),
            "random_sampling": "PCG64, streams keyed by (seed, replication, purpose, entity); common to all "
            f"architectures; seed {scenario.seed}",
            "model_execution": "next event",
            "system": f"{platform.system()} {platform.machine()}",
        },
        "code_access": {"package": f"messaging-sim {versions['messaging-sim']}", "licence": "MIT"},
    }
