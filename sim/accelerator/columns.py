"""The columns of a holder's log and of its pool's effects, filled block by block with all that went well."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.accelerator.block import Block
from sim.accelerator.crew import Crew
from sim.accelerator.hands import Hands
from sim.accelerator.publishing import accept
from sim.engine.ledger import CopyLog
from sim.vocabulary import Outcome


class Columns:
    """The columns of one log.

    Attributes:
        log: whose.
        hands: who fills them.
        taken, ended, fate, deliveries: views of the columns of the log.
    """

    def __init__(self, log: CopyLog, hands: Hands) -> None:
        self.hands = hands
        self._pool = hands.pool
        self.attach(log)

    def attach(self, log: CopyLog) -> None:
        """Write into the columns of a log."""
        self.log = log
        self.taken = np.frombuffer(log.taken)
        self.ended = np.frombuffer(log.ended)
        self.fate = np.frombuffer(log.fate, dtype=np.uint8)
        self.deliveries = np.frombuffer(log.deliveries, dtype=np.uint32)

    @property
    def accepted(self) -> NDArray[Any]:
        """The same; not made before it is asked for."""
        return np.frombuffer(self.log.accepted)

    def take_in(self, messages: NDArray[Any], times: NDArray[Any]) -> None:
        """Messages are accepted, each for the first time."""
        accept(self.log, messages, times)

    def write(self, block: Block, crew: Crew) -> NDArray[Any]:
        """Fill in all that the hot loop has delivered of a block, and that went well.

        Returns:
            When the work on each was done, s; without meaning for the others, and not to be written to.
        """
        starts, left_out = block.started.copy(), block.left_out
        starts[left_out] = block.visible[0]  # any number at which nothing stumbles
        block.fill(self.taken, starts)
        block.fill(self.deliveries, 1)
        speeds: Any = crew.speeds[0]
        if not crew.is_alike:
            speeds = np.array(crew.speeds)[block.workers()]
        is_normal = crew.is_alike and speeds == 1
        pool, hands = self._pool, self.hands
        now = begun = starts + pool.hop if pool.hop else starts
        for effect, durations in zip(pool.effects, block.durations, strict=True):
            begun = now
            if is_normal:
                now = begun + durations
            else:
                now = durations / speeds
                now += begun  # in place: fresh memory costs as much as the sum
            block.fill(hands.first_applied[effect], now)
            block.fill(hands.applications[effect], 1)
            pool.count_busy_times(begun, now, left_out)
            if hands.tells:
                orders = np.arange(block.first, block.first + block.size, dtype=float)
                hands.tell(*block.kept(now, begun, orders, block.messages))
        block.fill(self.ended, now)
        block.fill(self.fate, Outcome.APPLIED)
        if crew.ends is not None:
            now[left_out] = np.nan
            crew.note(now, begun, starts)
        return now
