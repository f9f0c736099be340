"""Faults as a scenario states them: what kind of failure, of which part, and when.

A fault names a role (``api``, ``broker``, ``consumers``, ``sink``), narrowed to one effect as in
``index.broker``; what it means for a part is told by the component itself. When it happens is drawn before
the run (:mod:`sim.components.timelines`), the same for every architecture.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from sim.engine.distributions import Length
from sim.engine.quantities import (
    Block,
    Duration,
    Share,
    parse_count,
    parse_share,
)
from sim.vocabulary import Role


class PartOf(Block):
    """A number or a share of the workers of a pool."""

    number: int | None = None
    share: float | None = None

    def of(self, workers: int) -> int:
        """How many of so many workers; of a share, rounded up."""
        if self.number is not None:
            return min(self.number, workers)
        assert self.share is not None
        return math.ceil(self.share * workers - 1e-9)


def _part(value: Any) -> Any:
    if isinstance(value, str) and value.strip().endswith("%"):
        return PartOf(share=parse_share(value))
    if isinstance(value, PartOf):
        return value
    number = parse_count(value)
    if number < 1:
        raise ValueError("count must be at least 1 worker, or a share such as 25%")
    return PartOf(number=number)


Part = Annotated[
    PartOf,
    BeforeValidator(_part),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": "%$"}]}),
]


class Fault(Block):
    """What all faults have: a target and a time."""

    roles: ClassVar[tuple[Role, ...]] = ()
    needs_time: ClassVar[bool] = True

    target: str
    """The role that is hit, `sink`, or one effect's, `index.sink`."""
    at: Duration | None = None
    """When it starts, counted from the start of the run."""
    duration: Length | None = None
    """How long it lasts: always the same, or a random quantity."""
    every: Annotated[Duration, Field(gt=0)] | None = None
    """It comes back so long after its last start."""
    mean_up: Annotated[Duration, Field(gt=0)] | None = None
    """Mean of the exponential time without the fault."""
    mean_down: Duration | None = None
    """Mean of the exponential time with it."""
    probability: Share | None = None
    """Share of the attempts that it hits; within its time, if it has one."""
    only: tuple[str, ...] | None = None
    """The architectures that it hits; all of them where it is left out."""

    @property
    def role(self) -> Role:
        """The role that is hit."""
        return Role(self.target.rpartition(".")[2])

    @property
    def effect(self) -> str | None:
        """The effect to which the role is narrowed."""
        return self.target.rpartition(".")[0] or None

    @property
    def is_scheduled(self) -> bool:
        """Whether it starts at a given time."""
        return self.at is not None

    @property
    def mean_duration(self) -> float:
        """How long it lasts on average, s; 0 where nothing is said of it."""
        if self.duration is None:
            return 0.0
        return self.duration if isinstance(self.duration, int | float) else self.duration.mean

    @model_validator(mode="after")
    def _has_a_time(self) -> Self:
        if self.at is not None and self.mean_up is not None:
            raise ValueError("a fault comes at a time or at random (mean_up with mean_down), not both")
        if self.at is None and (self.duration is not None or self.every is not None):
            given = "duration" if self.duration is not None else "every"
            if not (given == "duration" and self._duration_stands_alone()):
                raise ValueError(f"{given} needs at: when the fault starts")
        if (self.mean_up is None) != (self.mean_down is None):
            raise ValueError("a random fault needs mean_up and mean_down")
        if self.at is not None and self.duration is None and self._needs_duration():
            raise ValueError("at needs a duration: how long the fault lasts, or unlimited")
        if self.duration is not None and not isinstance(self.duration, int | float):
            if self.at is None or self.every is not None:
                raise ValueError("a random duration goes with at alone, not with every or probability")
        elif self.every is not None and self.duration is not None and self.every < self.duration:
            raise ValueError("every must not be shorter than duration")
        if self.at is None and self.mean_up is None and self.probability is None and self.needs_time:
            raise ValueError("a fault needs a time: at with duration, mean_up with mean_down, or probability")
        return self

    def _needs_duration(self) -> bool:
        return True

    def _duration_stands_alone(self) -> bool:
        return False


class Down(Fault):
    """The part does nothing: callers of a broker are refused, consumers receive nothing."""

    roles: ClassVar[tuple[Role, ...]] = (Role.API, Role.BROKER, Role.CONSUMERS)
    kind: Literal["down"] = "down"
    count: Part | None = None
    """Part of a pool, a number or a share of its workers; the first ones."""
    in_hand: Literal["finish", "resume", "lose"] = "finish"
    """What becomes of the message being worked on."""

    @model_validator(mode="after")
    def _fits_the_target(self) -> Self:
        if self.probability is not None:
            raise ValueError("down takes no probability: use reject for attempts that fail now and then")
        if self.count is not None and not self.target.endswith(Role.CONSUMERS):
            raise ValueError("count is for consumers: it takes down a part of a pool")
        if self.in_hand != "finish" and self.target.endswith(Role.BROKER):
            raise ValueError("in_hand is for consumers and api: a broker works on no message")
        return self


class Reject(Fault):
    """Attempts fail at once: the sink refuses the effect, the broker refuses the publish."""

    roles: ClassVar[tuple[Role, ...]] = (Role.SINK, Role.BROKER)
    kind: Literal["reject"] = "reject"


class Slow(Fault):
    """Work takes longer, judged when it starts."""

    roles: ClassVar[tuple[Role, ...]] = (Role.CONSUMERS, Role.SINK)
    kind: Literal["slow"] = "slow"
    factor: Annotated[float, Field(gt=0)]
    """The service time is multiplied by it."""


class Crash(Fault):
    """A worker loses what it holds; the API dies between two writes.

    With ``at``, one worker of each pool crashes, drawn evenly; with ``mean_up``, every worker on a clock of
    its own; with ``probability``, the worker that makes the attempt. It is back after ``duration`` (``at``,
    ``probability``; at once where it is left out) or ``mean_down``.
    """

    roles: ClassVar[tuple[Role, ...]] = (Role.CONSUMERS, Role.API)
    kind: Literal["crash"] = "crash"

    def _needs_duration(self) -> bool:
        return False

    def _duration_stands_alone(self) -> bool:
        return self.probability is not None

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        if self.probability is not None and (self.at is not None or self.mean_up is not None):
            raise ValueError("a crash comes at a time or with a probability, not both")
        return self


class Delay(Fault):
    """The network takes longer: to the broker, or to the sink."""

    roles: ClassVar[tuple[Role, ...]] = (Role.BROKER, Role.SINK)
    needs_time: ClassVar[bool] = False
    kind: Literal["delay"] = "delay"
    by: Duration
    """How much longer an attempt takes."""


class Loss(Fault):
    """The network loses the request, or the reply to one that has been carried out."""

    roles: ClassVar[tuple[Role, ...]] = (Role.BROKER, Role.SINK)
    kind: Literal["loss"] = "loss"
    leg: Literal["request", "reply"] = "request"
    """Which of the two is lost."""


AnyFault = Annotated[Down | Reject | Slow | Crash | Delay | Loss, Field(discriminator="kind")]
FAULT_TYPES: tuple[type[Fault], ...] = (Down, Reject, Slow, Crash, Delay, Loss)
