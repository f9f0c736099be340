"""One partition of a log as its member in a group sees it: what is there, and how far it has come.

Positions count the records that are kept here; ``base`` of them have been let go before. Records are worked
on in order, so that one has ended before if it lies before ``passed``, and has been begun before if it lies
before ``begun`` (or was passed over, which is noted elsewhere).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.accelerator.row import Floats
from sim.accelerator.tail import Tail
from sim.engine.columns import floats

_MUCH = 0.25
"""Of the records that are kept: less is not worth moving a backlog to the front."""


class Ahead:
    """The next attempts at records in a row that have been done before and may be repeated.

    Attributes:
        first: position of the first of these records.
        known: position from which their work is that of the next attempt, not of one that has been made.
        messages: their numbers.
        numbers: of the attempts, counted from 0.
        work: how long each takes, s, at normal speed; infinity where it may go otherwise than well.
    """

    __slots__ = ("first", "known", "messages", "numbers", "work")

    def __init__(self) -> None:
        self.first = self.known = 0
        self.messages: list[int] = []
        self.numbers: list[int] = []
        self.work: list[float] = []

    def drop(self, position: int) -> None:
        """What lies before a position is not repeated any more."""
        gone = position - self.first
        if gone > 0:
            del self.messages[:gone], self.numbers[:gone], self.work[:gone]
            self.first = position
            self.known = max(self.known, position)


class Lane:
    """A partition.

    Attributes:
        number: of the partition.
        times: when each record was accepted; empty where nobody asks.
        order: the place of each among all that the log has accepted.
        work: how long the first attempt takes, s; infinity where it may go otherwise than well.
        starts: when each was begun, of those before ``begun`` of which that was plain.
        arrived: so many have arrived, as far as the member can know now.
        fetched: how far its member has fetched.
        done: how far it has come.
        committed: where it begins again after a crash.
        passed: how far it has ever come.
        begun: how many records have ever been begun.
        rewound: when it last went back.
        ahead: next attempts at records that have been done before.
        base: see above.
    """

    __slots__ = (
        "_orders",
        "_plain",
        "_since",
        "_starts",
        "_times",
        "_work",
        "ahead",
        "arrived",
        "base",
        "begun",
        "committed",
        "done",
        "fetched",
        "number",
        "order",
        "passed",
        "rewound",
        "starts",
        "times",
        "work",
    )

    def __init__(self, number: int) -> None:
        self.number = number
        self._times, self._orders = Tail(float), Tail(np.int64)
        self._work, self._starts = Tail(float), Tail(float)
        self.times, self.order = self._times.kept, self._orders.kept
        self.work, self.starts = floats(self._work.kept), floats(self._starts.kept)
        self.arrived = self.fetched = self.done = self.committed = self.passed = self.begun = 0
        self._plain: list[slice] = []
        self._since = 0
        self.rewound = 0.0
        self.ahead = Ahead()
        self.base = 0

    def extend(self, times: NDArray[Any], order: NDArray[Any], work: NDArray[Any]) -> None:
        """More records are known."""
        self.times = self._times.append(times)
        self.order = self._orders.append(order)
        self.work = floats(self._work.append(work))
        self.starts = floats(self._starts.grow(len(work)))

    def plain_since(self) -> list[tuple[NDArray[Any], NDArray[Any], NDArray[Any]]]:
        """Starts, order and work of the records whose begin was plain, in stretches, since the last time.

        Good until more records are known.
        """
        self._break_off(self.begun, self.begun)
        plain, self._plain = self._plain, []
        return [(self._starts.kept[those], self.order[those], self._work.kept[those]) for those in plain]

    def _break_off(self, position: int, then: int) -> None:
        """What is begun from one position up to another is not plain."""
        if position > self._since:
            self._plain.append(slice(self._since, position))
        self._since = then

    def let_go(self) -> None:
        """Forget what is committed, once that is much of what is kept; what has begun is written."""
        gone = self.committed
        if gone < _MUCH * len(self.order):
            return
        self.work, self.starts = floats(self._work.drop(gone)), floats(self._starts.drop(gone))
        self.times = self._times.drop(gone)
        self.order = self._orders.drop(gone)
        self.base += gone
        self.arrived -= gone
        self.fetched -= gone
        self.done -= gone
        self.passed -= gone
        self.begun -= gone
        self._since -= gone
        self.committed = 0
        self.ahead.drop(gone)
        self.ahead.first -= gone
        self.ahead.known -= gone

    def rewind(self, to: int, now: float) -> None:
        """Go back to a position."""
        self.fetched = self.done = to
        self.rewound = now

    def step_over(self, position: int) -> None:
        """Go on there; what lies between is not begun."""
        self.fetched = self.done = position
        self.passed = max(self.passed, position)
        if position > self.begun:
            self._break_off(self.begun, position)
            self.begun = position

    def begin(self, position: int) -> None:
        """A record is begun that is not plain."""
        self._break_off(position, position + 1)
        self.begun = position + 1

    def run(self, position: int, starts: Floats) -> None:
        """Records from the first that was not begun up to a position went well."""
        self.starts[self.begun : position] = starts
        self.done = self.passed = self.begun = position
