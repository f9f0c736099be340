"""Cut a record into slices, as an engine would tell them."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np

from sim.engine.record import Commits
from sim.engine.slices import Slice


def cut(record, places):
    """Cut a record before each of the messages whose numbers are given, sorted; a number can repeat."""
    count = len(record.published)
    bounds = [0, *(place for place in places if place < count), count]
    passed, found = -math.inf, []
    for first, last in pairwise(bounds):
        watermark = float(record.published[last]) if last < count else math.inf
        found.append(Slice(_piece(record, first, last, passed, watermark), first, watermark))
        passed = watermark
    return found


def _piece(record, first, last, passed, watermark):
    rows = slice(first, last)
    is_last = math.isinf(watermark)
    return replace(
        record,
        published=record.published[rows],
        key=record.key[rows],
        reply=record.reply[rows],
        reply_time=record.reply_time[rows],
        pairs=tuple(_pairs(pair, first, last) for pair in record.pairs),
        copies=tuple(_copies(copies, first, last, passed, watermark) for copies in record.copies),
        pools=record.pools if is_last else (),
        end=record.end if is_last else math.nan,
        is_censored=record.is_censored and is_last,
    )


def _pairs(pair, first, last):
    names = ("first_delivered", "first_applied", "deliveries", "applications", "outcome")
    inside = (pair.unstored_messages >= first) & (pair.unstored_messages < last)
    return replace(
        pair,
        **{name: getattr(pair, name)[first:last] for name in names},
        late_bits=np.packbits(pair.late[first:last], bitorder="little"),
        unstored_messages=pair.unstored_messages[inside] - first,
        unstored_times=pair.unstored_times[inside],
    )


def _copies(copies, first, last, passed, watermark):
    extra = np.flatnonzero((copies.extra >= first) & (copies.extra < last))
    rows = np.concatenate((np.arange(first, last), copies.firsts + extra))
    names = ("accepted", "taken", "ended", "fate", "deliveries")
    told = {
        name: _between(getattr(copies, name), passed, watermark)
        for name in ("returned", "retaken", "removed")
    }
    commits = copies.checkpoints
    if commits is not None:
        now = (commits.time >= passed) & (commits.time < watermark)
        commits = Commits(commits.time[now], commits.partition[now], commits.offset[now])
    return replace(
        copies,
        **{name: getattr(copies, name)[rows] for name in names},
        **told,
        pushed=None if copies.pushed is None else copies.pushed[rows],
        extra=copies.extra[extra] - first,
        partition=None if copies.partition is None else copies.partition[first:last],
        checkpoints=commits,
    )


def _between(times, passed, watermark):
    return times[(times >= passed) & (times < watermark)]
