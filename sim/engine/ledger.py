"""The ledger: what became of every message, in columns.

While a run goes on, components write into a :class:`CopyLog` (one per holder of copies) and the
:class:`Ledger` (replies and effects). :meth:`Ledger.close` freezes both into a :class:`Record`, from which
everything that is ever reported is computed. Times are seconds, NaN where something never happened.

Nothing here knows SimPy or an architecture: a record can be read without the model.
"""

from __future__ import annotations

import hashlib
import math
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from sim.vocabulary import MessageOutcome, Outcome, Reply, Status

_NAN = math.nan
_NO_FATE = 255


class CopyLog:
    """What happens to the copies of one holder: a queue, a group's view of a stream, a subscription.

    Copy i of the first n (n = messages) is message i's. A message that is stored twice (its acknowledgement
    was lost and the producer tried again) gets a further copy, numbered from n upwards.

    Attributes:
        name: the component's name in files, ``queue`` or ``index_queue``.
        effects: numbers of the effects that a copy stands for.
        accepted: when the holder took the copy in.
        taken: when a worker first took it in hand.
        pushed: when a subscriber first accepted it; None where copies are pulled.
        ended: when it was removed for good.
        fate: how it ended, an :class:`~sim.vocabulary.Outcome`; 255 while it is live.
        deliveries: how often it was handed to a worker or subscriber.
        returned: times at which copies in flight became visible again.
        retaken: times at which returned copies were taken again.
        removed: times at which visible copies were removed without being taken.
        delay: seconds from acceptance until a copy is visible.
        is_transit: whether copies only pass through, on their way to another holder (an outbox).
        partitions: partition of each message, for a stream.
        commits: (time, partition, committed offset) of each checkpoint, for a stream.
    """

    def __init__(
        self,
        name: str,
        effects: tuple[int, ...],
        messages: int,
        *,
        pushed: bool = False,
        delay: float = 0.0,
        is_transit: bool = False,
    ) -> None:
        self.name = name
        self.effects = effects
        self.messages = messages
        self.accepted = array("d", [_NAN]) * messages
        self.taken = array("d", [_NAN]) * messages
        self.pushed = array("d", [_NAN]) * messages if pushed else None
        self.ended = array("d", [_NAN]) * messages
        self.fate = bytearray([_NO_FATE]) * messages
        self.deliveries = array("I", [0]) * messages
        self.extra: list[int] = []
        self.returned = array("d")
        self.retaken = array("d")
        self.removed = array("d")
        self.delay = delay
        self.is_transit = is_transit
        self.partitions: NDArray[Any] | None = None
        self.commits: list[tuple[float, int, int]] = []

    def store(self, message: int, now: float) -> int:
        """Note that the holder took in a message; returns the number of the copy."""
        if self.accepted[message] != self.accepted[message]:  # NaN: the message's first copy
            self.accepted[message] = now
            return message
        copy = len(self.accepted)
        self.extra.append(message)
        for column in (self.accepted, self.taken, self.ended):
            column.append(_NAN)
        if self.pushed is not None:
            self.pushed.append(_NAN)
        self.accepted[copy] = now
        self.fate.append(_NO_FATE)
        self.deliveries.append(0)
        return copy

    def pass_on(self, copy: int, now: float) -> None:
        """A copy in transit reaches the next holder."""
        self.taken[copy] = self.ended[copy] = now
        self.fate[copy] = Outcome.APPLIED

    def message_of(self, copy: int) -> int:
        """The message that a copy is of."""
        return copy if copy < self.messages else self.extra[copy - self.messages]


class Ledger:
    """Replies and effects of one run, and the logs of all holders.

    Attributes:
        effects: names, in the order in which a shared worker does them.
        after: for each effect the number of the effect that must be complete first, or -1.
        first_applied: per effect, when it first happened.
        applications: per effect, how often it happened.
        late: per effect, 1 where it first happened on attempt 2 or later.
        reply: what the caller was told, a :class:`~sim.vocabulary.Reply`.
        reply_time: when.
    """

    def __init__(self, effects: tuple[str, ...], after: tuple[int, ...], published: np.ndarray) -> None:
        count = len(published)
        self.effects = effects
        self.after = after
        self.published = published
        self.first_applied = [array("d", [_NAN]) * count for _ in effects]
        self.applications = [array("I", [0]) * count for _ in effects]
        self.late = [bytearray(count) for _ in effects]
        self.unstored = [bytearray([_NO_FATE]) * count for _ in effects]
        self.reply = bytearray(count)
        self.reply_time = array("d", [_NAN]) * count
        self.logs: list[CopyLog] = []

    def log(
        self,
        name: str,
        effects: tuple[int, ...],
        *,
        pushed: bool = False,
        delay: float = 0.0,
        is_transit: bool = False,
    ) -> CopyLog:
        """Open the log of a holder of copies."""
        assert all(other.name != name for other in self.logs), f"two components are called {name}"
        count = len(self.published)
        log = CopyLog(name, effects, count, pushed=pushed, delay=delay, is_transit=is_transit)
        self.logs.append(log)
        return log

    def answer(self, message: int, reply: Reply, now: float) -> None:
        """The caller is told; only the first answer counts."""
        if not self.reply[message]:
            self.reply[message] = reply
            self.reply_time[message] = now

    def never_stored(self, effects: Iterable[int], message: int, fate: Outcome) -> None:
        """No copy came to be for these pairs: refused, lost on the way or never tried."""
        for effect in effects:
            self.unstored[effect][message] = min(self.unstored[effect][message], fate)

    def status(self, message: int, at: float) -> Status:
        """What the API server answers at a time at which the run has arrived, asked for a job."""
        done = [column[message] <= at for column in self.first_applied]
        if all(done):
            return Status.SUCCEEDED
        logs = [log for log in self.logs if log.accepted[message] <= at]
        open_effects = {effect for log in logs if not log.ended[message] <= at for effect in log.effects}
        begun = any(done) or any(log.taken[message] <= at for log in logs if not log.is_transit)
        for effect, applied in enumerate(done):
            if applied or effect in open_effects:
                continue
            ended = any(effect in log.effects for log in logs if not log.is_transit)
            if ended or self.unstored[effect][message] != _NO_FATE:
                return Status.FAILED
        return Status.RUNNING if begun else Status.PENDING

    def close(self, underway: Iterable[tuple[int, int]] = ()) -> tuple[tuple[Pairs, ...], tuple[Copies, ...]]:
        """Freeze the columns.

        Args:
            underway: (message, effect) of pairs that a producer or an outbox still holds.
        """
        copies = tuple(Copies.of(log, self.effects) for log in self.logs)
        held = [np.zeros(len(self.published), dtype=bool) for _ in self.effects]
        for message, effect in underway:
            held[effect][message] = True
        pairs: list[Pairs] = []
        for number, upstream in enumerate(self.after):
            waits_for = pairs[upstream].outcome if upstream >= 0 else None
            carriers = [item for item in copies if self.effects[number] in item.effects]
            pairs.append(self._pairs(number, carriers, held[number], waits_for))
        return tuple(pairs), copies

    def _pairs(
        self, number: int, carriers: list[Copies], held: NDArray[Any], waits_for: NDArray[Any] | None
    ) -> Pairs:
        count = len(self.published)
        first_delivered = np.full(count, np.inf)
        deliveries = np.zeros(count, dtype=np.uint32)
        fate = np.frombuffer(self.unstored[number], dtype=np.uint8).copy()
        live = held.copy()
        for item in carriers:
            if not item.is_transit:
                np.fmin.at(first_delivered, item.message, item.taken if item.pushed is None else item.pushed)
                np.add.at(deliveries, item.message, item.deliveries)
            given_up = item.fate != Outcome.APPLIED
            np.minimum.at(fate, item.message[given_up], item.fate[given_up])
            live[item.message[np.isfinite(item.accepted) & np.isnan(item.ended)]] = True
        unheard = (fate == _NO_FATE) & ~live  # an effect whose forerunner was never complete
        applications = np.array(self.applications[number])
        outcome = fate
        outcome[unheard] = Outcome.DROPPED
        if waits_for is not None:  # it shares the fate of a forerunner that may still come or was refused
            for shared in (Outcome.PENDING, Outcome.REJECTED):
                outcome[unheard & (waits_for == shared)] = shared
        outcome[live] = Outcome.PENDING
        outcome[applications > 0] = Outcome.APPLIED
        first_delivered[np.isinf(first_delivered)] = np.nan
        return Pairs(
            effect=self.effects[number],
            first_delivered=first_delivered,
            first_applied=np.array(self.first_applied[number]),
            deliveries=deliveries,
            applications=applications,
            late=np.frombuffer(self.late[number], dtype=np.uint8).astype(bool),
            outcome=outcome,
        )


@dataclass(frozen=True)
class Pairs:
    """One effect's side of the ledger; every column has shape (messages,)."""

    effect: str
    first_delivered: NDArray[Any]
    first_applied: NDArray[Any]
    deliveries: NDArray[Any]
    applications: NDArray[Any]
    late: NDArray[Any]
    outcome: NDArray[Any]


@dataclass(frozen=True)
class Copies:
    """A closed :class:`CopyLog`; the columns from ``message`` to ``deliveries`` have shape (copies,).

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

    @classmethod
    def of(cls, log: CopyLog, effects: tuple[str, ...]) -> Copies:
        """Freeze a log."""
        return cls(
            name=log.name,
            effects=tuple(effects[number] for number in log.effects),
            message=np.concatenate((np.arange(log.messages), np.array(log.extra, dtype=np.int64))),
            accepted=np.array(log.accepted),
            taken=np.array(log.taken),
            pushed=None if log.pushed is None else np.array(log.pushed),
            ended=np.array(log.ended),
            fate=np.frombuffer(log.fate, dtype=np.uint8).copy(),
            deliveries=np.array(log.deliveries),
            returned=np.sort(np.array(log.returned)),
            retaken=np.sort(np.array(log.retaken)),
            removed=np.sort(np.array(log.removed)),
            delay=log.delay,
            is_transit=log.is_transit,
            partition=log.partitions,
            commits=None if log.partitions is None else np.array(log.commits, dtype=float).reshape(-1, 3),
        )


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
    """

    name: str
    kind: str
    target: str
    starts: NDArray[Any]
    ends: NDArray[Any]
    is_scheduled: bool
    components: tuple[str, ...]


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
            assert bool(np.all(np.isnan(item.ended) == ((item.fate == _NO_FATE) | ~held)))
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
