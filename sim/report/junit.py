"""Verdicts as JUnit XML, which CI systems show: a suite per scenario, a case per expectation.

PASS is a passed case, FAIL a failure, INCONCLUSIVE an error: the question was not answered. Scenarios without
expectations have one case, which passes when the run ends and is an error where it could not begin.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from sim.report.promises import because
from sim.vocabulary import Verdict

_RUNS = "runs to its end"
_TAGS = {Verdict.FAIL: "failure", Verdict.INCONCLUSIVE: "error"}


def write_junit(
    manifests: Sequence[Mapping[str, Any]], path: Path, refused: Sequence[tuple[str, str]] = ()
) -> None:
    """Write one file for several studies.

    Args:
        manifests: of the studies, in their order.
        path: the file.
        refused: scenarios that could not be run, each with what is wrong; they come last.
    """
    root = ET.Element("testsuites", name="sim")
    for manifest in manifests:
        _suite(root, manifest)
    for name, told in refused:
        suite = ET.SubElement(
            root, "testsuite", name=name, tests="1", failures="0", errors="1", skipped="0", time="0.000"
        )
        case = ET.SubElement(suite, "testcase", classname=name, name=_RUNS)
        ET.SubElement(case, "error", type="refused", message=told).text = told
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
        ET.SubElement(suite, "testcase", classname=manifest["name"], name=_RUNS)
    for verdict in verdicts:
        case = ET.SubElement(suite, "testcase", classname=manifest["name"], name=verdict["expectation"])
        tag = _TAGS.get(Verdict(verdict["verdict"]))
        if tag is not None:
            told = because(verdict)
            ET.SubElement(case, tag, type=verdict["verdict"], message=told).text = told
