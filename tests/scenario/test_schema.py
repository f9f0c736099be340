"""The JSON Schema says of files what the loader says, as far as a schema can."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

import sim
from sim.scenario.schema import json_schema

ROOT = Path(__file__).parents[2]
SCENARIOS = sorted((ROOT / "scenarios").rglob("*.yaml"))
VALID = sorted((Path(__file__).parent / "valid").glob("*.yaml"))
INVALID = ROOT / "tests" / "invalid"
STRUCTURAL = [
    "unknown_top",
    "unknown_workload",
    "unknown_arrivals",
    "unknown_effect_key",
    "unknown_architecture_key",
    "unknown_block_key",
    "unknown_fault_key",
    "unknown_outbox_key",
    "missing_sections",
    "missing_arrivals",
    "missing_service",
    "missing_stage_rate",
    "missing_fault_kind",
    "effects_is_a_list",
    "no_effects",
    "no_architectures",
    "unit_missing_duration",
    "unit_missing_rate",
    "unit_missing_service",
    "unit_missing_size",
    "share_out_of_range",
    "count_not_whole",
    "boolean_yes",
    "number_quoted",
    "text_is_a_number",
    "version",
    "choice",
    "copies",
    "poll_of_a_push",
    "reset",
    "partitioner",
    "choice_in_defaults",
    "name_bad",
    "name_all",
    "fault_kind",
    "fault_count_zero",
    "fault_not_a_block",
    "extends_a_list",
    "architecture_kind_missing",
    "architecture_kind_close",
    "architecture_kind_unknown",
    "architecture_not_a_block",
    "architecture_foreign_block",
    "defaults_foreign_block",
    "defaults_foreign_option",
    "per_effect_block",
    "per_effect_of_one_pool",
    "stages_not_a_list",
    "mixture_shape",
    "quantity_key",
    "quantity_distribution",
    "quantity_cv",
    "reserved_top",
    "sweep_scalar",
    "sweep_empty_list",
    "sweep_not_a_block",
    "sweep_range_shape",
    "reserved_workload",
    "reserved_consumers",
    "reserved_profile",
    "expect_is_text",
    "reserved_vendor",
    "reserved_custom",
    "drain",
    "replications",
    "list_at_top",
]


def _problems(text: str) -> list[str]:
    validator = jsonschema.Draft202012Validator(json_schema())
    return [error.message for error in validator.iter_errors(YAML(typ="safe", pure=True).load(text))]


def test_is_a_schema() -> None:
    """It obeys draft 2020-12, and no default in it is a number that JSON cannot write."""
    jsonschema.Draft202012Validator.check_schema(json_schema())
    json.dumps(json_schema(), allow_nan=False)


def test_printed_copy_is_up_to_date() -> None:
    """``scenarios/schema.json`` is what ``sim schema`` prints: run ``make schema``."""
    printed = json.loads((ROOT / "scenarios" / "schema.json").read_text("utf-8"))
    assert printed == json_schema()


@pytest.mark.parametrize("path", [*SCENARIOS, *VALID], ids=lambda path: path.stem)
def test_takes_what_the_loader_takes(path: Path) -> None:
    """A file that loads has no error in an editor."""
    sim.load(path)
    assert not _problems(path.read_text("utf-8"))


@pytest.mark.parametrize("name", STRUCTURAL)
def test_refuses_broken_structure(name: str) -> None:
    """Unknown keys, wrong choices and wrong types show in the editor."""
    assert _problems((INVALID / f"{name}.yaml").read_text("utf-8"))


def test_valid_files_use_every_key() -> None:
    """The valid files together have every key that the schema knows and that is built."""
    used: set[str] = set()
    for path in VALID:
        _collect(YAML(typ="safe", pure=True).load(path.read_text("utf-8")), used)
    known: set[str] = set()
    schema = json_schema()
    for block in (schema, *schema["$defs"].values()):
        for key, value in block.get("properties", {}).items():
            if "not built" not in str(value.get("description")):
                known.add(key)
    assert known - used <= {"late_delete"}


def _collect(value: Any, keys: set[str]) -> None:
    if isinstance(value, dict):
        keys |= set(map(str, value))
        for part in value.values():
            _collect(part, keys)
    elif isinstance(value, list):
        for part in value:
            _collect(part, keys)


def test_every_option_is_explained() -> None:
    """An editor can show a sentence for every option of every block."""
    for name, block in json_schema()["$defs"].items():
        for key, value in block.get("properties", {}).items():
            assert name.startswith("Any") or key == "per_effect" or "description" in value, (name, key)
