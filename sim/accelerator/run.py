"""One run with as much of it in blocks as is exact."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from sim.accelerator import publishing
from sim.accelerator.choice import Plan, choose
from sim.accelerator.group_pool import GroupPool
from sim.accelerator.publishing import Arrivals, Inexact
from sim.accelerator.push_pool import PushPool
from sim.accelerator.queue_pool import QueuePool
from sim.accelerator.request_pool import RequestPool
from sim.components.consumer import Pool
from sim.components.inlet import Inlet
from sim.components.log import Group
from sim.components.queue import Queue
from sim.components.site import Site
from sim.components.topic import Subscriber
from sim.engine.quantities import UNLIMITED

__all__ = ["Blocks", "Inexact", "blocks", "run", "work_off"]


def run(site: Site, horizon: float) -> dict[str, str]:
    """Run a built site to its end: pools in blocks where that is exact, the rest as processes.

    Args:
        site: on which nothing has run yet.
        horizon: when arrivals stop, s.

    Returns:
        For every pool why its processes ran; empty where it was worked out in blocks.

    Raises:
        Inexact: where blocks cannot tell what happens; the site is spoilt then.
    """
    plan = choose(site)
    arrivals: dict[Any, Arrivals] = {}
    if plan.producer is not None:
        try:
            arrivals = publishing.publish(plan.producer)
        except publishing.Tied:
            plan = choose(site, may_publish=False)
    elif site.producer is None:
        arrivals = {pool.source: publishing.request(site.messages) for pool in plan.pools}
    without = [*plan.pools, plan.producer]
    if plan.has_processes:
        inlets = {pool.source: Inlet() for pool in plan.noting}
        for source, inlet in inlets.items():
            source.inlet = inlet
        site.run_to_the_end(horizon, without)
        arrivals |= {source: inlet.arrivals() for source, inlet in inlets.items()}
    for pool in plan.pools:
        work_off(blocks(pool), plan, arrivals)
    return plan.reasons


@cache
def _keep_memory() -> None:
    """What a block leaves behind serves the next one.

    Else the C library gives it back to the system and gets it again page by page, at 1 to 2 us each. It keeps
    up to twice the size of the largest piece that was ever freed (``M_MMAP_THRESHOLD`` in mallopt(3)); this
    one, which nobody writes to, costs nothing.
    """
    np.empty(4 << 20, dtype=np.uint8)


Blocks = QueuePool | GroupPool | PushPool | RequestPool
"""A pool that is worked out."""


def work_off(blocks: Blocks, plan: Plan, arrivals: dict[Any, Arrivals], until: float = UNLIMITED) -> None:
    """A pool takes what arrives for it, and reports to others.

    Args:
        blocks: the pool.
        plan: of the whole run.
        arrivals: at each holder; its own are taken out, what it reports before ``until`` is put in.
        until: what arrives later is not yet known, s.
    """
    pool = blocks.pool
    blocks.advance(*arrivals.pop(pool.source), until)
    pool.is_cut_off = blocks.has_unfinished_work
    links = [link for effect, link in plan.reports if effect in pool.effects]
    if links:
        messages, times = blocks.hands.completions(until)
        for link in links:
            arrivals |= publishing.report(link, messages, times, pool.site.limit)


def blocks(pool: Pool[Any]) -> Blocks:
    """What works a pool out."""
    _keep_memory()
    if isinstance(pool.source, Queue):
        return QueuePool(pool)
    if isinstance(pool.source, Group):
        return GroupPool(pool)
    if isinstance(pool.source, Subscriber):
        return PushPool(pool)
    return RequestPool(pool)
