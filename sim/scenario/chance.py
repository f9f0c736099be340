"""What a scenario leaves to chance: whether one run of it says what every run would say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sim.architectures.stream import Stream
from sim.components.effect import EffectOptions
from sim.components.faults import Crash, Fault
from sim.engine.distributions import Constant, TraceColumn
from sim.scenario.model import Scenario
from sim.vocabulary import Role


def random_parts(scenario: Scenario, architecture: str) -> tuple[str, ...]:
    """Why two replications of an architecture can differ; empty where all of them are the same.

    Keys are not looked at, see :func:`keys_matter`.
    """
    return tuple(_reasons(scenario, architecture))


def keys_matter(scenario: Scenario, architecture: str) -> bool:
    """Whether drawn keys decide where a message waits."""
    design = scenario.architectures[architecture]
    return keys_are_drawn(scenario) and isinstance(design, Stream) and design.stream.partitions > 1


def keys_are_drawn(scenario: Scenario) -> bool:
    """Whether chance decides which messages bear the same key."""
    keys = scenario.workload.keys
    return keys.distribution != "constant" and keys.count > 1


def can_expire(scenario: Scenario, architecture: str) -> bool:
    """Whether a record of a stream can become too old before the run is cut off."""
    design = scenario.architectures[architecture]
    return isinstance(design, Stream) and design.stream.retention < scenario.limit


def _reasons(scenario: Scenario, architecture: str) -> Iterator[str]:
    arrivals = scenario.workload.arrivals
    if arrivals.trace is None and (arrivals.process == "poisson" or arrivals.bursts is not None):
        yield "arrivals are random"
    for name, effect in scenario.effects.items():
        if told := _effect(effect):
            yield f"{told} of {name}"
    for name, fault in scenario.faults.items():
        if (fault.only is None or architecture in fault.only) and _is_random(fault):
            yield f"{name} comes at random"


def _effect(effect: EffectOptions) -> str:
    if _varies(effect.service) or (effect.long is not None and _varies(effect.long.service)):
        return "the service time"
    if effect.long is not None and 0 < effect.long.share < 1:
        return "the share of long jobs"
    if 0 < effect.failure < 1:
        return "the failures"
    return "the poison messages" if 0 < effect.poison < 1 else ""


def _varies(quantity: Any) -> bool:
    return not isinstance(quantity, Constant | TraceColumn)


def _is_random(fault: Fault) -> bool:
    has_drawn_length = fault.duration is not None and not isinstance(fault.duration, int | float)
    is_by_chance = fault.probability is not None and 0 < fault.probability < 1
    hits_anyone = isinstance(fault, Crash) and fault.role == Role.CONSUMERS
    return has_drawn_length or is_by_chance or hits_anyone or fault.mean_up is not None
