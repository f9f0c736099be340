"""A queue: consumers pull, a received message is hidden for a while, and deleted when the work is done.

What is modelled: first in, first out by the time of becoming visible; visibility timeout; a limit of
receives with a dead-letter queue; retention from the time of acceptance; capacity; delivery delay. A message
received ``max_receives`` times moves to the dead-letter queue at the next attempt to receive it, not when its
visibility ends (messaging.md E1). A copy in flight outlives its retention until it would be visible again.

Left out: the reordering and duplicates of distributed queues, short polls that miss messages, the life of a
message inside the dead-letter queue. An acknowledgement sent while the broker is down counts from its
sending.
"""

from __future__ import annotations

import sys
from array import array
from collections import deque
from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from sim.components.consumer import QueueConsumers
from sim.components.faults import Down
from sim.components.polling import Polls
from sim.components.site import Site
from sim.components.timelines import ends_of, names
from sim.components.wiring import Node
from sim.components.worker import Source, Worker
from sim.engine.environment import (
    BROKER_BACK,
    GIVEN_BACK,
    RETENTION,
    VISIBLE_AGAIN,
    DelayLine,
    Process,
)
from sim.engine.quantities import UNLIMITED, Block, CountOrUnlimited, Duration, DurationOrUnlimited
from sim.engine.record import NO_FATE
from sim.vocabulary import Outcome, Role

_APPLIED = Outcome.APPLIED  # looking up a member of an enum costs as much as two calls
_ABSENT, _DELAYED, _VISIBLE, _NACKED, _GONE = 0, -1, -2, -3, -4
"""States of a copy; that of a copy in flight is the number of its delivery, counted from 1."""

Receipt = tuple[float, int, int]
"""A delivery: when its visibility timeout ends, the copy, and its number, counted from 1."""


class QueueOptions(Block):
    """A queue from which consumers pull."""

    visibility_timeout: Annotated[Duration, Field(gt=0)] = 30.0
    """A message that was received and not deleted is visible again after so long."""
    max_receives: Annotated[CountOrUnlimited, Field(ge=1)] = 3.0
    """Received so often, a message is dead-lettered instead of being received again."""
    dead_letter: bool = True
    """Whether there is a dead-letter queue; without it such messages are dropped."""
    retention: Annotated[DurationOrUnlimited, Field(gt=0)] = 4 * 86400.0
    """A message is removed so long after it was accepted."""
    capacity: Annotated[CountOrUnlimited, Field(ge=1)] = UNLIMITED
    """Messages that the queue holds, in flight included; beyond it publishes are refused."""
    delay: Duration = 0.0
    """A message becomes visible so long after it was accepted."""
    late_delete: bool = True
    """Whether a worker that finishes after the visibility timeout still deletes the message."""


class Queue(Source[Receipt]):  # of fewer than 30 attributes: CPython reads those of a larger one slower
    """One queue; the source of one pool.

    Args:
        site: where it stands.
        name: ``queue`` or ``index_queue``.
        effects: numbers of the effects that its messages stand for.
        options: its settings.
        consumers: what its consumers do after a failure.

    Attributes:
        pauses: when its broker is down and hands nothing out.
    """

    def __init__(
        self,
        site: Site,
        name: str,
        effects: tuple[int, ...],
        options: QueueOptions,
        consumers: QueueConsumers,
    ) -> None:
        its_effects = tuple(site.effects[number].name for number in effects)
        pauses = names(site.faults.conditions(Role.BROKER, its_effects, Down))
        super().__init__(site, site.wiring.add(Node(name, "queue", its_effects, options, pauses)), "pull")
        self.log = site.ledger.log(name, effects, delay=options.delay)
        self._taken = self.log.taken
        self._ended = self.log.ended
        self._deliveries: list[int] = []
        self.options = options
        self.consumers = consumers
        self._messages = len(site.messages)
        self._max_receives = options.max_receives
        self._exhausted = Outcome.DEAD_LETTERED if options.dead_letter else Outcome.DROPPED
        self._capacity = sys.maxsize if options.capacity == UNLIMITED else options.capacity
        self._late_delete = options.late_delete
        self._state: list[int] = []
        self._accepted: Any = ()
        self._visible: deque[int] = deque()
        self._held = 0
        self._in_flight = DelayLine(
            site, options.visibility_timeout, self._visibility_ends, self._forget_done, rank=VISIBLE_AGAIN
        )
        self._delayed = DelayLine(site, options.delay, self._delay_ends) if options.delay else None
        self._nacked: DelayLine | None = None
        if consumers.on_error == "nack" and consumers.retry_delay:
            self._nacked = DelayLine(site, consumers.retry_delay, self._nack_ends, rank=GIVEN_BACK)
        self._expiring: DelayLine | None = None
        if options.retention < site.limit:
            self._expiring = DelayLine(
                site, options.retention, self._retention_ends, self._forget_gone, rank=RETENTION
            )
        self._polls = Polls(site, consumers.poll, self.rouse) if consumers.poll else None
        self.pauses = site.faults.pauses(its_effects)
        if self.pauses:
            site.process(self._resume_after_pauses())
        site.unfinished.append(lambda: self._held > 0)

    def start(self) -> None:
        """No message is here yet."""
        self._state, self._accepted = [_ABSENT] * self._messages, self.log.accepted
        self._deliveries = [0] * self._messages
        self._site.closing.append(self._close)

    def accept(self, message: int, now: float) -> bool:
        """Take a message in; False if the queue is full."""
        if self.inlet is not None:
            return self.inlet.take_in(message, now)
        if self._held >= self._capacity:
            return False
        copy, state = message, self._state
        if state[message] == _ABSENT:
            self._accepted[message] = now
        else:
            copy = self.log.store(message, now)
            state.append(_ABSENT)
            self._deliveries.append(0)
        self._held += 1
        if self._expiring is not None:
            self._expiring.add(copy, now)
        if self._delayed is not None:
            state[copy] = _DELAYED
            self._delayed.add(copy, now)
        elif self._polls is None and not self.pauses:  # what _show does, without a call
            state[copy] = _VISIBLE
            if self.waiting and not self._visible:
                self._hand_out(copy, now)
            else:
                self._visible.append(copy)
        else:
            self._show(copy, now)
        return True

    def take(self, worker: Worker, limit: int, now: float) -> Sequence[Receipt] | None:
        """Receive up to ``limit`` visible messages."""
        visible = self._visible
        if not visible or (self.pauses and self._is_paused()):
            return None
        if limit == 1 and self._state[visible[0]] == _VISIBLE:
            receipt = self._receive(worker, visible.popleft(), now)
            if receipt is not None:
                return (receipt,)
        taken: list[Receipt] = []
        while visible and len(taken) < limit:
            copy = visible.popleft()
            if self._state[copy] == _VISIBLE and (receipt := self._receive(worker, copy, now)) is not None:
                taken.append(receipt)
        return taken or None

    def begin(self, item: Receipt) -> tuple[int, bool]:
        """Work on an item begins; the message that it is of, and whether it had been received before."""
        _, copy, delivery = item
        return copy if copy < self._messages else self.log.message_of(copy), delivery > 1

    def done(self, item: Receipt, now: float) -> None:
        """Delete the message, wherever it is; with a stale receipt only if late deletes count."""
        _, copy, delivery = item
        state = self._state
        if state[copy] == delivery:  # what _remove does
            state[copy] = _GONE
            self._ended[copy] = now
            self._held -= 1
        elif self._late_delete and state[copy] != _GONE:
            self._remove(copy, _APPLIED, now)

    def failed(self, item: Receipt, effect: int) -> None:
        """What the consumers were told to do after a failure; a stale receipt does nothing."""
        del effect
        if self.consumers.on_error == "wait" or not self._is_in_flight(item):
            return
        copy = item[1]
        if self.consumers.on_error == "nack":
            if self._nacked is None:
                self._return(copy)
            else:
                self._state[copy] = _NACKED
                self._nacked.add(copy, self._site.now)
        elif self.consumers.on_error == "skip":
            self._remove(copy, Outcome.DROPPED, self._site.now)
        else:
            assert self.consumers.on_error == "dead_letter"
            self._remove(copy, self._exhausted, self._site.now)

    def crashed(self, worker: Worker, items: Sequence[Receipt]) -> None:
        """Nothing happens: the messages are visible again when their timeout is over."""

    def give_back(self, worker: Worker, items: Sequence[Receipt]) -> None:
        """They are visible again at once."""
        del worker
        for item in items:
            if self._is_in_flight(item):
                self._return(item[1])

    def wait(self, worker: Worker) -> None:
        """A worker waits for the next message, or until it asks again."""
        if self._polls is None:
            self.waiting.append(worker)
        else:
            self._polls.sleep(worker)

    def rouse(self, worker: Worker) -> None:
        """Wake an idle worker without handing it anything."""
        if self._polls is not None:
            self._polls.wake(worker)
        super().rouse(worker)

    def _receive(self, worker: Worker, copy: int, now: float) -> Receipt | None:
        """Deliver a visible copy, or move it to the dead-letter queue if it was received too often."""
        del worker
        deliveries = self._deliveries[copy] + 1
        if deliveries == 1:
            self._taken[copy] = now
        elif deliveries > self._max_receives:
            self._remove(copy, self._exhausted, now)
            return None
        else:
            self.log.retaken.append(now)
        self._deliveries[copy] = self._state[copy] = deliveries
        in_flight = self._in_flight
        receipt = (now + in_flight.delay, copy, deliveries)
        in_flight.line.append(receipt)  # add, without a call
        if in_flight.is_parked:
            in_flight.start()
        return receipt

    def _show(self, copy: int, now: float) -> None:
        """A copy is visible: somebody who waits receives it, unless others have been visible for longer."""
        self._state[copy] = _VISIBLE
        if self.waiting and not self._visible and not (self.pauses and self._is_paused()):
            self._hand_out(copy, now)
            return
        self._visible.append(copy)
        if self._polls is not None:
            self._polls.alert()

    def _hand_out(self, copy: int, now: float) -> None:
        """The worker that has waited longest receives the oldest copy; it stays that if there is none."""
        waiting = self.waiting
        if now < waiting[0].undisturbed_until:  # longest_waiting, without a call
            worker = waiting.popleft()
        elif (worker := self.longest_waiting(now)) is None:
            self._visible.appendleft(copy)  # it was the one that has been visible longest
            if self._polls is not None:
                self._polls.alert()
            return
        receipt = self._receive(worker, copy, now)
        if receipt is None:
            waiting.appendleft(worker)
        else:
            worker.is_parked = False  # hand, without a call
            self._site.wake(worker.loop, (receipt,))

    def _return(self, copy: int) -> None:
        """A copy in flight is visible again, or gone if its retention is over."""
        now = self._site.now
        self.log.returned.append(now)
        self._state[copy] = _VISIBLE
        if now >= self._accepted[copy] + self.options.retention:
            self._remove(copy, Outcome.EXPIRED, now)
        else:
            self._show(copy, now)

    def _remove(self, copy: int, fate: Outcome, now: float) -> None:
        if self._state[copy] == _VISIBLE:
            self.log.removed.append(now)
        self._state[copy] = _GONE
        self._ended[copy] = now
        self.log.fate[copy] = fate
        self._held -= 1

    def _is_in_flight(self, receipt: Receipt) -> bool:
        _, copy, delivery = receipt
        return self._state[copy] == delivery

    def _forget_done(self, line: deque[Receipt]) -> None:
        """Of what was received, what has been deleted, given back or received again."""
        state = self._state
        while line:
            _, copy, delivery = line[0]
            if state[copy] == delivery:
                return
            line.popleft()

    def _delay_ends(self, copy: int) -> None:
        if self._state[copy] == _DELAYED:
            self._show(copy, self._site.now)

    def _visibility_ends(self, copy: int, delivery: int) -> None:
        del delivery
        self._return(copy)

    def _nack_ends(self, copy: int) -> None:
        if self._state[copy] == _NACKED:
            self._return(copy)

    def _forget_gone(self, line: deque[tuple[float, int]]) -> None:
        """Of what expires, what is no longer there."""
        state = self._state
        while line and state[line[0][1]] == _GONE:
            line.popleft()

    def _retention_ends(self, copy: int) -> None:
        if self._state[copy] in (_VISIBLE, _DELAYED):
            self._remove(copy, Outcome.EXPIRED, self._site.now)

    def _close(self) -> None:
        """Write down what nobody asks for before: how often copies were received, and which were deleted."""
        self.log.deliveries[:] = array("I", self._deliveries)
        fate, ended = np.frombuffer(self.log.fate, dtype=np.uint8), np.frombuffer(self._ended)
        fate[(fate == NO_FATE) & ~np.isnan(ended)] = _APPLIED

    def _is_paused(self) -> bool:
        return any(windows.covers(self._site.now) for windows in self.pauses)

    def _resume_after_pauses(self) -> Process:
        """Hand out what has become visible while the broker was down."""
        for end in ends_of(self.pauses):
            yield self._site.at(end, BROKER_BACK)
            while self.waiting and self._visible and not self._is_paused():
                copy = self._visible.popleft()
                if self._state[copy] == _VISIBLE:
                    self._hand_out(copy, end)
            if self._polls is not None:
                self._polls.alert()
