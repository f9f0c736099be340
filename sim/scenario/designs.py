"""Architectures of a scenario, expanded: what they inherit, their defaults, one branch per effect."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from sim.architectures.base import Architecture
from sim.engine.quantities import shown
from sim.scenario.merge import merge
from sim.scenario.model import ARCHITECTURE_TYPES
from sim.scenario.problems import among, meant, needs_block, unknown_key
from sim.scenario.tree import NONE, Branch, Mark
from sim.vocabulary import Problem

CUSTOM = "custom"
"""The kind that is reserved."""


def expand_architectures(tree: Branch, known: list[str], problems: list[Problem]) -> Branch:
    """The tree with every architecture complete; problems are added to the list.

    Args:
        tree: of a scenario.
        known: the effects as the file names them.
        problems: what is wrong.
    """
    architectures = tree.under("architectures")
    defaults = tree.under("defaults")
    problems += _foreign_defaults(tree)
    effects = list(tree.under("effects"))
    complete = Branch()
    for name, body in architectures.items():
        marks = architectures.key_marks[name], architectures.value_marks[name]
        if body == NONE:
            continue
        if not isinstance(body, Branch):
            complete.put(name, body, *marks)
            continue
        inherited = _inherited(name, architectures, [], problems)
        if inherited is None:
            continue
        kind = inherited.get("kind")
        if kind is None and name in ARCHITECTURE_TYPES:
            kind = name
            inherited.put("kind", name, *marks)
        if kind is None:
            problems.append(marks[0].problem(_nameless(name, list(architectures))))
            continue
        if kind == CUSTOM:
            continue  # refused elsewhere
        if isinstance(kind, str) and kind in ARCHITECTURE_TYPES:
            model = ARCHITECTURE_TYPES[kind]
            inherited = merge(_for_kind(defaults, model), inherited)
            problems += _unknown_effects(inherited, effects, known)
            _complete_branches(inherited, model, effects)
        complete.put(name, inherited, *marks)
    expanded = tree.copy()
    expanded.drop("defaults")
    if "architectures" in tree and isinstance(tree["architectures"], Branch):
        expanded.put(
            "architectures", complete, tree.key_marks["architectures"], tree.value_marks["architectures"]
        )
    return expanded


def _inherited(name: str, architectures: Branch, chain: list[str], problems: list[Problem]) -> Branch | None:
    """An architecture merged over what it extends, without ``extends``."""
    body = architectures.get(name)
    own = body.copy() if isinstance(body, Branch) else Branch()
    parent = own.get("extends")
    if parent is None or parent == NONE:
        own.drop("extends")
        if "kind" not in own and name in ARCHITECTURE_TYPES:
            own.put("kind", name, architectures.key_marks[name], architectures.key_marks[name])
        return own
    mark = own.value_marks["extends"]
    own.drop("extends")
    if parent == name or parent in chain:
        problems.append(mark.problem(f"extends goes in a circle: {parent} leads back to {name}"))
        return None
    if not isinstance(parent, str) or not isinstance(architectures.get(parent), Branch):
        known = [other for other in architectures if other != name]
        problems.append(mark.problem(f"no architecture is called {shown(parent)}{meant(str(parent), known)}"))
        return None
    base = _inherited(parent, architectures, [*chain, name], problems)
    return None if base is None else merge(base, own)


def _nameless(name: str, others: list[str]) -> str:
    kinds = list(ARCHITECTURE_TYPES)
    known = ", ".join(kinds)
    return (
        f"architecture {name!r} needs kind (one of {known}) or extends"
        f"{meant(name, [*kinds, *(other for other in others if other != name)])}"
    )


def _for_kind(defaults: Branch, model: type[Architecture]) -> Branch:
    """The defaults whose kind has them."""
    kept = Branch()
    for key, value in defaults.items():
        field = model.model_fields.get(key)
        if field is None or key in ("kind", "per_effect"):
            continue
        if isinstance(value, Branch) and (block := block_model(model, key)) is not None:
            part = Branch()
            for option in value:
                if option in block.model_fields:
                    part.take(option, value)
            if part:
                kept.put(key, part, defaults.key_marks[key], defaults.value_marks[key])
        else:
            kept.take(key, defaults)
    return kept


def _foreign_defaults(tree: Branch) -> list[Problem]:
    """What no kind at all has."""
    problems: list[Problem] = []
    defaults = tree.under("defaults")
    if not isinstance(tree.get("defaults"), Branch | None) and tree["defaults"] != NONE:
        problems.append(tree.value_marks["defaults"].problem(needs_block(tree["defaults"])))
    models = list(ARCHITECTURE_TYPES.values())
    blocks = sorted({key for model in models for key in model.model_fields} - {"kind", "per_effect"})
    for key, value in defaults.items():
        if key not in blocks:
            problems.append(defaults.key_marks[key].problem(unknown_key(key, blocks)))
        elif isinstance(value, Branch):
            options = sorted(
                {
                    option
                    for model in models
                    if (block := block_model(model, key)) is not None
                    for option in block.model_fields
                }
            )
            problems += [
                value.key_marks[option].problem(unknown_key(option, options))
                for option in value
                if options and option not in options
            ]
        elif value is not None and value != NONE and any(block_model(model, key) for model in models):
            problems.append(defaults.value_marks[key].problem(needs_block(value)))
    return problems


def _unknown_effects(design: Branch, effects: list[str], known: list[str]) -> list[Problem]:
    given = design.under("per_effect")
    return [
        given.key_marks[name].problem(f"no effect is called {name!r}{among(name, 'effects', known)}")
        for name in given
        if name not in effects
    ]


def _complete_branches(design: Branch, model: type[Architecture], effects: list[str]) -> None:
    """Give every effect a full branch: the architecture's blocks with what the effect has of its own."""
    if not model.branch_blocks:
        return
    if not isinstance(design.get("per_effect"), Branch | None) and design["per_effect"] != NONE:
        return  # told by the model
    given = design.under("per_effect")
    mark = design.key_marks.get("per_effect") or design.key_marks["kind"]
    full = Branch()
    for effect in effects:
        marks = _marks(given, effect) or (mark, mark)
        own = given.get(effect)
        is_block = isinstance(own, Branch | None) or own == NONE
        full.put(effect, _branch(design, model, given.under(effect), mark) if is_block else own, *marks)
    design.put("per_effect", full, mark, design.value_marks.get("per_effect") or mark)


def _branch(design: Branch, model: type[Architecture], own: Branch, mark: Mark) -> Branch:
    """One effect's blocks: the architecture's, with what the effect has of its own."""
    branch = Branch()
    for block in own:
        if block not in model.branch_blocks:
            branch.take(block, own)
    for block in model.branch_blocks:
        marks = _marks(own, block) or _marks(design, block) or (mark, mark)
        value = own.get(block)
        if isinstance(value, Branch | None):
            value = merge(design.under(block), own.under(block))
        elif value == NONE:
            value = Branch()
        branch.put(block, value, *marks)
    return branch


def _marks(branch: Branch, key: str) -> tuple[Any, Any] | None:
    return (branch.key_marks[key], branch.value_marks[key]) if key in branch else None


def option_names() -> set[str]:
    """Every block and every option that some kind has."""
    names: set[str] = set()
    for model in ARCHITECTURE_TYPES.values():
        for key in model.model_fields:
            block = block_model(model, key)
            names |= {key} if block is None else {key, *block.model_fields}
    return names


def block_model(model: type[Architecture], key: str) -> type[BaseModel] | None:
    """The options of a block of an architecture."""
    field = model.model_fields.get(key)
    annotation = None if field is None else field.annotation
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None
