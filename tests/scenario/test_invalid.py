"""Every file of ``tests/invalid`` is refused with exactly the problems that its last lines foretell."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import sim
from sim.scenario.points import grid_of

FOLDER = Path(__file__).parents[1] / "invalid"
FILES = sorted(FOLDER.glob("*.yaml"))
POINTS = sorted((FOLDER / "points").glob("*.yaml"))
EXPECTED = re.compile(r"^# expect: (\d+):(\d+) (.+)$", re.MULTILINE)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_tells_all_problems_and_no_others(path: Path) -> None:
    """Line, column and message of every problem are those that the file expects, in the order of the file."""
    expected = [
        (int(line), int(column), told) for line, column, told in EXPECTED.findall(path.read_text("utf-8"))
    ]
    assert expected
    with pytest.raises(sim.ScenarioError) as caught:
        sim.load(path)
    problems = caught.value.problems
    assert [(each.line, each.column, each.message) for each in problems] == expected
    assert {each.file for each in problems} == {str(path)}


@pytest.mark.parametrize("path", POINTS, ids=lambda path: path.stem)
def test_tells_what_is_wrong_with_points_of_a_sweep(path: Path) -> None:
    """A scenario that can be run is refused as a sweep, each problem at its place in the ``sweep`` block."""
    expected = [
        (int(line), int(column), told) for line, column, told in EXPECTED.findall(path.read_text("utf-8"))
    ]
    assert expected
    scenario = sim.load(path)
    with pytest.raises(sim.ScenarioError) as caught:
        grid_of(scenario)
    problems = caught.value.problems
    assert [(each.line, each.column, each.message) for each in problems] == expected
    assert {each.file for each in problems} == {str(path)}


def test_there_are_many_of_them() -> None:
    """The folder has not been lost."""
    assert len(FILES) >= 35


@pytest.mark.parametrize("path", FILES + POINTS, ids=lambda path: path.stem)
def test_messages_are_written_for_people(path: Path) -> None:
    """No message has the words of the libraries inside, doubled punctuation or a path of this machine."""
    for _, _, told in EXPECTED.findall(path.read_text("utf-8")):
        assert not re.search(r"pydantic|Branch|Row\b|Mark\(|validation error|[;:,?]\s*[;:,]|\.$", told)
        assert str(FOLDER) not in told
