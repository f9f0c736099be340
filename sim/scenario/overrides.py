"""Values that are set from outside a file: ``architectures.stream.consumers.count=8``.

An override is a file of one value that extends the scenario: shorthands, deep merging and ``none`` work as
they do there, and only what stands in a list is reached by its index. Its problems have their columns in the
text of the override.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from sim.scenario.merge import expand_shorthands, merge
from sim.scenario.problems import among
from sim.scenario.tree import NONE, Branch, Mark, Row, file_path, parse_value
from sim.vocabulary import Problem, ScenarioError

_SEGMENT = re.compile(r'"([^"]+)"|([^."=\s]+)')
_NAMED = {"effects": "effect", "faults": "fault"}

Keys = list[tuple[str, Mark]]
"""Keys and where each of them stands."""


def override(tree: Branch, overrides: Sequence[str], folder: Path) -> None:
    """Apply every ``path=value`` to a tree, in their order.

    Args:
        tree: of a scenario with what it extends.
        overrides: ``path=value`` each; the value is YAML.
        folder: where paths of data files start.

    Raises:
        ScenarioError: what is wrong with the paths and the values.
    """
    problems: list[Problem] = []
    for text in overrides:
        try:
            path, value, mark = _read(text, folder)
            _applied(tree, path, value, mark)
        except ScenarioError as error:
            problems += error.problems
    if problems:
        raise ScenarioError(problems)


def override_by_counter(tree: Branch, default: Mark) -> None:
    """Set what a scenario's ``counter`` says, which makes its promises fail.

    Args:
        tree: of a scenario with what it extends.
        default: the place of a scenario that has no counter-case.

    Raises:
        ScenarioError: what is wrong with its paths, at their places in the file.
    """
    counter = tree.under("counter")
    problems: list[Problem] = []
    if not counter:
        mark = tree.value_marks.get("counter") or default
        problems.append(mark.problem("no counter-case: the scenario needs counter: {path: value}"))
    for text, value in counter.items():
        mark = counter.key_marks[text]
        try:
            set_value(tree, text, mark, NONE if value is None else value, counter.value_marks[text])
        except ScenarioError as error:
            problems += error.problems
    if problems:
        raise ScenarioError(problems)


def set_value(tree: Branch, text: str, mark: Mark, value: Any, value_mark: Mark) -> None:
    """Set one value of a tree.

    Args:
        tree: of a scenario with what it extends.
        text: the path.
        mark: where the path stands.
        value: as it would stand behind a key; a block may be changed.
        value_mark: where the value stands.

    Raises:
        ScenarioError: the path is none, or leads nowhere.
    """
    path, end = read_path(text, mark)
    if end < len(text):
        raise _wrong(mark, f"{text!r} is no path: write for example architectures.stream.consumers")
    _applied(tree, path, value, value_mark)


def read_path(text: str, mark: Mark) -> tuple[Keys, int]:
    """The keys at the beginning of a text, and where they end."""
    path: Keys = []
    end = 0
    while match := _SEGMENT.match(text, end):
        path.append((match[1] or match[2], Mark(mark.file, mark.line, mark.column + end)))
        end = match.end()
        if text[end : end + 1] != ".":
            break
        end += 1
    return path, end


def _read(text: str, folder: Path) -> tuple[Keys, Any, Mark]:
    shown = f"--set {text}"
    path, end = read_path(text, Mark(shown, 1, 1))
    if text[end : end + 1] != "=" or not path or text[end - 1] == "." or not text[end + 1 :].strip():
        raise _wrong(Mark(shown, 1, end + 1), "write path=value, for example seed=7")
    start = end + 1
    # Moved to where the value stands, so that its places come out as those in the override.
    value = parse_value(" " * start + text[start:], shown, folder)
    mark = Mark(shown, 1, start + 1)
    if path[-1][0] == "file" and isinstance(value, str):
        value = file_path(folder, value, mark)
    return path, NONE if value is None else value, mark


def _applied(tree: Branch, path: Keys, value: Any, mark: Mark) -> None:
    """Set one value in the tree; a block or what stands for it is merged into the one that is there."""
    _check_path(tree, path)
    own = _nested(path, value, mark)
    expand_shorthands(own)
    here: Branch | Row = tree
    for (key, key_mark), (_, next_mark) in pairwise(path):
        below = here[_index(here, key, key_mark)] if isinstance(here, Row) else here.get(key)
        if not isinstance(below, Branch | Row):
            below = Branch()
            if isinstance(here, Row):
                here[_index(here, key, key_mark)] = below
            else:
                here.put(key, below, key_mark, next_mark)
        here, own = below, own.under(key)
    key, key_mark = path[-1]
    if isinstance(here, Row):
        index = _index(here, key, key_mark)
        here[index], here.marks[index] = value, mark
    else:
        here.take(key, merge(here, own))


def _index(row: Row, key: str, mark: Mark) -> int:
    if not (key.isascii() and key.isdigit() and int(key) < len(row)):
        raise _wrong(mark, f"{key!r} is no place in a list of {len(row)}: count from 0")
    return int(key)


def _check_path(tree: Branch, path: Keys) -> None:
    """A path must lead through what is there; where nothing is, it makes blocks, but no effect or fault."""
    section = path[0][0]
    if section == "extends":
        raise _wrong(path[0][1], "extends belongs in a file")
    if section in _NAMED and len(path) > 2 and path[1][0] not in tree.under(section):
        name, mark = path[1]
        known = list(tree.under(section))
        raise _wrong(mark, f"no {_NAMED[section]} is called {name!r}{among(name, section, known)}")
    here: Any = tree
    for (key, _), (_, next_mark) in pairwise(path):
        here = here.get(key) if isinstance(here, Branch) else None
        if isinstance(here, Row):
            return
        if here is not None and here != NONE and here is not True and not isinstance(here, Branch):
            raise _wrong(next_mark, f"there is nothing under {key!r}")


def _nested(path: Keys, value: Any, mark: Mark) -> Branch:
    """A tree with one value."""
    for key, key_mark in reversed(path):
        branch = Branch()
        branch.put(key, value, key_mark, mark)
        value, mark = branch, key_mark
    return value


def _wrong(mark: Mark, message: str) -> ScenarioError:
    return ScenarioError([mark.problem(message)])
