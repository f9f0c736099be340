"""Columns of a record in little memory: counts in few bytes, and equal columns stored once.

A finished column is never written again, so two columns with the same content can be one array. That is how
things are most of the time: a copy is accepted when its message is published, it ends when its effect has
happened.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

_SAMPLE = 32
"""Values that two columns must share before they are compared in full."""


_GLANCE = 1 << 10
"""Values that are looked at before all of them are."""


class Shared:
    """Takes in finished columns and gives back, of equal ones, always the first."""

    def __init__(self) -> None:
        self._columns: dict[tuple[str, int, bytes], list[NDArray[Any]]] = {}

    def of(self, column: Any) -> NDArray[Any]:
        """A column as an array that nobody can write to: this one without a copy, or an equal one.

        Args:
            column: an array, or anything that lends its memory, shape (n,). Two NaN with the same bits are
                equal.
        """
        array = np.asarray(column).view()
        array.flags.writeable = False
        sample = array[:: len(array) // _SAMPLE + 1].tobytes()
        known = self._columns.setdefault((array.dtype.str, len(array), sample), [])
        for other in known:
            if _equal(array, other):
                return other
        known.append(array)
        return array


def floats(column: NDArray[Any]) -> memoryview[float]:
    """A column that is read number by number: the same memory, as fast as one of Python's arrays.

    Args:
        column: floats, shape (n,); copied if they do not stand side by side.
    """
    view: Any = np.ascontiguousarray(column).data
    return view


def narrow(counts: Any) -> NDArray[Any]:
    """Numbers from 0 upwards in the narrowest unsigned type that holds them, shape (n,)."""
    array = np.asarray(counts)
    return array.astype(np.min_scalar_type(int(array.max(initial=0))), copy=False)


def is_sorted(values: NDArray[Any]) -> bool:
    """Whether values never fall and none of them is NaN."""
    first = values[:_GLANCE]  # where most of those that are not give themselves away
    if not (first[1:] >= first[:-1]).all():
        return False
    return bool((values[1:] >= values[:-1]).all()) and not (len(values) == 1 and np.isnan(values[0]))


def distinct(columns: Iterable[NDArray[Any]]) -> list[NDArray[Any]]:
    """The columns that hold anything; of those that are stored once only the first."""
    found: dict[int, NDArray[Any]] = {}
    for each in columns:
        if each.nbytes:
            found.setdefault(each.__array_interface__["data"][0], each)
    return list(found.values())


def _equal(one: NDArray[Any], other: NDArray[Any]) -> bool:
    """Whether two columns of one type have the same bits."""
    if one.__array_interface__["data"] == other.__array_interface__["data"] and one.strides == other.strides:
        return True  # the same memory
    if one.dtype.kind == "f" and one.flags.c_contiguous and other.flags.c_contiguous:
        bits = f"u{one.dtype.itemsize}"
        return np.array_equal(one.view(bits), other.view(bits))
    return np.array_equal(one, other)
