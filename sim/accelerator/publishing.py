"""What arrives at the holders of a site, where that is plain: published, a hop later accepted, answered.

Everything else (retries, outboxes, batches, faults of the API or of a broker) is simulated by the producer's
own processes, and the holders note what arrives (:class:`~sim.components.inlet.Inlet`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.accelerator.block import pieces, rows_of
from sim.components.effect import Effect
from sim.components.link import Link
from sim.components.log import Log
from sim.components.producer import Producer
from sim.components.queue import Queue
from sim.components.topic import QueueSubscription, Topic
from sim.components.workload import Messages
from sim.engine.ledger import CopyLog
from sim.vocabulary import Outcome


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


def instant_reports(producer: Producer | None, queue: Queue) -> list[tuple[Effect, Link]]:
    """What is reported to a queue without a hop, so that messages arrive as work ends, and by which link."""
    reports = () if producer is None or producer.options.outbox else producer.reports
    return [
        (effect, link) for effect, link in reports if not link.hop and _stores_at_once(link.broker, queue)
    ]


def _stores_at_once(broker: Any, queue: Queue) -> bool:
    if isinstance(broker, Topic):
        return any(_stores_at_once(each, queue) for each in broker.subscriptions)
    if isinstance(broker, QueueSubscription):
        return not broker.hop and broker.queue is queue
    return broker is queue


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
    numbers = _numbers(first, len(published))
    now = answered = published
    found: dict[Any, Arrivals] = {}
    for link in producer.writes:
        arrived = _later(now, link.hop)
        if waiting:
            arrived = _from_the_start(arrived, waiting)
        found |= _reach(link.broker, numbers, arrived, site.limit)
        now = _later(arrived, link.hop)
        if link is producer.writes[0] or producer.options.reply == "all":
            answered = now
    _happens_in_time(site.limit, now)
    site.ledger.reply_to_all(first, _from_the_start(answered, waiting) if waiting else answered)
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
    return _numbers(first, len(published)), np.maximum(published, 0.0)


def report(link: Link, messages: NDArray[Any], times: NDArray[Any], limit: float) -> dict[Any, Arrivals]:
    """Workers report complete tasks; what arrives at each holder before the run ends at ``limit``."""
    arrived = _later(times, link.hop)
    _happens_in_time(limit, _later(arrived, link.hop))
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
        stored = _later(times, broker.hop)
        _happens_in_time(limit, stored)
        _pass_through(broker.log, numbers, times, stored)
        return {broker.queue: (numbers, stored)}
    return {broker: (numbers, times)}


def _pass_through(log: CopyLog, numbers: NDArray[Any], times: NDArray[Any], until: NDArray[Any]) -> None:
    accept(log, numbers, times)
    taken, ended = np.frombuffer(log.taken), np.frombuffer(log.ended)
    fate = np.frombuffer(log.fate, dtype=np.uint8)
    for some, passed in pieces(numbers, until):
        rows = rows_of(some)
        taken[rows] = passed
        ended[rows] = passed
        fate[rows] = Outcome.APPLIED


def accept(log: CopyLog, messages: NDArray[Any], times: NDArray[Any]) -> None:
    """Write down when messages are accepted, each for the first time.

    Args:
        log: of their holder.
        messages: numbers, in any order.
        times: s, of the same shape.
    """
    if len(messages) == log.messages > 0 and isinstance(rows_of(messages), slice) and log.adopt(times):
        return
    accepted = np.frombuffer(log.accepted)
    for some, stored in pieces(messages, times):
        rows = rows_of(some)
        is_first = bool(np.isnan(accepted[rows]).all())
        if is_first and not isinstance(
            rows, slice
        ):  # what is written for a number that comes twice stays once
            places = np.arange(len(some), dtype=float)
            accepted[rows] = places
            is_first = np.array_equal(accepted[rows], places)
        if not is_first:
            raise Inexact("a message is stored twice")
        accepted[rows] = stored


def _later(times: NDArray[Any], hop: float) -> NDArray[Any]:
    """A hop later; without one these times themselves."""
    return times + hop if hop else times


def _from_the_start(times: NDArray[Any], waiting: int) -> NDArray[Any]:
    """The same, but for the first so many at 0 s."""
    return np.concatenate((np.zeros(waiting), times[waiting:])) if times[:waiting].any() else times


def _happens_in_time(limit: float, times: NDArray[Any]) -> None:
    if len(times) and times.max() >= limit:
        raise Inexact("messages are on their way when the run ends")


def _numbers(first: int, count: int) -> NDArray[Any]:
    """Numbers that follow one another, in half the memory where that holds them."""
    short = np.int32
    return np.arange(first, first + count, dtype=short if first + count <= np.iinfo(short).max else np.int64)
