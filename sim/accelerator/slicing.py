"""A run that does not hold its messages: worked out part by part, for as long as nothing must be remembered.

The messages of a part are published, and every pool delivers all that is visible before the next part begins.
What is final then is handed on as a page of the ledger (:mod:`sim.engine.pages`); the few that are not (in
flight, or on their way back to a queue) stand at the front of the next page. So memory is constant in the
number of messages, as long as they come to their end.

Done so: queues whose pools are all worked out in blocks behind a producer that is (``single_broker``,
``dual_brokers``, ``sns_sqs``), without chains of effects. All else is told as one page at the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.accelerator.choice import Plan, choose
from sim.accelerator.publishing import longest_way, publish_some
from sim.accelerator.queue_pool import QueuePool
from sim.components.queue import Queue
from sim.components.site import Site
from sim.components.topic import QueueSubscription, Topic
from sim.engine.ledger import Ledger
from sim.engine.pages import first_page, turn
from sim.engine.quantities import UNLIMITED

PART = 1 << 17
"""Messages that are worked out at a time."""


@dataclass(frozen=True)
class Page:
    """Consecutive messages that are final.

    Attributes:
        ledger: theirs.
        key: of each.
        watermark: when the next message is published, s; infinite at the end.
    """

    ledger: Ledger
    key: NDArray[Any]
    watermark: float


def sliceable(site: Site, horizon: float) -> Plan | None:
    """What takes which way, if a site that was built without messages can be run part by part."""
    plan = choose(site)
    producer = plan.producer
    if producer is None or plan.has_processes or plan.reports or site.messages.trace:
        return None
    if horizon + longest_way(producer) >= site.limit:
        return None
    sources = [pool.source for pool in plan.pools]
    if not all(isinstance(each, Queue) and each.options.capacity == UNLIMITED for each in sources):
        return None
    return plan


def pages(
    site: Site, plan: Plan, parts: Iterator[tuple[NDArray[Any], NDArray[Any]]], waiting: int
) -> Iterator[Page]:
    """Run part by part.

    Args:
        site: built without messages.
        plan: what :func:`sliceable` said.
        parts: publish times and keys of the messages, in order.
        waiting: how many of them already wait at 0 s.

    Raises:
        Inexact: blocks cannot tell what happens, perhaps after some pages.
    """
    assert plan.producer is not None
    pools = [QueuePool(pool) for pool in plan.pools]
    parts = chain(parts, [(np.empty(0), np.empty(0, dtype=np.int64))])
    published, keys = next(parts)
    _, page = turn(first_page(site.ledger), 0, published, -UNLIMITED)
    _turn_all(site, pools, page, 0)
    while len(published):
        following, their_keys = next(parts)
        new = len(page.published) - len(published)
        arrivals = publish_some(plan.producer, new, published, min(max(waiting, 0), len(published)))
        waiting -= len(published)
        until = float(following[0]) if len(following) else UNLIMITED
        for pool in pools:
            pool.advance(*arrivals[pool.queue], until)
        stored = len(page.published)
        final = min(pool.final(stored) for pool in pools) if len(following) else stored
        watermark = float(page.published[final]) if final < stored else until
        done, page = turn(page, final, following, watermark)
        _turn_all(site, pools, page, final)
        for pool in pools:
            pool.pool.is_cut_off = pool.has_unfinished_work
        yield Page(done, keys[:final], watermark)
        site.streams.numbering.first += final
        published, keys = following, np.concatenate((keys[final:], their_keys))


def _turn_all(site: Site, pools: list[QueuePool], page: Ledger, final: int) -> None:
    site.ledger = page
    for pool in pools:
        pool.turn_page(page, final)
    assert site.producer is not None
    for link in site.producer.writes:
        subscriptions = link.broker.subscriptions if isinstance(link.broker, Topic) else ()
        for each in subscriptions:
            if isinstance(each, QueueSubscription):
                each.log = page.named(each.log.name)
