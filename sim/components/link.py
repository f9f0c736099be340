"""A link from a producer to what takes its publishes: delay, loss, refusal.

An attempt is sent, arrives after the hop, is accepted or refused, and the answer takes the hop back. While
the broker is down or rejects, it refuses at once. A message that was stored although its answer got lost is
stored again by the next attempt. Left out: bandwidth, ordering of what is under way.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from simpy.events import Event

from sim.components.effect import Effect
from sim.components.faults import Delay, Down, Loss, Reject
from sim.components.site import Site
from sim.components.timelines import names
from sim.components.wiring import Edge, Intake
from sim.engine.environment import Process
from sim.engine.quantities import UNLIMITED
from sim.vocabulary import Role


class Link:
    """The way to one broker.

    Args:
        site: where it lies.
        effects: the effects for which the broker takes publishes.
        broker: takes the messages.
        hop: one way, s.

    Attributes:
        is_plain: whether no fault can hit it.
        is_clear: whether none can hit what is under way.
        is_instant: whether attempts take no time.
        first_attempt: where that is so, makes a message's first attempt.
    """

    def __init__(self, site: Site, effects: list[Effect], broker: Intake, hop: float) -> None:
        site.has_broker = True
        self.effects = tuple(effect.number for effect in effects)
        self.accept = broker.accept
        self.broker = broker
        self._site = site
        self.hop = hop
        conditions = site.faults.conditions(
            Role.BROKER, tuple(effect.name for effect in effects), Down, Reject, Delay, Loss
        )
        self._refusals = [each for each in conditions if isinstance(each.fault, Down | Reject)]
        self.first_attempt: Callable[[int, float], bool] = (
            self._first_attempt if self._refusals else broker.accept
        )
        self._network = [each for each in conditions if isinstance(each.fault, Delay | Loss)]
        self._unheard = 0
        site.unfinished.append(lambda: self._unheard > 0)
        self.is_clear = not self._network
        self.is_plain = self.is_clear and not self._refusals
        self.is_instant = not hop and not self._network

    def comes_from(self, node: str, *, reports: bool = False) -> None:
        """Say whose way it is: that of a publisher, or of workers who report what they have done."""
        flow = "report" if reports else "publish"
        network, refusals = names(self._network), names(self._refusals)
        self._site.wiring.connect(
            Edge(node, self.broker.node, flow, faults=network + refusals, refusals=refusals)
        )

    def send(self, message: int, attempt: int, timeout: float | None) -> Generator[Event, Any, bool | None]:
        """One attempt: True accepted, False refused or timed out, None if no answer will ever come."""
        site = self._site
        if self.is_instant:
            return self.arrive(message, attempt, site.now)
        sent = site.now
        arrival, is_request_lost, is_reply_lost = sent + self.hop, False, False
        for condition in self._network:
            if condition.hits(message, attempt, sent):
                fault = condition.fault
                if isinstance(fault, Delay):
                    arrival += fault.by
                else:
                    assert isinstance(fault, Loss)
                    is_request_lost |= fault.leg == "request"
                    is_reply_lost |= fault.leg == "reply"
        answer = UNLIMITED if is_request_lost or is_reply_lost else arrival + self.hop
        deadline = UNLIMITED if timeout is None else sent + timeout
        if answer <= deadline and answer < UNLIMITED:
            yield site.at(arrival)
            is_accepted = self.arrive(message, attempt, site.now)
            yield site.at(answer)
            return is_accepted
        if not is_request_lost:
            self._unheard += 1
            site.process(self._arrive_unheard(message, attempt, arrival))
        if deadline == UNLIMITED:
            if not is_request_lost:  # let it arrive before the caller is given up
                yield site.at(arrival)
            return None
        yield site.at(deadline)
        return False

    def arrive(self, message: int, attempt: int, now: float) -> bool:
        """An attempt reaches the broker; whether it is accepted."""
        return not self.refuses(message, attempt, now) and self.accept(message, now)

    def refuses(self, message: int, attempt: int, now: float) -> bool:
        """Whether a fault refuses an attempt that arrives now."""
        for condition in self._refusals:  # noqa: SIM110 - a generator costs more
            if condition.hits(message, attempt, now):
                return True
        return False

    def refuses_first(self, low: int, times: NDArray[Any]) -> NDArray[Any]:
        """The same for the first attempts of consecutive messages.

        Args:
            low: the number of the first of them.
            times: when each arrives, s.
        """
        refused = np.zeros(len(times), dtype=bool)
        for condition in self._refusals:
            refused |= condition.hits_first(low, times, besides=refused)
        return refused

    def _first_attempt(self, message: int, now: float) -> bool:
        return self.arrive(message, 0, now)

    def _arrive_unheard(self, message: int, attempt: int, arrival: float) -> Process:
        yield self._site.at(arrival)
        self.arrive(message, attempt, arrival)
        self._unheard -= 1
