"""A scenario: the whole question of one YAML file, as a frozen tree.

This module only assembles what the rooms below define (workload, effects, architectures, faults) and checks
what concerns several of them at once. How a file becomes this tree is told in :mod:`sim.scenario.load`.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PrivateAttr, SkipValidation, TypeAdapter, WithJsonSchema

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
from sim.engine.quantities import Block, Count, Duration, Share, parse_duration
from sim.scenario.factors import Factor
from sim.scenario.ranges import EXAMPLE, PATTERN
from sim.scenario.tree import Source
from sim.vocabulary import ARCHITECTURE_KINDS, Expectation, Problem

AnyArchitecture = Annotated[
    Synchronous | SingleBroker | DualBrokers | Stream | PubSub | SnsSqs, Field(discriminator="kind")
]
ARCHITECTURE_TYPES: dict[str, type[Architecture]] = dict(
    zip(ARCHITECTURE_KINDS, (Synchronous, SingleBroker, DualBrokers, Stream, PubSub, SnsSqs), strict=True)
)
FAULT_TYPES_BY_KIND: dict[str, type[Fault]] = {
    model.model_fields["kind"].default: model for model in FAULT_TYPES
}

_EXPECTATION_SCHEMA = WithJsonSchema({"type": "string", "examples": ["all.partial == 0"]})
_SWEEP_SCHEMA = WithJsonSchema(
    {
        "type": "object",
        "additionalProperties": {
            "anyOf": [
                {"type": "array", "minItems": 1},
                {"type": "string", "pattern": PATTERN, "examples": [EXAMPLE]},
                {"enum": ["none", None]},
            ]
        },
    }
)
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


def _warmup(value: Any) -> float | str:
    if value == "auto":
        return "auto"
    try:
        return parse_duration(value)
    except ValueError as error:
        raise ValueError(f"{error}; or auto") from None


_WARMUP_SCHEMA = WithJsonSchema({"anyOf": [{"const": "auto"}, TypeAdapter(Duration).json_schema()]})


class Precision(Block):
    """Replications are added until what is expected is known precisely enough."""

    within: Annotated[Share, Field(gt=0, lt=1)]
    """The relative error allowed to the mean of every metric that is expected of."""
    max_replications: Annotated[Count, Field(ge=1)] = 100
    """The study ends here, precise or not."""


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
    study: Literal["incident", "steady_state"] = "incident"
    """incident: fixed start, scripted faults, ends drained. steady_state: what holds in the long run."""
    horizon: Annotated[Duration, Field(gt=0)]
    """When arrivals stop. Default: the end of the stages or of the file."""
    warmup: Annotated[float | Literal["auto"], BeforeValidator(_warmup), _WARMUP_SCHEMA] = 0.0
    """Messages published earlier are not counted; auto (steady_state): found out."""
    drain: Annotated[float | None, BeforeValidator(_drain), _DRAIN_SCHEMA] = None
    """How long the run may go on after the horizon; None: until empty, at most 10 x horizon."""
    replications: Annotated[Count, Field(ge=1)] = 20
    """Independent runs of each architecture."""
    precision: Precision | None = None
    """With it, `replications` is the least number of runs."""
    indifference: Annotated[Share, Field(lt=1)] = 0.0
    """Differences within this share of the baseline's mean count as none."""
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
    counter: dict[str, Any] = {}
    """Paths and values that make the expectations fail: `--counter` sets them."""
    expect: tuple[Annotated[Expectation, SkipValidation, _EXPECTATION_SCHEMA], ...] = ()
    """Promises to be judged: `all.partial == 0`, `kafka.index.latency_p99 < 2s`."""
    sweep: Annotated[tuple[Annotated[Factor, SkipValidation], ...], _SWEEP_SCHEMA] = ()
    """Paths and the values that each takes: a list, or a range `100/s..1000/s:10`. `sim run` ignores it."""

    _source: Source | None = PrivateAttr(default=None)
    _text: str = PrivateAttr(default="")
    _sha256: str = PrivateAttr(default="")
    _places: dict[str, Problem] = PrivateAttr(default_factory=dict[str, Problem])
    _copies: dict[str, tuple[str, ...]] = PrivateAttr(default_factory=dict[str, tuple[str, ...]])

    def remember(self, source: Source, sha256: str, places: dict[str, Problem]) -> None:
        """Keep what this was read from, and where its keys stand, as problems without a message."""
        self._source, self._text, self._sha256, self._places = source, source.text, sha256, places

    def problem(self, key: str, message: str) -> Problem:
        """Something wrong with a key of the scenario, found when its file had long been read."""
        place = self._places.get(key, Problem(self.name, 1, 1, ""))
        return Problem(place.file, place.line, place.column, message)

    def remember_copies(self, copies: dict[str, tuple[str, ...]]) -> None:
        """Keep which effects of the file stand for several."""
        self._copies = copies

    @property
    def copies(self) -> dict[str, tuple[str, ...]]:
        """The effects that stand for one in the file, by its name there."""
        return self._copies

    @property
    def source(self) -> Source | None:
        """What this was made from; None of a scenario that no loader made."""
        return self._source

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
    def counted_from(self) -> float:
        """When the warm-up ends, seconds; 0 as long as nobody has found out."""
        return 0.0 if isinstance(self.warmup, str) else self.warmup

    @property
    def last_fault(self) -> str | None:
        """The scheduled fault that starts last; of several, the one that stands last in the file."""
        scheduled = [
            (fault.at, place, name)
            for place, (name, fault) in enumerate(self.faults.items())
            if fault.at is not None
        ]
        return max(scheduled)[2] if scheduled else None

    @property
    def slug(self) -> str:
        """The name as a folder."""
        return re.sub(r"\W+", "_", self.name.lower()).strip("_") or "scenario"
