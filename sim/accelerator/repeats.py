"""What members of a group do again after a crash, as long as all goes well: records that have ended before.

How long it takes follows from draws attached to (message, attempt), so that whole stretches of records can be
worked out at once; what is written of them is written block by block. Left to the careful way
(:mod:`sim.accelerator.working`): records whose first attempt is still to come, or may be the first that
succeeds; messages that a log holds twice, whose attempts are counted together.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.accelerator.hands import Hands
from sim.accelerator.lane import Lane
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
        self._times: list[float] = []
        self._places: list[NDArray[Any]] = []

    def leave_out(self, gone: int) -> None:
        """So many records, from the first, are left out, and the places of the others are counted anew."""
        self.unbegun = {place - gone for place in self.unbegun if place >= gone}
        self.unapplied = {place - gone for place in self.unapplied if place >= gone}

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
            Infinity where one may go otherwise than well; there may be more of them behind.
        """
        ahead = lane.ahead
        ahead.pass_by(position)
        if ahead.first > stop:
            ahead.clear(position)
        first, last = ahead.first, ahead.first + len(ahead.work)
        for low, high in ((position, first), (last, stop)):
            if low < high:
                places = lane.order[low:high]
                messages: list[int] = messages_of[places].tolist()
                numbers = [self._attempts.get(message, 1) for message in messages]
                at = 0 if low == position else len(ahead.work)
                ahead.work[at:at] = self._work(places, messages, numbers, is_double)
                ahead.messages[at:at], ahead.numbers[at:at] = messages, numbers
        ahead.first = position
        return ahead.work

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

    def note(self, lane: Lane, starts: list[float], end: float) -> None:
        """So many of the records that a partition looks ahead at went well, the last of them until then."""
        count = len(starts)
        if not count:
            return
        ahead = lane.ahead
        self._attempts.update(
            zip(ahead.messages[:count], [number + 1 for number in ahead.numbers[:count]], strict=True)
        )
        self._places.append(lane.order[ahead.first : ahead.first + count])
        self._times += starts
        self._times.append(end)
        ahead.pass_by(ahead.first + count)

    def take(self) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Starts, ends and places of all that went well since the last time."""
        places = np.concatenate(self._places or [np.empty(0, dtype=np.int64)])
        times = np.fromiter(self._times, float, len(self._times))
        stops = np.cumsum([len(each) + 1 for each in self._places], dtype=np.int64) - 1
        self._places.clear()
        self._times.clear()
        return np.delete(times, stops), np.delete(times, (stops + 1)[:-1])[1:], places
