"""Broadcast: an effect with ``copies: N`` written out as N effects, each done by a receiver of its own.

``config: {copies: 3}`` becomes ``config_1``, ``config_2`` and ``config_3``, with own draws, own branches and
own rows. What the file says of ``config`` under ``per_effect`` holds for all of them, what it says of one of
them for that one; the target ``config.sink`` of a fault means all.
"""

from __future__ import annotations

from sim.components.effect import MOST_COPIES
from sim.engine.quantities import parse_count
from sim.scenario.merge import merge
from sim.scenario.tree import Branch
from sim.vocabulary import Problem

Copies = dict[str, tuple[str, ...]]
"""The names of the copies, by the name in the file."""


def expand_copies(tree: Branch, problems: list[Problem]) -> tuple[Branch, Copies]:
    """The tree with every effect of several copies written out, and their names; problems are added."""
    copies: Copies = {}
    effects = tree.under("effects")
    for name, body in effects.branches():
        number = _number(body.get("copies"))
        if number > 1:
            copies[name] = tuple(f"{name}_{copy}" for copy in range(1, number + 1))
    if not copies:
        return tree, copies
    for name, names in copies.items():
        problems += [
            effects.key_marks[taken].problem(
                f"{taken!r} is one of the {len(names)} copies of {name!r}: call this effect something else"
            )
            for taken in names
            if taken in effects
        ]
    expanded = tree.copy()
    _put(expanded, "effects", tree, _written_out(effects, copies))
    architectures = tree.under("architectures").copy()
    for name, body in architectures.branches():
        if not copies.keys().isdisjoint(body.under("per_effect")):
            complete = body.copy()
            _put(complete, "per_effect", body, _written_out(body.under("per_effect"), copies))
            _put(architectures, name, architectures, complete)
    if architectures:
        _put(expanded, "architectures", tree, architectures)
    return expanded, copies


def _number(value: object) -> int:
    """How many copies are asked for; 1 where that is no number of copies, which is told elsewhere."""
    try:
        number = parse_count(value)
    except ValueError:
        return 1
    return number if number <= MOST_COPIES else 1


def _written_out(named: Branch, copies: Copies) -> Branch:
    """A mapping by effect in which what stands under a name holds for all of its copies."""
    own = {copy: named[copy] for names in copies.values() for copy in names if copy in named}
    complete = Branch()
    for name, body in named.items():
        marks = named.key_marks[name], named.value_marks[name]
        if name not in copies:
            if name not in complete:
                complete.put(name, body, *marks)
            continue
        shared = body.copy() if isinstance(body, Branch) else body
        if isinstance(shared, Branch):
            shared.drop("copies")
        for copy in copies[name]:
            special = own.get(copy)
            if isinstance(special, Branch) and isinstance(shared, Branch):
                complete.put(copy, merge(shared, special), named.key_marks[copy], named.value_marks[copy])
            elif copy not in own:
                complete.put(copy, shared, *marks)
            else:
                complete.take(copy, named)
    return complete


def _put(branch: Branch, key: str, old: Branch, value: Branch) -> None:
    """Replace a value in its place."""
    branch.put(key, value, old.key_marks[key], old.value_marks[key])
