"""The handlers of requests, worked out in blocks: the twin of :class:`~sim.components.requests.Requests`.

Requests arrive when they are published, wait in memory for a handler, and none of them comes twice
(:mod:`sim.accelerator.service`). Left to the processes: a server that is down for no time at all.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.accelerator.block import Block, pieces
from sim.accelerator.service import Service
from sim.components.consumer import CRASHED, DONE, Pool, Work
from sim.components.requests import Requests
from sim.engine.ledger import Ledger
from sim.engine.quantities import UNLIMITED
from sim.vocabulary import Outcome, Reply

_ENDS = {
    DONE: (Outcome.APPLIED, Reply.OK),
    CRASHED: (Outcome.LOST, Reply.NONE),
}
_FAILS = (Outcome.DROPPED, Reply.ERROR)


class RequestPool:
    """Requests and their handlers.

    Args:
        pool: whose source is a :class:`~sim.components.requests.Requests`.
    """

    def __init__(self, pool: Pool[Any]) -> None:
        assert isinstance(pool.source, Requests)
        self.pool, self.requests = pool, pool.source
        self.log = pool.source.log
        self._service = Service(pool, self.log, shut=pool.source.api.away())
        self.crew, self.hands, self._columns = self._service.crew, self._service.hands, self._service.columns
        self._limit = pool.site.limit
        self._delivered = 0
        self._attach(pool.site.ledger)

    def _attach(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._reply = np.frombuffer(ledger.reply, dtype=np.uint8)
        self._reply_time = np.frombuffer(ledger.reply_time)

    @property
    def has_unfinished_work(self) -> bool:
        """Whether somebody is still at work when the run ends."""
        return self.crew.has_unfinished_work

    def advance(self, messages: NDArray[Any], times: NDArray[Any], until: float = UNLIMITED) -> None:
        """Handle requests.

        Args:
            messages: their numbers, in the order in which they are made, without gaps.
            times: when they are, sorted, of the same shape.
            until: later requests are not yet known, s.
        """
        for numbers, made in pieces(messages, times):
            low = int(numbers[0])
            careful = self.requests.api.may_die(len(self.pool.effects), low, low + len(numbers))
            block = Block(self.pool, numbers, made, made, first=self._delivered, careful=careful)
            while block.position < block.size:
                if not self._service.serve(block, block.size):
                    now = block.visible[block.position]
                    self.hands.order = self._delivered + block.position
                    self._serve(block.skip(), now)
            ended = self._columns.write(block, self.crew)
            block.fill(self._columns.accepted, made)
            self._answer(block, made, ended)
            self._delivered += block.size
        self.crew.check(until)

    def final(self, stored: int) -> int:
        """Of so many requests all are final: nothing is tried again."""
        return stored

    def turn_page(self, ledger: Ledger, final: int) -> None:
        """Go on with a ledger in which the first so many messages of the present one are left out."""
        self.log = self.requests.log = ledger.named(self.log.name)
        self._columns.attach(self.log)
        self.hands.turn_page(ledger, final)
        self._attach(ledger)

    def _serve(self, message: int, now: float) -> None:
        """A request arrives."""
        is_away = self.requests.api.is_away(now)  # which is noted
        stay = self._service.take(message, now, is_late=False)
        if stay is None:
            fate = Outcome.REJECTED if is_away else Outcome.DROPPED
            self._ledger.never_stored(self.log.effects, message, fate, now)
            self._ledger.answer(message, Reply.ERROR, now)
            return
        self._columns.accepted[message] = now
        if stay.lost < UNLIMITED:
            self.log.removed.append(stay.lost)
            self._end(message, CRASHED, stay.lost)
        if stay.delivery is None:
            return
        self._columns.taken[message] = stay.start
        self._columns.deliveries[message] = 1
        if stay.delivery.end < self._limit:
            self._end(message, stay.delivery.work, stay.delivery.end)

    def _end(self, message: int, work: Work | None, now: float) -> None:
        """A request is over, and its caller is told, unless it is lost or the caller waits no more."""
        assert work is not None
        fate, reply = _ENDS.get(work, _FAILS)
        self._columns.ended[message] = now
        self._columns.fate[message] = fate
        answered, timeout = now + self.requests.hop, self.requests.timeout
        published = float(self._ledger.published[message])
        if timeout is not None and answered > published + timeout:
            self._ledger.answer(message, Reply.ERROR, published + timeout)
        elif reply is not Reply.NONE:
            self._ledger.answer(message, reply, answered)

    def _answer(self, block: Block, published: NDArray[Any], ended: NDArray[Any]) -> None:
        """The same for all that went well."""
        answered = ended + self.requests.hop
        if self.requests.timeout is None:
            block.fill(self._reply, Reply.OK)
            block.fill(self._reply_time, answered)
        else:
            given_up = published + self.requests.timeout
            is_late = answered > given_up
            block.fill(self._reply, np.where(is_late, Reply.ERROR, Reply.OK))
            block.fill(self._reply_time, np.where(is_late, given_up, answered))
