"""Promises through the command line: what the shell gets, what is printed, what JUnit reads."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from typer.testing import CliRunner

import sim
from sim.cli import app

BASE = """\
name: promises
replications: {replications}
horizon: 2m
drain: {drain}
workload: {{arrivals: {arrivals}}}
effects: {{db: {service}, index: 20ms}}
architectures:
  dual_brokers: {{consumers: {consumers}}}
  sns_sqs: {{consumers: {consumers}}}
faults:
  outage: {{kind: reject, target: index.sink, at: {at}, duration: 10s}}
{more}
expect:
"""


@dataclass(frozen=True)
class Ran:
    """What a run gave back."""

    code: int
    output: str
    folder: Path
    junit: Path

    @property
    def verdicts(self) -> list[str]:
        """Of the manifest, in the order of the scenario."""
        return [
            each["verdict"] for each in json.loads((self.folder / "manifest.json").read_text())["verdicts"]
        ]


def text(*promises: str, **changes: str) -> str:
    """The scenario with some promises and some values changed."""
    values = {
        "replications": "3",
        "drain": "empty",
        "arrivals": "10/s",
        "service": "20ms",
        "consumers": "2",
        "at": "30s",
        "more": "",
    }
    return BASE.format(**(values | changes)) + "".join(f"  - {promise}\n" for promise in promises)


def run(folder: Path, scenario: str) -> Ran:
    """``sim run FILE --out DIR --junit FILE`` in this process."""
    path, out, junit = folder / "promises.yaml", folder / "out", folder / "ci" / "junit.xml"
    path.write_text(scenario)
    words = ["run", str(path), "--out", str(out), "--jobs", "1", "--junit", str(junit)]
    done = CliRunner().invoke(app, words)
    return Ran(done.exit_code, done.output, out, junit)


KEPT = "all.partial == 0"
BROKEN = "all.complete < 1"


def test_all_promises_kept_is_0(tmp_path: Path) -> None:
    """Every expectation PASS: exit code 0, and a line for each."""
    ran = run(tmp_path, text(KEPT, "dual_brokers.latency_p50 < 1s", "all.complete == 100%"))
    assert (ran.code, ran.verdicts) == (0, ["PASS", "PASS", "PASS"])
    lines = [line for line in ran.output.splitlines() if line.startswith("PASS")]
    assert len(lines) == 3


def test_no_promises_is_0(tmp_path: Path) -> None:
    """Nothing expected, nothing broken."""
    ran = run(tmp_path, text().replace("expect:\n", ""))
    assert (ran.code, ran.verdicts) == (0, [])


def test_a_broken_promise_is_99_and_the_files_are_there(tmp_path: Path) -> None:
    """FAIL: the value and who broke it are printed, and every file is written all the same."""
    ran = run(tmp_path, text(BROKEN))
    assert (ran.code, ran.verdicts) == (99, ["FAIL"])
    assert "FAIL" in ran.output
    assert "dual_brokers 1,178" in ran.output
    for name in ("summary.csv", "comparison.csv", "messages.parquet", "lag.parquet", "outcomes.png"):
        assert (ran.folder / name).stat().st_size > 0
    assert ran.junit.is_file()


@pytest.mark.parametrize(
    ("promise", "changes", "reason"),
    [
        (KEPT, {"at": "90m"}, "fault outage never fired"),
        ("dual_brokers.latency_p50 < 99s", {"at": "90m"}, "fault outage never fired"),
        (KEPT, {"replications": "1"}, "one replication of a random run: arrivals are random"),
        (KEPT, {"drain": "0s", "service": "300ms"}, "3 of 3 replications were cut off"),
        (
            "dual_brokers.latency_mean < 10h",
            {"more": "precision: {within: 0.01%, max_replications: 4}"},
            "reached max_replications before the precision",
        ),
        ("dual_brokers.latency_p99 < 1h", {"arrivals": "2/s"}, "there is no value to judge"),
    ],
    ids=["never fired", "inequality never fired", "one replication", "censored", "cap", "too few messages"],
)
def test_what_cannot_be_judged_is_98(
    tmp_path: Path, promise: str, changes: dict[str, str], reason: str
) -> None:
    """INCONCLUSIVE with its reason, although the numbers alone would do."""
    ran = run(tmp_path, text(promise, **changes))
    assert (ran.code, ran.verdicts) == (98, ["INCONCLUSIVE"])
    flat = " ".join(ran.output.split())
    assert "INCONCLUSIVE" in flat
    assert reason in flat


def test_an_interval_that_straddles_is_98(tmp_path: Path) -> None:
    """A bound at the very mean can neither be kept nor broken."""
    scenario = sim.loads(text().replace("expect:\n", ""))
    mean = sim.run(scenario, jobs=1).value("latency_mean", "dual_brokers")
    ran = run(tmp_path, text(f"dual_brokers.latency_mean < {1000 * mean:.6f}ms"))
    assert (ran.code, ran.verdicts) == (98, ["INCONCLUSIVE"])
    assert "the interval straddles the bound" in " ".join(ran.output.split())


@pytest.mark.parametrize(
    ("promises", "verdicts", "code"),
    [
        ([KEPT, "dual_brokers.latency_p99 ~ 1s ± 99%", BROKEN], ["PASS", None, "FAIL"], 99),
        ([BROKEN, KEPT], ["FAIL", "PASS"], 99),
        ([KEPT, "all.complete ~ 1200 ± 3%"], ["PASS", "INCONCLUSIVE"], 98),
        (["all.complete ~ 1200 ± 3%", BROKEN], ["INCONCLUSIVE", "FAIL"], 99),
    ],
)
def test_of_several_promises_the_worst_counts(
    tmp_path: Path, promises: list[str], verdicts: list[str | None], code: int
) -> None:
    """99 before 98 before 0, in whatever order."""
    ran = run(tmp_path, text(*promises))
    assert ran.code == code
    assert all(wanted in (None, found) for wanted, found in zip(verdicts, ran.verdicts, strict=True))


def test_a_promise_that_cannot_be_read_is_2(tmp_path: Path) -> None:
    """file:line:column and a suggestion; nothing is run or written."""
    ran = run(tmp_path, text(KEPT, "all.partal == 0"))
    assert ran.code == 2
    assert f"{tmp_path / 'promises.yaml'}:15:9: no metric is called 'partal'" in ran.output
    assert "did you mean 'partial'?" in ran.output
    assert not ran.folder.exists()
    assert not ran.junit.exists()


@pytest.mark.parametrize(
    ("promise", "code"), [(KEPT, 0), ("all.latency_p99 < 1", 2), (BROKEN, 99), ("all.late_mean < 1h", 98)]
)
def test_a_process_returns_the_code_to_the_shell(tmp_path: Path, promise: str, code: int) -> None:
    """The same codes from a process of its own."""
    path = tmp_path / "shell.yaml"
    changes = {"at": "90m"} if code == 98 else {}
    path.write_text(text(promise, replications="2", **changes))
    done = subprocess.run(
        [sys.executable, "-m", "sim", "run", str(path), "--out", str(tmp_path / "out"), "--jobs", "1"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_junit_has_a_case_per_promise(tmp_path: Path) -> None:
    """PASS passes, FAIL is a failure, INCONCLUSIVE an error; counts, names and reasons are right."""
    promises = [KEPT, BROKEN, "all.complete ~ 1200 ± 3%", "dual_brokers.index.late >= 0"]
    ran = run(tmp_path, text(*promises))
    assert ran.verdicts == ["PASS", "FAIL", "INCONCLUSIVE", "PASS"]
    root = ET.parse(ran.junit).getroot()  # noqa: S314 - it is our own file
    assert root.tag == "testsuites"
    (suite,) = root
    assert {key: suite.get(key) for key in ("name", "tests", "failures", "errors", "skipped")} == {
        "name": "promises",
        "tests": "4",
        "failures": "1",
        "errors": "1",
        "skipped": "0",
    }
    assert float(suite.get("time", "")) > 0
    assert [case.get("name") for case in suite] == promises
    assert [[child.tag for child in case] for case in suite] == [[], ["failure"], ["error"], []]
    assert "straddles the tolerance" in (suite[2][0].get("message") or "")
    assert "dual_brokers 1,178" in (suite[1][0].get("message") or "")
    assert suite[1][0].get("type") == "FAIL"


def test_junit_of_a_scenario_without_promises_says_that_it_ran(tmp_path: Path) -> None:
    """One case, passed."""
    ran = run(tmp_path, text().replace("expect:\n", ""))
    (suite,) = ET.parse(ran.junit).getroot()  # noqa: S314 - it is our own file
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("1", "0", "0")
    assert [len(case) for case in suite] == [0]


def test_who_keeps_every_promise_is_told(tmp_path: Path) -> None:
    """Where only some do, their names; where it is open, that it is not shown; where all do, nothing."""
    some = run(tmp_path, text("all.dead_lettered == 0", "dual_brokers.complete < 1"))
    assert "only sns_sqs keeps every promise" in some.output
    assert "none keeps every promise" in run(tmp_path, text(BROKEN)).output
    assert "every promise" not in run(tmp_path, text(KEPT)).output
    none = run(tmp_path, text(KEPT, at="90m"))
    assert "none is shown to keep every promise" in none.output


def test_a_reason_that_all_share_is_told_once(tmp_path: Path) -> None:
    """Not behind every architecture."""
    ran = run(tmp_path, text(KEPT, at="90m"))
    flat = " ".join(ran.output.split())
    assert flat.count("(fault outage never fired)") == 1


def test_a_comparison_says_against_what(tmp_path: Path) -> None:
    """Value and bound of a promise about two architectures stand side by side."""
    ran = run(tmp_path, text("dual_brokers.latency_mean <= sns_sqs.latency_mean * 100"))
    line = next(line for line in ran.output.splitlines() if line.startswith("PASS"))
    assert " against " in line


def test_a_fault_that_ends_within_the_warm_up_proves_nothing_of_the_messages(tmp_path: Path) -> None:
    """It fires, but no message counts that met it: INCONCLUSIVE, and not a promise kept."""
    ran = run(tmp_path, text(KEPT, at="5s", more="warmup: 60s"))
    assert (ran.code, ran.verdicts) == (98, ["INCONCLUSIVE"])
    assert "outage: over before the warm-up ends" in " ".join(ran.output.split())
    counted = run(tmp_path, text(KEPT, at="50s", more="warmup: 55s"))
    assert (counted.code, counted.verdicts) == (0, ["PASS"])


def test_a_fault_that_comes_seldom_is_told(tmp_path: Path) -> None:
    """In how many replications it hit anything, where that is not all of them."""
    scenario = text(KEPT, replications="6").replace("at: 30s, duration: 10s", "mean_up: 3m, mean_down: 5s")
    ran = run(tmp_path, scenario)
    fired = json.loads((ran.folder / "manifest.json").read_text())["faults"][0]["fired"]
    assert 0 < fired["sns_sqs"] < 6
    told = f"outage hit something in some replications only: {fired['dual_brokers']} of 6 in dual_brokers"
    assert told in " ".join(ran.output.split())


def test_of_several_files_a_broken_one_is_an_error_for_junit(tmp_path: Path) -> None:
    """The others run, the shell gets 2, and a CI system that reads only JUnit sees it as well."""
    good, bad, junit = tmp_path / "good.yaml", tmp_path / "bad.yaml", tmp_path / "junit.xml"
    good.write_text(text(KEPT))
    bad.write_text(text("all.partal == 0").replace("name: promises", "name: other"))
    words = ["run", str(bad), str(good), "--out", str(tmp_path / "out"), "--junit", str(junit)]
    done = CliRunner().invoke(app, [*words, "--jobs", "1"])
    assert done.exit_code == 2
    assert "1 of 2 PASS" in done.output
    passed, refused = ET.parse(junit).getroot()  # noqa: S314 - it is our own file
    assert (passed.get("name"), passed.get("errors")) == ("promises", "0")
    assert (refused.get("name"), refused.get("errors")) == (str(bad), "1")
    assert "no metric is called 'partal'" in (refused[0][0].get("message") or "")


def test_scenarios_of_the_same_name_do_not_overwrite_each_other(tmp_path: Path) -> None:
    """The second is refused at its name; the first is run and keeps its folder."""
    one, two = tmp_path / "one.yaml", tmp_path / "two.yaml"
    one.write_text(text(KEPT))
    two.write_text(text(BROKEN))
    done = CliRunner().invoke(app, ["run", str(one), str(two), "--out", str(tmp_path / "out"), "--jobs", "1"])
    assert done.exit_code == 2
    flat = " ".join(done.output.split())
    assert "two.yaml:1:7: 'promises' would overwrite the results of" in flat
    found = json.loads((tmp_path / "out" / "promises" / "manifest.json").read_text())["verdicts"]
    assert [each["expectation"] for each in found] == [KEPT]
