"""What arrives for a member of a consumer group: the records of all of its partitions in one line."""

from __future__ import annotations

from bisect import bisect_left
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.accelerator.lane import Lane
from sim.accelerator.tail import Tail
from sim.engine.columns import floats
from sim.engine.quantities import UNLIMITED

PAD = 33
"""So many times of infinity follow the last record, so that a search need not ask where the end is."""

_PAD = np.full(PAD, UNLIMITED)

MOST = 256
"""Partitions whose numbers fit into bytes, among which they are counted fast."""

_MUCH = 1 << 10
"""Records: fewer that have arrived are not worth moving those that have not."""


class Inflow:
    """The records of a member in the order of their arrival; those that have arrived are let go.

    Args:
        lanes: the partitions of the member.

    Attributes:
        times: when each record was accepted, with infinity behind the last.
        numbers: which of the member's partitions each is in; bytes if there are no more than ``MOST``.
        seen: so many have arrived, as far as the member can know now.
    """

    def __init__(self, lanes: list[Lane]) -> None:
        self._lanes = lanes
        self._times = Tail(float)
        self.times = floats(self._times.append(_PAD))
        self.numbers: bytearray | list[int] = bytearray() if len(lanes) <= MOST else []
        self.seen = 0

    def extend(self, times: NDArray[Any], numbers: NDArray[Any]) -> None:
        """More records are known."""
        self._times.grow(len(times))[-PAD - len(times) : -PAD] = times
        self._times.kept[-PAD:] = UNLIMITED
        self.times = floats(self._times.kept)
        is_few = isinstance(self.numbers, bytearray)
        self.numbers.extend(numbers.astype(np.uint8).tobytes() if is_few else numbers.tolist())

    def see(self, until: float) -> None:
        """What is accepted before a time has arrived."""
        stop = bisect_left(self.times, until, self.seen)
        if isinstance(self.numbers, bytearray) and stop - self.seen > len(self._lanes):
            for number, lane in enumerate(self._lanes):
                lane.arrived += self.numbers.count(number, self.seen, stop)
        else:
            for number in self.numbers[self.seen : stop]:
                self._lanes[number].arrived += 1
        self.seen = stop

    def see_one(self) -> None:
        """The next record has arrived."""
        self._lanes[self.numbers[self.seen]].arrived += 1
        self.seen += 1

    def let_go(self) -> None:
        """Forget what has arrived."""
        if self.seen >= _MUCH or self.seen == len(self.numbers):
            self.times = floats(self._times.drop(self.seen))
            del self.numbers[: self.seen]
            self.seen = 0
