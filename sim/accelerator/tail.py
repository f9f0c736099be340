"""Numbers that come at the end and go at the front, in memory that is used again."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


class Tail:
    """A column of which only the last numbers are kept.

    What is kept moves to the front of its room when no more is kept than has been let go, so that each number
    is moved but once on average: memory that is fresh from the system costs 1 to 2 us a page. So what is kept
    is good until the next number comes.

    Args:
        kind: of numbers.

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
        self.grow(len(more))[count:] = more
        return self.kept

    def grow(self, more: int) -> NDArray[Any]:
        """So many more at the end, which are still to be written; what is kept now."""
        count = len(self.kept)
        size = count + more
        if self._first >= count and size <= len(self._room):
            self._room[:count] = self.kept
            self._first = 0
        elif self._first + size > len(self._room):
            room = np.empty(size + max(count, more // 4), dtype=self._room.dtype)
            room[:count] = self.kept
            self._room, self._first = room, 0
        self.kept = self._room[self._first : self._first + size]
        return self.kept

    def drop(self, count: int) -> NDArray[Any]:
        """Fewer at the front; what is kept now."""
        self._first += count
        self.kept = self.kept[count:]
        return self.kept
