"""What callers hear who ask for the status of their jobs, in slices."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pandas as pd

from sim.analysis.folds.grids import GridCounts
from sim.analysis.folds.sums import Mean
from sim.analysis.status import Values, lookups_in_vain, settled_lookups, status_table, turns
from sim.engine.record import Record


class StatusFold:
    """Lookups and the series of the status; the replies of jobs that never become final are kept.

    Args:
        step: seconds between the points of the series.
    """

    def __init__(self, step: float) -> None:
        self._known = Mean()
        self._lookups = Mean()
        self._unsettled: list[np.ndarray] = []
        self._come: defaultdict[str, GridCounts] = defaultdict(lambda: GridCounts(step))

    def add(self, piece: Record) -> None:
        """Take in the rows of a slice."""
        if piece.poll_status is None:
            return
        known, lookups, unsettled = settled_lookups(piece, piece.poll_status)
        self._known.add(known)
        self._lookups.add(lookups)
        self._unsettled.append(unsettled)
        for name, times in turns(piece).items():
            self._come[name].add(times)

    def values(self, last: Record) -> Values:
        """``known_mean`` and ``status_polls``, NaN where nobody asks."""
        if last.poll_status is not None:
            for reply in self._unsettled:
                self._lookups.add(lookups_in_vain(reply, last.end, last.poll_status))
            self._unsettled = []
        return {("known_mean", ""): self._known.value, ("status_polls", ""): self._lookups.value}

    def series(self, last: Record, grid: np.ndarray) -> pd.DataFrame | None:
        """``STATUS_COLUMNS``; None where nobody asks."""
        if last.poll_status is None:
            return None
        return status_table(last, grid, {name: each.at(len(grid)) for name, each in self._come.items()})
