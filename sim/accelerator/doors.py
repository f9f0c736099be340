"""When a service that is pushed to takes nothing in, and when it loses what it has in memory.

It is shut while all of its workers are away. Their outages are known before the run; the crashes that chance
brings about are told here as they are found, which is before anything arrives later.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

from sim.components.consumer import Pool
from sim.components.timelines import Windows, union
from sim.components.worker import Worker
from sim.engine.quantities import UNLIMITED

_NEVER = UNLIMITED, UNLIMITED


class Doors:
    """The doors of one pool.

    Args:
        pool: whose workers are away together.
        shut: further times at which nobody is taken in.
    """

    def __init__(self, pool: Pool[Any], shut: Sequence[Windows] = ()) -> None:
        self._away = [union(worker.outages) for worker in pool.workers]
        self._crashed = [Windows((), ()) for _ in pool.workers]
        self._shut = shut
        self._may_shut = bool(pool.crashes) or all(away.starts for away in self._away)
        self._losses = losses(pool)
        self._known = (UNLIMITED, -UNLIMITED)
        self._next_absence = UNLIMITED

    def shut_from(self, now: float) -> float:
        """When the service is shut next, as far as is known; not later than now while it is."""
        found = UNLIMITED
        for windows in self._shut:
            found = min(found, windows.quiet_until(now))
        if self._may_shut:
            found = min(found, self._all_away_from(now))
        return found

    def _all_away_from(self, now: float) -> float:
        """When all workers may be away: not before the next absence of each of them has begun."""
        since, until = self._known
        if not since <= now < until:
            following = [
                min(_next(away, now), _next(crashed, now))
                for away, crashed in zip(self._away, self._crashed, strict=True)
            ]
            self._next_absence = max(start for start, _ in following)
            self._known = now, min(end for _, end in following)  # so long these are the next ones
        return self._next_absence

    def lost_after(self, now: float) -> float:
        """When the memory is lost next, after a time."""
        found = bisect_right(self._losses, now)
        return self._losses[found] if found < len(self._losses) else UNLIMITED

    def crash(self, worker: Worker, now: float) -> None:
        """A worker has crashed; it may be away from then on."""
        outage = worker.outage_at(now)
        if outage is not None:
            self._known = (UNLIMITED, -UNLIMITED)
            self._crashed[worker.index].starts.append(now)
            self._crashed[worker.index].ends.append(outage.end)


def losses(pool: Pool[Any]) -> list[float]:
    """When a pool loses its memory, sorted: it goes down as a whole, and nothing outlives that."""
    outages = pool.workers[0].outages
    return sorted({each.start for each in outages if each.takes_memory and each.in_hand == "lose"})


def _next(windows: Windows, now: float) -> tuple[float, float]:
    """The first of the windows that is not over."""
    found = bisect_right(windows.ends, now)
    return (windows.starts[found], windows.ends[found]) if found < len(windows.starts) else _NEVER
