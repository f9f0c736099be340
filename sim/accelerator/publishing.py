"""What arrives at the holders of a site, where that is plain: published, a hop later accepted, answered.

Everything else (retries, outboxes, batches, faults of the API or of a broker) is simulated by the producer's
own processes, and the holders note what arrives (:class:`~sim.components.inlet.Inlet`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.components.link import Link
from sim.components.log import Log
from sim.components.producer import Producer
from sim.components.topic import QueueSubscription, Topic
from sim.components.workload import Messages
from sim.engine.ledger import CopyLog
from sim.vocabulary import Outcome, Reply


class Inexact(Exception):  # noqa: N818 - nothing is wrong: another way is taken
    """Blocks would have to guess: the run is simulated by its processes."""


Arrivals = tuple[NDArray[Any], NDArray[Any]]
"""Numbers of messages, and when each arrives, s, sorted."""


def is_plain(producer: Producer) -> bool:
    """Whether nothing but hops lies between the callers and the holders."""
    options = producer.options
    return (
        producer.api.is_quiet
        and not (options.outbox or options.linger or options.write_gap)
        and all(is_plain_link(producer, link) for link in producer.writes)
    )


def is_plain_link(producer: Producer, link: Link) -> bool:
    """Whether everything that is sent this way arrives a hop later and is answered in time."""
    patience = np.inf if producer.options.timeout is None else producer.options.timeout
    is_answered = not link.hop or (producer.api.is_quiet and 2 * link.hop < patience)
    return link.is_plain and is_answered


def publish(producer: Producer) -> dict[Any, Arrivals]:
    """Publish all messages, answer the callers; what arrives at each holder."""
    messages = producer.site.messages
    return publish_some(producer, 0, messages.published, messages.waiting)


def publish_some(
    producer: Producer, first: int, published: NDArray[Any], waiting: int
) -> dict[Any, Arrivals]:
    """Publish consecutive messages, answer their callers; what arrives at each holder.

    Args:
        producer: who publishes.
        first: the number of the first of them in the ledger.
        published: when, s.
        waiting: how many of them, from the first, already wait at 0 s.
    """
    site = producer.site
    numbers = np.arange(first, first + len(published), dtype=np.int64)
    now = answered = published
    found: dict[Any, Arrivals] = {}
    for link in producer.writes:
        arrived = now + link.hop
        arrived[:waiting] = 0.0
        found |= _reach(link.broker, numbers, arrived, site.limit)
        now = arrived + link.hop
        if link is producer.writes[0] or producer.options.reply == "all":
            answered = now
    _happens_in_time(site.limit, now)
    answered = answered.copy()
    answered[:waiting] = 0.0
    rows = slice(first, first + len(published))
    np.frombuffer(site.ledger.reply, dtype=np.uint8)[rows] = Reply.OK
    np.frombuffer(site.ledger.reply_time)[rows] = answered
    return found


def longest_way(producer: Producer) -> float:
    """No message takes longer from its publishing until everybody has it and its caller an answer, s."""
    hops = 2 * sum(link.hop for link in producer.writes)
    return hops + max((link.hop for link in producer.writes), default=0.0)


def request(messages: Messages) -> Arrivals:
    """The requests of callers who wait for the work itself to be done."""
    return request_some(0, messages.published)


def request_some(first: int, published: NDArray[Any]) -> Arrivals:
    """The same of consecutive messages, of which the first has a number."""
    return np.arange(first, first + len(published), dtype=np.int64), np.maximum(published, 0.0)


def report(link: Link, messages: NDArray[Any], times: NDArray[Any], limit: float) -> dict[Any, Arrivals]:
    """Workers report complete tasks; what arrives at each holder before the run ends at ``limit``."""
    arrived = times + link.hop
    _happens_in_time(limit, arrived + link.hop)
    return _reach(link.broker, messages, arrived, limit)


def _reach(broker: Any, numbers: NDArray[Any], times: NDArray[Any], limit: float) -> dict[Any, Arrivals]:
    if isinstance(broker, Topic):
        found: dict[Any, Arrivals] = {}
        for subscription in broker.subscriptions:
            found |= _reach(subscription, numbers, times, limit)
        return found
    if isinstance(broker, Log):
        return dict.fromkeys(broker.groups, (numbers, times))
    if isinstance(broker, QueueSubscription):
        stored = times + broker.hop
        _happens_in_time(limit, stored)
        _pass_through(broker.log, numbers, times, stored)
        return {broker.queue: (numbers, stored)}
    return {broker: (numbers, times)}


def _pass_through(log: CopyLog, numbers: NDArray[Any], times: NDArray[Any], until: NDArray[Any]) -> None:
    accepted = np.frombuffer(log.accepted)
    if np.any(np.isfinite(accepted[numbers])):
        raise Inexact("a message is stored twice")
    accepted[numbers] = times
    np.frombuffer(log.taken)[numbers] = until
    np.frombuffer(log.ended)[numbers] = until
    np.frombuffer(log.fate, dtype=np.uint8)[numbers] = Outcome.APPLIED


def _happens_in_time(limit: float, times: NDArray[Any]) -> None:
    if len(times) and times.max() >= limit:
        raise Inexact("messages are on their way when the run ends")
