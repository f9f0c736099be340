"""A block of arrivals: what the hot loop reads, and what it writes."""

from __future__ import annotations

import math
import sys
from array import array
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.components.consumer import Pool
from sim.components.timelines import Condition
from sim.engine.quantities import UNLIMITED

_SIZE = 1 << 14
_GREATEST = sys.float_info.max


def pieces(messages: NDArray[Any], times: NDArray[Any]) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    """Arrivals in pieces that fit into a block."""
    for start in range(0, len(messages), _SIZE):
        yield messages[start : start + _SIZE], times[start : start + _SIZE]


def rows_of(messages: NDArray[Any]) -> slice | NDArray[Any]:
    """Where messages stand in the columns: a slice if their numbers follow one another."""
    low, size = int(messages[0]), len(messages)
    if messages[-1] - low == size - 1 and bool((messages[1:] > messages[:-1]).all()):
        return slice(low, low + size)
    return messages


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
        seen: when visible, as an array.
        first: how many messages came before this block.
        durations: per effect, at normal speed, shape (size,).
        work: of each message; negative where it fails, infinity where the hot loop must not take it.
        stages: per message the durations of several stages; None where there is only one.
        starts: of the messages so far, NaN where the careful way took them.
        chosen: by which worker.
        is_plain: whether the hot loop may take all of them, and none fails.
        has_skipped: whether the careful way took any.
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
        self._rows = rows_of(messages)
        low, high = int(messages.min()), int(messages.max()) + 1
        self.times: list[float] = times.tolist()
        self.seen = visible
        self.visible: list[float] = self.times if visible is times else visible.tolist()
        places = slice(None) if isinstance(self._rows, slice) else messages - low
        outcomes = [effect.first_outcomes(low, high) for effect in pool.effects]
        self.durations: list[NDArray[Any]] = [durations[places] for durations, _ in outcomes]
        chances = [condition for effect in pool.effects for condition in pool.slow[effect]]
        chances += [condition for _, condition in pool.crashes]
        taboos = [] if careful is None else [careful]
        taboos += [_by_chance(condition, low, high, messages) for condition in chances]
        failing = outcomes[0][1] if may_fail else None
        work = self._work(pool, longest, taboos, None if failing is None else failing[places])
        self.stages: list[tuple[float, ...]] | None = None
        self.work: list[float] = self._set_stages(pool, work)
        self.starts = array("d")
        self.chosen = array("i")
        self.has_skipped = False
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
        self.has_skipped = True
        self.starts.append(math.nan)
        self.chosen.append(0)
        return int(self.messages[len(self.starts) - 1])

    def rows(self, good: Any) -> Any:
        """Where the messages stand in the columns."""
        return self._rows if isinstance(good, slice) else self.messages[good]

    def _work(
        self, pool: Pool[Any], longest: float, taboos: list[NDArray[Any]], failing: NDArray[Any] | None
    ) -> NDArray[Any]:
        """The last stage of each message; infinity where the hot loop must not take it."""
        slowest = min(worker.speed for worker in pool.workers)
        longest = min(longest * (1 - 1e-12), _GREATEST)  # sums are rounded
        total: NDArray[Any] = (
            self.durations[0] if len(self.durations) == 1 else np.sum(self.durations, axis=0)
        )
        is_taboo = (total if slowest == 1 else total / slowest) + pool.hop > longest
        for taboo in taboos:
            is_taboo |= taboo
        self.is_plain = not is_taboo.any()
        if self.is_plain:
            return self.durations[-1]
        work = np.where(is_taboo, np.inf, self.durations[-1])
        if failing is not None:
            fails = (failing > 0) & (failing / slowest <= longest)
            for taboo in taboos:
                fails &= ~taboo
            work[fails] = -failing[fails]
        return work

    def _set_stages(self, pool: Pool[Any], last: NDArray[Any]) -> list[float]:
        """What the hot loop reads: work of one stage, or of several; the last of them."""
        durations = [*self.durations[:-1], last]
        if pool.is_anonymous:
            speed = pool.workers[0].speed
            if speed != 1:
                durations = [each / speed for each in durations]
            if pool.hop:
                durations.insert(0, np.full(self.size, pool.hop))
        if len(durations) == 1 and not pool.hop:
            return durations[0].tolist()
        self.stages = list(zip(*(each.tolist() for each in durations), strict=True))
        return last.tolist()


def _by_chance(condition: Condition, low: int, high: int, messages: NDArray[Any]) -> NDArray[Any]:
    """Which of the messages a condition may hit whatever the time."""
    if condition.windows is not None:
        return np.zeros(len(messages), dtype=bool)
    hit = condition.may_hit(low, high)
    return np.ones(len(messages), dtype=bool) if hit is None else hit[messages - low]
