"""What arrives at a holder whose pool is not simulated but worked out afterwards (:mod:`sim.accelerator`)."""

from __future__ import annotations

from array import array
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Inlet:
    """Messages in the order in which a holder took them in."""

    def __init__(self) -> None:
        self._messages = array("q")
        self._times = array("d")

    def take_in(self, message: int, now: float) -> bool:
        """Note a message; it is always taken."""
        self._messages.append(message)
        self._times.append(now)
        return True

    def arrivals(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """The messages, and when each was taken in, s; both of shape (arrivals,), by time."""
        return np.array(self._messages, dtype=np.int64), np.array(self._times)
