"""A scenario: the whole question of one YAML file, as a frozen tree.

This module only assembles what the rooms below define (workload, effects, architectures, faults) and checks
what concerns several of them at once. How a file becomes this tree is told in :mod:`sim.scenario.load`.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PrivateAttr, TypeAdapter, WithJsonSchema

from sim.architectures.base import Architecture
from sim.architectures.dual_brokers import DualBrokers
from sim.architectures.pubsub import PubSub
from sim.architectures.single_broker import SingleBroker
from sim.architectures.sns_sqs import SnsSqs
from sim.architectures.stream import Stream
from sim.architectures.synchronous import Synchronous
from sim.components.effect import EffectOptions
from sim.components.faults import FAULT_TYPES, AnyFault, Fault
from sim.components.workload import Workload
from sim.engine.quantities import Block, Count, Duration, parse_duration
from sim.vocabulary import ARCHITECTURE_KINDS

AnyArchitecture = Annotated[
    Synchronous | SingleBroker | DualBrokers | Stream | PubSub | SnsSqs, Field(discriminator="kind")
]
ARCHITECTURE_TYPES: dict[str, type[Architecture]] = dict(
    zip(ARCHITECTURE_KINDS, (Synchronous, SingleBroker, DualBrokers, Stream, PubSub, SnsSqs), strict=True)
)
FAULT_TYPES_BY_KIND: dict[str, type[Fault]] = {
    model.model_fields["kind"].default: model for model in FAULT_TYPES
}

NAME = re.compile(r"[a-z][a-z0-9_]*")
DRAIN_FACTOR = 10
"""A run that drains until it is empty is cut off at so many horizons."""


def _drain(value: Any) -> float | None:
    if value is None or value == "empty":
        return None
    try:
        return parse_duration(value)
    except ValueError as error:
        raise ValueError(f"{error}; or drain: empty") from None


_DRAIN_SCHEMA = WithJsonSchema({"anyOf": [{"const": "empty"}, TypeAdapter(Duration).json_schema()]})


class Scenario(Block):
    """The question: a workload, the effects it must cause, the designs to compare and what goes wrong."""

    version: Literal[1] = 1
    """Version of the language."""
    name: str
    """Text; its slug names the output folder. Default: the file's stem."""
    description: str = ""
    """The question in words."""
    seed: Count = 0
    """Of all random streams."""
    study: Literal["incident"] = "incident"
    """Fixed start, scripted faults, ends drained."""
    horizon: Annotated[Duration, Field(gt=0)]
    """When arrivals stop. Default: the end of the stages or of the file."""
    warmup: Duration = 0.0
    """Messages published earlier are not counted."""
    drain: Annotated[float | None, BeforeValidator(_drain), _DRAIN_SCHEMA] = None
    """How long the run may go on after the horizon; None: until empty, at most 10 x horizon."""
    replications: Annotated[Count, Field(ge=1)] = 20
    """Independent runs of each architecture."""
    baseline: str
    """The architecture that the others are compared with. Default: the first."""
    workload: Workload
    """What the callers send."""
    effects: dict[str, EffectOptions]
    """What every message must cause, in the order in which a shared worker does it."""
    architectures: dict[str, AnyArchitecture]
    """The designs to compare."""
    faults: dict[str, AnyFault] = {}
    """What goes wrong."""

    _text: str = PrivateAttr(default="")
    _sha256: str = PrivateAttr(default="")
    _copies: dict[str, tuple[str, ...]] = PrivateAttr(default_factory=dict[str, tuple[str, ...]])

    def remember(self, text: str, sha256: str, copies: dict[str, tuple[str, ...]]) -> None:
        """Keep the text that this was read from, and which effects in it stand for several."""
        self._text, self._sha256, self._copies = text, sha256, copies

    @property
    def copies(self) -> dict[str, tuple[str, ...]]:
        """The effects that stand for one in the file, by its name there."""
        return self._copies

    @property
    def text(self) -> str:
        """The text of the scenario's own file."""
        return self._text

    @property
    def sha256(self) -> str:
        """The hash of that text."""
        return self._sha256

    @property
    def limit(self) -> float:
        """When a run is cut off, seconds."""
        return self.horizon * (1 + DRAIN_FACTOR) if self.drain is None else self.horizon + self.drain

    @property
    def slug(self) -> str:
        """The name as a folder."""
        return re.sub(r"\W+", "_", self.name.lower()).strip("_") or "scenario"
