"""What a caller hears who asks for the status of a job: pending, running, succeeded or failed.

Computed after the run from the instants in the record, by the rules of
:meth:`sim.engine.ledger.Ledger.status`: *succeeded* when every effect has happened, *failed* when one has not
and nothing that could still cause it is left, *running* when somebody has begun, else *pending*. A later
delivery can make a failure good; a caller stops asking at the first final word. One thing is known here
earlier than while the run goes on: a record that expired in a log, which its group only notices when it
fetches.
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from sim.analysis import window
from sim.vocabulary import STATUS_COLUMNS, Status

if TYPE_CHECKING:
    from sim.engine.record import Copies, Pairs, Record

Values = dict[tuple[str, str], float]
"""Values by (metric, scope)."""

_WORDS = (Status.PENDING, Status.RUNNING, Status.SUCCEEDED, Status.FAILED)


def statuses(record: Record, time: float) -> np.ndarray:
    """The status of every message at a time, as places in (pending, running, succeeded, failed).

    Returns:
        Whole numbers of shape (messages,); a message that is not yet published is pending.
    """
    at = np.full(len(record.published), time)
    is_lost = np.logical_or.reduce([_is_lost(record, pair, at) for pair in record.pairs])
    conditions = [_succeeded_at(record) <= at, is_lost, _begun_at(record) <= at]
    return np.select(conditions, [2, 3, 1], default=0)


def status_at(record: Record, time: float) -> dict[Status, int]:
    """How many of the messages that are published by a time have which status then."""
    found = statuses(record, time)[record.published <= time]
    return {word: int(np.count_nonzero(found == place)) for place, word in enumerate(_WORDS)}


def settled_at(record: Record) -> np.ndarray:
    """When each message first had a final status, succeeded or failed; seconds, NaN if never."""
    return np.fmin(_succeeded_at(record), _failed_at(record))


def status_lookups(record: Record) -> Values:
    """``known_mean`` and ``status_polls``, of the callers who got a reply; NaN where nobody asks.

    The reply carries the status of that moment. A caller to whom it is not final asks every ``poll_status``
    after it, until it is; what never becomes final is asked for until the end of the run, and never known.
    """
    interval = record.poll_status
    if interval is None:
        return {("known_mean", ""): float("nan"), ("status_polls", ""): float("nan")}
    known, lookups, unsettled = settled_lookups(record, interval)
    lookups = np.concatenate((lookups, lookups_in_vain(unsettled, record.end, interval)))
    return {("known_mean", ""): _mean(known), ("status_polls", ""): _mean(lookups)}


def settled_lookups(record: Record, interval: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What callers in the window found out, who got a reply and ask every ``interval`` seconds.

    Returns:
        Of those whose message came to a final status: seconds from publish until they knew, and how often
        they asked; of the others: when they got the reply.
    """
    counted = window.published_inside(record) & np.isfinite(record.reply_time)
    reply, settled, born = record.reply_time[counted], settled_at(record)[counted], record.published[counted]
    is_final = np.isfinite(settled)
    unsettled = reply[~is_final]
    reply, settled, born = reply[is_final], settled[is_final], born[is_final]
    lookups = np.ceil((settled - reply) / interval)
    lookups -= reply + (lookups - 1) * interval >= settled  # the quotient is rounded
    lookups = np.maximum(lookups, 0)
    return reply + lookups * interval - born, lookups, unsettled


def lookups_in_vain(reply: np.ndarray, end: float, interval: float) -> np.ndarray:
    """How often callers ask until the end of a run whose message never comes to a final status."""
    return np.maximum(np.floor((end - reply) / interval), 0)


def status_series(record: Record, step: float) -> pd.DataFrame:
    """How many messages are pending, running, succeeded and failed at 0, step, 2 step … to the run's end.

    Returns:
        ``STATUS_COLUMNS``; a message that fails for a time before it succeeds counts as failed meanwhile.
    """
    grid = window.grid(record.end, step)
    return status_table(record, grid, {name: _count(times, grid) for name, times in turns(record).items()})


def turns(record: Record) -> dict[str, np.ndarray]:
    """When each message reached what status; seconds, NaN for never, each of shape (messages,)."""
    succeeded, failed, begun = _succeeded_at(record), _failed_at(record), _begun_at(record)
    failed = np.where(failed >= succeeded, np.nan, failed)
    settled = np.fmin(succeeded, failed)
    return {
        "published": record.published,
        "succeeded": succeeded,
        "failed": failed,
        "made_good": np.where(np.isfinite(failed), succeeded, np.nan),
        "begun": np.fmin(begun, settled),
        "settled": settled,
    }


def status_table(record: Record, grid: np.ndarray, come: dict[str, np.ndarray]) -> pd.DataFrame:
    """The series from how many of the :func:`turns` have come at each point."""
    known = {
        "succeeded": come["succeeded"],
        "failed": come["failed"] - come["made_good"],
        "running": come["begun"] - come["settled"],
    }
    pending = come["published"] - sum(known.values())
    table = {"architecture": record.architecture, "replication": record.replication, "time": grid}
    return pd.DataFrame(table | {"pending": pending} | known, columns=list(STATUS_COLUMNS))


def _succeeded_at(record: Record) -> np.ndarray:
    return window.last_applied(record)


def _failed_at(record: Record) -> np.ndarray:
    """When it first was clear that some effect would not happen, by what was left then."""
    count = len(record.published)
    first = np.full(count, np.nan)
    for pair in record.pairs:
        moments = [copies.ended[:count] for copies in _carriers(record, pair)]
        moments += [pair.unstored] if len(pair.unstored_messages) else []
        for moment in moments:
            first = np.fmin(first, np.where(_is_lost(record, pair, moment), moment, np.nan))
    return first


def _begun_at(record: Record) -> np.ndarray:
    """When somebody first took a message in hand, or an effect of it first happened."""
    count = len(record.published)
    moments = [copies.taken[:count] for copies in record.copies if not copies.is_transit]
    return np.fmin.reduce([*moments, *(pair.first_applied for pair in record.pairs)])


def _is_lost(record: Record, pair: Pairs, at: np.ndarray) -> np.ndarray:
    """Whether an effect has not happened at a time and nothing is left that could cause it.

    Args:
        record: the run.
        pair: of the effect.
        at: a time for each message, shape (messages,).
    """
    count = len(record.published)
    is_open, is_over = np.zeros(count, dtype=bool), np.zeros(count, dtype=bool)
    for copies in _carriers(record, pair):
        accepted = copies.accepted[:count] <= at
        is_open |= accepted & ~(copies.ended[:count] <= at)
        if not copies.is_transit:
            is_over |= accepted
    if len(pair.unstored_messages):
        is_over |= pair.unstored <= at
    return is_over & ~is_open & ~(pair.first_applied <= at)


def _carriers(record: Record, pair: Pairs) -> list[Copies]:
    return [copies for copies in record.copies if pair.effect in copies.effects]


def _count(moments: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """How many of the moments have come at each point of the grid."""
    return np.searchsorted(np.sort(moments[np.isfinite(moments)]), grid, side="right")


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")
