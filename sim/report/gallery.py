"""The gallery that the README shows: ``python -m sim.report.gallery``, or ``make gallery``.

Runs the scenarios, keeps the pictures that tell their story and their ``summary.csv``, and notes in
``gallery.json`` what they were made from, so that a test can say when they are out of date.
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sim.experiment.replication import run_replication
from sim.report import draw, figures, style
from sim.report.promises import verdict_lines
from sim.report.results import Results
from sim.report.run import run
from sim.scenario.load import load
from sim.scenario.model import Scenario

STUDIES: dict[str, tuple[str, ...]] = {
    "four_approaches": ("diagram", "outcomes", "lag", "latency", "throughput"),
    "golden/f1_consumer_down": ("outcomes", "lag"),
    "golden/f2_sink_rejects": ("outcomes", "lag"),
    "golden/f3_broker_refuses": ("outcomes", "lag"),
    "golden/f4_producer_crash": ("outcomes",),
}
"""Scenarios whose summary is kept, and their pictures."""

CLAIMS: dict[str, str] = {
    "c01_synchronous": "lag",
    "c02_asynchronous": "latency",
    "c03_buffer": "lag",
    "c04_long_jobs": "latency",
    "c05_dependent_tasks": "diagram",
    "c06_retention": "lag",
    "c07_redelivery": "latency",
    "c08_dead_letters": "outcomes",
    "c09_one_broker": "outcomes",
    "c10_two_brokers": "latency",
    "c11_dual_write": "outcomes",
    "c12_write_once": "lag",
    "c13_queue_or_stream": "diagram",
    "c14_partitions": "lag",
    "c15_order": "latency",
    "c16_consumers_and_partitions": "throughput",
    "c17_checkpoints": "lag",
    "c18_pull": "lag",
    "c19_push": "outcomes",
    "c20_broadcast": "latency",
    "c21_push_and_queue": "outcomes",
}
"""The picture that tells most of each claim."""

STAMP = "gallery.json"
_DPI = 100


def make(scenarios: Path, gallery: Path) -> None:
    """Make the gallery anew.

    Args:
        scenarios: where ``four_approaches.yaml``, ``golden`` and ``claims`` lie.
        gallery: what is in it is replaced.
    """
    shutil.rmtree(gallery, ignore_errors=True)
    for name, pictures in STUDIES.items():
        scenario, folder = load(scenarios / f"{name}.yaml"), gallery / Path(name).name
        results = run(scenario)
        folder.mkdir(parents=True)
        for picture in pictures:
            _save(_axes(scenario, results, picture), folder / f"{picture}.png")
        results.summary.to_csv(folder / "summary.csv", index=False, lineterminator="\n")
    (gallery / "claims").mkdir(parents=True)
    verdicts: dict[str, list[str]] = {}
    for name, picture in CLAIMS.items():
        scenario = load(scenarios / "claims" / f"{name}.yaml")
        results = run(scenario)
        _save(_axes(scenario, results, picture), gallery / "claims" / f"{name}.png")
        verdicts[name] = [verdict for verdict, _ in verdict_lines(results.manifest)]
    told = {"made_from": stamp(scenarios), "verdicts": verdicts}
    (gallery / STAMP).write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def stamp(scenarios: Path) -> dict[str, Any]:
    """What the gallery is made from: each scenario's hash, and what its first runs leave."""
    names = [*STUDIES, *(f"claims/{name}" for name in CLAIMS)]
    return {name: _stamp(load(scenarios / f"{name}.yaml")) for name in names}


def _stamp(scenario: Scenario) -> Mapping[str, str]:
    runs = {name: run_replication(scenario, name, 0).fingerprint() for name in scenario.architectures}
    return {"scenario": scenario.sha256, **runs}


def _axes(scenario: Scenario, results: Results, picture: str) -> Any:
    if picture == "diagram":
        return draw.draw(scenario)
    return getattr(figures, picture)(results.data)


def _save(axes: Any, path: Path) -> None:
    """A PNG at the size at which the README shows it."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - heavy

    figure = axes.ravel()[0].get_figure()
    FigureCanvasAgg(figure)
    with style.applied():
        figure.savefig(path, dpi=_DPI, metadata={"Software": None}, pil_kwargs={"optimize": True})


if __name__ == "__main__":
    make(Path("scenarios"), Path("results/gallery"))
