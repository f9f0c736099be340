"""The columns of a holder's log and of its pool's effects, filled block by block with all that went well."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.accelerator.block import Block
from sim.accelerator.crew import Crew
from sim.accelerator.hands import Hands
from sim.accelerator.publishing import accept
from sim.engine.ledger import CopyLog
from sim.vocabulary import Outcome


@dataclass(frozen=True, slots=True)
class Written:
    """What has just been filled in.

    Attributes:
        rows: the messages, as a slice or their numbers.
        good: which of the block they are.
        ended: when the work on each was done, s.
    """

    rows: Any
    good: Any
    ended: NDArray[Any]


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

    def write(self, block: Block, crew: Crew) -> Written:
        """All that the hot loop has delivered of a block."""
        starts = np.frombuffer(block.starts) if block.size else np.empty(0)
        good: Any = slice(None)
        if block.has_skipped or block.failing.positions:
            good = ~np.isnan(starts)
            good[block.failing.positions] = False
        rows, starts = block.rows(good), starts[good]
        self.taken[rows] = starts
        self.deliveries[rows] = 1
        speeds: Any = crew.speeds[0]
        if not crew.is_alike:
            speeds = np.array(crew.speeds)[np.frombuffer(block.chosen, dtype=np.int32)[good]]
        is_normal = crew.is_alike and speeds == 1
        pool, hands = self._pool, self.hands
        now = begun = starts + pool.hop if pool.hop else starts
        for effect, durations in zip(pool.effects, block.durations, strict=True):
            begun = now
            spent = durations[good]
            now = begun + (spent if is_normal else spent / speeds)
            hands.first_applied[effect][rows] = now
            hands.applications[effect][rows] = 1
            pool.count_busy_times(begun, now)
            if hands.tells:
                orders = np.arange(block.first, block.first + block.size, dtype=float)
                hands.tell(now, begun, orders[good], block.messages[good])
        crew.note(now, begun, starts)
        self.ended[rows] = now
        self.fate[rows] = Outcome.APPLIED
        return Written(rows, good, now)
