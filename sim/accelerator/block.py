"""A block of arrivals: what the hot loop reads, and what it writes."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Failing:
    """The messages of a block whose first delivery surely fails, and what the second one comes to.

    Attributes:
        positions: in the block, in order.
        effects: at which effect of the pool each fails.
        stages: per message what the second delivery takes, s at normal speed, until it fails or is done.
        fails: which fail then, too.
    """

    positions: list[int]
    effects: list[int]
    stages: list[tuple[float, ...]]
    fails: list[bool]


_NONE = Failing([], [], [], [])


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
        may_fail: whether the hot loop takes those that surely fail, as if all went well.

    Attributes:
        messages, times, visible: numbers, when accepted, when visible.
        first: how many messages came before this block.
        durations: per effect, at normal speed, shape (size,).
        failing: those that fail surely.
        work: of each message; infinity where the hot loop must not take it.
        stages: per stage the durations of all messages; None where there is only one.
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
        self._is_range = int(messages.max()) + 1 - self._low == self.size and bool(
            np.all(np.diff(messages) == 1)
        )
        self.times: list[float] = times.tolist()
        self.visible: list[float] = self.times if visible is times else visible.tolist()
        taboo = np.zeros(self.size, dtype=bool) if careful is None else careful.copy()
        self.failing = _NONE
        self._fails: NDArray[Any] | None = None
        self.durations = self._draw(pool, taboo, may_fail)
        slowest = min(worker.speed for worker in pool.workers)
        longest *= 1 - 1e-12  # sums are rounded
        total = np.sum(self.durations, axis=0) / slowest + pool.hop
        chances = [condition for effect in pool.effects for condition in pool.slow[effect]]
        chances += [condition for _, condition in pool.crashes]
        for condition in chances:
            taboo |= _by_chance(condition, self._low, int(messages.max()) + 1, messages)
        taboo |= total > longest
        if self._fails is not None:
            taboo |= (self._fails >= 0) & (visible + longest <= visible)
            self._find_failing(pool, ~taboo)
        work = self.durations[-1].copy()
        work[taboo] = np.inf
        self.stages: list[list[float]] | None = None
        self.work: list[float] = self._set_stages(pool, work)
        self.starts = array("d")
        self.chosen = array("i")
        self._careful: list[int] = [*np.flatnonzero(np.isinf(work)).tolist(), self.size]
        self._next = 0

    def _draw(self, pool: Pool[Any], taboo: NDArray[Any], may_fail: bool) -> list[NDArray[Any]]:
        """First attempts, until one fails; those that are unsure are taboo, and so are failures."""
        low, high = self._low, int(self.messages.max()) + 1
        found: list[NDArray[Any]] = []
        failed: NDArray[Any] | None = None
        for number, effect in enumerate(pool.effects):
            times, fails, is_unsure = effect.first_outcomes(low, high)
            if not self._is_range:
                within = self.messages - low
                times, fails, is_unsure = times[within], fails[within], is_unsure[within]
            found.append(times)
            taboo |= is_unsure
            if not may_fail:
                taboo |= fails
                continue
            if failed is None:
                failed = np.full(self.size, -1)
            times[failed >= 0] = 0.0
            failed[fails & (failed < 0)] = number
        self._fails = failed
        return found

    def _find_failing(self, pool: Pool[Any], is_sure: NDArray[Any]) -> None:
        """Those whose first delivery surely fails, and what their second one comes to."""
        assert self._fails is not None
        positions = np.flatnonzero((self._fails >= 0) & is_sure)
        effects = self._fails[positions]
        messages: list[int] = self.messages[positions].tolist()
        stages: list[list[float]] = []
        failed = np.full(len(positions), -1)
        for number, effect in enumerate(pool.effects):
            times, fails = effect.outcomes(messages, (effects >= number).astype(int).tolist())
            stages.append(times)
            failed[np.array(fails, dtype=bool) & (failed < 0)] = number
        durations: list[tuple[float, ...]] = list(zip(*stages, strict=True))
        if len(stages) > 1:
            durations = [
                each if last < 0 else each[: last + 1]
                for each, last in zip(durations, failed.tolist(), strict=True)
            ]
        self.failing = Failing(positions.tolist(), effects.tolist(), durations, (failed >= 0).tolist())

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
        self.stages = [each.tolist() for each in durations]
        return self.stages[-1]


def _by_chance(condition: Condition, low: int, high: int, messages: NDArray[Any]) -> NDArray[Any]:
    """Which of the messages a condition may hit whatever the time."""
    if condition.windows is not None:
        return np.zeros(len(messages), dtype=bool)
    hit = condition.may_hit(low, high)
    return np.ones(len(messages), dtype=bool) if hit is None else hit[messages - low]
