"""The record of one run: frozen columns, from which everything that is ever reported is computed.

Times are seconds, NaN where something never happened. A record can be read without SimPy and the model.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from sim.vocabulary import MessageOutcome, Outcome

NO_FATE = 255
"""The fate of a copy that is live."""


@dataclass(frozen=True)
class Pairs:
    """One effect's side of the ledger; every column has shape (messages,).

    ``unstored`` is when it was clear that a write would leave no copy: refused, lost, or never made.
    """

    effect: str
    first_delivered: NDArray[Any]
    first_applied: NDArray[Any]
    deliveries: NDArray[Any]
    applications: NDArray[Any]
    late: NDArray[Any]
    outcome: NDArray[Any]
    unstored: NDArray[Any] | None = None


@dataclass(frozen=True)
class Copies:
    """The copies of one holder, see :class:`sim.engine.ledger.CopyLog`.

    The columns from ``message`` to ``deliveries`` have shape (copies,).
    ``accepted`` is NaN where the holder never had a copy of that message. ``commits`` has shape (n, 3) with
    the columns time, partition and offset, and is None for anything but a consumer group.
    """

    name: str
    effects: tuple[str, ...]
    message: NDArray[Any]
    accepted: NDArray[Any]
    taken: NDArray[Any]
    pushed: NDArray[Any] | None
    ended: NDArray[Any]
    fate: NDArray[Any]
    deliveries: NDArray[Any]
    returned: NDArray[Any]
    retaken: NDArray[Any]
    removed: NDArray[Any]
    delay: float
    is_transit: bool = False
    partition: NDArray[Any] | None = None
    commits: NDArray[Any] | None = None


@dataclass(frozen=True)
class PoolUse:
    """How busy a pool of workers was.

    Attributes:
        name: ``consumers`` or ``index_consumers``.
        effects: what its workers do.
        workers: how many there are.
        busy: worker seconds spent on effects inside the window.
    """

    name: str
    effects: tuple[str, ...]
    workers: int
    busy: float


@dataclass(frozen=True)
class FaultWindow:
    """When one fault of the scenario was active.

    Attributes:
        name: as in the scenario.
        kind: a :class:`~sim.vocabulary.FaultKind`.
        target: as in the scenario, ``index.sink``.
        starts: sorted, seconds.
        ends: of the same shape; infinity where it never ends.
        is_scheduled: given by ``at``, not drawn.
        components: names of the copy holders whose backlog it touches; empty where the architecture has
            nothing that plays this role.
        has_fired: whether it hit anything: an attempt that was made, a worker, a broker.
    """

    name: str
    kind: str
    target: str
    starts: NDArray[Any]
    ends: NDArray[Any]
    is_scheduled: bool
    components: tuple[str, ...]
    has_fired: bool = True


@dataclass(frozen=True)
class Record:
    """Everything that one run of one architecture left behind.

    Attributes:
        architecture: its name in the scenario.
        replication: counted from 0.
        published: intended publish times, sorted, shape (messages,).
        key: shape (messages,).
        reply: :class:`~sim.vocabulary.Reply` codes, shape (messages,).
        reply_time: shape (messages,).
        pairs: one per effect, in the scenario's order.
        copies: one per holder of copies.
        pools: one per pool of workers.
        faults: one per fault of the scenario that applies to this architecture.
        warmup: messages published earlier are not counted.
        horizon: when arrivals stop.
        end: time of the last thing that happened, at least the horizon.
        is_censored: the run was cut off with copies left.
        poll_status: how often a caller asks for the status of its job, s; None where nobody asks.
    """

    architecture: str
    replication: int
    published: NDArray[Any]
    key: NDArray[Any]
    reply: NDArray[Any]
    reply_time: NDArray[Any]
    pairs: tuple[Pairs, ...]
    copies: tuple[Copies, ...]
    pools: tuple[PoolUse, ...]
    faults: tuple[FaultWindow, ...]
    warmup: float
    horizon: float
    end: float
    is_censored: bool
    poll_status: float | None = None
    message_outcome: NDArray[Any] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "message_outcome", _message_outcomes(self.pairs))

    @property
    def effects(self) -> tuple[str, ...]:
        """The names of the effects."""
        return tuple(pair.effect for pair in self.pairs)

    def check(self) -> None:
        """Assert what must hold in every run (``vocabulary.md``); only a bug can break it."""
        offered = len(self.published)
        assert int(np.isin(self.message_outcome, [int(code) for code in MessageOutcome]).sum()) == offered
        for pair in self.pairs:
            assert int(np.isin(pair.outcome, [int(code) for code in Outcome]).sum()) == offered
            applied = pair.outcome == Outcome.APPLIED
            assert bool(np.all(applied == (pair.applications > 0)))
            assert bool(np.all(applied == np.isfinite(pair.first_applied)))
            assert bool(np.all(pair.first_applied[applied] >= self.published[applied]))
        for item in self.copies:
            held = np.isfinite(item.accepted)
            assert bool(np.all(item.accepted[held] >= self.published[item.message[held]]))
            assert bool(np.all(np.isnan(item.ended) == ((item.fate == NO_FATE) | ~held)))
            assert bool(np.all(item.deliveries[~held] == 0))
            stale = np.isfinite(item.ended) & (item.ended < item.accepted)
            assert not bool(np.any(stale))
        if not self.is_censored:
            assert not bool(np.any(self.message_outcome == MessageOutcome.PENDING))

    def fingerprint(self) -> str:
        """A hash of the whole record: equal runs have equal fingerprints, on every machine and path."""
        digest = hashlib.sha256()
        _feed(digest, self)
        return digest.hexdigest()[:32]


def _message_outcomes(pairs: tuple[Pairs, ...]) -> NDArray[Any]:
    outcomes = np.stack([pair.outcome for pair in pairs])
    applied = outcomes == Outcome.APPLIED
    return np.select(
        [
            (outcomes == Outcome.PENDING).any(axis=0),
            applied.all(axis=0),
            applied.any(axis=0),
            (outcomes == Outcome.REJECTED).all(axis=0),
        ],
        [
            np.uint8(MessageOutcome.PENDING),
            np.uint8(MessageOutcome.COMPLETE),
            np.uint8(MessageOutcome.PARTIAL),
            np.uint8(MessageOutcome.REJECTED),
        ],
        default=np.uint8(MessageOutcome.FAILED),
    )


def _feed(digest: Any, value: Any) -> None:
    if isinstance(value, np.ndarray):
        column = cast("NDArray[Any]", value)
        digest.update(np.ascontiguousarray(column, dtype=column.dtype.newbyteorder("<")).tobytes())
    elif is_dataclass(value):
        for part in fields(value):
            digest.update(part.name.encode())
            _feed(digest, getattr(value, part.name))
    elif isinstance(value, tuple):
        for part in value:  # pyright: ignore[reportUnknownVariableType]
            _feed(digest, part)
    else:
        digest.update(repr(value).encode())
