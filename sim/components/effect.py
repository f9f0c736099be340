"""An effect: the piece of work that a message must cause at its sink, such as a row in ``db``.

Whoever does the work asks :meth:`Effect.begin` how long this attempt takes and how it ends. Both follow from
draws attached to (message, effect, attempt) and from the sink's fault timelines, never from the order of
processing. Left out: sinks with a capacity of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from sim.components.faults import Delay, Loss, Reject, Slow
from sim.components.timelines import Condition, names
from sim.components.wiring import Node
from sim.engine.distributions import Constant, Long, RandomDuration, TraceColumn
from sim.engine.quantities import UNLIMITED, Block, Count, Share
from sim.engine.streams import BLOCK, BLOCK_BITS, KEPT_BLOCKS, uniform
from sim.vocabulary import Role

if TYPE_CHECKING:
    from sim.components.site import Site

_WITHIN_BLOCK = BLOCK - 1
MOST_COPIES = 1000


class EffectOptions(Block):
    """A piece of work that every message must cause."""

    service: RandomDuration
    """How long an attempt takes."""
    failure: Share = 0.0
    """Share of the attempts that fail, at the end of their service time."""
    poison: Share = 0.0
    """Share of the messages for which every attempt fails."""
    long: Long | None = None
    """A share of the messages that take another service time."""
    copies: Annotated[Count, Field(ge=1, le=MOST_COPIES)] = 1
    """Receivers that must all do it, `config_1`, `config_2`, …: a broadcast."""
    after: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")] | None = None
    """The effect that must be complete before this one starts."""


SUCCEEDS = "succeeds"
FAILS = "fails"
SEEMS_TO_FAIL = "seems to fail"
"""The effect happens, but the reply is lost and the worker takes it for a failure."""

_Service = Callable[[int, int], float]
_FirstServices = Callable[[int, int], NDArray[Any]]

Attempt = Literal["succeeds", "fails", "seems to fail"]
"""How an attempt ends."""


class Effect:
    """One effect and its sink.

    Args:
        site: where it happens.
        number: its place in the scenario.
        name: as in the scenario.
        options: how long it takes and how often it fails.

    Attributes:
        node: name of its sink.
        attempts: of each message, how often its pool has tried.
    """

    def __init__(self, site: Site, number: int, name: str, options: EffectOptions) -> None:
        self.number = number
        self.name = name
        self.attempts: list[int] = []
        self.applications = site.ledger.applications[number]
        self.on_applied: list[Callable[[int], None]] = []
        self._site = site
        self._first_applied = site.ledger.first_applied[number]
        self._late = site.ledger.late[number]
        self._service, self._first_services = self._service_time(site, options)
        self._failure = options.failure
        self._fails = site.streams.attached(uniform, "success", name) if options.failure else None
        self._poison = options.poison
        self._poisons = site.streams.attached(uniform, "poison", name) if options.poison else None
        conditions = site.faults.conditions(Role.SINK, (name,), Reject, Slow, Delay, Loss)
        self._rejects = [condition for condition in conditions if isinstance(condition.fault, Reject)]
        self._others = [condition for condition in conditions if not isinstance(condition.fault, Reject)]
        self._timed = [condition for condition in conditions if condition.windows is not None]
        self._plain: list[float] = []
        self._plain_block = -1
        self._plain_blocks: dict[int, list[float]] = {}
        self._messages = len(site.messages)
        self.node = site.wiring.add(Node(f"{name}.sink", "sink", (name,), options, names(conditions)))

    def refuse_during(self, conditions: list[Condition]) -> None:
        """Attempts also fail at once while one of these is active."""
        self._rejects += conditions
        self._timed += [condition for condition in conditions if condition.windows is not None]

    @property
    def conditions(self) -> list[Condition]:
        """Everything that can hit its attempts."""
        return [*self._rejects, *self._others]

    def start(self) -> None:
        """Its pool goes to work: nothing has been tried yet."""
        self.attempts = [0] * self._messages

    def begin(self, message: int, now: float) -> tuple[float, Attempt, int]:
        """Start the next attempt: how long it takes at normal speed, s, how it ends, its number from 0."""
        attempts = self.attempts
        number = attempts[message]
        attempts[message] = number + 1
        if not (number or self._timed):  # most attempts: they are made in blocks, and need no second look
            if message >> BLOCK_BITS != self._plain_block:
                self._turn_to(message >> BLOCK_BITS)
            duration = self._plain[message & _WITHIN_BLOCK]
            if duration != UNLIMITED:
                return duration, SUCCEEDS, 0
        return *self.attempt(message, number, now), number

    def _turn_to(self, block: int) -> None:
        """Look up the first attempts of a block of messages, see :meth:`first_attempts`."""
        if block not in self._plain_blocks:
            if len(self._plain_blocks) >= KEPT_BLOCKS:  # a block can always be made again
                del self._plain_blocks[next(iter(self._plain_blocks))]
            low = block * BLOCK
            times = self.first_attempts(low, min(low + BLOCK, self._messages))
            self._plain_blocks[block] = times.tolist()
        self._plain = self._plain_blocks[block]
        self._plain_block = block

    def attempt(self, message: int, number: int, now: float) -> tuple[float, Attempt]:
        """An attempt, counted from 0, that starts now: how long it takes at normal speed, and how it ends."""
        for condition in self._rejects:
            if condition.hits(message, number, now):
                return 0.0, FAILS
        duration, outcome = self._service(message, number), SUCCEEDS
        for condition in self._others:
            if condition.hits(message, number, now):
                fault = condition.fault
                if isinstance(fault, Slow):
                    duration *= fault.factor
                elif isinstance(fault, Delay):
                    duration += fault.by
                elif isinstance(fault, Loss) and outcome is not FAILS:
                    outcome = FAILS if fault.leg == "request" else SEEMS_TO_FAIL
        if (self._fails is not None and self._fails.value(message, number) < self._failure) or (
            self._poisons is not None and self._poisons.value(message) < self._poison
        ):
            outcome = FAILS
        return duration, outcome

    def first_attempts(self, low: int, high: int) -> NDArray[Any]:
        """How long the first attempts of the messages from low up to high take, s, at normal speed.

        Infinity where one may end in anything but success, and where it takes no time. What depends on when
        the attempt starts is left out: faults that have a time.
        """
        return self.first_outcomes(low, high)[0]

    def first_outcomes(self, low: int, high: int) -> tuple[NDArray[Any], NDArray[Any] | None]:
        """The same, and how long those take that surely fail; 0 for all others, None where none does.

        Sure are those that fail by their own draws, at the end of their time. With faults that can hit
        without a time of their own, none is sure.
        """
        times = self._first_services(low, high)
        bad = times <= 0
        draws = [(self._fails, self._failure), (self._poisons, self._poison)]
        failing = [drawn.first(low, high) < share for drawn, share in draws if drawn is not None]
        chances = [condition for condition in self.conditions if condition.windows is None]
        sure: NDArray[Any] | None = None
        if failing and not chances:
            sure = np.where(np.logical_or.reduce(failing), times, 0.0)
        for fails in failing:
            bad |= fails
        for condition in chances:
            hit = condition.may_hit(low, high)
            bad |= True if hit is None else hit
        return (np.where(bad, np.inf, times) if bad.any() else times), sure

    def apply(self, message: int, now: float, late: bool) -> None:
        """The effect happens; ``late`` if it took more than one attempt."""
        applications = self.applications
        if applications[message]:
            applications[message] += 1
        else:
            applications[message] = 1
            self._first_applied[message] = now
            if late:
                self._late[message] = 1
        for tell in self.on_applied:
            tell(message)

    def _service_time(self, site: Site, options: EffectOptions) -> tuple[_Service, _FirstServices]:
        """Service times: of a message at an attempt, and of the first attempts of a range of messages."""
        service = options.service
        if isinstance(service, TraceColumn):
            column = site.messages.trace[service.trace_column] * service.times
            times = column.tolist()
            normal: _Service = lambda message, attempt: times[message]  # noqa: ARG005, E731
            firsts: _FirstServices = lambda low, high: column[low:high]  # noqa: E731
        elif isinstance(service, Constant):
            value = service.value
            normal = lambda message, attempt: value  # noqa: ARG005, E731
            firsts = lambda low, high: np.full(high - low, value)  # noqa: E731
        else:
            drawn = site.streams.attached(service.sample, "service", self.name)
            normal, firsts = drawn.value, drawn.first
        if options.long is None:
            return normal, firsts
        share, chosen = options.long.share, site.streams.attached(uniform, "long", self.name)
        assert not isinstance(options.long.service, TraceColumn)
        longer = site.streams.attached(options.long.service.sample, "long service", self.name)

        def either(message: int, attempt: int) -> float:
            return (
                longer.value(message, attempt) if chosen.value(message) < share else normal(message, attempt)
            )

        def first_of_either(low: int, high: int) -> NDArray[Any]:
            return np.where(chosen.first(low, high) < share, longer.first(low, high), firsts(low, high))

        return either, first_of_either
