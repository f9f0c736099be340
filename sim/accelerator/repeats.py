"""What members of a group do again after a crash, as long as all goes well: records that have ended before.

How long it takes follows from draws attached to (message, attempt), so that whole stretches of records can be
worked out at once; what is written of them is written block by block. Left to the careful way
(:mod:`sim.accelerator.working`): records whose first attempt is still to come, or may be the first that
succeeds; messages that a log holds twice, whose attempts are counted together.
"""

from __future__ import annotations

from array import array
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.accelerator.hands import Hands
from sim.accelerator.lane import Lane
from sim.accelerator.row import Floats
from sim.components.consumer import Pool
from sim.components.timelines import Condition
from sim.engine.quantities import UNLIMITED


class Repeats:
    """The repeats of one group.

    Args:
        pool: of the group.
        hands: who count attempts.
        by_chance: what else may hit an attempt whatever the time.

    Attributes:
        can_be_plain: whether any are.
        unbegun: place of what was passed over and may be fetched after all.
        unapplied: place of what was skipped, and may succeed when it is repeated.
    """

    def __init__(self, pool: Pool[Any], hands: Hands, by_chance: list[Condition]) -> None:
        (self._effect,) = pool.effects
        self._attempts = hands.attempts_at(self._effect)
        self.can_be_plain = not pool.idempotent and all(each.windows is not None for each in by_chance)
        self.unbegun: set[int] = set()
        self.unapplied: set[int] = set()
        self._times = array("d")
        self._places: list[NDArray[Any]] = []  # parts of what partitions keep: taken before more is known

    def leave_out(self, gone: int, lanes: list[Lane], final: int) -> None:
        """So many records and so many messages, from the first, are left out, and the others counted anew."""
        self.unbegun = {place - gone for place in self.unbegun if place >= gone}
        self.unapplied = {place - gone for place in self.unapplied if place >= gone}
        for lane in lanes:
            lane.ahead.messages = [message - final for message in lane.ahead.messages]

    def look_ahead(
        self,
        lane: Lane,
        position: int,
        stop: int,
        messages_of: NDArray[Any],
        is_double: NDArray[Any] | None,
    ) -> list[float]:
        """How long the next attempts at some records take, s, at normal speed.

        Args:
            lane: their partition.
            position: of the first of them.
            stop: behind the last of them.
            messages_of: numbers of the messages, by place among all that the log has accepted.
            is_double: by number of the message, whether the log holds it twice; None if it holds none.

        Returns:
            Infinity where one may go otherwise than well.
        """
        ahead = lane.ahead
        ahead.drop(lane.committed)
        last = ahead.first + len(ahead.messages)
        if not ahead.first <= position <= last:
            self._attempts.update(zip(ahead.messages, ahead.numbers, strict=True))
            ahead.drop(last)
            ahead.first = ahead.known = last = position
        if stop > last:
            messages: list[int] = messages_of[lane.order[last:stop]].tolist()
            numbers = self._next_attempts(messages)
            ahead.messages += messages
            ahead.numbers += numbers
            ahead.work += self._work(lane.order[last:stop], messages, numbers, is_double)
        low, high = position - ahead.first, ahead.known - ahead.first
        if low < high:
            messages, numbers = ahead.messages[low:high], ahead.numbers[low:high]
            ahead.work[low:high] = self._work(
                lane.order[position : ahead.known], messages, numbers, is_double
            )
            ahead.known = position
        return ahead.work[low : stop - ahead.first]

    def _next_attempts(self, messages: list[int]) -> list[int]:
        """The numbers of their next attempts: mostly all of them are the second ones."""
        attempts = self._attempts
        if attempts.keys().isdisjoint(messages):
            return [1] * len(messages)
        return [attempts.get(message, 1) for message in messages]

    def _work(
        self, places: NDArray[Any], messages: list[int], numbers: list[int], is_double: NDArray[Any] | None
    ) -> list[float]:
        work = self._effect.attempts_of(messages, numbers)
        if self.unbegun or self.unapplied:
            odd = (place in self.unbegun or place in self.unapplied for place in places.tolist())
            work = [UNLIMITED if is_odd else each for each, is_odd in zip(work, odd, strict=True)]
        if is_double is not None and is_double[messages].any():
            odd = is_double[messages].tolist()
            work = [UNLIMITED if is_odd else each for each, is_odd in zip(work, odd, strict=True)]
        return work

    def note(self, lane: Lane, position: int, starts: Floats, end: float) -> None:
        """Records of a partition from a position, looked ahead at, went well, the last of them until then."""
        count = len(starts)
        if not count:
            return
        ahead = lane.ahead
        low = position - ahead.first
        ahead.numbers[low : low + count] = [number + 1 for number in ahead.numbers[low : low + count]]
        ahead.known = position + count
        self._places.append(lane.order[position : position + count])
        self._times.frombytes(starts.tobytes())
        self._times.append(end)

    def begin(self, lane: Lane, position: int, message: int) -> None:
        """An attempt at a record begins that is not plain: so many have been made before."""
        at = position - lane.ahead.first
        if 0 <= at < len(lane.ahead.numbers):
            made = self._attempts.get(message, 0)  # also of another copy of the message
            self._attempts[message] = max(made, lane.ahead.numbers[at])
        elif lane.work[position] < UNLIMITED:
            self._attempts.setdefault(message, 1)

    def end(self, lane: Lane, position: int, message: int) -> None:
        """It has been made."""
        at = position - lane.ahead.first
        if 0 <= at < len(lane.ahead.numbers):
            lane.ahead.numbers[at] = self._attempts[message]
            lane.ahead.known = max(lane.ahead.known, position + 1)

    def take(self) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Starts, ends and places of all that went well since the last time."""
        places = np.concatenate(self._places or [np.empty(0, dtype=np.int64)])
        times = np.frombuffer(self._times)
        stops = np.cumsum([len(each) + 1 for each in self._places], dtype=np.int64) - 1
        self._places, self._times = [], array("d")
        return np.delete(times, stops), np.delete(times, (stops + 1)[:-1])[1:], places
