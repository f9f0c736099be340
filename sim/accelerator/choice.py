"""Which parts of a site are worked out in blocks, and why the others are simulated by their processes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sim.accelerator.publishing import Inexact, is_known, is_plain_link
from sim.components.consumer import Pool
from sim.components.effect import Effect
from sim.components.link import Link
from sim.components.log import Group, Log
from sim.components.producer import Producer
from sim.components.queue import Queue
from sim.components.requests import Requests
from sim.components.site import Site
from sim.components.topic import QueueSubscription, Subscriber

__all__ = ["Inexact", "Plan", "choose"]


@dataclass(frozen=True)
class Plan:
    """What takes which way.

    Attributes:
        pools: worked out in blocks, each after those that it waits for.
        producer: worked out too; None where its processes run.
        noting: those of the pools whose arrivals come from processes.
        reports: (effect, link) of what pools in blocks report to others.
        reasons: for every pool why its processes run; empty where they do not.
    """

    pools: tuple[Pool[Any], ...]
    producer: Producer | None
    noting: tuple[Pool[Any], ...]
    reports: tuple[tuple[Effect, Link], ...]
    reasons: dict[str, str]

    @property
    def has_processes(self) -> bool:
        """Whether anything has to be simulated."""
        return bool(self.noting) or any(self.reasons.values())


def choose(site: Site, *, may_publish: bool = True) -> Plan:
    """Choose for every part of a site that has been built.

    Args:
        site: where nothing has run yet.
        may_publish: whether what is published may be worked out, too.
    """
    reasons = {pool: _reason(pool) for pool in site.pools}
    producer = site.producer
    reports = () if producer is None else producer.reports
    for pool in reversed(site.pools):
        for effect, link in reports:
            if effect in pool.effects and not reasons[pool]:
                reasons[pool] = _reason_to_wait(link, _pools_behind(link.broker, site), reasons, producer)
    chosen = [pool for pool in site.pools if not reasons[pool]]
    told = [(effect, link) for pool in chosen for effect, link in reports if effect in pool.effects]
    fed_by_blocks = [pool for _, link in told for pool in _pools_behind(link.broker, site)]
    is_published = may_publish and producer is not None and is_known(producer)
    if producer is not None:
        first = [pool for link in producer.writes for pool in _pools_behind(link.broker, site)]
        is_published = is_published and all(pool in chosen for pool in first)
        if is_published:
            fed_by_blocks += first
    return Plan(
        pools=tuple(chosen),
        producer=producer if is_published else None,
        noting=tuple(
            pool for pool in chosen if not (pool in fed_by_blocks or isinstance(pool.source, Requests))
        ),
        reports=tuple(told),
        reasons={pool.name: reason for pool, reason in reasons.items()},
    )


def _pools_behind(broker: Any, site: Site) -> list[Pool[Any]]:
    """The pools that get what a broker takes."""
    if isinstance(broker, QueueSubscription):
        return _pools_behind(broker.queue, site)
    if isinstance(broker, Log):
        return [pool for pool in site.pools if pool.source in broker.groups]
    subscriptions = getattr(broker, "subscriptions", None)
    if subscriptions is not None:
        return [pool for each in subscriptions for pool in _pools_behind(each, site)]
    return [pool for pool in site.pools if pool.source is broker]


def _reason_to_wait(
    link: Link, behind: list[Pool[Any]], reasons: dict[Pool[Any], str], producer: Producer | None
) -> str:
    """Why a pool that reports to others cannot be worked out, although it could by itself."""
    assert producer is not None
    if producer.options.outbox or not is_plain_link(producer, link):
        return "its reports go by an outbox, or can be hit by faults"
    others = [pool.name for pool in behind if reasons[pool]]
    return f"{' and '.join(others)} behind it: processes" if others else ""


def _reason(pool: Pool[Any]) -> str:
    source = pool.source
    if isinstance(source, Queue):
        return _of_queue(source, pool)
    if isinstance(source, Subscriber | Requests):
        return _of_service(source, pool)
    if isinstance(source, Group):
        return ""
    return "its source has no blocks"


def _of_service(source: Subscriber | Requests, pool: Pool[Any]) -> str:
    outages = [outage for worker in pool.workers for outage in worker.outages]
    if any(outage.takes_memory and outage.end <= outage.start for outage in outages):
        return "the service is down for no time at all"
    if isinstance(source, Subscriber) and not source.options.retry_delay:
        return "failed pushes are tried again at once"
    return ""


def _of_queue(queue: Queue, pool: Pool[Any]) -> str:
    consumers = queue.consumers
    if consumers.poll:
        return "consumers poll"
    if consumers.heartbeat is not None:
        return "consumers extend visibility while they work"
    if pool.batch > 1:
        return "consumers receive batches"
    if queue.options.capacity < len(pool.site.messages):
        return "a full queue refuses publishes"
    if consumers.on_error == "nack" and not consumers.retry_delay:
        return "failed messages are visible again at once"
    return ""
