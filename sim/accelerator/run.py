"""One run with as much of it in blocks as is exact."""

from __future__ import annotations

from typing import Any

import numpy as np

from sim.accelerator import publishing
from sim.accelerator.choice import Plan, choose
from sim.accelerator.group_pool import GroupPool
from sim.accelerator.publishing import Arrivals, Inexact
from sim.accelerator.queue_pool import QueuePool
from sim.components.consumer import Pool
from sim.components.inlet import Inlet
from sim.components.log import Group
from sim.components.site import Site

__all__ = ["Inexact", "run"]


def run(site: Site, horizon: float) -> Plan:
    """Run a built site to its end: pools in blocks where that is exact, the rest as processes.

    Args:
        site: on which nothing has run yet.
        horizon: when arrivals stop, s.

    Returns:
        What took which way.

    Raises:
        Inexact: where blocks cannot tell what happens; the site is spoilt then.
    """
    plan = choose(site)
    arrivals: dict[Any, Arrivals] = {}
    if plan.producer is not None:
        arrivals = publishing.publish(plan.producer)
    without = [*plan.pools, plan.producer]
    if plan.has_processes:
        for pool in plan.noting:
            pool.source.inlet = Inlet()
        site.run_to_the_end(horizon, without)
        arrivals |= {pool.source: pool.source.inlet.arrivals() for pool in plan.noting}
    for pool in plan.pools:
        blocks = _blocks(pool)
        blocks.advance(*arrivals.pop(pool.source))
        pool.is_cut_off = blocks.has_unfinished_work
        for effect, link in plan.reports:
            if effect in pool.effects:
                arrivals |= publishing.report(link, *_completions(blocks), site.limit)
    return plan


def _blocks(pool: Pool[Any]) -> QueuePool | GroupPool:
    return GroupPool(pool) if isinstance(pool.source, Group) else QueuePool(pool)


def _completions(blocks: QueuePool | GroupPool) -> Arrivals:
    """What a pool has applied, in the order in which that happened."""
    if not blocks.hands.applied:
        return np.empty(0, dtype=np.int64), np.empty(0)
    times, starts, numbers = (np.array(column) for column in zip(*blocks.hands.applied, strict=True))
    order = np.lexsort((starts, times))
    return numbers[order].astype(np.int64), times[order]
