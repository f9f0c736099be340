"""One run with as much of it in blocks as is exact."""

from __future__ import annotations

from typing import Any

from sim.accelerator import publishing
from sim.accelerator.choice import choose
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

__all__ = ["Inexact", "run"]


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
        arrivals = publishing.publish(plan.producer)
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
        blocks = _blocks(pool)
        blocks.advance(*arrivals.pop(pool.source))
        pool.is_cut_off = blocks.has_unfinished_work
        for effect, link in plan.reports:
            if effect in pool.effects:
                arrivals |= publishing.report(link, *blocks.hands.completions(), site.limit)
    return plan.reasons


def _blocks(pool: Pool[Any]) -> QueuePool | GroupPool | PushPool | RequestPool:
    if isinstance(pool.source, Queue):
        return QueuePool(pool)
    if isinstance(pool.source, Group):
        return GroupPool(pool)
    if isinstance(pool.source, Subscriber):
        return PushPool(pool)
    return RequestPool(pool)
