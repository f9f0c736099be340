"""``sim selfcheck`` itself: what it prints, what it returns, and that all is well."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from sim.report.checks import heading, lines, summary
from sim.selfcheck.check import Check, check_case, selfcheck
from sim.selfcheck.tolerance import FAIL, NOT_RUN, PASS
from sim.vocabulary import ExitCode


def sim_selfcheck(*options: str, width: int = 120) -> subprocess.CompletedProcess[str]:
    """The command, in so many columns."""
    environment = {**os.environ, "COLUMNS": str(width)}
    return subprocess.run(
        [sys.executable, "-m", "sim", "selfcheck", *options],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )


def test_the_quick_subset_passes() -> None:
    """Every metric that is run passes; the rest says that it is not in the subset or what it waits for."""
    found = list(selfcheck(quick=True))
    assert [each for each in found if each.verdict == FAIL] == []
    assert sum(each.verdict == PASS for each in found) > 90
    assert all(each.why for each in found if each.verdict == NOT_RUN)


@pytest.mark.slow
def test_all_cases_pass() -> None:
    """Every metric whose feature exists, under its tolerance class."""
    found = list(selfcheck())
    assert [each for each in found if each.verdict == FAIL] == []
    assert sum(each.verdict == PASS for each in found) > 150


def test_the_command_prints_a_line_per_metric() -> None:
    """Case, metric, expected, observed, interval, verdict; then the counts. All in the width."""
    width = 100
    told = sim_selfcheck("--case", "V20,V28,F1", "--jobs", "1", width=width)
    assert told.returncode == 0, told.stderr
    rows = told.stdout.splitlines()
    assert rows[0].split() == ["case", "metric", "expected", "observed", "interval", "verdict"]
    assert any(row.startswith("V20  mean_added_latency_same_timer_s") and "PASS" in row for row in rows)
    assert any(row.startswith("V28") and row.endswith("not run: priority") for row in rows)
    assert rows[-1].startswith("18 PASS, 0 FAIL, 4 not run in ")
    assert max(map(len, rows)) <= width


def test_an_unknown_case_is_bad_input() -> None:
    """The known ones are told."""
    told = sim_selfcheck("--case", "V99")
    assert told.returncode == ExitCode.BAD_INPUT
    assert "no case is called 'V99'; there are V01, V01b" in told.stderr


def test_quick_and_slow_exclude_each_other() -> None:
    """They cannot both be meant."""
    assert sim_selfcheck("--quick", "--slow").returncode == ExitCode.BAD_INPUT


def test_a_failed_check_says_why() -> None:
    """The reason stands below the line."""
    check = Check("V01", "mean_wait_s", 0.4, 0.5, 0.45, 0.55, FAIL, "outside of the interval")
    first, second = lines(check, 100)
    assert first.endswith("FAIL")
    assert "0.45 … 0.55" in first
    assert second.strip() == "outside of the interval"
    assert summary([check], 12.3) == "0 PASS, 1 FAIL, 0 not run in 12 s"


def test_a_failed_check_is_the_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """99 where any metric fails."""
    from typer.testing import CliRunner

    from sim import cli
    from sim.selfcheck import check

    def failing(*_args: object, **_options: object) -> list[Check]:
        return [Check("V01", "mean_wait_s", 0.4, 0.5, 0.45, 0.55, FAIL, "outside of the interval")]

    monkeypatch.setattr(check, "selfcheck", failing)
    assert CliRunner().invoke(cli.app, ["selfcheck"]).exit_code == ExitCode.FAIL


@pytest.mark.parametrize("width", [80, 100, 120])
def test_the_longest_names_fit(width: int) -> None:
    """A name is folded into its column; yes and no are words; what was not run has its reason."""
    name = "dlq_share_constant_40s_service_late_delete_ignored"
    told = lines(Check("V22", name, 1.0, 1.0, 1.0, 1.0, PASS), width)
    assert told[0].startswith("V22  dlq_share_constant_")
    column = [told[0][5 : 5 + max(width - 60, 24)], *told[1:]]
    assert "".join(part.strip() for part in column) == name
    assert max(map(len, (*told, *heading(width)))) <= max(width, 84)
    assert " yes not run: later" in lines(Check("V30", "recovers", True, why="later"), width)[0]  # noqa: FBT003


def test_a_case_can_be_checked_alone() -> None:
    """The entry for tests: one case, in this process, in the order of the file."""
    found = check_case("V31", jobs=1)
    assert [each.metric for each in found] == [
        "backlog_capacity_1000",
        "drains_capacity_1000",
        "backlog_capacity_1500",
        "drain_time_capacity_1500_s",
    ]
    assert {each.verdict for each in found} == {PASS}
    with pytest.raises(ValueError, match="no case is called 'nothing'"):
        check_case("nothing")
