"""The API server: takes requests, publishes them, answers the caller with an id or an error.

It writes to its brokers one after the other, retries refused writes on the message's own clock, or puts a row
into a transactional outbox from which a relay publishes. With an outbox, workers who report that a task is
complete write a row too, so that a chain of effects waits for a poll at every hop. All relays poll at the
multiples of one interval. A caller can ask for the status of a job at any time
(:meth:`sim.engine.ledger.Ledger.status`). Left out: callers that time out and send again; a limit of requests
at once; crashes of the relay.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Generator, Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field
from simpy.events import Event

from sim.components.api import ApiFaults
from sim.components.effect import Effect
from sim.components.faults import Down
from sim.components.link import Link
from sim.components.site import Site
from sim.components.wiring import API, CALLERS, Edge, Node
from sim.engine.environment import Loop, Process, Signal, Steps
from sim.engine.quantities import UNLIMITED, Block, Duration, DurationOrNone
from sim.vocabulary import Outcome, Reply, Status

_OK = Reply.OK  # looking up a member of an enum costs as much as two calls
TOLERANCE = 1e-9
"""s; a retry that falls due exactly at the end of ``retry_for`` is made."""


class Outbox(Block):
    """A transactional outbox: a row beside the business data, published by a relay."""

    poll: Annotated[Duration, Field(gt=0)] = 1.0
    """The relay looks for new rows so often."""


def _outbox(value: Any) -> Any:
    if isinstance(value, bool):
        return {} if value else None
    return value


class CallerOptions(Block):
    """The API server of a synchronous architecture."""

    timeout: Annotated[DurationOrNone, Field(gt=0)] = None
    """The caller waits so long for the reply; the work goes on."""


class ProducerOptions(Block):
    """The API server that publishes."""

    timeout: Annotated[DurationOrNone, Field(gt=0)] = None
    """A publish attempt without an answer counts as failed after so long."""
    retry_for: Duration = 0.0
    """A refused publish is tried again until so long after the first attempt."""
    retry_delay: Annotated[Duration, Field(gt=0)] = 0.1
    """Pause between two attempts."""
    linger: Duration = 0.0
    """A batch stays open so long for further messages before it is published."""
    write_gap: Duration = 0.0
    """Pause between the writes to two brokers."""
    reply: Literal["all", "first"] = "all"
    """When the caller is told that all is well: all writes accepted, or the first one."""
    outbox: Annotated[Outbox | None, BeforeValidator(_outbox)] = None
    """Whether messages go through a transactional outbox."""


class Producer:
    """The API server of an architecture with a broker.

    Args:
        site: where it stands.
        options: how it publishes.
        writes: the links to which each message is written, in order.
        reports: the effects that others wait for, and the links to which workers report that one is complete.

    Attributes:
        reports: as above.
        api: when the server is away.
    """

    def __init__(
        self,
        site: Site,
        options: ProducerOptions,
        writes: Sequence[Link],
        reports: Sequence[tuple[Effect, Link]] = (),
    ) -> None:
        self.site = site
        self._ledger = site.ledger
        self.options = options
        self.writes = writes
        self.api = ApiFaults(site)
        self._batch_closes = -math.inf
        self._open: dict[int, list[int]] = {}
        self.reports = tuple(reports)
        self._reports: Counter[tuple[int, int]] = Counter()
        self._relays: list[_Relay] = []
        self._reporting: dict[Link, _Relay] = {}
        effects = tuple(site.effects[number].name for link in writes for number in link.effects)
        faults = self.api.faults(1 if options.outbox else len(writes))
        site.wiring.add(Node(CALLERS, "callers", effects))
        site.wiring.add(Node(API, "api", effects, options, faults))
        site.wiring.connect(Edge(CALLERS, API, "request"))
        for link in writes:
            if options.outbox:
                name = f"{site.effects[link.effects[0]].name}_outbox" if len(writes) > 1 else "outbox"
                site.wiring.add(
                    Node(
                        name,
                        "outbox",
                        tuple(site.effects[each].name for each in link.effects),
                        options.outbox,
                    )
                )
                site.wiring.connect(Edge(API, name, "insert"))
                link.comes_from(name)
                self._relays.append(_Relay(site, name, link, options))
            else:
                link.comes_from(API)
        workers = {effect: pool.name for pool in site.pools for effect in pool.effects}
        for effect, link in reports:
            link.comes_from(workers[effect], reports=True)
            if options.outbox:
                name = f"{site.effects[link.effects[0]].name}_outbox"
                self._reporting[link] = _Relay(site, name, link, options)
            effect.on_applied.append(lambda message, link=link: self.publish_completion(link, message))
        site.producer = self
        self._arrived = False
        self._is_simple = not site.is_careful and (
            self.api.is_quiet
            and not (options.outbox or options.linger or options.write_gap)
            and all(link.is_instant for link in writes)
        )
        site.starting.append((self, self._start))
        site.unfinished.append(lambda: not self._arrived or bool(self._open or self._reports))
        site.underway.append(self._underway)

    def status(self, message: int) -> Status:
        """What a caller is told who asks for the job now."""
        return self._ledger.status(message, self.site.now)

    def publish_completion(self, link: Link, message: int) -> None:
        """A worker reports that a task is complete, which starts the next one."""
        relay = self._reporting.get(link)
        if relay is None:
            self.site.immediately(self._report(link, message))
        else:
            relay.add(message)

    def _underway(self) -> list[tuple[int, int]]:
        requests = [(message, effect) for message, effects in self._open.items() for effect in effects]
        return [*requests, *self._reports]

    def _start(self) -> None:
        self._loop = Loop(self.site, self._serve_at_once() if self._is_simple else self._serve_all())

    def _accept_backlog(self) -> int:
        """What waits already at 0 s is there; how many messages that is."""
        waiting = self.site.messages.waiting
        for message in range(waiting):
            for link in self.writes:
                if not link.accept(message, 0.0):
                    self._ledger.never_stored(link.effects, message, Outcome.REJECTED, 0.0)
            self._ledger.answer(message, Reply.OK, 0.0)
        return waiting

    def _serve_all(self) -> Steps:
        """A request at each publish time."""
        site, reach = self.site, self._loop.reach
        waiting = self._accept_backlog()
        for message, time in enumerate(site.messages.published[waiting:].tolist(), start=waiting):
            if reach(time):
                yield time
            site.immediately(self._serve(message))
        self._arrived = True

    def _serve_at_once(self) -> Steps:
        """The same where attempts take no time: only a message that is refused needs a process of its own."""
        site, queue = self.site, self._loop.queue
        waiting = self._accept_backlog()
        published = site.messages.published[waiting:]
        attempts = tuple(enumerate(link.first_attempt for link in self.writes))
        refused: list[int] = []
        for message, time in enumerate(published.tolist(), start=waiting):
            if queue[0][0] <= time:
                yield time
            else:  # what reach does, without a call
                site.now = time  # pyright: ignore[reportAttributeAccessIssue]
            for position, attempt in attempts:
                if not attempt(message, time):
                    refused.append(message)
                    site.immediately(self._serve(message, refused_by=position))
                    break
        self._ledger.reply_to_all(waiting, published, besides=refused)
        self._arrived = True

    def _serve(self, message: int, refused_by: int = -1) -> Process:
        """One request, from the caller's call to the reply.

        Args:
            message: what is published.
            refused_by: the write that has already been refused once, those before it having been accepted.
        """
        site, ledger, options = self.site, self._ledger, self.options
        effects = [effect for link in self.writes for effect in link.effects]
        if not self.api.is_quiet and self.api.is_away(site.now):
            ledger.never_stored(effects, message, Outcome.REJECTED, site.now)
            ledger.answer(message, Reply.ERROR, site.now)
            return
        if options.outbox:
            for relay in self._relays:
                relay.add(message)
            ledger.answer(message, Reply.OK, site.now)
            return
        self._open[message] = effects
        if options.linger:
            if site.now >= self._batch_closes:
                self._batch_closes = site.now + options.linger
            yield site.at(self._batch_closes)
        reply = yield from self._write(message, refused_by)
        if reply is not Reply.NONE:
            ledger.answer(message, reply, site.now)
        del self._open[message]

    def _write(self, message: int, refused_by: int) -> Generator[Event, Any, Reply]:
        """Write to all brokers in order; what the caller is told, or NONE if the server died."""
        site, options, writes = self.site, self.options, self.writes
        dies_after = 0 if self.api.is_quiet else self.api.dies_after(message, len(writes))
        reply = Reply.OK
        for position, link in enumerate(writes):
            since = site.now
            if position:
                if position == dies_after:
                    return self._die(writes[position:], message)
                if options.write_gap:
                    yield site.at(since + options.write_gap)
                    if (yield from self._is_cut_off(since)):
                        return self._die(writes[position:], message)
            if position < refused_by:
                accepted = True
            else:
                accepted = yield from self._publish(link, message, is_refused=position == refused_by)
            rest = writes[position + 1 :]
            self._open[message] = [effect for other in rest for effect in other.effects]
            if accepted is None:
                return self._die(rest, message)
            if not accepted:
                reply = Reply.ERROR
            elif options.reply == "first":
                self._ledger.answer(message, Reply.OK, site.now)
        return reply

    def _die(self, rest: Sequence[Link], message: int) -> Reply:
        for link in rest:
            self._ledger.never_stored(link.effects, message, Outcome.LOST, self.site.now)
        return Reply.NONE

    def _publish(
        self, link: Link, message: int, *, is_refused: bool = False
    ) -> Generator[Event, Any, bool | None]:
        """Attempts until one is accepted or ``retry_for`` is over.

        Args:
            link: the way to the broker.
            message: what is published.
            is_refused: whether the first attempt has been made and refused, just now.

        Returns:
            True if one was accepted, False if all failed, None if the request will never go on: no answer
            comes, or the server died meanwhile.
        """
        site, options = self.site, self.options
        first, attempt, fate = site.now, 0, Outcome.REJECTED
        while True:
            sent = site.now
            if is_refused and not attempt:
                answer = False
            else:
                answer = yield from link.send(message, attempt, options.timeout)
            if answer is None or (options.timeout is not None and site.now >= sent + options.timeout):
                fate = Outcome.LOST  # not refused: nobody knows
            if site.now > sent and (yield from self._is_cut_off(sent)):
                answer = None
            if answer:
                return True
            due = site.now + options.retry_delay
            if answer is None or due > first + options.retry_for + TOLERANCE:
                break
            yield site.at(due)
            if (yield from self._is_cut_off(sent)):
                answer, fate = None, Outcome.LOST
                break
            attempt += 1
        self._ledger.never_stored(link.effects, message, fate, site.now)
        return answer

    def _is_cut_off(self, since: float) -> Generator[Event, Any, bool]:
        """Whether the server died since then; where work is suspended, wait until it goes on."""
        site = self.site
        cut = None if self.api.is_quiet else self.api.interruption(since, site.now)
        if cut is None:
            return False
        if isinstance(cut.fault, Down) and cut.fault.in_hand == "resume":
            assert cut.windows is not None
            end = cut.windows.end_at(site.now)
            if site.now < end < UNLIMITED:
                yield site.at(end)
            return False
        return True

    def _report(self, link: Link, message: int) -> Process:
        pairs = [(message, effect) for effect in link.effects]
        self._reports.update(pairs)
        yield from self._publish(link, message)
        for pair in pairs:
            self._reports[pair] -= 1
            if not self._reports[pair]:
                del self._reports[pair]


class _Relay:
    """Publishes the rows of the outbox for one broker, in order, at multiples of the poll interval.

    At a poll it takes the rows written before it; one written at that very instant waits for the next.
    """

    def __init__(self, site: Site, name: str, link: Link, options: ProducerOptions) -> None:
        assert options.outbox is not None
        self.log = site.ledger.log(name, link.effects, is_transit=True)
        self._site = site
        self._link = link
        self._poll = options.outbox.poll
        self._timeout = options.timeout
        self._rows: deque[int] = deque()
        self._added = Signal(site)
        self._is_parked = False
        site.process(self._run())
        site.unfinished.append(lambda: bool(self._rows))

    def add(self, message: int) -> None:
        """A row was written in the same transaction as the business data."""
        self._rows.append(self.log.store(message, self._site.now))
        if self._is_parked:
            self._is_parked = False
            self._added.succeed()

    def _run(self) -> Process:
        site, rows, written = self._site, self._rows, self.log.accepted
        attempt = 0
        while True:
            if not rows:
                self._is_parked = True
                yield self._added.rearm()
            yield site.at(self._next_poll(site.now))
            polled = site.now
            while rows and written[rows[0]] < polled:
                message = self.log.message_of(rows[0])
                accepted = yield from self._link.send(message, attempt, self._timeout)
                if not accepted:  # the row stays and is tried again at the next poll
                    attempt += 1
                    break
                self.log.pass_on(rows.popleft(), site.now)
                attempt = 0

    def _next_poll(self, now: float) -> float:
        """The first multiple of the interval after a time, whatever rounding does to the quotient."""
        tick = math.floor(now / self._poll) + 1
        while tick * self._poll <= now:
            tick += 1
        return tick * self._poll
