"""The site where components stand: one clock, one set of messages, effects and failures, one ledger.

Everything on it is shared by all architectures; an architecture only decides what stands here and how it is
connected.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from typing import TYPE_CHECKING, Any

from sim.components.effect import Effect, EffectOptions
from sim.components.timelines import FaultPlan
from sim.components.wiring import Wiring
from sim.components.workload import Messages
from sim.engine.environment import Environment
from sim.engine.ledger import Ledger
from sim.engine.streams import Streams

if TYPE_CHECKING:
    from sim.components.consumer import Pool
    from sim.components.producer import Producer


class Site(Environment):
    """A place for one run of one architecture.

    Args:
        streams: of the replication.
        messages: what the callers send.
        effects: what each message must cause, by name, in the order in which a shared worker does it.
        faults: what goes wrong and when.
        window: start and end of the time in which busy workers are counted, s.
        limit: when the run is cut off, s.
        is_careful: whether short cuts for what cannot be disturbed are left out; the ledger is the same.
    """

    def __init__(
        self,
        streams: Streams,
        messages: Messages,
        effects: Mapping[str, EffectOptions],
        faults: FaultPlan,
        window: tuple[float, float],
        limit: float,
        *,
        is_careful: bool = False,
    ) -> None:
        super().__init__()
        self.streams = streams
        self.messages = messages
        self.faults = faults
        self.window = window
        self.limit = limit
        self.is_careful = is_careful
        self.wiring = Wiring()
        names = tuple(effects)
        after = tuple(-1 if each.after is None else names.index(each.after) for each in effects.values())
        self.ledger = Ledger(names, after, messages.published)
        self.effects = [Effect(self, number, name, effects[name]) for number, name in enumerate(names)]
        self.pools: list[Pool[Any]] = []
        self.at_work: list[Pool[Any]] = []
        self.producer: Producer | None = None
        self.starting: list[tuple[object, Callable[[], object]]] = []
        self.unfinished: list[Callable[[], bool]] = []
        self.underway: list[Callable[[], list[tuple[int, int]]]] = []
        self.closing: list[Callable[[], None]] = []
        self.has_broker = False

    def first_effects(self) -> list[Effect]:
        """The effects that wait for no other."""
        return [effect for effect in self.effects if self.ledger.after[effect.number] < 0]

    def followers(self, effect: Effect) -> list[Effect]:
        """The effects that start when this one is complete."""
        return [other for other in self.effects if self.ledger.after[other.number] == effect.number]

    def is_settled(self) -> bool:
        """Whether nothing is left that could change the ledger."""
        return not any(has_work() for has_work in self.unfinished)

    def has_busy_workers(self) -> bool:
        """Whether somebody still works on a message."""
        return any(pool.is_working() for pool in self.pools)

    def run_to_the_end(self, horizon: float, without: Container[object] = ()) -> None:
        """Run until nothing is left to do after the horizon, or until the limit.

        Args:
            horizon: when arrivals stop, s.
            without: pools and producers that are worked out otherwise.

        Looks in growing steps whether all is settled; what happens between the last event that matters and
        that look changes nothing in the ledger.
        """
        for owner, start in self.starting:
            if owner not in without:
                start()
        time, step = horizon, max(horizon / 50, 1e-3)
        while True:
            time = min(time, self.limit)
            if time > self.now:
                self.run_until(time)
            if self.is_settled() or time >= self.limit:
                break
            time, step = time + step, step * 1.2
        for close in self.closing:
            close()
