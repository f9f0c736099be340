"""A run that does not hold its messages: worked out part by part, for as long as nothing must be remembered.

The messages of a part are published, and every pool delivers all that is visible before the next part begins.
What is final then is handed on as a page of the ledger (:mod:`sim.engine.pages`); the few that are not (in
flight, or on their way back to a queue) stand at the front of the next page. So memory is constant in the
number of messages, as long as they come to their end.

Reports are handed on with the messages: what happens before the next message is published is known in full,
so that pools which wait for others are given that much and no more.

Done so: every run that is worked out in blocks as a whole, but for brokers that refuse (messages then arrive
out of turn), queues with a capacity, traces, and groups with followers whose members may crash. All else is
told as one page at the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.accelerator.choice import Plan, choose
from sim.accelerator.publishing import Arrivals, longest_way, publish_some, request_some
from sim.accelerator.run import Blocks, blocks, work_off
from sim.accelerator.service import LARGEST_MEMORY
from sim.components.consumer import Pool
from sim.components.log import Group, Log
from sim.components.partitioner import partitions_of
from sim.components.producer import Producer
from sim.components.queue import Queue
from sim.components.requests import Requests
from sim.components.site import Site
from sim.components.topic import QueueSubscription, Subscriber, Topic
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
    if plan.has_processes or site.messages.trace or plan.producer is not site.producer:
        return None
    if plan.producer is not None and not _publishes_in_turn(plan.producer, site.limit - horizon):
        return None
    reporting = {effect for effect, _ in plan.reports}
    is_sliceable = all(_is_sliceable(pool, not reporting.isdisjoint(pool.effects)) for pool in plan.pools)
    return plan if is_sliceable else None


def _publishes_in_turn(producer: Producer, left: float) -> bool:
    """Whether messages arrive in the order in which they are published, and within the time that is left."""
    return all(link.is_plain for link in producer.writes) and longest_way(producer) < left


def _is_sliceable(pool: Pool[Any], reports: bool) -> bool:
    """Whether a pool that is worked out in blocks remembers no more than what is in flight.

    A group whose members go back to what they have committed reports again, and a log stores that again.
    """
    source = pool.source
    if isinstance(source, Queue):
        return source.options.capacity == UNLIMITED
    if isinstance(source, Subscriber):
        return source.options.buffer < LARGEST_MEMORY or source.options.buffer == UNLIMITED
    if isinstance(source, Group):
        goes_back = any(outage.in_hand == "lose" for worker in pool.workers for outage in worker.outages)
        return not (reports and (goes_back or pool.crashes))
    return isinstance(source, Requests)


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
    pools = [blocks(pool) for pool in plan.pools]
    parts = chain(parts, [(np.empty(0), np.empty(0, dtype=np.int64))])
    published, keys = next(parts)
    _, page = turn(first_page(site.ledger), 0, published, -UNLIMITED)
    _choose_partitions(plan, page, keys)
    _turn_all(site, plan, pools, page, 0)
    while len(published):
        following, their_keys = next(parts)
        stored = len(page.published)
        arrivals = _arrivals(plan, stored - len(published), published, waiting)
        waiting -= len(published)
        until = float(following[0]) if len(following) else UNLIMITED
        for pool in pools:
            work_off(pool, plan, arrivals, until)
        final = _final(pools, stored) if len(following) else stored
        watermark = float(page.published[final]) if final < stored else until
        done, page = turn(page, final, following, watermark)
        _choose_partitions(plan, page, their_keys)
        _turn_all(site, plan, pools, page, final)
        yield Page(done, keys[:final], watermark)
        site.streams.numbering.first += final
        published, keys = following, np.concatenate((keys[final:], their_keys))


def _arrivals(plan: Plan, first: int, published: NDArray[Any], waiting: int) -> dict[Any, Arrivals]:
    """What messages that are published, the first of them with a number, bring to the holders."""
    if plan.producer is not None:
        return publish_some(plan.producer, first, published, min(max(waiting, 0), len(published)))
    return {pool.source: request_some(first, published) for pool in plan.pools}


def _final(pools: Sequence[Blocks], stored: int) -> int:
    """How many messages of the page, from the first, nothing can happen to any more."""
    return int(min(min(pool.final(stored), pool.hands.first_untold()) for pool in pools))


def _choose_partitions(plan: Plan, page: Ledger, keys: NDArray[Any]) -> None:
    """The last messages of a page have these keys."""
    for records in dict.fromkeys(_records_of(pool) for pool in plan.pools):
        if records is not None:
            chosen = partitions_of(keys, records.partitioner, records.partitions)
            for group in records.groups:
                log = page.named(group.log.name)
                assert log.partitions is not None
                log.partitions = np.concatenate((log.partitions, chosen))


def _records_of(pool: Pool[Any]) -> Log | None:
    return pool.source.records_of if isinstance(pool.source, Group) else None


def _turn_all(site: Site, plan: Plan, pools: Sequence[Blocks], page: Ledger, final: int) -> None:
    site.ledger = page
    for pool in pools:
        pool.turn_page(page, final)
    writes = () if plan.producer is None else plan.producer.writes
    for link in (*writes, *(link for _, link in plan.reports)):
        for each in link.broker.subscriptions if isinstance(link.broker, Topic) else (link.broker,):
            if isinstance(each, QueueSubscription):
                each.log = page.named(each.log.name)
