"""The ``sweep:`` block and ``--vary``: which paths take which values.

``sweep`` maps paths to a list of values or a range; ``--vary PATH=VALUES`` says the same from outside, where
a list needs no brackets. Whether a value suits its path shows at the points (:mod:`sim.scenario.points`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

from sim.scenario.factors import Factor, Level
from sim.scenario.overrides import Keys, read_path
from sim.scenario.problems import needs_block
from sim.scenario.ranges import EXAMPLE, even_steps, is_range
from sim.scenario.tree import NONE, Branch, Mark, Row, file_path, parse_value
from sim.vocabulary import Problem, ScenarioError

MOST_POINTS = 10_000
_FIXED = {
    "expect": "what is expected is the same at every point",
    "sweep": "a sweep does not vary itself",
    "counter": "a sweep does not vary the counter-case",
    "name": "every point bears the scenario's name",
    "replications": "every point has the same number of replications: use --replications",
}
_VALUES = f"a list of values, such as [8, 12, 16], or a range, such as {EXAMPLE}"


def read_sweep(tree: Branch, folder: Path, problems: list[Problem]) -> tuple[Factor, ...]:
    """The factors of a scenario's ``sweep:`` block; what is wrong with it joins the problems.

    Args:
        tree: of the scenario with what it extends.
        folder: where paths of data files start.
        problems: of the file so far.
    """
    block = tree.get("sweep")
    if block is None or block == NONE:
        return ()
    if not isinstance(block, Branch):
        problems.append(tree.value_marks["sweep"].problem(needs_block(block)))
        return ()
    found = [
        (path, block.key_marks[path], value, block.value_marks[path])
        for path, value in block.items()
        if value is not None and value != NONE
    ]
    try:
        return _factors(found, folder)
    except ScenarioError as error:
        problems += error.problems
        return ()


def read_vary(texts: Sequence[str], folder: Path) -> tuple[Factor, ...]:
    """The factors that ``--vary`` names.

    Args:
        texts: ``path=values`` each; values are a list, with or without brackets, or a range.
        folder: where paths of data files start.

    Raises:
        ScenarioError: every problem, with its column in the text.
    """
    problems: list[Problem] = []
    found: list[tuple[str, Mark, Any, Mark]] = []
    for text in texts:
        shown = f"--vary {text}"
        keys, end = read_path(text, Mark(shown, 1, 1))
        if text[end : end + 1] != "=" or not keys or text[end - 1] == "." or not text[end + 1 :].strip():
            told = "write path=values, for example architectures.stream.consumers=8,12,16"
            problems.append(Mark(shown, 1, end + 1).problem(told))
            continue
        try:
            value = _values(text, end + 1, shown, folder)
        except ScenarioError as error:
            problems += error.problems
            continue
        found.append((text[:end], Mark(shown, 1, 1), value, Mark(shown, 1, end + 2)))
    if problems:
        raise ScenarioError(problems)
    return _factors(found, folder)


def _values(text: str, start: int, shown: str, folder: Path) -> Any:
    """A list or a range; moved to where it stands, so that places come out as those in the text."""
    given = text[start:]
    if given.lstrip().startswith("["):
        return parse_value(" " * start + given, shown, folder)
    if is_range(given):
        return given.strip()
    return parse_value(" " * (start - 1) + f"[{given}]", shown, folder)


def _factors(found: Sequence[tuple[str, Mark, Any, Mark]], folder: Path) -> tuple[Factor, ...]:
    problems: list[Problem] = []
    factors: list[Factor] = []
    paths: list[tuple[Keys, str]] = []
    for text, mark, value, value_mark in found:
        keys, end = read_path(text, mark)
        if not keys or end < len(text):
            told = f"{text!r} is no path: write for example architectures.stream.consumers"
            problems.append(mark.problem(told))
            continue
        if keys[0][0] in _FIXED:
            problems.append(mark.problem(_FIXED[keys[0][0]]))
            continue
        paths.append((keys, text))
        try:
            levels = tuple(_levels(keys, value, value_mark, folder))
        except ScenarioError as error:
            problems += error.problems
            continue
        factors.append(Factor(text, mark, levels))
    problems += _overlaps(paths)
    points = math.prod(len(factor.levels) for factor in factors)
    if points > MOST_POINTS:
        told = f"a sweep of {points:,} points: at most {MOST_POINTS:,} are run"
        problems.append(factors[-1].mark.problem(told))
    if problems:
        raise ScenarioError(problems)
    return tuple(factors)


def _levels(keys: Keys, value: Any, mark: Mark, folder: Path) -> Iterator[Level]:
    """The values of one factor, each at its place."""
    if isinstance(value, Row):
        values, marks = list(value), list(value.marks)
        if not values:
            raise ScenarioError([mark.problem("the list needs at least 1 item")])
    elif isinstance(value, str) and is_range(value):
        try:
            values = even_steps(value)
        except ValueError as error:
            raise ScenarioError([mark.problem(str(error))]) from None
        marks = [mark] * len(values)
    else:
        raise ScenarioError([mark.problem(f"a factor takes {_VALUES}")])
    seen: list[str] = []
    for each, place in zip(values, marks, strict=True):
        is_file = keys[-1][0] == "file" and isinstance(each, str)
        level = Level(
            file_path(folder, str(each), place) if is_file else NONE if each is None else each, place
        )
        if level.text in seen:
            raise ScenarioError([place.problem(f"{level.text} stands twice: every value is one point")])
        seen.append(level.text)
        yield level


def _overlaps(paths: Sequence[tuple[Keys, str]]) -> Iterator[Problem]:
    """Of two factors, one must not set what the other sets."""
    for (first, first_text), (second, text) in combinations(paths, 2):
        length = min(len(first), len(second))
        if [key for key, _ in first[:length]] == [key for key, _ in second[:length]]:
            yield second[0][1].problem(f"{text} and {first_text} set the same values: vary one of them")
