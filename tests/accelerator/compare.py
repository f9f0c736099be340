"""Where two records of the same run differ, in words."""

from __future__ import annotations

from dataclasses import fields, is_dataclass

import numpy as np


def differences(one, other, path="record"):
    """Every part in which two records differ, bit for bit; NaN equals NaN.

    Args:
        one: a record, or a part of one.
        other: the same part of another record.
        path: where it stands.
    """
    if isinstance(one, np.ndarray):
        return _of_columns(one, other, path)
    if is_dataclass(one):
        return [
            found
            for field in fields(one)
            for found in differences(
                getattr(one, field.name), getattr(other, field.name), f"{path}.{field.name}"
            )
        ]
    if isinstance(one, tuple):
        if len(one) != len(other):
            return [f"{path}: {len(one)} against {len(other)} parts"]
        return [
            found
            for number, (mine, theirs) in enumerate(zip(one, other, strict=True))
            for found in differences(mine, theirs, f"{path}[{number}]")
        ]
    return [] if one == other or one != one else [f"{path}: {one} against {other}"]  # noqa: PLR0124 - NaN


def _of_columns(one, other, path):
    if one.shape != other.shape:
        return [f"{path}: shape {one.shape} against {other.shape}"]
    same = (one == other) | ((one != one) & (other != other))  # noqa: PLR0124 - NaN
    if same.all():
        return []
    rows = np.flatnonzero(~same.reshape(len(one), -1).all(axis=1))
    first = rows[0]
    return [f"{path}: {len(rows)} rows, the first {first}: {one[first]} against {other[first]}"]
