"""An effect: the piece of work that a message must cause at its sink, such as a row in ``db``.

Whoever does the work asks :meth:`Effect.begin` how long this attempt takes and how it ends. Both follow from
draws attached to (message, effect, attempt) and from the sink's fault timelines, never from the order of
processing. Left out: sinks with a capacity of their own.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from sim.components.faults import Delay, Loss, Reject, Slow
from sim.components.timelines import Condition, names
from sim.components.wiring import Node
from sim.engine.distributions import Constant, Long, RandomDuration, TraceColumn
from sim.engine.quantities import UNLIMITED, Block, Count, Share
from sim.engine.streams import AttachedDraws, uniform
from sim.vocabulary import Role

if TYPE_CHECKING:
    from sim.components.site import Site

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
_Services = Callable[[Sequence[int], Sequence[int]], list[float]]

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
        certain: of each message, how long its first attempt takes at normal speed, s, where it can only
            succeed; else infinity, see :meth:`first_attempts`. Empty until its pool goes to work.
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
        self._drawn: AttachedDraws | None = None
        self._service, self._first_services, self._services = self._service_time(site, options)
        self._failure = options.failure
        self._fails = site.streams.attached(uniform, "success", name) if options.failure else None
        self._poison = options.poison
        self._poisons = site.streams.attached(uniform, "poison", name) if options.poison else None
        conditions = site.faults.conditions(Role.SINK, (name,), Reject, Slow, Delay, Loss)
        self._rejects = [condition for condition in conditions if isinstance(condition.fault, Reject)]
        self._others = [condition for condition in conditions if not isinstance(condition.fault, Reject)]
        self._timed = [condition for condition in conditions if condition.windows is not None]
        self.certain = array("d")
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
        if self._timed:  # every attempt depends on when it is made
            self.certain = array("d", [UNLIMITED]) * self._messages
        else:
            self.certain = array("d", self.first_attempts(0, self._messages).tobytes())

    def begin(self, message: int, now: float) -> tuple[float, Attempt, int]:
        """Start the next attempt: how long it takes at normal speed, s, how it ends, its number from 0."""
        attempts = self.attempts
        number = attempts[message]
        attempts[message] = number + 1
        return *self.attempt(message, number, now), number

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
        if self._is_failing(message, number):
            outcome = FAILS
        return duration, outcome

    def first_attempts(self, low: int, high: int) -> NDArray[Any]:
        """How long the first attempts of the messages from low up to high take, s, at normal speed.

        Infinity where one may end in anything but success, and where it takes no time. What depends on when
        the attempt starts is left out: faults that have a time.
        """
        times, fails, is_unsure = self.first_outcomes(low, high)
        bad = fails if is_unsure is None else is_unsure if fails is None else fails | is_unsure
        return times if bad is None else np.where(bad, np.inf, times)

    def first_outcomes(
        self, low: int, high: int
    ) -> tuple[NDArray[Any], NDArray[Any] | None, NDArray[Any] | None]:
        """What the first attempts of messages from low up to high come to, faults with a time left out.

        Returns:
            How long they take, s, at normal speed; which of them fail by their own draws, at the end of that
            time; and which are unsure, because a fault may hit them at any time, or they take no time. None
            where it is none of them.
        """
        times = self._first_services(low, high)
        draws = [(self._fails, self._failure), (self._poisons, self._poison)]
        failing = [drawn.first(low, high) < share for drawn, share in draws if drawn is not None]
        fails = np.logical_or.reduce(failing) if failing else None
        is_unsure: NDArray[Any] = times <= 0
        for condition in self.conditions:
            if condition.windows is None:
                hit = condition.may_hit(low, high)
                is_unsure |= True if hit is None else hit
        return times, fails, is_unsure if is_unsure.any() else None

    @property
    def is_sure(self) -> bool:
        """Whether no fault hits its attempts by chance."""
        return all(condition.windows is not None for condition in self.conditions)

    def outcome(self, message: int, number: int) -> tuple[float, bool]:
        """How long an attempt of such a number takes, s, and whether it fails, without any faults."""
        return self._service(message, number), self._is_failing(message, number)

    def _is_failing(self, message: int, number: int) -> bool:
        """Whether an attempt fails by itself."""
        fails, poisons = self._fails, self._poisons
        return (fails is not None and fails.value(message, number) < self._failure) or (
            poisons is not None and poisons.value(message) < self._poison
        )

    def outcomes(self, messages: Sequence[int], numbers: Sequence[int]) -> tuple[list[float], list[bool]]:
        """How long attempts, each with the number of its own, take, s, and which fail, without any faults."""
        times, fails = self._services(messages, numbers), [False] * len(messages)
        if self._fails is not None:
            fails = [value < self._failure for value in self._fails.values(messages, numbers)]
        if self._poisons is not None:
            drawn = self._poisons.values(messages, [0] * len(messages))
            fails = [each or value < self._poison for each, value in zip(fails, drawn, strict=True)]
        return times, fails

    def outcomes_at(self, messages: NDArray[Any], number: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """The same as columns, for attempts that all have one number."""
        fails = np.zeros(len(messages), dtype=bool)
        if self._fails is not None:
            fails |= self._fails.at(messages, number) < self._failure
        if self._poisons is not None:
            fails |= self._poisons.at(messages, 0) < self._poison
        if self._drawn is not None:
            return self._drawn.at(messages, number), fails
        return np.array(self._services(messages.tolist(), [number] * len(messages))), fails

    def attempts_of(self, messages: Sequence[int], numbers: Sequence[int]) -> list[float]:
        """How long attempts, each with the number of its own, take, s, at normal speed.

        As in :meth:`first_attempts`, infinity where one may not succeed, and faults that have a time are
        left out.
        """
        if not self.is_sure:
            return [UNLIMITED] * len(messages)
        times, fails = self.outcomes(messages, numbers)
        if any(fails) or min(times, default=1.0) <= 0:
            return [
                UNLIMITED if is_bad or time <= 0 else time for time, is_bad in zip(times, fails, strict=True)
            ]
        return times

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

    def _service_time(self, site: Site, options: EffectOptions) -> tuple[_Service, _FirstServices, _Services]:
        """Service times: of a message at an attempt, of first attempts of a range, of any attempts."""
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
                self._drawn = drawn
                return normal, firsts, drawn.values
        if options.long is None:
            return normal, firsts, _one_by_one(normal)
        share, chosen = options.long.share, site.streams.attached(uniform, "long", self.name)
        assert not isinstance(options.long.service, TraceColumn)
        longer = site.streams.attached(options.long.service.sample, "long service", self.name)

        def either(message: int, attempt: int) -> float:
            return (
                longer.value(message, attempt) if chosen.value(message) < share else normal(message, attempt)
            )

        def first_of_either(low: int, high: int) -> NDArray[Any]:
            return np.where(chosen.first(low, high) < share, longer.first(low, high), firsts(low, high))

        return either, first_of_either, _one_by_one(either)


def _one_by_one(service: _Service) -> _Services:
    return lambda messages, numbers: [service(*each) for each in zip(messages, numbers, strict=True)]
