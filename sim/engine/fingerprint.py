"""A hash of a whole record, whatever way it is stored and in however many pieces it comes.

Every column is hashed by itself in a fixed type, and the hashes are hashed. So it does not matter in how few
bytes a column is held, two columns that are one array are read once, and a run that is told in pieces, each
with the next messages, has the fingerprint of the record in one piece. Sorted columns of times come in pieces
too: those before a watermark first.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from sim.engine.record import Copies, Pairs, Record

_BLOCK = 1 << 16
_TIME, _NUMBER, _COUNT, _CODE = "<f8", "<i8", "<u4", "<u1"
_EVENTS = ("returned", "retaken", "removed")
_NOTHING = hashlib.sha256()
_Begun = dict[tuple[int, int, int, str, str], tuple[Any, tuple[Any, NDArray[Any]]]]
"""Hashes by the hash before, address, length and types; these are kept, so that they stay what they are."""


class Fingerprint:
    """The hash of a record, to which the messages are added in their order."""

    def __init__(self) -> None:
        self._columns: dict[str, Any] = {}
        self._late: dict[str, NDArray[Any]] = {}
        self._messages = 0

    def add(self, piece: Record, watermark: float = math.inf) -> None:
        """Take in the next messages.

        Args:
            piece: their rows; messages are numbered from 0 in each piece.
            watermark: no later piece has a time of ``returned``, ``retaken``, ``removed`` or a checkpoint
                before it.
        """
        begun: _Begun = {}
        for label, column, kind in _rows(piece, self._messages):
            self._update(label, column, kind, begun)
        for item in piece.copies:
            for name in _EVENTS:
                self._events(f"{item.name} {name}", getattr(item, name)[:, None], watermark)
            if item.checkpoints is not None:
                rows = np.stack(
                    [getattr(item.checkpoints, each.name) for each in fields(item.checkpoints)], 1
                )
                self._events(f"{item.name} checkpoints", rows, watermark)
        self._messages += len(piece.published)

    def digest(self, whole: Record) -> str:
        """The fingerprint, once everything has been added.

        Args:
            whole: any piece, with what is known at the end of the run: pools, faults, end.
        """
        assert not any(len(late) for late in self._late.values()), "the last piece has no watermark"
        digest = hashlib.sha256()
        _feed(digest, tuple(_told(whole)))
        for label, column in self._columns.items():
            digest.update(label.encode())
            digest.update(column.digest())
        return digest.hexdigest()[:32]

    def _events(self, label: str, rows: NDArray[Any], watermark: float) -> None:
        """Hash rows that begin with a time, in their order, up to the watermark."""
        if label in self._late:
            rows = np.concatenate((self._late[label], rows))
        if not _in_order(rows):
            rows = rows[np.lexsort(rows.T[::-1])]
        place = int(np.searchsorted(rows[:, 0], watermark))
        self._late[label] = rows[place:]
        self._update(label, rows[:place].ravel(), _TIME, {})

    def _update(self, label: str, column: NDArray[Any], kind: str, begun: _Begun) -> None:
        """Add to the hash of a column; columns that have always been the same arrays have one hash."""
        before = self._columns.get(label, _NOTHING)
        same = (id(before), column.__array_interface__["data"][0], len(column), column.dtype.str, kind)
        if same not in begun:
            digest = before.copy()
            for start in range(0, len(column), _BLOCK):
                digest.update(np.ascontiguousarray(column[start : start + _BLOCK], dtype=kind))
            begun[same] = digest, (before, column)
        self._columns[label] = begun[same][0]


def _in_order(rows: NDArray[Any]) -> bool:
    """Whether rows are sorted by their first column, those that are equal there by the second, and so on."""
    is_open = np.ones(max(len(rows) - 1, 0), dtype=bool)
    for column in rows.T:
        if np.any(is_open & (column[1:] < column[:-1])):
            return False
        is_open &= column[1:] == column[:-1]
    return True


def _rows(piece: Record, first: int) -> Iterator[tuple[str, NDArray[Any], str]]:
    """Label, values and type of every column with a row for each message or copy."""
    yield "published", piece.published, _TIME
    yield "key", piece.key, _NUMBER
    yield "reply", piece.reply, _CODE
    yield "reply_time", piece.reply_time, _TIME
    for pair in piece.pairs:
        yield from _pair_rows(pair, first)
    for item in piece.copies:
        yield from _copy_rows(item, first)


def _pair_rows(pair: Pairs, first: int) -> Iterator[tuple[str, NDArray[Any], str]]:
    for name, kind in (
        ("first_delivered", _TIME),
        ("first_applied", _TIME),
        ("deliveries", _COUNT),
        ("applications", _COUNT),
        ("late", _CODE),
        ("outcome", _CODE),
        ("unstored_times", _TIME),
    ):
        yield f"{pair.effect} {name}", getattr(pair, name), kind
    yield f"{pair.effect} unstored_messages", pair.unstored_messages + first, _NUMBER


def _copy_rows(item: Copies, first: int) -> Iterator[tuple[str, NDArray[Any], str]]:
    count = item.firsts
    order = np.argsort(item.extra, kind="stable")
    for name, kind in (
        ("accepted", _TIME),
        ("taken", _TIME),
        ("pushed", _TIME),
        ("ended", _TIME),
        ("fate", _CODE),
        ("deliveries", _COUNT),
    ):
        column = getattr(item, name)
        if column is not None:
            yield f"{item.name} {name}", column[:count], kind
            yield f"{item.name} extra {name}", column[count:][order], kind
    yield f"{item.name} extra", item.extra[order] + first, _NUMBER
    if item.partition is not None:
        yield f"{item.name} partition", item.partition, _COUNT


def _told(record: Record) -> Iterator[Any]:
    """Everything of a record that is no row."""
    yield record.architecture, record.replication, record.effects
    for item in record.copies:
        yield item.name, item.effects, float(item.delay), bool(item.is_transit)
    yield record.pools, record.faults
    yield from (float(time) for time in (record.warmup, record.horizon, record.end))
    yield bool(record.is_censored), record.poll_status


def _feed(digest: Any, value: Any) -> None:
    if isinstance(value, np.ndarray):
        column = cast("NDArray[Any]", value)
        digest.update(np.ascontiguousarray(column, dtype=column.dtype.newbyteorder("<")).tobytes())
    elif is_dataclass(value):
        for part in fields(value):
            digest.update(part.name.encode())
            _feed(digest, getattr(value, part.name))
    elif isinstance(value, tuple):
        for part in value:  # pyright: ignore[reportUnknownVariableType]
            _feed(digest, part)
    else:
        digest.update(repr(value).encode())
