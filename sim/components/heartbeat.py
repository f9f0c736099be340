"""A queue whose consumers extend the visibility of what they hold while they live.

Every ``heartbeat`` after the receive, the worker that holds a message hides it for another visibility
timeout from that moment, all messages of its batch alike. A worker that has crashed, that is suspended or
that has given the message up beats no more: the message is visible again one visibility timeout after the
last beat. A message stays hidden for at most 12 hours after its receive, and a beat that would exceed them is
refused, not shortened (messaging.md E7).

Nothing is scheduled for a beat: when a visibility timeout would end, the beats until then are counted. A beat
at the very instant at which its worker stops, or the timeout ends, does not count.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from sim.components.consumer import QueueConsumers
from sim.components.queue import Queue, QueueOptions, Receipt
from sim.components.site import Site
from sim.components.timelines import Windows, union
from sim.components.worker import Worker
from sim.engine.environment import VISIBLE_AGAIN
from sim.engine.quantities import UNLIMITED

LONGEST_HIDDEN = 12 * 3600.0
"""Of one receive, with all extensions, s."""


@dataclass(slots=True)
class _Hold:
    """One delivery in the hands of a worker: from its receive until the worker lets go of it."""

    delivery: int
    worker: Worker
    received: float
    until: float = UNLIMITED


class HeartbeatQueue(Queue):
    """A queue with consumers that beat; see :class:`~sim.components.queue.Queue` for the arguments."""

    def __init__(
        self,
        site: Site,
        name: str,
        effects: tuple[int, ...],
        options: QueueOptions,
        consumers: QueueConsumers,
    ) -> None:
        super().__init__(site, name, effects, options, consumers)
        assert consumers.heartbeat is not None
        self._beat = consumers.heartbeat
        self._timeout = options.visibility_timeout
        self._most_beats = max(math.floor((LONGEST_HIDDEN - self._timeout) / self._beat + 1e-9), 0)
        self._holds: dict[int, _Hold] = {}
        self._suspensions: dict[Worker, Windows] = {}

    def done(self, item: Receipt, now: float) -> None:
        """Delete the message."""
        super().done(item, now)
        self._let_go(item)

    def failed(self, item: Receipt, effect: int) -> None:
        """What the consumers were told to do after a failure; where they wait, they beat no more."""
        super().failed(item, effect)
        self._let_go(item)

    def crashed(self, worker: Worker, items: Sequence[Receipt]) -> None:
        """The beats of what it held end."""
        super().crashed(worker, items)
        for item in items:
            self._let_go(item)

    def _receive(self, worker: Worker, copy: int, now: float) -> Receipt | None:
        """Deliver a visible copy, which the worker holds from now on."""
        receipt = super()._receive(worker, copy, now)
        if receipt is not None:
            self._holds[copy] = _Hold(receipt[2], worker, now)
        return receipt

    def _let_go(self, item: Receipt) -> None:
        _, copy, delivery = item
        hold = self._holds.get(copy)
        if hold is None or hold.delivery != delivery:
            return  # somebody else has received it since
        if self._is_in_flight(item):
            hold.until = min(hold.until, self._site.now)
        else:
            del self._holds[copy]

    def _visibility_ends(self, copy: int, delivery: int) -> None:
        """The timeout is over, unless beats have moved its end."""
        hold = self._holds[copy]
        end = self._last_beat(hold) + self._timeout
        if end > self._site.now:
            self._site.call_at(end, lambda: self._look_again(copy, delivery), VISIBLE_AGAIN)
        else:
            super()._visibility_ends(copy, delivery)

    def _look_again(self, copy: int, delivery: int) -> None:
        if self._state[copy] == delivery:
            self._visibility_ends(copy, delivery)

    def _last_beat(self, hold: _Hold) -> float:
        """When the visibility of a delivery was last extended before now; its receive if never."""
        number = min(self._beats_before(min(self._site.now, hold.until), hold), self._most_beats)
        suspended = self._suspended(hold.worker)
        while number > 0:
            beat = hold.received + number * self._beat
            window = bisect_right(suspended.starts, beat) - 1
            if window < 0 or beat >= suspended.ends[window]:
                return beat
            number = self._beats_before(suspended.starts[window], hold)
        return hold.received

    def _beats_before(self, time: float, hold: _Hold) -> int:
        """How many beats of a delivery fall before a time, whatever rounding does to the quotient."""
        number = math.ceil((time - hold.received) / self._beat) - 1
        while hold.received + number * self._beat >= time:
            number -= 1
        while hold.received + (number + 1) * self._beat < time:
            number += 1
        return number

    def _suspended(self, worker: Worker) -> Windows:
        """The stretches in which a worker's work is suspended."""
        if worker not in self._suspensions:
            self._suspensions[worker] = union(each for each in worker.outages if each.in_hand == "resume")
        return self._suspensions[worker]


def open_queue(
    site: Site, name: str, effects: tuple[int, ...], options: QueueOptions, consumers: QueueConsumers
) -> Queue:
    """A queue as its consumers need it; see :class:`~sim.components.queue.Queue` for the arguments."""
    kind = Queue if consumers.heartbeat is None else HeartbeatQueue
    return kind(site, name, effects, options, consumers)
