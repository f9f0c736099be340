"""The JSON Schema of scenario files, for editors: generated from the models that validate them.

A file is looser than the model behind it: shorthands, ``none``, empty bodies, what stands in the file that it
``extends``. Whatever needs two keys at once (at with duration, a target that its kind can hit) is left to
``sim check``.
"""

from __future__ import annotations

import math
from copy import deepcopy
from typing import Any

from pydantic import BaseModel

from sim.scenario.designs import block_model
from sim.scenario.merge import MAIN_KEYS, WORKLOAD_MAIN_KEYS
from sim.scenario.model import ARCHITECTURE_TYPES, FAULT_TYPES_BY_KIND, NAME, Scenario
from sim.scenario.reserved import BLOCKS, CLIENT, DESIGN, TOP, WORKLOAD

Schema = dict[str, Any]

_NAME: Schema = {"pattern": f"^{NAME.pattern}$", "not": {"const": "all"}}
_EXTENDS: Schema = {"type": "string", "description": "What this one starts from; its own keys win."}
_WHOLE = ("Stage",)
"""Models that stand in lists, which nothing is merged into: their required keys are always required."""
_SECONDS = ((86400.0, "d"), (3600.0, "h"), (60.0, "m"), (1.0, "s"), (0.001, "ms"))


def json_schema() -> Schema:
    """The schema of a scenario file, JSON Schema draft 2020-12."""
    model = Scenario.model_json_schema()
    defs: dict[str, Schema] = {
        name: _block(definition, is_whole=name in _WHOLE) for name, definition in model.pop("$defs").items()
    }
    _add_reserved(defs)
    _add_shorthands(defs)
    _explain_blocks(defs)
    top = _block(model)
    properties: Schema = top["properties"]
    defaults, branch = _union(defs)
    defs["Defaults"], defs["AnyBranch"] = defaults, branch
    for kind, architecture in ARCHITECTURE_TYPES.items():
        definition = defs[architecture.__name__]
        definition["properties"] = {
            "kind": {"const": kind, "description": "What it builds."},
            "extends": _or_none(_EXTENDS),
            **{key: value for key, value in definition["properties"].items() if key != "kind"},
            **_reserved(DESIGN),
        }
    for key, reserved in _reserved(TOP).items():
        properties[key] = reserved
    properties["extends"] = _or_none({**_EXTENDS, "description": "Scenario file to start from."})
    properties["defaults"] = _or_none(
        {"$ref": "#/$defs/Defaults", "description": "Options for every architecture whose kind has them."}
    )
    properties["effects"] = _named(properties["effects"], _effect(defs), minProperties=1)
    properties["architectures"] = _architectures(defs, properties["architectures"])
    properties["faults"] = _or_none(_named(properties["faults"], _fault(defs)))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Scenario",
        "description": "One question to the simulator: a workload, its effects, designs and faults.",
        **top,
        "patternProperties": {"^x-": {}},
        "if": {"properties": {"extends": {"enum": [None, "none"]}}},
        "then": _stands_alone(),
        "$defs": dict(sorted(defs.items())),
    }


def _block(definition: Schema, *, is_whole: bool = False) -> Schema:
    """A model's schema as a file may spell it."""
    required: list[str] = definition.get("required", [])
    properties: Schema = {}
    for key, found in definition.get("properties", {}).items():
        value = _spelled({part: each for part, each in found.items() if part != "title"})
        properties[key] = value if is_whole and key in required else _or_none(value)
    block: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    if "description" in definition:
        block["description"] = definition["description"].split("\n\n")[0].replace("\n", " ")
    if is_whole:
        block["required"] = required
    return block


def _spelled(value: Schema) -> Schema:
    """A property with its default as it would stand in a file, and without what pydantic says of ``None``."""
    value = deepcopy(value)
    options = value.get("anyOf")
    if options is not None:
        value["anyOf"] = [option for option in options if option != {"type": "null"}]
    default = value.pop("default", None)
    if isinstance(default, int | float) and not isinstance(default, bool):
        value["default"] = _default(default, is_text="pattern" in str(value) and "integer" not in str(value))
    elif isinstance(default, str | bool):
        value["default"] = default
    return value


def _default(number: float, *, is_text: bool) -> Any:
    if number == math.inf:
        return "unlimited"
    if not is_text:
        return int(number) if number == int(number) else number
    for seconds, unit in _SECONDS:
        if number and number % seconds == 0:
            return f"{number / seconds:g}{unit}"
    return f"{number * 1000:g}ms" if number else "0s"


def _or_none(value: Schema) -> Schema:
    """A value that may be absent: ``none``, or nothing behind the colon."""
    kept = {key: value[key] for key in ("description", "default") if key in value}
    bare = {key: each for key, each in value.items() if key not in kept}
    options = bare["anyOf"] if list(bare) == ["anyOf"] else [bare]
    absent = [option for option in ({"enum": ["none", None]},) if option not in options]
    return {**kept, "anyOf": [*options, *absent]}


def _reserved(keys: dict[str, tuple[Any, ...]]) -> dict[str, Schema]:
    """What the language reserves: only values that ask for nothing."""
    return {
        key: {
            "description": "Part of the language, not built yet.",
            "enum": [[], {}, *harmless],
        }
        for key, harmless in keys.items()
    }


def _add_reserved(defs: dict[str, Schema]) -> None:
    defs["Workload"]["properties"] |= _reserved(WORKLOAD)
    defs["Client"]["properties"] |= _reserved(CLIENT)
    for block, keys in BLOCKS.items():
        for options in _options(block):
            defs[options.__name__]["properties"] |= _reserved(keys)


def _explain_blocks(defs: dict[str, Schema]) -> None:
    """What stands for a block is described as the block is."""
    for definition in defs.values():
        for value in definition.get("properties", {}).values():
            for option in value.get("anyOf", []):
                about = defs.get(option.get("$ref", "").rpartition("/")[2], {})
                if "description" in about:
                    value.setdefault("description", about["description"])


def _options(block: str) -> list[type[BaseModel]]:
    """The models that the kinds have for a block."""
    found = (block_model(model, block) for model in ARCHITECTURE_TYPES.values())
    return list(dict.fromkeys(model for model in found if model is not None))


def _add_shorthands(defs: dict[str, Schema]) -> None:
    """A scalar in place of a block, wherever the block stands."""
    for definition in defs.values():
        properties = definition.get("properties", {})
        for block, key in (MAIN_KEYS | WORKLOAD_MAIN_KEYS).items():
            options = properties.get(block, {}).get("anyOf", [])
            for reference in [option["$ref"] for option in options if "$ref" in option]:
                main = defs[reference.rpartition("/")[2]]["properties"][key]
                options[:0] = [option for option in main["anyOf"] if "enum" not in option]
    defs["ProducerOptions"]["properties"]["outbox"]["anyOf"].insert(0, {"type": "boolean"})


def _union(defs: dict[str, Schema]) -> tuple[Schema, Schema]:
    """What some kind takes: as an architecture (the defaults), and as one effect's branch."""
    blocks: dict[str, Schema] = {}
    for model in ARCHITECTURE_TYPES.values():
        for key, value in defs[model.__name__]["properties"].items():
            if key not in ("kind", "per_effect"):
                blocks[key] = _either(blocks.get(key), value)
    for block in BLOCKS:
        properties: dict[str, Schema] = {}
        for options in _options(block):
            for key, value in defs[options.__name__]["properties"].items():
                properties[key] = _either(properties.get(key), value)
        name = f"Any{block.title()}"
        about = {
            "description": min((defs[each.__name__]["description"] for each in _options(block)), key=len)
        }
        defs[name] = {**about, "type": "object", "properties": properties, "additionalProperties": False}
        rest = [option for option in blocks[block]["anyOf"] if "$ref" not in option]
        blocks[block] = {**about, "anyOf": [{"$ref": f"#/$defs/{name}"}, *rest]}
    inner = sorted({block for model in ARCHITECTURE_TYPES.values() for block in model.branch_blocks})
    branch = {block: blocks[block] for block in inner}
    closed = {"type": "object", "additionalProperties": False}
    return {**closed, "properties": {**blocks, **_reserved(DESIGN)}}, {**closed, "properties": branch}


def _either(first: Schema | None, second: Schema) -> Schema:
    if first is None or first == second:
        return second
    if "enum" in first or "enum" in second:
        return first
    options: list[Schema] = [*first["anyOf"]]
    options += [option for option in second["anyOf"] if option not in options]
    return {"anyOf": options}


def _named(found: Schema, body: Schema, **more: Any) -> Schema:
    """A mapping by name."""
    description = {"description": found["description"]} if "description" in found else {}
    return {
        **description,
        "type": "object",
        "propertyNames": _NAME,
        "additionalProperties": body,
        **more,
    }


def _effect(defs: dict[str, Schema]) -> Schema:
    service = defs["EffectOptions"]["properties"]["service"]
    text = next(option for option in service["anyOf"] if option.get("type") == "string")
    return _or_none({"anyOf": [text, {"$ref": "#/$defs/EffectOptions"}]})


def _fault(defs: dict[str, Schema]) -> Schema:
    properties: dict[str, Schema] = {}
    for kind, model in FAULT_TYPES_BY_KIND.items():
        definition = defs[model.__name__]
        definition["properties"]["kind"] = {"const": kind, "description": "How the part fails."}
        properties |= definition["properties"]
    properties["kind"] = {"enum": list(FAULT_TYPES_BY_KIND), "description": "How the part fails."}
    defs["AnyFault"] = {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "allOf": [_when_kind(kind, model.__name__) for kind, model in FAULT_TYPES_BY_KIND.items()],
    }
    return _or_none({"$ref": "#/$defs/AnyFault"})


def _when_kind(kind: str, name: str) -> Schema:
    condition = {"required": ["kind"], "properties": {"kind": {"const": kind}}}
    return {"if": condition, "then": {"$ref": f"#/$defs/{name}"}}


def _architectures(defs: dict[str, Schema], found: Schema) -> Schema:
    kinds = list(ARCHITECTURE_TYPES)
    defs["AnyArchitecture"] = {
        "type": "object",
        "properties": {
            "kind": {"enum": kinds, "description": "What it builds; not needed where the name says it."},
            "extends": _or_none(_EXTENDS),
            **defs["Defaults"]["properties"],
            "per_effect": _or_none(
                _named(
                    {"description": "Any block, one effect's branch."},
                    _or_none({"$ref": "#/$defs/AnyBranch"}),
                )
            ),
        },
        "additionalProperties": False,
        "allOf": [_when_kind(kind, model.__name__) for kind, model in ARCHITECTURE_TYPES.items()],
    }
    for model in ARCHITECTURE_TYPES.values():
        properties = defs[model.__name__]["properties"]
        if "per_effect" in properties:
            (inner,) = (each for each in properties["per_effect"]["anyOf"] if each.get("type") == "object")
            inner["propertyNames"] = _NAME
            inner["additionalProperties"] = _or_none(inner["additionalProperties"])
    by_name: Schema = {}
    for kind, model in ARCHITECTURE_TYPES.items():
        own: Schema = {
            "if": {"type": "object", "not": {"anyOf": [{"required": ["kind"]}, {"required": ["extends"]}]}},
            "then": {"$ref": f"#/$defs/{model.__name__}"},
            "else": _or_none({"$ref": "#/$defs/AnyArchitecture"}),
        }
        by_name[kind] = {"description": defs[model.__name__]["description"], **own}
    body = _or_none({"$ref": "#/$defs/AnyArchitecture"})
    return _named(found, body, properties=by_name, minProperties=1)


def _stands_alone() -> Schema:
    """What a file must have that extends no other."""
    has_a_kind = {"anyOf": [{"required": ["kind"]}, {"required": ["extends"]}]}
    block = {"type": "object"}
    return {
        "required": ["workload", "effects", "architectures"],
        "properties": {
            "workload": {**block, "required": ["arrivals"]},
            "effects": {
                **block,
                "additionalProperties": {"if": block, "then": {"required": ["service"]}},
            },
            "architectures": {
                "properties": {kind: {} for kind in ARCHITECTURE_TYPES},
                "additionalProperties": {"if": {"const": "none"}, "else": {**block, **has_a_kind}},
            },
            "faults": {"additionalProperties": {"if": block, "then": {"required": ["kind", "target"]}}},
        },
    }
