"""A block of arrivals: what the hot loop reads, and what it writes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.components.consumer import Pool
from sim.components.timelines import Condition
from sim.engine.quantities import UNLIMITED

_SIZE = 1 << 15


def pieces(messages: NDArray[Any], times: NDArray[Any]) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    """Arrivals in pieces that fit into a block."""
    for start in range(0, len(messages), _SIZE):
        yield messages[start : start + _SIZE], times[start : start + _SIZE]


class Block:
    """Arrivals at one pool.

    Args:
        pool: who works on them.
        messages: their numbers.
        times: when each was accepted, s.
        visible: when each can be taken, s.
        first: how many messages came before.
        longest: no delivery of the hot loop takes longer, s.
        careful: which messages the hot loop must not take, beside those that may fail.
        may_fail: whether the hot loop takes those that surely fail at the end of their work.

    Attributes:
        messages, times, visible: numbers, when accepted, when visible.
        first: how many messages came before this block.
        durations: per effect, at normal speed, shape (size,).
        work: of each message; negative where it fails, infinity where the hot loop must not take it.
        stages: per message the durations of several stages; None where there is only one.
        starts: of the messages so far, NaN where the careful way took them.
        chosen: by which worker.
    """

    def __init__(
        self,
        pool: Pool[Any],
        messages: NDArray[Any],
        times: NDArray[Any],
        visible: NDArray[Any],
        *,
        longest: float = UNLIMITED,
        first: int = 0,
        careful: NDArray[Any] | None = None,
        may_fail: bool = False,
    ) -> None:
        self.messages, self.size, self.first = messages, len(messages), first
        self._low = int(messages.min())
        high = int(messages.max()) + 1
        self._is_range = high - self._low == self.size and bool(np.all(np.diff(messages) == 1))
        self.times: list[float] = times.tolist()
        self.visible: list[float] = self.times if visible is times else visible.tolist()
        self.durations = [effect.first_attempts(self._low, high) for effect in pool.effects]
        if not self._is_range:
            self.durations = [each[messages - self._low] for each in self.durations]
        slowest = min(worker.speed for worker in pool.workers)
        longest *= 1 - 1e-12  # sums are rounded
        total = np.sum(self.durations, axis=0) / slowest + pool.hop
        taboo = np.zeros(self.size, dtype=bool) if careful is None else careful
        chances = [condition for effect in pool.effects for condition in pool.slow[effect]]
        chances += [condition for _, condition in pool.crashes]
        for condition in chances:
            taboo = taboo | _by_chance(condition, self._low, high, messages)
        work = self.durations[-1].copy()
        work[taboo | np.isinf(total) | (total > longest)] = np.inf
        if may_fail:
            durations, fails = pool.effects[0].first_failures(self._low, high)
            if not self._is_range:
                durations, fails = durations[messages - self._low], fails[messages - self._low]
            fails = fails & ~taboo & (durations > 0) & (durations / slowest <= longest)
            work[fails] = -durations[fails]
        self.work: list[float] = work.tolist()
        self.stages: list[tuple[float, ...]] | None = None
        self._set_stages(pool, work)
        self.starts: list[float] = []
        self.chosen: list[int] = []
        self._careful: list[int] = [*np.flatnonzero(np.isinf(work)).tolist(), self.size]
        self._next = 0

    def next_careful(self) -> int:
        """The position of the next message that the hot loop must not take."""
        while self._careful[self._next] < len(self.starts):
            self._next += 1
        return self._careful[self._next]

    @property
    def position(self) -> int:
        """How many messages have been delivered."""
        return len(self.starts)

    def skip(self) -> int:
        """The number of the next message, which takes the careful way."""
        self.starts.append(math.nan)
        self.chosen.append(0)
        return int(self.messages[len(self.starts) - 1])

    def rows(self, good: Any) -> Any:
        """Where the messages stand in the columns."""
        if isinstance(good, slice) and self._is_range:
            return slice(self._low, self._low + self.size)
        return self.messages[good]

    def _set_stages(self, pool: Pool[Any], last: NDArray[Any]) -> None:
        durations = [*self.durations[:-1], last]
        if pool.is_anonymous:
            speed = pool.workers[0].speed
            durations = [each / speed for each in durations]
            if pool.hop:
                durations.insert(0, np.full(self.size, pool.hop))
        if len(durations) > 1 or pool.hop:
            self.stages = list(zip(*(each.tolist() for each in durations), strict=True))
        else:
            self.work = durations[0].tolist()


def _by_chance(condition: Condition, low: int, high: int, messages: NDArray[Any]) -> NDArray[Any]:
    """Which of the messages a condition may hit whatever the time."""
    if condition.windows is not None:
        return np.zeros(len(messages), dtype=bool)
    hit = condition.may_hit(low, high)
    return np.ones(len(messages), dtype=bool) if hit is None else hit[messages - low]
