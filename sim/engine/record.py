"""The record of one run: frozen columns, from which everything that is ever reported is computed.

Times are seconds, NaN where something never happened. A record can be read without SimPy and the model.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.engine.columns import distinct, narrow
from sim.vocabulary import MessageOutcome, Outcome

NO_FATE = 255
"""The fate of a copy that is live."""


@dataclass(frozen=True)
class Pairs:
    """One effect's side of the ledger.

    The columns from ``first_delivered`` to ``outcome`` have shape (messages,), but for ``late_bits``.

    Attributes:
        effect: its name.
        first_delivered: when a worker or subscriber first had it.
        first_applied: when it first happened.
        deliveries: how often it was handed out.
        applications: how often it happened.
        late_bits: eight messages in a byte, see :attr:`late`.
        outcome: an :class:`~sim.vocabulary.Outcome`.
        unstored_messages: the messages of which a write left no copy: refused, lost, or never made; sorted.
        unstored_times: when that was clear, of the same shape.
    """

    effect: str
    first_delivered: NDArray[Any]
    first_applied: NDArray[Any]
    deliveries: NDArray[Any]
    applications: NDArray[Any]
    late_bits: NDArray[Any]
    outcome: NDArray[Any]
    unstored_messages: NDArray[Any] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    unstored_times: NDArray[Any] = field(default_factory=lambda: np.empty(0))

    @property
    def late(self) -> NDArray[Any]:
        """Whether it first happened on attempt 2 or later, shape (messages,)."""
        bits = self.late_bits.astype(np.uint8, copy=False)
        return np.unpackbits(bits, count=len(self.outcome), bitorder="little").view(bool)

    @property
    def unstored(self) -> NDArray[Any]:
        """When it was clear that a write would leave no copy, NaN where there was none, shape (messages,)."""
        times = np.full(len(self.first_applied), np.nan)
        times[self.unstored_messages] = self.unstored_times
        return times


@dataclass(frozen=True)
class Commits:
    """The checkpoints of a consumer group by time, partition and offset, each column of shape (commits,).

    Attributes:
        time: seconds.
        partition: which one.
        offset: how many of its records are done.
    """

    time: NDArray[Any]
    partition: NDArray[Any]
    offset: NDArray[Any]

    @classmethod
    def of(cls, rows: Sequence[tuple[float, int, int]] | NDArray[Any]) -> Commits:
        """Checkpoints from (time, partition, offset), or from an array of shape (commits, 3)."""
        if not isinstance(rows, np.ndarray):
            rows = np.fromiter(chain.from_iterable(rows), dtype=float, count=3 * len(rows))
        table = rows.reshape(-1, 3)
        table = table[np.lexsort((table[:, 2], table[:, 1], table[:, 0]))]
        where, offsets = (narrow(table[:, column].astype(np.int64)) for column in (1, 2))
        return cls(table[:, 0].copy(), where, offsets)

    def rows(self) -> NDArray[Any]:
        """Time, partition and offset, shape (commits, 3)."""
        return np.stack((self.time, self.partition, self.offset), axis=1)


@dataclass(frozen=True)
class Copies:
    """The copies of one holder, see :class:`sim.engine.ledger.CopyLog`.

    The columns from ``accepted`` to ``deliveries`` have shape (copies,). All but the last ``len(extra)`` rows
    are the copies of the messages 0, 1, 2 …; ``extra`` are the messages of the others, in the order in which
    they came. ``accepted`` is NaN where the holder never had a copy of that message. ``partition`` has shape
    (messages,) and is None, like ``checkpoints``, for anything but a consumer group.
    """

    name: str
    effects: tuple[str, ...]
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
    extra: NDArray[Any] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    is_transit: bool = False
    partition: NDArray[Any] | None = None
    checkpoints: Commits | None = None

    @property
    def firsts(self) -> int:
        """How many rows are the first copies of their messages."""
        return len(self.accepted) - len(self.extra)

    @property
    def message(self) -> NDArray[Any]:
        """The message of each copy, shape (copies,)."""
        return np.concatenate((np.arange(self.firsts), self.extra))

    @property
    def commits(self) -> NDArray[Any] | None:
        """The checkpoints as rows of time, partition and offset, shape (commits, 3)."""
        return None if self.checkpoints is None else self.checkpoints.rows()

    def of_message(self, column: NDArray[Any]) -> NDArray[Any]:
        """The values of a column of shape (messages,) for each copy, shape (copies,)."""
        if not len(self.extra):
            return column[: self.firsts]
        return np.concatenate((column[: self.firsts], column[self.extra]))


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

    @property
    def message_outcome(self) -> NDArray[Any]:
        """What became of each message, a :class:`~sim.vocabulary.MessageOutcome`, shape (messages,)."""
        return _message_outcomes(self.pairs)

    @property
    def effects(self) -> tuple[str, ...]:
        """The names of the effects."""
        return tuple(pair.effect for pair in self.pairs)

    @property
    def nbytes(self) -> int:
        """The memory of all columns, those that are stored once counted once; bytes."""
        return sum(each.nbytes for each in distinct(_arrays(self)))

    def check(self) -> None:
        """Assert what must hold in every run (``vocabulary.md``); only a bug can break it."""
        outcome = self.message_outcome
        assert len(outcome) == len(self.published)
        assert outcome.max(initial=0) <= max(MessageOutcome)
        for pair in self.pairs:
            self._check_pairs(pair)
        for item in self.copies:
            self._check_copies(item)
        if not self.is_censored:
            assert not np.any(outcome == MessageOutcome.PENDING)

    def _check_pairs(self, pair: Pairs) -> None:
        assert len(pair.outcome) == len(self.published)
        assert pair.outcome.max(initial=0) <= max(Outcome)
        applied = pair.outcome == Outcome.APPLIED
        assert np.array_equal(applied, pair.applications > 0)
        assert np.array_equal(applied, np.isfinite(pair.first_applied))
        assert np.array_equal(applied, pair.first_applied >= self.published)

    def _check_copies(self, item: Copies) -> None:
        held = np.isfinite(item.accepted)
        if item.accepted is not self.published:
            born = item.of_message(self.published)
            assert np.array_equal(held, item.accepted >= born)
        assert np.array_equal(np.isnan(item.ended), (item.fate == NO_FATE) | ~held)
        assert not np.any((item.deliveries != 0) & ~held)
        assert not np.any(item.ended < item.accepted)

    def fingerprint(self) -> str:
        """A hash of the whole record: equal runs have equal fingerprints, on every machine and path."""
        from sim.engine.fingerprint import Fingerprint  # noqa: PLC0415 - it reads records

        found = Fingerprint()
        found.add(self)
        return found.digest(self)


_MESSAGE_OUTCOMES = np.full(1 << len(Outcome), MessageOutcome.FAILED, dtype=np.uint8)
"""By the set of the outcomes of a message's pairs, each a bit."""
_PART = 1 << 16
"""Messages that are looked at together: what is made on the way fits into the cache."""
_SETS = np.arange(len(_MESSAGE_OUTCOMES))
_MESSAGE_OUTCOMES[_SETS == 1 << Outcome.REJECTED] = MessageOutcome.REJECTED
_MESSAGE_OUTCOMES[(_SETS & 1 << Outcome.APPLIED) > 0] = MessageOutcome.PARTIAL
_MESSAGE_OUTCOMES[_SETS == 1 << Outcome.APPLIED] = MessageOutcome.COMPLETE
_MESSAGE_OUTCOMES[(_SETS & 1 << Outcome.PENDING) > 0] = MessageOutcome.PENDING


def _message_outcomes(pairs: tuple[Pairs, ...]) -> NDArray[Any]:
    found = np.zeros(len(pairs[0].outcome), dtype=np.uint8)
    for start in range(0, len(found), _PART):
        part = found[start : start + _PART]
        for pair in pairs:
            outcome = pair.outcome[start : start + _PART].astype(np.uint8, copy=False)
            part |= np.left_shift(np.uint8(1), outcome)
        part[:] = _MESSAGE_OUTCOMES.take(part)
    return found


def _arrays(part: Any) -> Iterator[NDArray[Any]]:
    """Every array in a record."""
    if isinstance(part, np.ndarray):
        yield part
    elif isinstance(part, tuple):
        for each in part:  # pyright: ignore[reportUnknownVariableType]
            yield from _arrays(each)
    elif isinstance(part, (Record, Pairs, Copies, Commits, FaultWindow)):
        for each in fields(part):
            yield from _arrays(getattr(part, each.name))
