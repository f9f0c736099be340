"""Quantities with units: text such as ``4d`` or ``200/s`` in, seconds, messages per second and bytes out.

The grammar is small and our own: the unit libraries tried read ``5m`` as metres, ``100k`` as Boltzmann
constants or ``30S`` as siemens, and take half a second to import. Units stop here: everywhere else in the
project a time is a float in seconds, a size a float in bytes, a rate a float per second.
"""

from __future__ import annotations

import math
import re
from typing import Annotated, Any, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, GetCoreSchemaHandler, WithJsonSchema
from pydantic_core import CoreSchema

_NUMBER = r"[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"
_SECONDS = {
    **dict.fromkeys(("us", "µs"), 1e-6),
    **dict.fromkeys(("ms", "millisecond", "milliseconds"), 1e-3),
    **dict.fromkeys(("s", "sec", "second", "seconds"), 1.0),
    **dict.fromkeys(("m", "min", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hour", "hours"), 3600.0),
    **dict.fromkeys(("d", "day", "days"), 86400.0),
    **dict.fromkeys(("w", "week", "weeks"), 604800.0),
}
_BYTES = {
    **dict.fromkeys(("B", "byte", "bytes"), 1.0),
    **{f"{prefix}B": 1000.0**power for power, prefix in enumerate(("k", "M", "G", "T"), start=1)},
    **{f"{prefix}iB": 1024.0**power for power, prefix in enumerate(("K", "M", "G", "T"), start=1)},
    "KB": 1000.0,
}
_MULTIPLES = {"": 1.0, "k": 1e3, "M": 1e6}
_ISO = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:([\d.]+)S)?)?")
_PART = re.compile(rf"\s*({_NUMBER})\s*([a-zA-Zµ]+)")
UNLIMITED = math.inf


def _make_scalars_strict(schema: Any) -> None:
    if isinstance(schema, list | tuple):
        for each in cast("list[Any]", schema):
            _make_scalars_strict(each)
    elif isinstance(schema, dict):
        parts = cast("dict[str, Any]", schema)
        if parts.get("type") in ("bool", "float"):
            parts["strict"] = True
        for part in parts.values():
            _make_scalars_strict(part)


class Block(BaseModel):
    """A mapping of the scenario language: unknown keys are errors, nothing changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=True)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """``yes`` is no boolean, ``true`` and ``"3"`` are no numbers."""
        schema = handler(source)
        _make_scalars_strict(schema)
        return schema


def shown(value: Any) -> str:
    """A value as a message about it shows it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a block of keys"
    return "a list" if isinstance(value, list | tuple) else repr(cast("object", value))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def parse_duration(value: Any) -> float:
    """Seconds of ``500ms``, ``30s``, ``5m`` (minutes), ``1h30m``, ``4 days`` or ``PT30S``.

    Raises:
        ValueError: when the unit is missing or unknown; the text names what would be right.
    """
    if _is_number(value):
        raise ValueError(f"a duration needs a unit: write {value}s, {value}ms or {value}m (minutes)")
    text = value.strip() if isinstance(value, str) else ""
    iso = _ISO.fullmatch(text)
    if iso and any(iso.groups()):
        days, hours, minutes, seconds = (float(part or 0) for part in iso.groups())
        return days * 86400 + hours * 3600 + minutes * 60 + seconds
    position, total = 0, 0.0
    while position < len(text):
        part = _PART.match(text, position)
        if part is None:
            break
        unit = part[2]
        if unit not in _SECONDS:
            raise ValueError(f"unknown unit {unit!r} of a duration: use ms, s, m (minutes), h, d or w")
        total += float(part[1]) * _SECONDS[unit]
        position = part.end()
    if not text or position < len(text):
        if re.fullmatch(_NUMBER, text):
            raise ValueError(f"a duration needs a unit: write {text}s, {text}ms or {text}m (minutes)")
        raise ValueError(f"{shown(value)} is not a duration: write for example 500ms, 30s, 5m, 1h30m or 4d")
    if total == math.inf:
        raise ValueError(f"{shown(value)} is too long: no clock can count it")
    return total


def parse_rate(value: Any) -> float:
    """Events per second of ``200/s`` or ``12k/min``.

    Raises:
        ValueError: when the unit is missing or unknown.
    """
    if _is_number(value):
        raise ValueError(f"a rate needs a unit: write {value}/s or {value}/min")
    text = value.strip() if isinstance(value, str) else ""
    match = re.fullmatch(rf"({_NUMBER})\s*([kM]?)\s*/\s*([a-z]+)", text)
    if match is None and re.fullmatch(_NUMBER, text):
        raise ValueError(f"a rate needs a unit: write {text}/s or {text}/min")
    if match is None:
        raise ValueError(f"{shown(value)} is not a rate: write for example 200/s or 12k/min")
    if match[3] not in _SECONDS:
        raise ValueError(f"unknown unit {match[3]!r} of a rate: use /s, /min, /h or /d")
    return float(match[1]) * _MULTIPLES[match[2]] / _SECONDS[match[3]]


def parse_size(value: Any) -> float:
    """Bytes of ``512B``, ``2KiB`` or ``1MB``.

    Raises:
        ValueError: when the unit is missing or unknown.
    """
    if _is_number(value):
        raise ValueError(f"a size needs a unit: write {value}B, {value}KiB or {value}kB")
    text = value.strip() if isinstance(value, str) else ""
    match = re.fullmatch(rf"({_NUMBER})\s*([a-zA-Z]+)", text)
    if match is None or match[2] not in _BYTES:
        raise ValueError(f"{shown(value)} is not a size: write for example 512B, 2KiB or 1MB")
    return float(match[1]) * _BYTES[match[2]]


def parse_share(value: Any) -> float:
    """A share between 0 and 1 of ``2%`` or ``0.02``.

    Raises:
        ValueError: when it is no number or outside 0 to 1.
    """
    share = math.nan
    if _is_number(value):
        share = float(value)
    elif isinstance(value, str) and (match := re.fullmatch(rf"\s*({_NUMBER})\s*%\s*", value)):
        share = float(match[1]) / 100
    if not 0 <= share <= 1:
        raise ValueError(f"{shown(value)} is not a share: write for example 2%, or a number from 0 to 1")
    return share


def parse_count(value: Any) -> int:
    """A whole number of ``8``, ``50k`` or ``2M``.

    Raises:
        ValueError: when it is not a whole number of at least 0.
    """
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    number = math.nan
    if _is_number(value):
        number = float(value)
    elif isinstance(value, str) and (match := re.fullmatch(rf"\s*({_NUMBER})\s*([kM])\s*", value)):
        number = float(match[1]) * _MULTIPLES[match[2]]
    if not (math.isfinite(number) and number >= 0 and number == int(number)):
        raise ValueError(f"{shown(value)} is not a count: write a whole number such as 8 or 50k")
    return int(number)


def _unlimited_or(parse: Any) -> Any:
    def either(value: Any) -> float:
        if value == "unlimited":
            return UNLIMITED
        try:
            return float(parse(value))
        except ValueError as error:
            raise ValueError(f"{error}; or unlimited") from None

    return either


def _none_or(parse: Any) -> Any:
    def either(value: Any) -> float | None:
        return None if value is None or value == "none" else float(parse(value))

    return either


def _schema(pattern: str, example: str, *extra: str) -> WithJsonSchema:
    text: dict[str, Any] = {"type": "string", "pattern": pattern, "examples": [example]}
    return WithJsonSchema({"anyOf": [text, {"enum": list(extra)}]} if extra else text)


_DURATION_PATTERN = r"^(P(?=.)[0-9DTHMS.]+|(\s*[0-9.]+(e[+-]?[0-9]+)?\s*[a-zµ]+)+)$"
_COUNT_SCHEMA: dict[str, Any] = {
    "anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": r"^[0-9.]+[kM]$"}]
}

Duration = Annotated[float, BeforeValidator(parse_duration), _schema(_DURATION_PATTERN, "30s")]
DurationOrNone = Annotated[
    float | None, BeforeValidator(_none_or(parse_duration)), _schema(_DURATION_PATTERN, "30s", "none")
]
DurationOrUnlimited = Annotated[
    float, BeforeValidator(_unlimited_or(parse_duration)), _schema(_DURATION_PATTERN, "4d", "unlimited")
]
Rate = Annotated[
    float, BeforeValidator(parse_rate), _schema(r"^[0-9.]+(e[+-]?[0-9]+)?\s*[kM]?\s*/\s*[a-z]+$", "200/s")
]
Share = Annotated[
    float,
    BeforeValidator(parse_share),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "minimum": 0, "maximum": 1},
                {"type": "string", "pattern": r"^[0-9.]+\s*%$"},
            ]
        }
    ),
]
Count = Annotated[int, BeforeValidator(parse_count), WithJsonSchema(_COUNT_SCHEMA)]
CountOrUnlimited = Annotated[
    float,
    BeforeValidator(_unlimited_or(parse_count)),
    WithJsonSchema({"anyOf": [*_COUNT_SCHEMA["anyOf"], {"const": "unlimited"}]}),
]
