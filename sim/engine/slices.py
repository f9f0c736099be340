"""A run told in slices: the rows of consecutive messages to which nothing can happen any more."""

from __future__ import annotations

from dataclasses import dataclass

from sim.engine.record import Record


@dataclass(frozen=True)
class Slice:
    """Some messages of a run, all of them final.

    Slices come in the order of publishing and leave no message out. In each of them messages are numbered
    from 0. What is no row of a message (``returned``, ``retaken``, ``removed``, ``checkpoints`` of a holder)
    stands in the slice whose watermark is the first behind its time. The last slice knows the whole of
    ``pools``, ``faults``, ``end`` and ``is_censored``; earlier ones know the windows of the faults as far as
    their watermark, and the first knows when each fault begins.

    Attributes:
        record: the rows.
        first: number of the first message in the run.
        watermark: publish time of the next message, infinite at the end: nothing that a later slice tells of
            happened before it, while rows of this one may hold later times.
    """

    record: Record
    first: int
    watermark: float
