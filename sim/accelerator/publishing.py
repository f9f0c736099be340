"""What arrives at the holders of a site, where that is known: published, a hop later accepted, answered.

What a broker refuses is known, too: when an attempt is made follows from when the one before it was refused,
and none depends on other messages. Only the turn of what arrives at one instant is not known where some of it
has been refused before. Everything else (outboxes, batches, faults of the API or of the network) is simulated
by the producer's own processes, and the holders note what arrives (:class:`~sim.components.inlet.Inlet`).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.accelerator.block import pieces, rows_of
from sim.components.effect import Effect
from sim.components.link import Link
from sim.components.log import Log
from sim.components.producer import TOLERANCE, Producer
from sim.components.queue import Queue
from sim.components.topic import QueueSubscription, Topic
from sim.components.workload import Messages
from sim.engine.ledger import CopyLog
from sim.vocabulary import Outcome, Reply


class Inexact(Exception):  # noqa: N818 - nothing is wrong: another way is taken
    """Blocks would have to guess: the run is simulated by its processes."""


Arrivals = tuple[NDArray[Any], NDArray[Any]]
"""Numbers of messages, and when each arrives, s, sorted."""


class Tied(Inexact):
    """Messages arrive at one instant, some of which have been refused before.

    Nothing is in the ledger yet: the producer's processes can do the same anew.
    """


def is_known(producer: Producer) -> bool:
    """Whether nothing but hops and refusals lies between the callers and the holders."""
    options = producer.options
    return (
        producer.api.is_quiet
        and not (options.outbox or options.linger or options.write_gap)
        and all(_is_answered(producer, link) and _passes_on(link.broker) for link in producer.writes)
    )


def _passes_on(broker: Any) -> bool:
    """Whether what it takes is at once on its way to all who are behind it."""
    if isinstance(broker, Topic):
        return all(map(_passes_on, broker.subscriptions))
    return not (isinstance(broker, QueueSubscription) and broker.pauses)


def is_plain_link(producer: Producer, link: Link) -> bool:
    """Whether everything that is sent this way arrives a hop later and is answered in time."""
    return link.is_plain and _is_answered(producer, link)


def _is_answered(producer: Producer, link: Link) -> bool:
    """Whether everything that is sent this way is accepted or refused a hop later, and answered in time."""
    patience = np.inf if producer.options.timeout is None else producer.options.timeout
    is_in_time = not link.hop or (producer.api.is_quiet and 2 * link.hop < patience)
    return link.is_clear and is_in_time


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
    site, ledger, numbers = producer.site, producer.site.ledger, _numbers(first, len(published))
    requests = _Requests(producer, first, published, waiting)
    written = [requests.write(link) for link in producer.writes]
    _happens_in_time(site.limit, *_last(requests.now))
    found: dict[Any, Arrivals] = {}
    for link, (places, times) in zip(producer.writes, written, strict=True):
        found |= _reach(link.broker, numbers if places is None else numbers[places], times, site.limit)
    for effects, place, fate, now in requests.given_up:
        ledger.never_stored(effects, first + place, fate, now)
    failed = requests.failed()
    ledger.reply_to_all(first, requests.answered, besides=[first + place for place in failed])
    for place in failed:
        ledger.answer(first + place, Reply.ERROR, requests.now.item(place))
    return found


class _Requests:
    """Requests on their way from one broker to the next.

    Args:
        producer: who publishes.
        first: the number of the first of them in the ledger.
        published: when each was made, s.
        waiting: how many of them, from the first, are with all brokers at 0 s.

    Attributes:
        now: how far each has come, s.
        answered: when its caller is answered, s; NaN where that is not yet known.
        given_up: what no attempt has brought to a broker: effects, place among the requests, outcome, when.
    """

    def __init__(self, producer: Producer, first: int, published: NDArray[Any], waiting: int) -> None:
        self._options, self._limit = producer.options, producer.site.limit
        self._first, self._waiting = first, waiting
        self.now = self.answered = published
        self.given_up: list[tuple[tuple[int, ...], int, Outcome, float]] = []
        self._is_late: NDArray[Any] | None = None
        self._is_written = False

    def write(self, link: Link) -> tuple[NDArray[Any] | None, NDArray[Any]]:
        """All of them are written to a broker.

        Returns:
            Places of those that it accepts, in the order in which it does; None for all as they come. And
            when, s.
        """
        arrived = self._from_the_start(_later(self.now, link.hop))
        now = _later(arrived, link.hop)
        if not link.is_plain:
            waiting = self._waiting
            is_refused = np.zeros(len(arrived), dtype=bool)
            is_refused[waiting:] = link.refuses_first(self._first + waiting, arrived[waiting:])
            if is_refused.any():
                arrived, now = arrived.copy(), now.copy()
                self._is_late = is_refused if self._is_late is None else self._is_late | is_refused
                for place in np.flatnonzero(is_refused).tolist():
                    arrived[place], now[place] = self._try_again(link, place)
        self._answer(arrived, now)
        self.now = now
        return self._in_turn(arrived)

    def _from_the_start(self, times: NDArray[Any]) -> NDArray[Any]:
        """The same, but for those that wait at 0 s."""
        waiting = self._waiting
        return np.concatenate((np.zeros(waiting), times[waiting:])) if times[:waiting].any() else times

    def _answer(self, arrived: NDArray[Any], now: NDArray[Any]) -> None:
        """Callers are answered when the first broker has accepted, or all of them have."""
        is_first = self._options.reply == "first"
        if not (is_first and self._is_written):
            self.answered = self._from_the_start(now)
            if is_first and self._is_late is not None:
                self.answered = np.where(np.isnan(arrived), np.nan, self.answered)
        elif self._is_late is not None:
            is_open = np.isnan(self.answered) & ~np.isnan(arrived)
            self.answered = np.where(is_open, now, self.answered)
        self._is_written = True

    def _try_again(self, link: Link, place: int) -> tuple[float, float]:
        """One whose first attempt is refused: when it is accepted, NaN if never, and when its sender knows.

        The twin of ``Producer._publish``.
        """
        options, fate = self._options, Outcome.REJECTED
        began = sent = self.now.item(place)
        attempt = 0
        while True:
            arrived = sent + link.hop
            now = arrived + link.hop
            _happens_in_time(self._limit, now)
            if attempt and not link.refuses(self._first + place, attempt, arrived):
                return arrived, now
            if options.timeout is not None and now >= sent + options.timeout:
                fate = Outcome.LOST  # not refused: nobody knows
            sent, attempt = now + options.retry_delay, attempt + 1
            if sent > began + options.retry_for + TOLERANCE:
                self.given_up.append((link.effects, place, fate, now))
                return math.nan, now

    def _in_turn(self, arrived: NDArray[Any]) -> tuple[NDArray[Any] | None, NDArray[Any]]:
        """Those that are accepted, in turn."""
        is_late = self._is_late
        if is_late is None:
            return None, arrived
        turn = np.argsort(arrived, kind="stable")[: np.count_nonzero(~np.isnan(arrived))]  # NaN comes last
        times, is_late = arrived[turn], is_late[turn]
        if ((times[1:] == times[:-1]) & (is_late[1:] | is_late[:-1])).any():
            raise Tied("messages arrive at one instant, some of which have been refused before")
        return turn, times

    def failed(self) -> list[int]:
        """Places of those whose callers are told in the end that something has gone wrong."""
        if self._options.reply == "first":
            return np.flatnonzero(np.isnan(self.answered)).tolist()
        return sorted({place for _, place, _, _ in self.given_up})


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
    _happens_in_time(limit, *_last(_later(arrived, link.hop)))
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
        _happens_in_time(limit, *_last(stored))
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
        if is_first and not isinstance(rows, slice):  # of a number that comes twice one place stays
            places = np.arange(len(some), dtype=float)
            accepted[rows] = places
            is_first = np.array_equal(accepted[rows], places)
        if not is_first:
            raise Inexact("a message is stored twice")
        accepted[rows] = stored


def _later(times: NDArray[Any], hop: float) -> NDArray[Any]:
    """A hop later; without one these times themselves."""
    return times + hop if hop else times


def _last(times: NDArray[Any]) -> list[float]:
    """The last of some times, if there are any."""
    return [times.max().item()] if len(times) else []


def _happens_in_time(limit: float, *times: float) -> None:
    if any(time >= limit for time in times):
        raise Inexact("messages are on their way when the run ends")


def _numbers(first: int, count: int) -> NDArray[Any]:
    """Numbers that follow one another, in half the memory where that holds them."""
    short = np.int32
    return np.arange(first, first + count, dtype=short if first + count <= np.iinfo(short).max else np.int64)
