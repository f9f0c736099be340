"""What a sweep varies: factors, and the values that each of them takes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from sim.engine.quantities import parse_count, parse_duration, parse_rate, parse_share, parse_size
from sim.scenario.tree import Mark

_KINDS: tuple[tuple[str, Callable[[Any], float]], ...] = (
    ("count", parse_count),
    ("duration", parse_duration),
    ("rate", parse_rate),
    ("size", parse_size),
    ("share", parse_share),
)


_BARE = re.compile(r"[A-Za-z][\w.]*|[0-9.]+[A-Za-z%/]+")
"""Text that needs no quotes inside brackets."""


@dataclass(frozen=True)
class Level:
    """One value of a factor.

    Attributes:
        value: as the language has it: a number, text with its unit, a block, ``none``.
        mark: where it stands; of a range, where the range stands.
    """

    value: Any
    mark: Mark

    @property
    def text(self) -> str:
        """The value as it would stand behind ``--set``."""
        return self.value if isinstance(self.value, str) else _flow(self.value)


@dataclass(frozen=True)
class Factor:
    """A path of the scenario and the values that it takes.

    Attributes:
        path: as behind ``--set``.
        mark: where it stands.
        levels: in the order of the file, at least one, no two alike.
    """

    path: str
    mark: Mark
    levels: tuple[Level, ...]

    @property
    def kind(self) -> str:
        """``number``, ``duration``, ``rate``, ``size`` or ``share``; empty where values are no numbers."""
        return _measured(self.levels)[0]

    @property
    def numbers(self) -> tuple[float, ...]:
        """Its values in seconds, per second, bytes, as a share or plain; none if they are no numbers."""
        return _measured(self.levels)[1]


def _flow(value: Any) -> str:
    """A value in one line of YAML; text that could be read as something else is quoted."""
    if isinstance(value, dict):
        blocks = cast("dict[str, Any]", value)
        return "{" + ", ".join(f"{_flow(key)}: {_flow(each)}" for key, each in blocks.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_flow(each) for each in cast("list[Any]", value)) + "]"
    if isinstance(value, str) and _BARE.fullmatch(value) and value not in ("true", "false", "null"):
        return value
    return json.dumps(value, ensure_ascii=False)


def _measured(levels: tuple[Level, ...]) -> tuple[str, tuple[float, ...]]:
    values = [level.value for level in levels]
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return "number", tuple(float(value) for value in values)
    for kind, parse in _KINDS:
        try:
            found = tuple(float(parse(value)) for value in values)
        except ValueError:
            continue
        return ("number" if kind == "count" else kind), found
    return "", ()
