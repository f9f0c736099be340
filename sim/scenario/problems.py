"""What pydantic found wrong, said in the words of the language and at its place in the file."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from sim.engine.quantities import shown
from sim.scenario.model import ARCHITECTURE_TYPES, FAULT_TYPES_BY_KIND, Scenario
from sim.scenario.tree import Branch, Mark, Row
from sim.vocabulary import Problem

_DESIGN_PATH = 4
"""Parts of pydantic's path to a block of an architecture: architectures, name, kind, block."""
_LIMITS = {
    "greater_than": "above",
    "greater_than_equal": "at least",
    "less_than": "below",
    "less_than_equal": "at most",
}


def meant(word: str, known: Sequence[str]) -> str:
    """``: did you mean 'x'?`` where a known word is close, else nothing."""
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f": did you mean {close[0]!r}?" if close else ""


def among(word: str, what: str, known: Sequence[str]) -> str:
    """The known word that is close, and all of them: ``: did you mean 'x'? Known keys: x, y``."""
    hint = meant(word, known)
    listed = f"{what}: {', '.join(known)}"
    return f"{hint} {listed[0].upper()}{listed[1:]}" if hint else f"; {listed}"


def unknown_key(word: str, known: Sequence[str]) -> str:
    """What to say of a key that is not known."""
    return f"unknown key {word!r}{among(word, 'known keys', known)}"


def needs_block(value: Any) -> str:
    """What to say of a value in place of a mapping."""
    hint = ": the booleans are true and false" if value in ("yes", "no", "on", "off") else ""
    return f"a block of keys is needed here, not {shown(value)}{hint}"


def place(tree: Branch, path: Sequence[str | int], default: Mark) -> tuple[Mark, Mark]:
    """Where the key and the value of a path stand; of the nearest enclosing one if they stand nowhere.

    Parts of the path that the file does not have (the tags of pydantic's unions) are passed over.
    """
    here: Any = tree
    found = default, default
    for part in path:
        if isinstance(here, Branch) and isinstance(part, str) and part in here:
            found = here.key_marks[part], here.value_marks[part]
            here = here[part]
        elif isinstance(here, Row) and isinstance(part, int) and part < len(here):
            found = here.marks[part], here.marks[part]
            here = here[part]
    return found


def translate(error: ValidationError, tree: Branch, default: Mark) -> list[Problem]:
    """One problem per error of pydantic."""
    problems: list[Problem] = []
    choices: dict[Mark, dict[str, list[str]]] = {}
    given: dict[Mark, Any] = {}
    for found in error.errors(include_url=False):
        path = found["loc"]
        kind = found["type"]
        context = found.get("ctx", {})
        key_mark, value_mark = place(tree, path, default)
        if kind == "extra_forbidden":
            model = _model_at(path[:-1])
            known = [] if model is None else sorted(model.model_fields, key=lambda key: key != "kind")
            if model is Scenario:
                known += ["extends", "defaults"]
            elif len(path) == _DESIGN_PATH and path[0] == "architectures":
                known.insert(1, "extends")
            problems.append(key_mark.problem(unknown_key(str(path[-1]), known)))
        elif kind == "missing":
            key_mark, _ = place(tree, path[:-1], default)
            hint = ": when arrivals stop, for example horizon: 1h" if path == ("horizon",) else ""
            problems.append(key_mark.problem(f"missing key {str(path[-1])!r}{hint}"))
        elif kind == "literal_error" and path[0] == "architectures":
            choices.setdefault(value_mark, {})[str(path[2])] = _choices(context)
            given[value_mark] = found["input"]
        elif kind == "union_tag_not_found":
            kinds = FAULT_TYPES_BY_KIND if path[0] == "faults" else ARCHITECTURE_TYPES
            problems.append(key_mark.problem(f"missing key 'kind': one of {', '.join(kinds)}"))
        else:
            problems.append(value_mark.problem(_told(kind, found["msg"], context, found.get("input"))))
    problems += [mark.problem(_wrong_choice(given[mark], by_kind)) for mark, by_kind in choices.items()]
    return problems


def _choices(context: dict[str, Any]) -> list[str]:
    listed = str(context.get("expected") or context.get("expected_tags")).replace(" or ", ", ")
    return [choice.strip().strip("'") for choice in listed.split(",")]


def _not_one_of(value: Any, listed: Sequence[str]) -> str:
    if len(listed) == 1:
        return f"{shown(value)} is not known here: write {listed[0]}"
    return f"{shown(value)} is not one of {', '.join(listed)}{meant(str(value), listed)}"


def _wrong_choice(value: Any, by_kind: dict[str, list[str]]) -> str:
    """A choice that some kinds of architecture cannot make, though it stands there for all of them."""
    if len({tuple(listed) for listed in by_kind.values()}) == 1:
        return _not_one_of(value, next(iter(by_kind.values())))
    words = list(dict.fromkeys(word for listed in by_kind.values() for word in listed))
    if meant(str(value), words) and value not in words:
        return _not_one_of(value, words)
    told = "; ".join(f"{kind} takes {', '.join(listed)}" for kind, listed in by_kind.items())
    return f"{shown(value)} does not suit every kind: {told}"


def _told(kind: str, message: str, context: dict[str, Any], value: Any) -> str:
    if kind == "too_short":
        return f"the list needs at least {context['min_length']} item"
    if kind == "value_error":
        return str(context["error"])
    if kind in ("literal_error", "union_tag_invalid"):
        return _not_one_of(context.get("tag", value), _choices(context))
    if kind in ("model_type", "dict_type", "model_attributes_type"):
        return needs_block(value)
    if kind in ("tuple_type", "list_type"):
        return f"a list is needed here, such as [a, b], not {shown(value)}"
    if kind == "string_type":
        return f"text is needed here, not {shown(value)}: put it in quotes"
    if kind == "bool_type":
        return f"{shown(value)} is neither true nor false"
    if kind in ("float_type", "float_parsing", "int_type", "int_parsing"):
        return f"a number is needed here, not {shown(value)}"
    if kind in _LIMITS:
        bound = next(iter(context.values()))
        return f"{shown(value)} is out of range: it must be {_LIMITS[kind]} {bound:g}"
    if kind == "string_pattern_mismatch":
        return f"{shown(value)} is no name: small letters, digits and _, beginning with a letter"
    return message[0].lower() + message[1:]


def _model_at(path: Sequence[str | int]) -> type[BaseModel] | None:
    """The model that pydantic validates at a path of its own, tags of unions included."""
    here: Any = Scenario
    for part in path:
        here = _step(here, part)
        if here is None:
            return None
    bare = [each for each in get_args(here) if each is not type(None)]
    here = bare[0] if len(bare) == 1 else here
    return here if isinstance(here, type) and issubclass(here, BaseModel) else None


def _step(here: Any, part: str | int) -> Any:
    while get_origin(here) is Annotated:
        here = get_args(here)[0]
    if isinstance(here, type) and issubclass(here, BaseModel):
        field = here.model_fields.get(str(part))
        return None if field is None else field.annotation
    arguments = get_args(here)
    if get_origin(here) is dict:
        return arguments[1]
    if get_origin(here) is tuple:
        return arguments[0]
    for option in arguments:  # a union: the part is the tag of one of its members
        if isinstance(option, type) and issubclass(option, BaseModel):
            kind = option.model_fields.get("kind")
            if kind is not None and kind.default == part:
                return option
    bare = [each for each in arguments if each is not type(None)]
    return _step(bare[0], part) if len(bare) == 1 else None
