"""The API server as a process that can fail: away for a while, or dead between two steps of a request."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.components.faults import Crash, Down
from sim.components.site import Site
from sim.components.timelines import Condition, Windows, names
from sim.vocabulary import Role


class ApiFaults:
    """When the API server is away, and when it dies between two steps of a request."""

    def __init__(self, site: Site) -> None:
        away = site.faults.conditions(Role.API, ("api",), Down, Crash)
        self._timed = [each for each in away if each.windows is not None]
        self._chances = [each for each in away if each.windows is None]
        self._interrupting = [
            each
            for each in self._timed
            if isinstance(each.fault, Crash)
            or (isinstance(each.fault, Down) and each.fault.in_hand != "finish")
        ]
        self.is_quiet = not away

    def faults(self, steps: int) -> tuple[str, ...]:
        """Names of the faults that matter to requests of so many steps."""
        return names([*self._timed, *(self._chances if steps > 1 else ())])

    def away(self) -> list[Windows]:
        """When a request finds nobody."""
        return [each.windows for each in self._timed if each.windows is not None]

    def may_die(self, steps: int, low: int, high: int) -> NDArray[Any] | None:
        """Of the requests from low to high those in the middle of which the server may die; None: of none."""
        found: NDArray[Any] | None = None
        for chance in self._chances if steps > 1 else ():
            hit = chance.may_hit(low, high)
            hit = np.ones(high - low, dtype=bool) if hit is None else hit
            found = hit if found is None else found | hit
        return found

    def is_away(self, now: float) -> bool:
        """Whether a request finds nobody."""
        active = [each.is_on(now) for each in self._timed]  # each of them is told that it hit somebody
        return any(active)

    def dies_after(self, message: int, steps: int) -> int:
        """After how many of the steps of a request the server dies; 0: it does not."""
        for chance in self._chances:
            if steps > 1 and chance.hits(message, 0, 0.0):
                return 1 + int(chance.fraction(message, 0) * (steps - 1))
        return 0

    def interruption(self, since: float, now: float) -> Condition | None:
        """What has interrupted a request in (since, now]."""
        for each in self._interrupting:
            if each.windows is not None and each.windows.has_start_in(since, now):
                each.has_hit = True
                return each
        return None
