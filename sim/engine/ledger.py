"""The ledger: what became of every message, in columns.

While a run goes on, components write into a :class:`CopyLog` (one per holder of copies) and the
:class:`Ledger` (replies and effects). :meth:`Ledger.close` freezes both for the
:class:`~sim.engine.record.Record`. Times are seconds, NaN where something never happened. Nothing here knows
SimPy or an architecture.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.engine.columns import Shared, narrow
from sim.engine.record import NO_FATE, Commits, Copies, Pairs
from sim.vocabulary import Outcome, Reply, Status

_NAN = math.nan


class CopyLog:
    """What happens to the copies of one holder: a queue, a group's view of a stream, a subscription.

    Copy i of the first n (n = messages) is message i's. A message that is stored twice (its acknowledgement
    was lost and the producer tried again) gets a further copy, numbered from n upwards.

    Attributes:
        name: the component's name in files, ``queue`` or ``index_queue``.
        effects: numbers of the effects that a copy stands for.
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
        commits: time, partition and committed offset of each checkpoint in turn, for a stream.
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
        self.taken = array("d", [_NAN]) * messages
        self.pushed = array("d", [_NAN]) * messages if pushed else None
        self.ended = array("d", [_NAN]) * messages
        self.fate = bytearray([NO_FATE]) * messages
        self.deliveries = array("I", [0]) * messages
        self.extra: list[int] = []
        self.returned = array("d")
        self.retaken = array("d")
        self.removed = array("d")
        self.delay = delay
        self.is_transit = is_transit
        self.partitions: NDArray[Any] | None = None
        self.commits = array("d")

    @cached_property
    def accepted(self) -> Any:
        """When the holder took each copy in; made when first asked for, unless :meth:`adopt` has given it."""
        return array("d", [_NAN]) * self.messages

    def adopt(self, accepted: NDArray[Any]) -> bool:
        """Take times at which all messages are accepted as the column itself; False if there is one already.

        Args:
            accepted: s, shape (messages,); never written to again, and no copy is stored beside them.
        """
        if "accepted" in self.__dict__ or len(accepted) != self.messages:
            return False
        self.accepted = _read_only(accepted)
        return True

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
        self.fate.append(NO_FATE)
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
        shared: the columns of the record that is made of it.
    """

    def __init__(self, effects: tuple[str, ...], after: tuple[int, ...], published: np.ndarray) -> None:
        count = len(published)
        self.effects = effects
        self.after = after
        self.published = published
        self.first_applied = [array("d", [_NAN]) * count for _ in effects]
        self.applications = [array("I", [0]) * count for _ in effects]
        self.late = [bytearray(count) for _ in effects]
        self.unstored = [bytearray([NO_FATE]) * count for _ in effects]
        self.unstored_at: list[dict[int, float]] = [{} for _ in effects]
        self.reply = bytearray(count)
        self.logs: list[CopyLog] = []
        self.shared = Shared()

    @cached_property
    def reply_time(self) -> Any:
        """When each caller was told; made when first asked for, unless it was given as a whole."""
        return array("d", [_NAN]) * len(self.published)

    def reply_to_all(self, first: int, answered: NDArray[Any], besides: Sequence[int] = ()) -> None:
        """Callers of consecutive messages are told that all is well.

        Args:
            first: the number of the first of them; nobody was told anything before.
            answered: when, s; never written to again.
            besides: the numbers of those among them who are told by :meth:`answer` instead.
        """
        rows: Any = slice(first, first + len(answered))
        if besides:
            rows = np.setdiff1d(np.arange(first, first + len(answered)), besides, assume_unique=True)
            answered = answered[rows - first]
        np.frombuffer(self.reply, dtype=np.uint8)[rows] = Reply.OK
        if "reply_time" not in self.__dict__ and len(answered) == len(self.published):
            self.reply_time = _read_only(answered)
        else:
            np.frombuffer(self.reply_time)[rows] = answered

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

    def named(self, name: str) -> CopyLog:
        """The log of a holder."""
        (log,) = (log for log in self.logs if log.name == name)
        return log

    def answer(self, message: int, reply: Reply, now: float) -> None:
        """The caller is told; only the first answer counts."""
        if not self.reply[message]:
            self.reply[message] = reply
            self.reply_time[message] = now

    def never_stored(self, effects: Iterable[int], message: int, fate: Outcome, now: float) -> None:
        """No copy came to be for these pairs: refused, lost on the way or never tried."""
        for effect in effects:
            self.unstored[effect][message] = min(self.unstored[effect][message], fate)
            self.unstored_at[effect].setdefault(message, now)

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
            if ended or self.unstored[effect][message] != NO_FATE:
                return Status.FAILED
        return Status.RUNNING if begun else Status.PENDING

    def close(self, underway: Iterable[tuple[int, int]] = ()) -> tuple[tuple[Pairs, ...], tuple[Copies, ...]]:
        """Freeze the columns.

        Args:
            underway: (message, effect) of pairs that a producer or an outbox still holds.
        """
        shared = self.shared
        shared.of(self.published)
        copies = tuple(_frozen(log, self.effects, shared) for log in self.logs)
        held = [np.zeros(len(self.published), dtype=bool) for _ in self.effects]
        for message, effect in underway:
            held[effect][message] = True
        pairs: list[Pairs] = []
        for number, upstream in enumerate(self.after):
            waits_for = pairs[upstream].outcome if upstream >= 0 else None
            carriers = [item for item in copies if self.effects[number] in item.effects]
            pairs.append(self._pairs(number, carriers, held[number], waits_for, shared))
        return tuple(pairs), copies

    def _pairs(
        self,
        number: int,
        carriers: list[Copies],
        live: NDArray[Any],
        waits_for: NDArray[Any] | None,
        shared: Shared,
    ) -> Pairs:
        applications = narrow(self.applications[number])
        first_delivered, deliveries = _delivered(carriers, len(live))
        fate = np.array(self.unstored[number], dtype=np.uint8)
        for item in carriers:
            _join_fates(item, fate, live)
        unheard = (fate == NO_FATE) & ~live  # an effect whose forerunner was never complete
        outcome = fate
        outcome[unheard] = Outcome.DROPPED
        if waits_for is not None:  # it shares the fate of a forerunner that may still come or was refused
            for code in (Outcome.PENDING, Outcome.REJECTED):
                outcome[unheard & (waits_for == code)] = code
        outcome[live] = Outcome.PENDING
        outcome[applications > 0] = Outcome.APPLIED
        unstored = sorted(self.unstored_at[number].items())
        return Pairs(
            effect=self.effects[number],
            first_delivered=shared.of(first_delivered),
            first_applied=shared.of(self.first_applied[number]),
            deliveries=shared.of(deliveries),
            applications=shared.of(applications),
            late_bits=shared.of(np.packbits(np.asarray(self.late[number]), bitorder="little")),
            outcome=shared.of(outcome),
            unstored_messages=np.array([message for message, _ in unstored], dtype=np.int64),
            unstored_times=np.array([time for _, time in unstored], dtype=float),
        )


def _read_only(column: NDArray[Any]) -> NDArray[Any]:
    view = column.view()
    view.flags.writeable = False
    return view


def _delivered(carriers: list[Copies], messages: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """When each message first was delivered by any of the holders, and how often by all of them."""
    holders = [item for item in carriers if not item.is_transit]
    columns = [item.taken if item.pushed is None else item.pushed for item in holders]
    if len(holders) == 1 and not len(holders[0].extra):
        return columns[0], holders[0].deliveries
    first, number = np.full(messages, np.nan), np.zeros(messages, dtype=np.int64)
    for item, column in zip(holders, columns, strict=True):
        np.fmin(first, column[:messages], out=first)
        np.fmin.at(first, item.extra, column[messages:])
        number += item.deliveries[:messages]
        np.add.at(number, item.extra, item.deliveries[messages:].astype(np.int64))
    return first, narrow(number)


def _join_fates(item: Copies, fate: NDArray[Any], live: NDArray[Any]) -> None:
    """Note of each message how its copies ended, the least that is no success, and whether one is live."""
    count = len(fate)
    given_up = np.where(item.fate == Outcome.APPLIED, np.uint8(NO_FATE), item.fate)
    np.minimum(fate, given_up[:count], out=fate)
    np.minimum.at(fate, item.extra, given_up[count:])
    if item.fate.max(initial=0) == NO_FATE:
        is_live = np.isfinite(item.accepted) & np.isnan(item.ended)
        live |= is_live[:count]
        live[item.extra[is_live[count:]]] = True


def _frozen(log: CopyLog, effects: tuple[str, ...], shared: Shared) -> Copies:
    return Copies(
        name=log.name,
        effects=tuple(effects[number] for number in log.effects),
        accepted=shared.of(log.accepted),
        taken=shared.of(log.taken),
        pushed=None if log.pushed is None else shared.of(log.pushed),
        ended=shared.of(log.ended),
        fate=shared.of(log.fate),
        deliveries=shared.of(narrow(log.deliveries)),
        returned=np.sort(np.asarray(log.returned)),
        retaken=np.sort(np.asarray(log.retaken)),
        removed=np.sort(np.asarray(log.removed)),
        delay=log.delay,
        extra=np.array(log.extra, dtype=np.int64),
        is_transit=log.is_transit,
        partition=None if log.partitions is None else shared.of(narrow(log.partitions)),
        checkpoints=None if log.partitions is None else Commits.of(np.array(log.commits)),
    )
