"""Copies of a queue that will be visible again, in the order in which they will be.

A visibility timeout is the same for all, so that copies in flight come back in the order of their receives;
what is given back after a failure stands in a heap beside that line. At one instant the former come first.
"""

from __future__ import annotations

import bisect
from collections import deque
from heapq import heappop, heappush

from sim.accelerator.publishing import Inexact
from sim.engine.quantities import UNLIMITED

Due = tuple[float, float, int]
"""A copy in flight: when it is visible again, order of its delivery, number."""


class Returns:
    """What will come back to one queue.

    Attributes:
        due: when the next copy is visible again.
        in_flight: those that no worker gives back, by when they are due.
    """

    def __init__(self) -> None:
        self.due = UNLIMITED
        self.in_flight: deque[Due] = deque()
        self._given_back: list[tuple[float, float, float, int]] = []

    def _set_due(self) -> None:
        due = self.in_flight[0][0] if self.in_flight else UNLIMITED
        if self._given_back and self._given_back[0][0] < due:
            due = self._given_back[0][0]
        self.due = due

    def add(self, due: float, order: float, copy: int) -> None:
        """A copy is in flight until a time; of those due then, the order of deliveries decides."""
        entry = due, order, copy
        if self.in_flight and self.in_flight[-1] > entry:  # somebody else was known to be due before
            bisect.insort(self.in_flight, entry)
        else:
            self.in_flight.append(entry)
        if due < self.due:  # noqa: PLR1730 - a call costs more
            self.due = due

    def give_back(self, due: float, scheduled: float, count: float, copy: int) -> None:
        """A copy is given back, and visible again at a time.

        Args:
            due: when.
            scheduled: when the end of the work on it was scheduled.
            count: deliveries so far.
            copy: its number.
        """
        heappush(self._given_back, (due, scheduled, count, copy))
        self._set_due()

    def pop(self) -> tuple[float, int]:
        """The next copy, and when it is visible again."""
        given_back = self._given_back
        if self.in_flight and not (given_back and given_back[0][0] < self.in_flight[0][0]):
            due, _, copy = self.in_flight.popleft()
            self._set_due()
            return due, copy
        due, scheduled, _, copy = heappop(given_back)
        if given_back and given_back[0][0] == due and given_back[0][1] != scheduled:
            raise Inexact("copies are given back at one instant by work that began at several")
        self._set_due()
        return due, copy

    def turn_page(self, final: int) -> None:
        """The first so many messages are left out from now on."""
        self.in_flight = deque((due, order, copy - final) for due, order, copy in self.in_flight)
        self._given_back = [(due, began, place, copy - final) for due, began, place, copy in self._given_back]
