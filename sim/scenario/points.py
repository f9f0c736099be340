"""The points of a sweep: one scenario for each combination of its factors' values.

A point is the scenario as if the values were set by ``--set``. Each bears a key: a hash of all that decides
its results, so that a result can be kept and found again. The key is of what the scenario says, not of how
its file looks: comments, the name and the order of files that it extends do not change it, the contents of
its data files do.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any

from sim.scenario.factors import Factor, Level
from sim.scenario.grid import read_vary
from sim.scenario.load import judged
from sim.scenario.merge import cleared
from sim.scenario.model import Scenario
from sim.scenario.overrides import set_value
from sim.scenario.tree import Branch, Mark, Row, Source, twin
from sim.vocabulary import SCHEMA_VERSION, Problem, ScenarioError

_TOLD = 20
"""Of a sweep that is wrong at every point, so many points are told."""
_NO_PART = ("name", "description", "sweep", "counter")
"""Keys that change no result."""


@dataclass(frozen=True)
class Point:
    """One combination of values.

    Attributes:
        levels: a value of each factor, in the order of the factors.
        scenario: with these values.
        key: of all that decides its results.
    """

    levels: tuple[Level, ...]
    scenario: Scenario
    key: str

    @property
    def texts(self) -> tuple[str, ...]:
        """The values as they would stand behind ``--set``."""
        return tuple(level.text for level in self.levels)


@dataclass(frozen=True)
class Grid:
    """A sweep that can be run.

    Attributes:
        scenario: what is varied.
        factors: at least one.
        points: every combination, the last factor changes fastest.
    """

    scenario: Scenario
    factors: tuple[Factor, ...]
    points: tuple[Point, ...]


def grid_of(scenario: Scenario, vary: Sequence[str] | None = None) -> Grid:
    """All points of a scenario's sweep.

    Args:
        scenario: as it was loaded.
        vary: ``path=values`` each, instead of the scenario's own sweep.

    Raises:
        ScenarioError: nothing is varied, or some point is no valid scenario.
    """
    source = scenario.source
    assert source is not None, "a loader made the scenario"
    factors = read_vary(vary, source.path.parent) if vary else scenario.sweep
    if not factors:
        told = "nothing to sweep: write sweep: {path: [values]} or give --vary path=values"
        raise ScenarioError([Problem(str(source.path), 1, 1, told)])
    problems: list[Problem] = []
    points: list[Point] = []
    wrong = 0
    for levels in product(*(factor.levels for factor in factors)):
        try:
            points.append(_point(source, factors, levels))
        except ScenarioError as error:
            problems += _moved(error, factors, levels)
            wrong += 1
            if wrong == _TOLD:
                break
    if problems:
        raise ScenarioError(problems)
    return Grid(scenario, factors, tuple(points))


def _point(source: Source, factors: Sequence[Factor], levels: Sequence[Level]) -> Point:
    tree = twin(source.tree)
    tree.drop("sweep")
    for factor, level in zip(factors, levels, strict=True):
        set_value(tree, factor.path, factor.mark, twin(level.value), level.mark)
    return Point(tuple(levels), judged(Source(tree, source.text, source.path)), _key(tree))


def _moved(error: ScenarioError, factors: Sequence[Factor], levels: Sequence[Level]) -> Iterator[Problem]:
    """Problems of a point at their places in the sweep; what shows elsewhere is told at its last value."""
    own = {(mark.file, mark.line, mark.column) for factor in factors for mark in _columns(factor)}
    own |= {
        (mark.file, mark.line, mark.column) for level in levels for mark in (level.mark, *_marks(level.value))
    }
    pairs = zip(factors, levels, strict=True)
    told = ", ".join(f"{factor.path} = {level.text}" for factor, level in pairs)
    for problem in error.problems:
        if (problem.file, problem.line, problem.column) in own:
            yield problem
        else:
            yield levels[-1].mark.problem(f"with {told}: {problem.message} (line {problem.line})")


def _columns(factor: Factor) -> Iterator[Mark]:
    """Every place within the text of a path."""
    mark = factor.mark
    for offset in range(len(factor.path)):
        yield Mark(mark.file, mark.line, mark.column + offset)


def _marks(value: Any) -> Iterator[Mark]:
    """Every place within a value."""
    if isinstance(value, Branch):
        for key, each in value.items():
            yield value.key_marks[key]
            yield value.value_marks[key]
            yield from _marks(each)
    elif isinstance(value, Row):
        for mark, each in zip(value.marks, value, strict=True):
            yield mark
            yield from _marks(each)


def _key(tree: Branch) -> str:
    said = cleared(tree)
    for key in _NO_PART:
        said.drop(key)
    parts = [_with_data(said), SCHEMA_VERSION, version("messaging-sim")]
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()).hexdigest()


def _with_data(value: Any) -> Any:
    """A value as plain JSON, with the hash of a data file in place of its name."""
    if isinstance(value, Branch):
        return {
            key: hashlib.sha256(Path(each).read_bytes()).hexdigest()
            if key == "file" and isinstance(each, str)
            else _with_data(each)
            for key, each in value.items()
        }
    return [_with_data(each) for each in value] if isinstance(value, Row) else value
