"""Sums of numbers that come in pieces."""

from __future__ import annotations

import numpy as np


class Sum:
    """A sum: pairwise within a piece (NumPy), compensated from piece to piece (Neumaier 1974).

    The relative error stays within some 1e-15 where all numbers have one sign, however many pieces there are.
    """

    def __init__(self) -> None:
        self._total = 0.0
        self._lost = 0.0

    def add(self, number: float) -> None:
        """Add the sum of a piece."""
        total = self._total + number
        if abs(self._total) >= abs(number):
            self._lost += (self._total - total) + number
        else:
            self._lost += (number - total) + self._total
        self._total = total

    @property
    def value(self) -> float:
        """The sum so far."""
        return self._total + self._lost


class Mean:
    """The mean of numbers, NaN over none."""

    def __init__(self) -> None:
        self._sum = Sum()
        self.count = 0

    def add(self, values: np.ndarray) -> None:
        """Take in a piece, shape (n,)."""
        self._sum.add(float(values.sum()))
        self.count += len(values)

    @property
    def value(self) -> float:
        """The mean so far."""
        return self._sum.value / self.count if self.count else float("nan")
