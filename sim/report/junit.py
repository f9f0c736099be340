"""Verdicts as JUnit XML, which CI systems show: a suite per scenario, a case per expectation.

PASS is a passed case, FAIL a failure, INCONCLUSIVE an error: the question was not answered. Scenarios without
expectations have one case, which passes when the run ends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from sim.report.promises import because
from sim.vocabulary import Verdict

_TAGS = {Verdict.FAIL: "failure", Verdict.INCONCLUSIVE: "error"}


def write_junit(manifests: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write one file for several studies, in their order."""
    root = ET.Element("testsuites", name="sim")
    for manifest in manifests:
        _suite(root, manifest)
    ET.indent(root)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n")


def _suite(root: ET.Element, manifest: Mapping[str, Any]) -> None:
    verdicts: list[dict[str, Any]] = manifest.get("verdicts", [])
    counts = {tag: sum(each["verdict"] == verdict for each in verdicts) for verdict, tag in _TAGS.items()}
    seconds = float(manifest.get("wall_time_s", 0.0))
    suite = ET.SubElement(
        root,
        "testsuite",
        name=manifest["name"],
        tests=str(max(len(verdicts), 1)),
        failures=str(counts["failure"]),
        errors=str(counts["error"]),
        skipped="0",
        time=f"{seconds:.3f}",
    )
    if not verdicts:
        ET.SubElement(suite, "testcase", classname=manifest["name"], name="runs to its end")
    for verdict in verdicts:
        case = ET.SubElement(suite, "testcase", classname=manifest["name"], name=verdict["expectation"])
        tag = _TAGS.get(Verdict(verdict["verdict"]))
        if tag is not None:
            told = because(verdict)
            ET.SubElement(case, tag, type=verdict["verdict"], message=told).text = told
