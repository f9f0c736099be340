"""A topic that pushes: every message goes to all subscriptions at once, nobody asks for it.

A push that fails is tried again after a fixed delay, a limited number of times, and then given up. A service
that subscribes holds what it has accepted in memory until a worker is free; a full memory or a service that
is down refuses the push. A worker tells the topic when its work is done or has failed, and a failure counts
as a failed push; what a crash takes from memory is lost. Left out: filters, jittered and growing delays,
dead-letter queues of subscriptions, throttling.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated

from pydantic import Field

from sim.components.consumer import Pool, PushConsumers, forerunners
from sim.components.effect import Effect
from sim.components.faults import Down
from sim.components.queue import Queue
from sim.components.site import Site
from sim.components.timelines import Outage, names
from sim.components.wiring import Edge, Node
from sim.components.worker import Source, Worker
from sim.engine.environment import PUSH_AGAIN, DelayLine
from sim.engine.quantities import UNLIMITED, Block, Count, CountOrUnlimited, Duration
from sim.vocabulary import Outcome, Role


class TopicOptions(Block):
    """A topic that pushes every message to its subscriptions at once."""

    retries: Count = 3
    """Further attempts after a push that failed."""
    retry_delay: Duration = 20.0
    """Time between two attempts."""


class PushOptions(TopicOptions):
    """A topic that pushes to services."""

    buffer: Annotated[CountOrUnlimited, Field(ge=0)] = UNLIMITED
    """Messages that a subscriber holds in memory beside those being worked on; beyond it it refuses."""


class Topic:
    """Takes a publish for all of its subscriptions at once.

    Args:
        site: where it stands.
        effects: for each effect the subscription that takes a message for it.
    """

    def __init__(self, site: Site, effects: Mapping[Effect, QueueSubscription | Subscriber]) -> None:
        self.subscriptions = tuple(effects.values())
        self._accepts = [subscription.accept for subscription in effects.values()]
        self.node = site.wiring.add(Node("topic", "topic", tuple(effect.name for effect in effects)))
        for each in effects.values():
            site.wiring.connect(Edge(self.node, each.node, "push", each.options, faults=each.faults))

    def accept(self, message: int, now: float) -> bool:
        """Every subscription gets the message; a topic is never full."""
        for accept in self._accepts:
            accept(message, now)
        return True


class Subscription:
    """Pushes to one subscriber, with the topic's retry policy.

    Args:
        site: where it stands.
        options: the retry policy.
        hop: network delay of a push, s.
        effects: the effects for which it pushes.
        offer: the subscriber takes a thing, or refuses it with False.
        give_up: told of a thing whose attempts are used up.

    Attributes:
        faults: names of the faults in which it does not push.
        pauses: when they last.
    """

    def __init__(
        self,
        site: Site,
        options: TopicOptions,
        hop: float,
        effects: list[Effect],
        offer: Callable[[int], bool],
        give_up: Callable[[int], None],
    ) -> None:
        self._site = site
        self._retries = options.retries
        self._offer = offer
        self._give_up = give_up
        self._failures: dict[int, int] = {}
        self._on_the_way = DelayLine(site, hop, self._arrive) if hop else None
        self._resting = DelayLine(
            site, options.retry_delay, self.push, rank=PUSH_AGAIN + forerunners(site, effects)
        )
        self._held_back: deque[int] = deque()
        its_effects = tuple(effect.name for effect in effects)
        self.pauses = site.faults.pauses(its_effects)
        self.faults = names(site.faults.conditions(Role.BROKER, its_effects, Down))

    def push(self, thing: int) -> None:
        """One attempt, now; while the topic is down it waits in line."""
        if self.pauses:
            if self._held_back:
                self._held_back.append(thing)
                return
            end = next(
                (each.end_at(self._site.now) for each in self.pauses if each.covers(self._site.now)), None
            )
            if end is not None:
                self._held_back.append(thing)
                if end < UNLIMITED:
                    self._site.call_at(end, self._resume)
                return
        self._send(thing)

    def _resume(self) -> None:
        """Push what has waited, in the order in which it came, unless the topic is down again."""
        waiting, self._held_back = self._held_back, deque()
        for thing in waiting:
            self.push(thing)

    def _send(self, thing: int) -> None:
        if self._on_the_way is None:
            self._arrive(thing)
        else:
            self._on_the_way.add(thing, self._site.now)

    def failed(self, thing: int) -> None:
        """An attempt failed: refused, or accepted and not done."""
        failures = self._failures.get(thing, 0) + 1
        self._failures[thing] = failures
        if failures > self._retries:
            self._give_up(thing)
        else:
            self._resting.add(thing, self._site.now)

    def has_failed(self, thing: int) -> bool:
        """Whether an earlier attempt failed."""
        return thing in self._failures

    def _arrive(self, thing: int) -> None:
        if not self._offer(thing):
            self.failed(thing)


class QueueSubscription:
    """A subscription that pushes into a queue; what waits for a queue that is full waits here.

    Args:
        site: where it stands.
        options: the retry policy, for a queue that is full.
        hop: network delay of a push, s.
        effect: the effect whose queue it is.
        queue: takes the messages.

    Attributes:
        pauses: when the topic does not push, because it is down.
    """

    def __init__(
        self,
        site: Site,
        options: TopicOptions,
        hop: float,
        effect: Effect,
        queue: Queue,
    ) -> None:
        self.node = queue.node
        self.options = options
        self.log = site.ledger.log(f"{effect.name}_topic", (effect.number,), is_transit=True)
        self._site = site
        self.queue = queue
        self.hop = hop
        self._store = queue.accept
        self._held = 0
        self._subscription = Subscription(site, options, hop, [effect], self._offer, self._give_up)
        self.faults = self._subscription.faults
        self.pauses = self._subscription.pauses
        site.unfinished.append(lambda: self._held > 0)

    def accept(self, message: int, now: float) -> bool:
        """The topic takes a message for this subscription and pushes it at once."""
        self._held += 1
        self._subscription.push(self.log.store(message, now))
        return True

    def _offer(self, copy: int) -> bool:
        now = self._site.now
        is_stored = self._store(self.log.message_of(copy), now)
        if is_stored:
            self.log.pass_on(copy, now)
            self._held -= 1
        return is_stored

    def _give_up(self, copy: int) -> None:
        now = self._site.now
        self.log.removed.append(now)
        self.log.ended[copy] = now
        self.log.fate[copy] = Outcome.DROPPED
        self._held -= 1


class Subscriber(Source[int]):
    """A service that is pushed to: its memory, from which the workers of one pool take.

    Args:
        site: where it stands.
        name: ``index_topic``.
        effects: numbers of the effects that it does.
        options: the topic's retry policy and the size of the memory.
        consumers: what happens after a failed attempt.
        hop: network delay of a push, s.

    Attributes:
        pauses: when the topic does not push, because it is down.
        hop: network delay of a push, s.
        is_nacking: whether a failed attempt counts as a failed push.
    """

    def __init__(
        self,
        site: Site,
        name: str,
        effects: tuple[int, ...],
        options: PushOptions,
        consumers: PushConsumers,
        hop: float,
    ) -> None:
        its_effects = tuple(site.effects[number].name for number in effects)
        super().__init__(site, site.wiring.add(Node(name, "memory", its_effects, options)), "take")
        assert consumers.on_error in ("nack", "skip", "retry")
        self.log = site.ledger.log(name, effects, pushed=True)
        self.pool: Pool[int] | None = None
        self.options = options
        self._site = site
        theirs = [site.effects[number] for number in effects]
        self._subscription = Subscription(site, options, hop, theirs, self._offer, self._give_up)
        self.faults = self._subscription.faults
        self.pauses = self._subscription.pauses
        self.hop = hop
        self.is_nacking = consumers.on_error == "nack"
        self._buffer = options.buffer
        self._memory: deque[int] = deque()
        self._held = 0
        site.unfinished.append(lambda: self._held > 0)

    def accept(self, message: int, now: float) -> bool:
        """The topic takes a message for this subscription and pushes it at once."""
        if self.inlet is not None:
            return self.inlet.take_in(message, now)
        self._held += 1
        self._subscription.push(self.log.store(message, now))
        return True

    def take(self, worker: Worker, limit: int, now: float) -> Sequence[int] | None:
        """The oldest message in memory."""
        del worker, limit
        if not self._memory:
            return None
        copy = self._memory.popleft()
        self._note_taken(copy, now)
        return (copy,)

    def begin(self, item: int) -> tuple[int, bool]:
        """Work on an item begins; the message that it is of, and whether an earlier push failed."""
        return self.log.message_of(item), self._subscription.has_failed(item)

    def done(self, item: int, now: float) -> None:
        """The topic is told that all is well."""
        self._end(item, Outcome.APPLIED, now)

    def failed(self, item: int, effect: int) -> None:
        """The topic is told of the failure, or the message is dropped."""
        del effect
        if self.is_nacking:
            self.log.returned.append(self._site.now)
            self._subscription.failed(item)
        else:
            self._end(item, Outcome.DROPPED, self._site.now)

    def crashed(self, worker: Worker, items: Sequence[int]) -> None:
        """What the worker held is lost."""
        del worker
        for copy in items:
            self._end(copy, Outcome.LOST, self._site.now)

    def stopped(self, worker: Worker, outage: Outage) -> None:
        """When the whole service is lost, its memory is."""
        del worker
        if outage.takes_memory and outage.in_hand == "lose":
            for copy in self._memory:
                self.log.removed.append(self._site.now)
                self._end(copy, Outcome.LOST, self._site.now)
            self._memory.clear()

    def _offer(self, copy: int) -> bool:
        """A push arrives: a free worker takes it, or the memory, or nobody."""
        assert self.pool is not None
        if self.pool.is_down():
            return False
        now, log = self._site.now, self.log
        worker = self.longest_waiting(now)
        if worker is None and len(self._memory) >= self._buffer:
            return False
        assert log.pushed is not None
        if not log.deliveries[copy]:
            log.pushed[copy] = now
        log.deliveries[copy] += 1
        if worker is None:
            self._memory.append(copy)
        else:
            self._note_taken(copy, now)
            self.hand(worker, (copy,))
        return True

    def _note_taken(self, copy: int, now: float) -> None:
        log = self.log
        if log.taken[copy] != log.taken[copy]:
            log.taken[copy] = now
        else:
            log.retaken.append(now)

    def _give_up(self, copy: int) -> None:
        self.log.removed.append(self._site.now)  # refused or given back: nobody has it in hand
        self._end(copy, Outcome.DROPPED, self._site.now)

    def _end(self, copy: int, fate: Outcome, now: float) -> None:
        self.log.ended[copy] = now
        self.log.fate[copy] = fate
        self._held -= 1
