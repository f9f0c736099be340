"""How much was done per second, and how busy the workers were."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sim.analysis import window

if TYPE_CHECKING:
    import pandas as pd

    from sim.engine.record import Record


def throughput(record: Record) -> dict[tuple[str, str], float]:
    """Completions inside [warm-up, horizon) per second, of whole messages and per effect."""
    seconds = window.length(record)
    ends = {pair.effect: pair.first_applied for pair in record.pairs}
    counts = {scope: count_inside(end, record) for scope, end in ends.items()}
    whole = (
        next(iter(counts.values())) if len(ends) == 1 else count_inside(window.last_applied(record), record)
    )
    return {
        ("throughput", scope): window.ratio(float(count), seconds)
        for scope, count in ({"": whole} | counts).items()
    }


def count_inside(moments: np.ndarray, record: Record) -> int:
    """How many moments lie in [warm-up, horizon)."""
    return int(np.count_nonzero((moments >= record.warmup) & (moments < record.horizon)))


def utilization(record: Record) -> dict[tuple[str, str], float]:
    """Busy worker seconds over all worker seconds of the window, per pool; downtime counts as idle."""
    seconds = window.length(record)
    return {
        ("utilization", pool.name): window.ratio(pool.busy, pool.workers * seconds) for pool in record.pools
    }


def rates(messages: pd.DataFrame, edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Offered and completed messages per second in bins of time, of one run.

    Args:
        messages: rows with ``MESSAGE_COLUMNS`` of one architecture and replication.
        edges: sorted, seconds, shape (bins + 1,).

    Returns:
        Offered and completed per second, each of shape (bins,). A message is complete when its last effect
        first happens.
    """
    number = messages["message"].to_numpy()
    order = np.argsort(number, kind="stable")
    number = number[order]
    starts = np.flatnonzero(np.r_[True, number[1:] != number[:-1]]) if len(number) else np.empty(0, int)
    published = messages["published"].to_numpy(dtype=float)[order][starts]
    applied = messages["first_applied"].to_numpy(dtype=float)[order]
    completed = np.maximum.reduceat(applied, starts) if len(number) else np.empty(0)
    widths = np.diff(edges)
    offered = np.histogram(published, edges)[0] / widths
    return offered, np.histogram(completed[np.isfinite(completed)], edges)[0] / widths
