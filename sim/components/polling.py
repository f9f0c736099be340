"""Idle workers that look for messages at intervals instead of waiting for them.

A worker that receives nothing sleeps for the interval and asks again; one that receives something asks again
as soon as it is done with it. So workers that have been idle since the start ask at multiples of the
interval, and work shifts them against each other, as it does with real loops. Asking in vain changes
nothing, so that only the times at which something may be found are scheduled.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from sim.components.site import Site
from sim.components.worker import Worker
from sim.engine.environment import ARRIVAL


class Polls:
    """The sleeping workers of one source.

    Args:
        site: where they are.
        interval: between two looks, s.
        rouse: wakes a worker, which then asks its source.
        rank: of asking, among what falls on the same instant.
    """

    def __init__(
        self, site: Site, interval: float, rouse: Callable[[Worker], None], rank: int = ARRIVAL
    ) -> None:
        self._rank = rank
        self._site = site
        self._interval = interval
        self._rouse = rouse
        self._since: dict[Worker, float] = {}
        self._unplanned: dict[Worker, None] = {}

    def sleep(self, worker: Worker) -> None:
        """A worker has just asked in vain."""
        self._since[worker] = self._site.now
        self._unplanned[worker] = None

    def wake(self, worker: Worker) -> None:
        """A worker sleeps no more."""
        self._since.pop(worker, None)
        self._unplanned.pop(worker, None)

    def alert(self) -> None:
        """There may be something for everybody: each sleeper asks at its next turn."""
        for worker in list(self._unplanned):
            self.alert_one(worker)

    def alert_one(self, worker: Worker) -> None:
        """There may be something for this worker."""
        if worker not in self._unplanned:
            return
        del self._unplanned[worker]
        since = self._since[worker]

        def ask() -> None:
            if self._since.get(worker) == since:
                self._rouse(worker)

        self._site.call_at(self.turn(since, self._site.now), ask, self._rank)

    def turn(self, since: float, time: float) -> float:
        """The first turn at or after a time of a worker that asked in vain ``since`` then."""
        return turn_at(self._interval, since, time)


def turn_at(interval: float, since: float, time: float) -> float:
    """When a worker that asked in vain ``since`` then asks for the first time at or after a time."""
    turn = max(math.ceil((time - since) / interval), 1)
    while since + turn * interval < time:  # the quotient is rounded
        turn += 1
    while turn > 1 and since + (turn - 1) * interval >= time:
        turn -= 1
    return since + turn * interval
