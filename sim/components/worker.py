"""A worker, and the source from which it takes messages.

The two halves of consuming: what a holder of copies must answer to a worker (:class:`Source`), and when a
worker is there to ask (:class:`Worker`). How work is done is told in :mod:`sim.components.consumer`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Generic, TypeVar

from sim.components.inlet import Inlet
from sim.components.site import Site
from sim.components.timelines import Outage, first_from
from sim.components.wiring import Flow
from sim.engine.environment import Loop
from sim.engine.quantities import UNLIMITED

Item = TypeVar("Item")


class Worker:
    """One worker of a pool.

    Attributes:
        index: counted from 0.
        speed: 1 is normal.
        outages: when it is away, sorted by start.
        undisturbed_until: no outage begins before this time; already past while one is on.
        loop: what it does, once it is sent to work.
        is_parked: whether it waits because its source has nothing.
        busy_from: when the work under way began; infinity for a pause between two attempts.
        is_away: whether it sits out an outage.
        passed: how many outages, from the first, lie behind it.
    """

    loop: Loop

    __slots__ = (
        "_crash",
        "busy_from",
        "index",
        "is_away",
        "is_parked",
        "loop",
        "outages",
        "passed",
        "speed",
        "undisturbed_until",
    )

    def __init__(self, index: int, speed: float, outages: Sequence[Outage]) -> None:
        self.index = index
        self.speed = speed
        self.outages = outages
        self.undisturbed_until = outages[0].start if outages else UNLIMITED
        self.is_parked = False
        self.busy_from = UNLIMITED
        self.is_away = False
        self._crash: Outage | None = None
        self.passed = 0

    def outage_at(self, now: float) -> Outage | None:
        """The outage in which a time lies, of several the one that lasts longest."""
        if now < self.undisturbed_until:
            return None
        outages, found = self.outages, self._crash
        if found is not None and found.end <= now:
            found = self._crash = None
        while self.passed < len(outages) and outages[self.passed].end <= now:
            self.passed += 1
        following = UNLIMITED
        for index in range(self.passed, len(outages)):
            outage = outages[index]
            if outage.start > now:
                following = outage.start
                break
            if outage.end > now and (found is None or outage.end > found.end):
                found = outage
        if found is None:
            self.undisturbed_until = following
        return found

    def spend(self, start: float, duration: float) -> tuple[float, bool, list[tuple[float, float]]]:
        """How a stretch of work or of waiting goes that takes so long without its outages.

        Returns:
            When it ends, whether in a crash, and the stretches (from, to) in which the worker is at it.
        """
        end = start + duration
        stretches: list[tuple[float, float]] = []
        outages: Sequence[Outage] = self.outages if end > self.undisturbed_until else ()
        following = first_from(outages, start, self.passed) if outages else 0
        for index in range(following, len(outages)):
            outage = outages[index]
            if end <= outage.start:
                break
            if outage.in_hand == "finish":
                continue
            if outage.start > start:
                stretches.append((start, outage.start))
            if outage.in_hand == "lose":
                return outage.start, True, stretches
            if start == UNLIMITED:
                continue  # it is suspended for ever
            left = end - max(outage.start, start)
            start = max(outage.end, start)
            end = start + left
            if end == UNLIMITED:
                break  # suspended for ever
        stretches.append((start, end))
        return end, False, stretches

    def crash(self, now: float, restart: float) -> None:
        """Be away from now on for so long."""
        self._crash = Outage(now, now + restart, "lose")
        self.undisturbed_until = now


class Source(Generic[Item]):
    """Where the workers of a pool get messages: the workers that wait, and what a holder must answer.

    An item is one delivery of a copy, as the holder likes to write it.

    Args:
        site: where it stands.
        node: name of the part from which workers take.
        flow: how they take.
        shares: for each worker the partitions that it owns; empty where all take from one line.

    Attributes:
        inlet: where it only notes what arrives, because its pool is worked out afterwards.
    """

    def __init__(self, site: Site, node: str, flow: Flow, shares: Sequence[range] = ()) -> None:
        self.node = node
        self.flow: Flow = flow
        self.shares = tuple(shares)
        self.waiting: deque[Worker] = deque()
        self.inlet: Inlet | None = None
        self._site = site

    def start(self) -> None:
        """Its pool goes to work."""

    def take(self, worker: Worker, limit: int, now: float) -> Sequence[Item] | None:
        """Up to ``limit`` items for a worker that is free now, or None."""
        raise NotImplementedError

    def begin(self, item: Item) -> tuple[int, bool]:
        """Work on an item begins; the message that it is of, and whether it had been delivered before."""
        raise NotImplementedError

    def done(self, item: Item, now: float) -> None:
        """All effects of an item were applied."""
        raise NotImplementedError

    def failed(self, item: Item, effect: int) -> None:
        """An effect of an item failed and the worker goes on with something else."""
        raise NotImplementedError

    def crashed(self, worker: Worker, items: Sequence[Item]) -> None:
        """A worker vanished with these items in hand."""
        raise NotImplementedError

    def give_back(self, worker: Worker, items: Sequence[Item]) -> None:
        """A worker that stops in good order gives back what it has not begun."""
        raise NotImplementedError

    def stopped(self, worker: Worker, outage: Outage) -> None:
        """A worker that holds nothing goes away."""

    def wait(self, worker: Worker) -> None:
        """A worker waits: its loop will go on with the items handed to it."""
        self.waiting.append(worker)

    def longest_waiting(self, now: float) -> Worker | None:
        """The worker that has waited longest; it waits no more."""
        waiting = self.waiting
        while waiting:
            worker = waiting.popleft()
            if now < worker.undisturbed_until or worker.outage_at(now) is None:
                return worker
            # else its outage begins at this very instant, which will rouse it
        return None

    def hand(self, worker: Worker, items: Sequence[Item] | None) -> None:
        """Wake a worker that waited, with the items it gets."""
        worker.is_parked = False
        self._site.wake(worker.loop, items)

    def rouse(self, worker: Worker) -> None:
        """Wake a waiting worker without handing it anything."""
        if worker in self.waiting:
            self.waiting.remove(worker)
        self.hand(worker, None)
