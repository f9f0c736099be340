"""From a file to a scenario: read, inherit, override, expand, validate.

Order: shorthands expand, ``extends`` merges files, ``--set`` changes values, effects of several copies are
written out, architectures inherit from each other and from ``defaults``, branches per effect are completed,
and pydantic judges the result. Every problem
of a file is reported in one pass, at its place.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from sim.components.workload import Arrivals
from sim.scenario.checks import cross_check
from sim.scenario.copies import expand_copies
from sim.scenario.designs import expand_architectures
from sim.scenario.expect import check_expectations, read_expectations
from sim.scenario.grid import read_sweep
from sim.scenario.merge import cleared, expand_shorthands, merge
from sim.scenario.model import Scenario
from sim.scenario.overrides import override, override_by_counter
from sim.scenario.parts import parts_of
from sim.scenario.problems import place, translate
from sim.scenario.reserved import refuse
from sim.scenario.tree import Branch, Mark, Row, Source, file_path, parse, read, twin
from sim.vocabulary import Expectation, Problem, ScenarioError

_ENDING = ("stages", "rates", "trace")
"""Arrivals that end by themselves."""
_NAMED = ("effects", "architectures", "faults")
"""Mappings by name: an empty value under a name is the empty body, except where it extends another one."""


def load(
    path: str | Path,
    overrides: Sequence[str] = (),
    *,
    replications: int | None = None,
    seed: int | None = None,
    counter: bool = False,
) -> Scenario:
    """Load a scenario file.

    Args:
        path: of the YAML file.
        overrides: ``path=value`` each, as after ``--set``.
        replications: instead of the file's.
        seed: instead of the file's.
        counter: set what the file says under ``counter``, with which its expectations must fail.

    Raises:
        ScenarioError: every problem with file, line and column.
    """
    path = Path(path)
    tree, text = read(path, str(path))
    numbers = {"replications": replications, "seed": seed}
    return _finish(tree, text, path, overrides, numbers, is_counter=counter)


def loads(
    text: str,
    overrides: Sequence[str] = (),
    *,
    name: str = "scenario",
    folder: str | Path = ".",
    replications: int | None = None,
    seed: int | None = None,
) -> Scenario:
    """Load a scenario from text.

    Args:
        text: YAML.
        overrides: ``path=value`` each.
        name: used where the text has none, and in messages.
        folder: where paths of files start.
        replications: instead of the text's.
        seed: instead of the text's.

    Raises:
        ScenarioError: every problem with line and column.
    """
    path = Path(folder) / f"{name}.yaml"
    tree = parse(text, path.name, path.parent)
    return _finish(tree, text, path, overrides, {"replications": replications, "seed": seed})


def from_dict(mapping: Mapping[str, Any], *, name: str = "scenario", folder: str | Path = ".") -> Scenario:
    """Load a scenario from what Python has built; the places of problems are those in its JSON.

    Args:
        mapping: as the YAML would be; quantities are text, ``"40ms"``.
        name: used where the mapping has none, and in messages.
        folder: where paths of files start.

    Raises:
        ScenarioError: every problem with line and column of the mapping as indented JSON.
    """
    try:
        text = json.dumps(mapping, indent=2, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ScenarioError([Problem(name, 1, 1, f"not what YAML could hold: {error}")]) from None
    return loads(text, name=name, folder=folder)


def _finish(
    tree: Branch,
    text: str,
    path: Path,
    overrides: Sequence[str],
    numbers: Mapping[str, int | None],
    *,
    is_counter: bool = False,
) -> Scenario:
    tree = _inherit(tree, path, [path.resolve()])
    if is_counter:
        override_by_counter(tree, Mark(str(path), 1, 1))
    override(tree, overrides, path.parent)
    for key, number in numbers.items():
        if number is not None:
            given = Mark(f"--{key}", 1, 1)
            tree.put(key, number, given, given)
    for key in [key for key in tree if key.startswith("x-")]:
        tree.drop(key)
    return judged(Source(tree, text, path))


def judged(source: Source) -> Scenario:
    """The scenario that a tree describes.

    Args:
        source: with what it extends and what is set from outside; nothing of it is changed.

    Raises:
        ScenarioError: every problem with file, line and column.
    """
    tree, path = twin(source.tree), source.path
    mark = Mark(str(path), 1, 1)
    problems = refuse(tree)
    factors = read_sweep(tree, path.parent, problems)
    tree.drop("sweep")
    written = cleared(tree)
    tree, copies = expand_copies(tree, problems)
    tree = expand_architectures(tree, list(written.under("effects")), problems)
    tree = cleared(tree)
    _fill_in(tree, written, path, mark)
    promises, places = _expectations(tree, problems)
    scenario: Scenario | None = None
    try:
        scenario = Scenario.model_validate(tree)
    except ValidationError as error:
        problems += translate(error, tree, mark)
    problems += cross_check(written, tree, copies, scenario, mark)
    if scenario is not None:
        scenario.remember_copies(copies)
    if scenario is not None and promises and not problems:
        parts = {name: parts_of(scenario, name) for name in scenario.architectures}
        asks = scenario.workload.client.poll_status is not None
        promises, wrong = check_expectations(promises, places, parts, scenario.last_fault, asks_status=asks)
        problems += wrong
        scenario = scenario.model_copy(update={"expect": tuple(promises)})
    if problems or scenario is None:
        raise ScenarioError(problems)
    scenario = scenario.model_copy(update={"sweep": factors})
    places = {key: value_mark.problem("") for key, value_mark in tree.value_marks.items()}
    scenario.remember(source, hashlib.sha256(source.text.encode()).hexdigest(), places)
    return scenario


def _expectations(tree: Branch, problems: list[Problem]) -> tuple[list[Expectation], list[Mark]]:
    """Parse ``expect:``, take it out of the tree, and say where its items stand."""
    row = tree.get("expect")
    if not isinstance(row, Row):
        return [], []
    tree.drop("expect")
    return read_expectations(row, list(tree.under("architectures")), problems)


def _inherit(tree: Branch, path: Path, chain: list[Path]) -> Branch:
    """The tree with what it extends; names with nothing behind them get empty bodies."""
    expand_shorthands(tree)
    parent = tree.get("extends")
    if parent is None or parent == "none":
        base = Branch()
    else:
        mark = tree.value_marks["extends"]
        if not isinstance(parent, str):
            raise ScenarioError([mark.problem("extends takes the name of a scenario file")])
        target = path.parent / parent
        file_path(path.parent, parent, mark)
        if target.resolve() in chain:
            raise ScenarioError([mark.problem(f"extends goes in a circle: {parent} leads back here")])
        if not target.is_file():
            raise ScenarioError([mark.problem(f"extends names a file that does not exist: {parent}")])
        found, _ = read(target, str(target))
        base = _inherit(found, target, [*chain, target.resolve()])
        base.drop("name")
    for section in _NAMED:
        named = tree.under(section)
        for name, body in list(named.items()):
            if body is None and name not in base.under(section):
                named.put(name, Branch(), named.key_marks[name], named.key_marks[name])
    tree.drop("extends")
    return merge(base, tree)


def _fill_in(tree: Branch, written: Branch, path: Path, mark: Mark) -> None:
    """Defaults that depend on the rest of the file."""
    if "name" not in tree:
        tree.put("name", path.stem, mark, mark)
    if "baseline" not in tree:
        tree.put("baseline", next(iter(written.under("architectures")), ""), mark, mark)
    if "warmup" not in tree and tree.get("study") == "steady_state":
        tree.put("warmup", "auto", *place(tree, ("study",), mark))
    if "horizon" not in tree:
        arrivals = tree.under("workload").get("arrivals")
        try:
            end = Arrivals.model_validate(arrivals).end
        except ValidationError:  # told elsewhere; whether a horizon is missing cannot be said
            ends = isinstance(arrivals, Branch) and not arrivals.keys().isdisjoint(_ENDING)
            end = 1.0 if ends else None
        if end is not None and not math.isfinite(end):  # told with the times of the file
            end = 1.0
        if end is not None:
            tree.put("horizon", f"{end!r}s", *place(tree, ("workload", "arrivals"), mark))
