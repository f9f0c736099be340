"""Results of single points, kept so that an interrupted sweep goes on where it stopped.

One JSON file per point in ``points/``, named by the point's key and renamed into place when it is whole, so
that whatever is there can be trusted. The process that ran a point writes it, before anybody is told.
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import json
import math
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.vocabulary import SCHEMA_VERSION, SUMMARY_COLUMNS, Verdict

if TYPE_CHECKING:
    from sim.experiment.archive import StudyData
    from sim.scenario.model import Scenario

FOLDER = "points"


def result_of(key: str, data: StudyData) -> dict[str, Any]:
    """What is kept of a point's study, as plain JSON values."""
    told = data.manifest
    rows = data.summary[list(SUMMARY_COLUMNS)].itertuples(index=False, name=None)
    return {
        "schema_version": SCHEMA_VERSION,
        "key": key,
        "refused": "",
        "summary": [[_plain(cell) for cell in row] for row in rows],
        "verdicts": told["verdicts"],
        "architectures": told["architectures"],
        "replications": told["replications"],
        "censored": sorted({entry["architecture"] for entry in told["censored"]}),
        "seconds": told["horizon"] - told["warmup"],
        "theory": told["theory"],
    }


def refusal_of(key: str, scenario: Scenario, why: str) -> dict[str, Any]:
    """What is kept of a point of which a study says nothing: no values, and every verdict INCONCLUSIVE."""
    nothing = dict.fromkeys(("value", "low", "high", "bound", "share", "risk"))
    verdicts: list[dict[str, Any]] = []
    for each in scenario.expect:
        name = each.left.architecture
        asked = list(scenario.architectures) if name == "all" else [name]
        judged = {"verdict": str(Verdict.INCONCLUSIVE), "why": why, "is_compared": False, **nothing}
        entries = [{"name": name, **judged} for name in asked]
        verdicts.append(
            {"expectation": each.text, "verdict": str(Verdict.INCONCLUSIVE), "architectures": entries}
        )
    return {
        "schema_version": SCHEMA_VERSION,
        "key": key,
        "refused": why,
        "summary": [],
        "verdicts": verdicts,
        "architectures": [
            {"name": name, "kind": design.kind} for name, design in scenario.architectures.items()
        ],
        "replications": 0,
        "censored": [],
        "seconds": scenario.horizon - scenario.counted_from,
        "theory": [],
    }


def store(folder: Path, result: dict[str, Any]) -> None:
    """Keep the result of a point; it appears whole or not at all."""
    points = folder / FOLDER
    points.mkdir(parents=True, exist_ok=True)
    replace(points / f"{result['key']}.json", json.dumps(result, ensure_ascii=False, allow_nan=False) + "\n")


def stored(folder: Path, key: str) -> dict[str, Any] | None:
    """The result of a point if it is there and of this version of the files."""
    try:
        found: dict[str, Any] = json.loads((folder / FOLDER / f"{key}.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return found if (found.get("schema_version"), found.get("key")) == (SCHEMA_VERSION, key) else None


def forget(folder: Path) -> None:
    """Remove the results of all points."""
    shutil.rmtree(folder / FOLDER, ignore_errors=True)


def replace(path: Path, text: str) -> None:
    """Write a file aside and rename it into place."""
    aside = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        aside.write_text(text, encoding="utf-8", newline="\n")
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def _plain(cell: Any) -> Any:
    if isinstance(cell, str):
        return cell
    number = cell.item() if hasattr(cell, "item") else cell
    return None if isinstance(number, float) and math.isnan(number) else number
