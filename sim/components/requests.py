"""The API server of a synchronous architecture: the caller waits while a request handler does all the work.

Requests wait in order for a free handler, without a limit. Nothing is retried: the first effect that fails
ends the request with an error, and the later ones are never tried. A caller with a timeout stops waiting;
the work goes on. Left out: callers that send again, limits of open requests.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from sim.components.api import ApiFaults
from sim.components.consumer import Pool, PoolOptions
from sim.components.producer import CallerOptions
from sim.components.site import Site
from sim.components.timelines import Outage
from sim.components.wiring import CALLERS, Node
from sim.components.worker import Source, Worker
from sim.engine.environment import Loop, Steps
from sim.vocabulary import Outcome, Reply


class Requests(Source[int]):
    """Requests that wait for a handler; the source of the handlers' pool.

    Args:
        site: where they wait.
        options: how long a caller waits.
        handlers: how many there are.
        hop: network delay from the caller's front end to a handler and back, one way, s.

    Attributes:
        api: when the server is away, and when it dies in the middle of a request.
        timeout: how long a caller waits, s; None for ever.
    """

    def __init__(self, site: Site, options: CallerOptions, handlers: PoolOptions, hop: float) -> None:
        effects = site.effects
        callers = Node(CALLERS, "callers", tuple(effect.name for effect in effects), options)
        super().__init__(site, site.wiring.add(callers), "request")
        self.log = site.ledger.log("consumers", tuple(effect.number for effect in effects))
        self._ledger = site.ledger
        self.timeout = options.timeout
        self.hop = hop
        self._waiting_requests: deque[int] = deque()
        self._held = 0
        self._has_all = False
        self.api = ApiFaults(site)
        for effect in effects:
            effect.refuse_during(site.faults.refused_calls(effect.name, handlers.count))
        self.pool = Pool(site, "consumers", effects, self, handlers, hop=hop, is_api=True)
        if not self.api.is_quiet:
            self.pool.die_between_effects(lambda message: self.api.dies_after(message, len(effects)))
        site.starting.append((self, self._open))
        site.unfinished.append(lambda: not self._has_all or self._held > 0)

    def take(self, worker: Worker, limit: int, now: float) -> Sequence[int] | None:
        """The request that has waited longest."""
        del worker, limit
        if not self._waiting_requests:
            return None
        message = self._waiting_requests.popleft()
        self._note_taken(message, now)
        return (message,)

    def begin(self, item: int) -> tuple[int, bool]:
        """Work on an item begins; the message that it is of. Nothing is tried twice."""
        return item, False

    def done(self, item: int, now: float) -> None:
        """The caller gets the answer."""
        del now
        self._end(item, Outcome.APPLIED, Reply.OK)

    def failed(self, item: int, effect: int) -> None:
        """The caller gets an error; the later effects are never tried."""
        del effect
        self._end(item, Outcome.DROPPED, Reply.ERROR)

    def crashed(self, worker: Worker, items: Sequence[int]) -> None:
        """The request vanishes with its handler; the caller gets no answer."""
        del worker
        for message in items:
            self._end(message, Outcome.LOST, Reply.NONE)

    def stopped(self, worker: Worker, outage: Outage) -> None:
        """When the whole server is lost, so are the requests that wait."""
        del worker
        if outage.takes_memory and outage.in_hand == "lose":
            for message in self._waiting_requests:
                self.log.removed.append(self._site.now)
                self._end(message, Outcome.LOST, Reply.NONE)
            self._waiting_requests.clear()

    def _open(self) -> None:
        self._loop = Loop(self._site, self._serve_all())

    def _serve_all(self) -> Steps:
        site, reach = self._site, self._loop.reach
        for message, time in enumerate(site.messages.published.tolist()):
            if time > site.now and reach(time):
                yield time
            self._serve(message)
        self._has_all = True

    def _serve(self, message: int) -> None:
        now = self._site.now
        if self.api.is_away(now) or self.pool.is_down():
            fate = Outcome.REJECTED if self.api.is_away(now) else Outcome.DROPPED
            self._ledger.never_stored(self.log.effects, message, fate, now)
            self._ledger.answer(message, Reply.ERROR, now)
            return
        self.log.store(message, now)
        self._held += 1
        worker = self.longest_waiting(now)
        if worker is None:
            self._waiting_requests.append(message)
        else:
            self._note_taken(message, now)
            self.hand(worker, (message,))

    def _note_taken(self, message: int, now: float) -> None:
        self.log.taken[message] = now
        self.log.deliveries[message] = 1

    def _end(self, message: int, fate: Outcome, reply: Reply) -> None:
        now = self._site.now
        self.log.ended[message] = now
        self.log.fate[message] = fate
        self._held -= 1
        answered = now + self.hop
        published = self._ledger.published[message]
        if self.timeout is not None and answered > published + self.timeout:
            self._ledger.answer(message, Reply.ERROR, float(published) + self.timeout)
        elif reply is not Reply.NONE:
            self._ledger.answer(message, reply, answered)
