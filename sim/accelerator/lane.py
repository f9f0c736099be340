"""One partition of a log as its member in a group sees it: what is there, and how far it has come.

Positions count the records that are kept here; ``base`` of them have been let go before. Records are worked
on in order, so that one has ended before if it lies before ``passed``, and has been begun before if it lies
before ``begun`` (or was passed over, which is noted elsewhere).
"""

from __future__ import annotations

import math
from array import array
from typing import Any, Union

import numpy as np
from numpy.typing import NDArray

Starts = Union[NDArray[Any], "array[float]"]
"""When each of some records is begun, s."""

_MUCH = 0.25
"""Of the records that are kept: less is not worth moving a backlog to the front."""


class _Tail:
    """Numbers that are appended and dropped from the front, with room for more, so that each is seldom moved.

    Attributes:
        kept: what has not been dropped.
    """

    __slots__ = ("_first", "_room", "kept")

    def __init__(self, kind: type) -> None:
        self._room: NDArray[Any] = np.empty(0, dtype=kind)
        self._first = 0
        self.kept = self._room

    def append(self, more: NDArray[Any]) -> NDArray[Any]:
        """More at the end; what is kept now."""
        count = len(self.kept)
        if self._first + count + len(more) > len(self._room):
            room = np.empty(2 * (count + len(more)), dtype=self._room.dtype)
            room[:count] = self.kept
            self._room, self._first = room, 0
        stop = self._first + count + len(more)
        self._room[self._first + count : stop] = more
        self.kept = self._room[self._first : stop]
        return self.kept

    def drop(self, count: int) -> NDArray[Any]:
        """Fewer at the front; what is kept now."""
        self._first += count
        self.kept = self.kept[count:]
        return self.kept


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
        arrived: so many have arrived, as far as the member can know now.
        fetched: how far its member has fetched.
        done: how far it has come.
        committed: where it begins again after a crash.
        passed: how far it has ever come.
        begun: how many records have ever been begun.
        rewound: when it last went back.
        starts: of the records begun since the columns were last written, NaN where that was not plain.
        ahead: next attempts at records that have been done before.
        base: see above.
    """

    __slots__ = (
        "_orders",
        "_times",
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
        self._times, self._orders = _Tail(float), _Tail(np.int64)
        self.times, self.order = self._times.kept, self._orders.kept
        self.work = array("d")
        self.arrived = self.fetched = self.done = self.committed = self.passed = self.begun = 0
        self.rewound = 0.0
        self.starts = array("d")
        self.ahead = Ahead()
        self.base = 0

    def extend(self, times: NDArray[Any], order: NDArray[Any], work: NDArray[Any]) -> None:
        """More records are known."""
        self.times = self._times.append(times)
        self.order = self._orders.append(order)
        self.work.frombytes(work.tobytes())

    def begun_since(self) -> NDArray[Any]:
        """The order of the records to which ``starts`` belongs."""
        return self.order[self.begun - len(self.starts) : self.begun]

    def work_since(self) -> NDArray[Any]:
        """The work on them."""
        return np.frombuffer(self.work)[self.begun - len(self.starts) : self.begun]

    def let_go(self) -> None:
        """Forget what is committed, once that is much of what is kept; what has begun is written."""
        gone = self.committed
        if gone < _MUCH * len(self.order):
            return
        del self.work[:gone]
        self.times = self._times.drop(gone)
        self.order = self._orders.drop(gone)
        self.base += gone
        self.arrived -= gone
        self.fetched -= gone
        self.done -= gone
        self.passed -= gone
        self.begun -= gone
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
            self.starts.extend([math.nan] * (position - self.begun))
            self.begun = position

    def begin(self, position: int) -> None:
        """A record is begun that is not plain."""
        self.starts.append(math.nan)
        self.begun = position + 1

    def run(self, position: int, starts: Starts) -> None:
        """Records from the first that was not begun up to a position went well."""
        self.starts.frombytes(starts.tobytes())
        self.done = self.passed = self.begun = position
