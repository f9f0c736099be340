"""What pydantic found wrong, said in the words of the language and at its place in the file."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from sim.scenario.tree import Branch, Mark, Row
from sim.vocabulary import Problem


def meant(word: str, known: Sequence[str]) -> str:
    """``; did you mean 'x'?`` where a known word is close, else nothing."""
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""


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
    for found in error.errors(include_url=False):
        path = found["loc"]
        kind = found["type"]
        context = found.get("ctx", {})
        key_mark, value_mark = place(tree, path, default)
        if kind == "extra_forbidden":
            known = _known_keys(error, tree, path)
            word = str(path[-1])
            listed = f"; known keys: {', '.join(known)}" if known else ""
            problems.append(key_mark.problem(f"unknown key {word!r}{meant(word, known)}{listed}"))
        elif kind == "missing":
            key_mark, _ = place(tree, path[:-1], default)
            inside = f" in {path[-2]!r}" if len(path) > 1 else ""
            hint = " such as horizon: 1h, when arrivals stop" if path == ("horizon",) else ""
            problems.append(key_mark.problem(f"missing key {path[-1]!r}{inside}{hint}"))
        else:
            problems.append(value_mark.problem(_told(kind, found["msg"], context, found.get("input"))))
    return problems


def _told(kind: str, message: str, context: dict[str, Any], value: Any) -> str:
    if kind == "value_error":
        return str(context["error"])
    if kind in ("literal_error", "union_tag_invalid"):
        choices = context.get("expected") or context.get("expected_tags")
        listed = [choice.strip().strip("'") for choice in str(choices).replace(" or ", ", ").split(",")]
        given = context.get("tag", value)
        return f"{given!r} is not one of {', '.join(listed)}{meant(str(given), listed)}"
    if kind == "union_tag_not_found":
        return "missing key 'kind': it says what kind of thing this is"
    if kind in ("model_type", "dict_type", "model_attributes_type"):
        return f"a block of keys is needed here, not {_shown(value)}"
    if kind in ("tuple_type", "list_type"):
        return f"a list is needed here, such as [a, b], not {_shown(value)}"
    if kind == "string_type":
        return f"text is needed here, not {_shown(value)}: put it in quotes"
    if kind == "bool_type" or kind == "bool_parsing":
        return f"{_shown(value)} is neither true nor false"
    if kind in ("float_type", "float_parsing", "int_type", "int_parsing"):
        return f"a number is needed here, not {_shown(value)}"
    limits = {"greater_than": "above", "greater_than_equal": "at least", "less_than": "below"}
    if kind in limits:
        bound = next(iter(context.values()))
        return f"{_shown(value)} is out of range: it must be {limits[kind]} {bound:g}"
    if kind == "string_pattern_mismatch":
        return f"{_shown(value)} is no name: small letters, digits and _, beginning with a letter"
    return message[0].lower() + message[1:]


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "a block of keys"
    return "a list" if isinstance(value, list | tuple) else repr(value)


def _known_keys(error: ValidationError, tree: Branch, path: tuple[str | int, ...]) -> list[str]:
    """The keys that the model at a path has."""
    from sim.scenario.model import Scenario  # noqa: PLC0415 - the model needs nothing of this module

    del error, tree
    model = _model_at(Scenario, path[:-1])
    return [] if model is None else list(model.model_fields)


def _model_at(model: Any, path: Sequence[str | int]) -> type[BaseModel] | None:
    """The model that pydantic validates at a path of its own, tags of unions included."""
    here: Any = model
    for part in path:
        here = _step(here, part)
        if here is None:
            return None
    return here if isinstance(here, type) and issubclass(here, BaseModel) else None


def _step(here: Any, part: str | int) -> Any:
    from typing import Annotated, get_args, get_origin  # noqa: PLC0415

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
