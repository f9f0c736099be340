"""A block of arrivals: what the hot loop reads, and what it writes."""

from __future__ import annotations

import math
import sys
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.components.consumer import Pool
from sim.components.timelines import Condition
from sim.engine.columns import floats
from sim.engine.quantities import UNLIMITED

_SIZE = 1 << 15
_GREATEST = sys.float_info.max


def pieces(messages: NDArray[Any], times: NDArray[Any]) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    """Arrivals in pieces that fit into a block.

    Args:
        messages: their numbers.
        times: when they are, s.
    """
    for start in range(0, len(messages), _SIZE):
        yield messages[start : start + _SIZE], times[start : start + _SIZE]


_BYTE = 256
"""Workers whose numbers fit into bytes, which are noted faster."""

OUTLIVES = -1


@dataclass(frozen=True, slots=True)
class Failing:
    """The messages of a block whose first delivery surely fails, and what the second one comes to.

    And those whose only attempt succeeds, but outlives the visibility timeout, if the worker is slow.

    Attributes:
        positions: in the block, in order.
        effects: at which effect of the pool each fails; ``OUTLIVES`` where none does.
        each: both, what the second delivery takes, s at normal speed, per attempt until one fails or all are
            done, whether the last one fails, and whether it surely ends well if nothing interferes; where
            the first delivery does not fail, the same of that.
        seconds: what each attempt of the second delivery takes, per effect a column.
    """

    positions: NDArray[Any]
    effects: NDArray[Any]
    each: list[tuple[int, int, tuple[float, ...], bool, bool]]
    seconds: list[NDArray[Any]]


_Attempts = tuple[NDArray[Any], NDArray[Any] | None]
"""What they take, s at normal speed, and which fail; None where none does."""

_NOWHERE = np.empty(0, dtype=np.int64)
_NONE = Failing(_NOWHERE, _NOWHERE, [], [])


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
        may_fail: whether the hot loop takes those that surely fail, as if all went well.
        may_outlive: and those that take too long for a slow worker.

    Attributes:
        messages, times, visible: numbers, when accepted, when visible.
        seen: when visible, as an array.
        first: how many messages came before this block.
        durations: per effect, at normal speed, shape (size,).
        failing: those that fail surely, which the hot loop takes.
        work: of each message; infinity where the hot loop must not take it.
        stages: per stage the durations of all messages; None where there is only one.
        starts: of the messages so far, NaN where the careful way took them; empty where a block was
            delivered as a whole, of which only ``started`` tells.
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
        may_outlive: bool = False,
    ) -> None:
        self.messages, self.size, self.first = messages, len(messages), first
        self._rows = rows = rows_of(messages)
        if isinstance(rows, slice):
            low, high, places = rows.start, rows.stop, slice(None)
        else:
            low, high = int(messages.min()), int(messages.max()) + 1
            places = messages - low
        self.times = floats(times)
        self.seen = visible
        self.visible = self.times if visible is times else floats(visible)
        taboos = [] if careful is None else [careful]
        taboos += [hit_by_chance(condition, low, high, messages) for condition in pool.conditions]
        self.failing = _NONE
        if visible[-1] + longest * (1 - 1e-12) <= visible[-1]:  # such a timeout is lost in rounding
            may_fail = may_outlive = False
        firsts, self.durations, self._failed = self._draw(pool, (low, high), places, taboos, may_fail)
        self._taboo = np.logical_or.reduce(taboos) if taboos else None
        self._may_fail = may_fail
        work = self._work(pool, firsts, longest, may_outlive=may_outlive)
        self.stages: list[memoryview[float]] | None = None
        self.work = self._set_stages(pool, work)
        self.starts: list[float] = []  # to which appending takes a third of the time that it takes to arrays
        self.chosen: bytearray | array[int] = bytearray() if len(pool.workers) <= _BYTE else array("i")
        self.has_skipped = False
        self._next = 0

    def _draw(
        self,
        pool: Pool[Any],
        numbers: tuple[int, int],
        places: Any,
        taboos: list[NDArray[Any]],
        may_fail: bool,
    ) -> tuple[list[_Attempts], list[NDArray[Any]], NDArray[Any] | None]:
        """First attempts at each effect; what they take until one fails, and at which effect that is, if any.

        The unsure are taboo, and so is what fails where it may not.
        """
        firsts: list[_Attempts] = []
        found: list[NDArray[Any]] = []
        failed: NDArray[Any] | None = None
        for number, effect in enumerate(pool.effects):
            times, fails, is_unsure = effect.first_outcomes(*numbers)
            times = times[places]
            fails = None if fails is None else fails[places]
            firsts.append((times, fails))
            if failed is not None:
                times = np.where(failed >= 0, 0.0, times)
            found.append(times)
            if is_unsure is not None:
                taboos.append(is_unsure[places])
            if fails is None:
                continue
            if not may_fail:
                taboos.append(fails)
                continue
            if failed is None:
                failed = np.full(self.size, -1, dtype=np.int16)
            failed[fails & (failed < 0)] = number
        return firsts, found, failed

    def _find_failing(
        self, pool: Pool[Any], firsts: list[_Attempts], failed: NDArray[Any], chosen: NDArray[Any]
    ) -> None:
        """The chosen ones, which fail or may outlive, and what their second, or only, delivery comes to."""
        positions = np.flatnonzero(chosen)
        effects, messages = failed[positions], self.messages[positions]
        seconds: list[NDArray[Any]] = []
        failed_again = np.full(len(positions), -1, dtype=np.int16)
        for number, (effect, (first, fails_first)) in enumerate(zip(pool.effects, firsts, strict=True)):
            times = first[positions]
            fails = np.zeros(len(positions), dtype=bool) if fails_first is None else fails_first[positions]
            those = effects >= number  # which were tried before
            if those.any():
                times[those], fails[those] = effect.outcomes_at(messages[those], 1)
            seconds.append(times)
            failed_again[fails & (failed_again < 0)] = number
        durations: list[tuple[float, ...]] = list(zip(*(times.tolist() for times in seconds), strict=True))
        if len(seconds) > 1:
            for place in np.flatnonzero(failed_again >= 0).tolist():
                durations[place] = durations[place][: failed_again.item(place) + 1]
        total = reduce(np.add, seconds) / self._slowest + pool.hop
        is_well = (effects != OUTLIVES) & (failed_again < 0) & (total <= self._longest)
        each = zip(
            positions.tolist(),
            effects.tolist(),
            durations,
            (failed_again >= 0).tolist(),
            is_well.tolist(),
            strict=True,
        )
        self.failing = Failing(positions, effects, list(each), seconds)

    @cached_property
    def _careful(self) -> list[int]:
        return [*np.flatnonzero(np.isinf(np.asarray(self.work))).tolist(), self.size]

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
        """The number of the next message, which does not take the hot loop."""
        self.has_skipped = True
        self.starts.append(math.nan)
        self.chosen.append(0)
        return int(self.messages[len(self.starts) - 1])

    @cached_property
    def left_out(self) -> NDArray[Any]:
        """Positions of those that did not take the hot loop, or may not go well, once all are delivered."""
        failing = self.failing.positions
        if not self.has_skipped:
            return failing
        is_left_out = np.isnan(self.started)
        is_left_out[failing] = True
        return np.flatnonzero(is_left_out)

    @cached_property
    def started(self) -> NDArray[Any]:
        """The starts as a column, once all are delivered."""
        return np.fromiter(self.starts, float, self.size)

    def workers(self) -> NDArray[Any]:
        """Who took each message: a view, to be let go before another one is delivered."""
        kind = np.uint8 if isinstance(self.chosen, bytearray) else np.int32
        return np.frombuffer(self.chosen, dtype=kind)

    def kept(self, *columns: NDArray[Any]) -> list[NDArray[Any]]:
        """Of columns with a value for each message those that are not left out."""
        if not len(self.left_out):
            return list(columns)
        return [np.delete(column, self.left_out) for column in columns]

    def fill(self, column: NDArray[Any], values: Any) -> None:
        """Write values, one for each message or the same for all, for those that are not left out."""
        if not len(self.left_out):
            column[self._rows] = values
            return
        left_out = self.messages[self.left_out]
        kept = column[left_out]
        column[self._rows] = values
        column[left_out] = kept

    def first_delivery(self, position: int) -> tuple[list[float], bool] | None:
        """What the first delivery of a message takes, s at normal speed, until it fails or is done.

        Returns:
            Per attempt, and whether the last one fails; None where that depends on more than its draws.
        """
        if not self._may_fail or self._is_taboo[position]:
            return None
        failed = self._fails_at[position]
        reached = self._columns if failed < 0 else self._columns[: failed + 1]
        return [durations[position] for durations in reached], failed >= 0

    @cached_property
    def _columns(self) -> list[memoryview[float]]:
        return [floats(durations) for durations in self.durations]

    @cached_property
    def _is_taboo(self) -> bytes:
        return bytes(self.size) if self._taboo is None else self._taboo.tobytes()

    @cached_property
    def _fails_at(self) -> Sequence[int]:
        """At which effect each fails; -1 where it does not."""
        return np.full(self.size, -1, dtype=np.int16).data if self._failed is None else self._failed.data

    def _work(
        self, pool: Pool[Any], firsts: list[_Attempts], longest: float, *, may_outlive: bool
    ) -> NDArray[Any]:
        """The last stage of each message; infinity where the hot loop must not take it."""
        slowest = self._slowest = min(worker.speed for worker in pool.workers)
        longest = self._longest = min(longest * (1 - 1e-12), _GREATEST)  # sums are rounded
        total: NDArray[Any] = reduce(np.add, self.durations)
        is_careful = (total if slowest == 1 else total / slowest) + pool.hop > longest
        may_outlive = may_outlive and bool(is_careful.any())
        chosen = None if self._failed is None else self._failed >= 0
        if may_outlive:
            chosen = is_careful.copy() if chosen is None else chosen ^ is_careful  # one of both
            is_careful &= ~chosen
        if self._taboo is not None:
            is_careful |= self._taboo
        if chosen is not None:
            failed = np.full(self.size, OUTLIVES, dtype=np.int16) if self._failed is None else self._failed
            self._find_failing(pool, firsts, failed, chosen & ~is_careful)
        is_any = bool(is_careful.any())
        self.is_plain = not (is_any or self.failing.each)
        return np.where(is_careful, np.inf, self.durations[-1]) if is_any else self.durations[-1]

    def _set_stages(self, pool: Pool[Any], last: NDArray[Any]) -> memoryview[float]:
        """What the hot loop reads: work of one stage, or of several; the last of them."""
        durations = [*self.durations[:-1], last]
        if len(durations) == 2 and self._failed is not None:
            durations = self._failed_last(*durations)
        if pool.is_anonymous:
            speed = pool.workers[0].speed
            if speed != 1:
                durations = [each / speed for each in durations]
            if pool.hop:
                durations.insert(0, np.full(self.size, pool.hop))
        if len(durations) == 1 and not pool.hop:
            return floats(durations[0])
        self.stages = [floats(each) for each in durations]
        return self.stages[-1]

    def _failed_last(self, first: NDArray[Any], second: NDArray[Any]) -> list[NDArray[Any]]:
        """Two stages; what fails at the first one has its work in the second, with which all work ends."""
        those = np.flatnonzero((self._failed == 0) & np.isfinite(second))
        first, second = first.copy(), second.copy()
        second[those], first[those] = first[those], 0.0
        return [first, second]


def hit_by_chance(condition: Condition, low: int, high: int, messages: NDArray[Any]) -> NDArray[Any]:
    """Which of the messages a condition may hit whatever the time."""
    if condition.windows is not None:
        return np.zeros(len(messages), dtype=bool)
    hit = condition.may_hit(low, high)
    return np.ones(len(messages), dtype=bool) if hit is None else hit[messages - low]
