"""Pages of a ledger, for runs that do not hold all of their messages at a time.

A page is a ledger of consecutive messages, numbered from 0. What is final is taken off its front; what is not
stands at the front of the next page. Left out: messages that a holder stores twice. Whoever knows the keys of
new messages says which partitions they go to.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.engine.ledger import CopyLog, Ledger

_EVENTS = ("returned", "retaken", "removed")
_OF_COPIES = ("accepted", "taken", "pushed", "ended", "fate", "deliveries")


def first_page(like: Ledger) -> Ledger:
    """An empty page with the logs of a ledger."""
    page = Ledger(like.effects, like.after, np.empty(0))
    for log in like.logs:
        _open(page, log)
    return page


def turn(page: Ledger, final: int, published: NDArray[Any], watermark: float) -> tuple[Ledger, Ledger]:
    """Take what is final off a page, and begin the next one with what is left and with new messages.

    Args:
        page: the present one.
        final: how many messages, from the first, are final.
        published: publish times of the new messages, s.
        watermark: what lies in time before it goes with the final messages.

    Returns:
        The final messages as a ledger of their own, and the next page.
    """
    done = Ledger(page.effects, page.after, page.published[:final])
    following = Ledger(page.effects, page.after, np.concatenate((page.published[final:], published)))
    left = len(page.published) - final
    for target, rows, stop in ((done, slice(0, final), final), (following, slice(final, None), left)):
        _copy(page, target, rows, stop)
    for log in page.logs:
        assert not log.extra, "a message that is stored twice"
        for target, is_its in ((done, _before(watermark)), (following, _not_before(watermark))):
            copy = _open(target, log)
            rows, stop = (slice(0, final), final) if target is done else (slice(final, None), left)
            for name in _OF_COPIES:
                _fill(getattr(log, name), getattr(copy, name), rows, stop)
            for name in _EVENTS:
                times = np.asarray(getattr(log, name))
                setattr(copy, name, array("d", times[is_its(times)].tobytes()))
            if log.partitions is not None:
                copy.partitions = log.partitions[rows]
                commits = np.asarray(log.commits).reshape(-1, 3)
                copy.commits = array("d", commits[is_its(commits[:, 0])].tobytes())
    return done, following


def _before(watermark: float) -> Callable[[NDArray[Any]], NDArray[Any]]:
    return lambda times: times < watermark


def _not_before(watermark: float) -> Callable[[NDArray[Any]], NDArray[Any]]:
    return lambda times: times >= watermark


def _open(page: Ledger, log: CopyLog) -> CopyLog:
    copy = page.log(
        log.name, log.effects, pushed=log.pushed is not None, delay=log.delay, is_transit=log.is_transit
    )
    copy.partitions = log.partitions
    return copy


def _copy(page: Ledger, target: Ledger, rows: slice, stop: int) -> None:
    """The columns of effects and replies."""
    for name in ("first_applied", "applications", "late", "unstored"):
        for column, copy in zip(getattr(page, name), getattr(target, name), strict=True):
            _fill(column, copy, rows, stop)
    for name in ("reply", "reply_time"):
        _fill(getattr(page, name), getattr(target, name), rows, stop)
    for times, copies in zip(page.unstored_at, target.unstored_at, strict=True):
        shift = rows.start
        copies.update({each - shift: time for each, time in times.items() if 0 <= each - shift < stop})


def _fill(column: Any, copy: Any, rows: slice, stop: int) -> None:
    if column is not None and stop:
        np.asarray(copy)[:stop] = np.asarray(column)[rows]
