"""A partitioned log and the consumer groups that read it: write once, read by many, in order.

A record goes to the partition that its key chooses (:mod:`sim.components.partitioner`) and stays until its
retention is over, read or not. A group holds a position and a committed offset per partition; its members
share the partitions in contiguous ranges (the first ``partitions mod members`` get one more; members beyond
the partitions are idle). A member commits when it fetches and its commit interval has passed, when it has
been idle so long, and when it stops in good order. After a crash it begins again at the committed offset, and
its commit interval from then: what lies between is repeated. A group that joins late, or whose offset has
expired, goes on as ``reset`` says; one that is there from the start has committed offset 0. A record counts
as delivered when it reaches its handler, not when it is fetched, so that the backlog holds what waits in a
member's memory. An idle member that looks again, or commits, does so after all that arrives at that instant.

Left out: rebalancing (a member that is down keeps its partitions, as with static membership), segments,
replication, producers that batch per partition.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, partial
from typing import Annotated, Any

from numpy.typing import NDArray
from pydantic import Field

from sim.components.consumer import StreamConsumers
from sim.components.faults import Down
from sim.components.inlet import Inlet
from sim.components.partitioner import Partitioner, partitions_of
from sim.components.polling import Polls
from sim.components.site import Site
from sim.components.timelines import Outage, ends_of, names
from sim.components.wiring import Node
from sim.components.worker import Source, Worker
from sim.engine.environment import BROKER_BACK, LOOK_AGAIN, Process
from sim.engine.quantities import Block, Count, DurationOrUnlimited
from sim.engine.record import NO_FATE
from sim.vocabulary import Outcome, Role

_APPLIED = Outcome.APPLIED  # looking up a member of an enum costs as much as two calls


class StreamOptions(Block):
    """A partitioned log that consumer groups read."""

    partitions: Annotated[Count, Field(ge=1)] = 6
    """Number of partitions; the key of a message chooses one."""
    partitioner: Partitioner = "modulo"
    """How: the key mod partitions, or by the hash of its decimal as Kafka (murmur2) and Kinesis (md5) do."""
    retention: Annotated[DurationOrUnlimited, Field(gt=0)] = 7 * 86400.0
    """A record is removed so long after it was accepted, read or not."""


class Log:
    """The records of all partitions.

    Args:
        site: where it stands.
        name: ``stream``.
        options: partitions and retention.
        effects: names of the effects for which publishes are taken, for the faults of the broker.
    """

    def __init__(self, site: Site, name: str, options: StreamOptions, effects: tuple[str, ...]) -> None:
        pauses = names(site.faults.conditions(Role.BROKER, effects, Down))
        self.node = site.wiring.add(Node(name, "log", effects, options, pauses))
        self.partitions = options.partitions
        self.partitioner: Partitioner = options.partitioner
        self.retention = options.retention
        self.records: list[list[int]] = [[] for _ in range(options.partitions)]
        self.partition_of: NDArray[Any] = partitions_of(
            site.messages.key, options.partitioner, options.partitions
        )
        self.groups: list[Group] = []
        self.pauses = site.faults.pauses(effects)
        self._site = site
        if self.pauses:
            site.process(self._resume_after_pauses())

    @cached_property
    def partition_numbers(self) -> list[int]:
        """The partition of each message, for those who ask for one at a time."""
        return self.partition_of.tolist()

    def accept(self, message: int, now: float) -> bool:
        """Append a message; a log is never full."""
        partition = self.partition_numbers[message]
        copy = message
        for group in self.groups:
            if group.inlet is None:
                copy = group.log.store(message, now)
            else:
                group.inlet.take_in(message, now)
        self.records[partition].append(copy)
        for group in self.groups:
            if group.inlet is None:
                group.appended(partition, now)
        return True

    def is_paused(self) -> bool:
        """Whether nothing can be fetched now."""
        return any(windows.covers(self._site.now) for windows in self.pauses)

    def _resume_after_pauses(self) -> Process:
        for end in ends_of(self.pauses):
            yield self._site.at(end, BROKER_BACK)
            for group in self.groups:
                for partition in range(self.partitions):
                    group.appended(partition, end)


class Group(Source[int]):
    """One consumer group; the source of one pool.

    Args:
        site: where it stands.
        name: ``index_stream``.
        effects: numbers of the effects that its consumers do.
        log: what it reads.
        consumers: how its members work.

    Attributes:
        inlet: where it only notes what arrives, because its pool is worked out afterwards.
    """

    def __init__(
        self, site: Site, name: str, effects: tuple[int, ...], log: Log, consumers: StreamConsumers
    ) -> None:
        self._members = _assign(log.partitions, consumers.count)
        super().__init__(site, log.node, "fetch", self._members)
        self.log = site.ledger.log(name, effects)
        self.log.partitions = log.partition_of
        self.records_of = log
        self.consumers = consumers
        self.inlet: Inlet | None = None
        self._skipped = Outcome.DEAD_LETTERED if consumers.on_error == "dead_letter" else Outcome.DROPPED
        self._interval = consumers.commit_interval
        self._records = log.records
        self._expires = log.retention < site.limit
        self._fetched = [0] * log.partitions
        self._done = [0] * log.partitions
        self._committed = [0] * log.partitions
        self._in_hand = [-1] * consumers.count
        self._rewound = [0.0] * log.partitions
        self._member_of = [member for member, owned in enumerate(self._members) for _ in owned]
        self._last_commit = [0.0] * consumers.count
        self._planned = [(-1.0, -1.0)] * consumers.count
        self._next_partition = [0] * consumers.count
        self._idle: list[Worker | None] = [None] * consumers.count
        self._polls = Polls(site, consumers.poll, self.rouse, LOOK_AGAIN) if consumers.poll else None
        self._resets_to_end = consumers.reset == "latest"
        joins_late = self._resets_to_end and consumers.starts > 0
        self._to_join = set(range(consumers.count)) if joins_late else set[int]()
        log.groups.append(self)
        site.unfinished.append(self._has_work)
        site.closing.append(self._close)

    @cached_property
    def _partition(self) -> list[int]:
        return self.records_of.partition_numbers

    def appended(self, partition: int, now: float) -> None:
        """There may be something to fetch: wake the member that owns the partition."""
        member = self._member_of[partition]
        worker = self._idle[member]
        if worker is None or (now >= worker.undisturbed_until and worker.outage_at(now) is not None):
            return
        if self._polls is not None:
            self._polls.alert_one(worker)
            return
        items = self.take(worker, 1, now)
        if items is not None:
            self._idle[member] = None
            self.hand(worker, items)

    def take(self, worker: Worker, limit: int, now: float) -> Sequence[int] | None:
        """Fetch up to ``limit`` records over the member's partitions, each partition in order."""
        member = worker.index
        owned = self._members[member]
        if now >= self._last_commit[member] + self._interval:
            self._commit(member)
        if self.records_of.pauses and self.records_of.is_paused():
            return None
        if self._to_join:
            self._join(member, now)
        items: list[int] = []
        fetched, first, parts = self._fetched, self._next_partition[member], len(owned)
        for step in range(parts):
            partition = owned[(first + step) % parts]
            records, position = self._records[partition], fetched[partition]
            if position >= len(records):
                continue
            if self._expires:
                left = self._expire(partition, now)
                if left > position and self._resets_to_end:
                    left = self._pass_over(partition, now)
                position = left
            found = records[position : position + limit - len(items)]
            fetched[partition] = position + len(found)
            items += found
            if len(items) >= limit:
                self._next_partition[member] = (first + step + 1) % parts
                break
        if items:
            return items
        self._commit_when_due(worker)
        return None

    def begin(self, item: int) -> tuple[int, bool]:
        """A fetched record reaches its handler: only now it counts as delivered.

        Returns:
            The message that it is of, and whether the record had been delivered before.
        """
        log = self.log
        message = item if item < log.messages else log.message_of(item)
        deliveries = log.deliveries[item]
        log.deliveries[item] = deliveries + 1
        if log.fate[item] == NO_FATE:  # not yet worked off
            if deliveries:
                log.retaken.append(self._site.now)
            else:
                log.taken[item] = self._site.now
            self._in_hand[self._member_of[self._partition[message]]] = item
        return message, deliveries > 0

    def done(self, item: int, now: float, fate: Outcome = _APPLIED) -> None:
        """The position moves on."""
        log = self.log
        partition = self._partition[item if item < log.messages else log.message_of(item)]
        self._done[partition] += 1
        self._in_hand[self._member_of[partition]] = -1
        if log.fate[item] == NO_FATE:
            log.ended[item] = now
            log.fate[item] = fate

    def failed(self, item: int, effect: int) -> None:
        """The record is skipped, or put into a dead-letter topic."""
        del effect
        self.done(item, self._site.now, self._skipped)

    def crashed(self, worker: Worker, items: Sequence[int]) -> None:
        """Back to the committed offsets."""
        del items
        in_hand = self._in_hand[worker.index]
        if in_hand >= 0:
            self._in_hand[worker.index] = -1
            self.log.returned.append(self._site.now)
        self._rewind(worker.index, self._committed)
        self._last_commit[worker.index] = self._site.now  # or when an outage is over, see stopped

    def give_back(self, worker: Worker, items: Sequence[int]) -> None:
        """What was fetched and not begun is fetched again later."""
        del items
        self._rewind(worker.index, self._done)

    def stopped(self, worker: Worker, outage: Outage) -> None:
        """A member commits when it stops in good order; after a crash its progress is gone."""
        self._idle[worker.index] = worker if worker.is_parked else None
        if outage.in_hand == "finish":
            self._commit(worker.index)
        elif outage.in_hand == "lose":
            self._rewind(worker.index, self._committed)
        if outage.in_hand != "resume":
            self._last_commit[worker.index] = outage.end

    def wait(self, worker: Worker) -> None:
        """A member waits for records of its own partitions, or until it asks again."""
        self._idle[worker.index] = worker
        if self._polls is not None:
            self._polls.sleep(worker)

    def rouse(self, worker: Worker) -> None:
        """Wake a member without handing it anything."""
        self._idle[worker.index] = None
        if self._polls is not None:
            self._polls.wake(worker)
        self.hand(worker, None)

    def _expire(self, partition: int, now: float) -> int:
        """Go past what the log has deleted; the position of the first record that is left."""
        log, records = self.log, self.records_of.records[partition]
        position = self._fetched[partition]
        while position < len(records):
            copy = records[position]
            gone = log.accepted[copy] + self.records_of.retention
            if gone > now:
                break
            if log.ended[copy] != log.ended[copy]:
                gone = max(gone, self._rewound[partition])  # in hand it outlives its retention
                log.ended[copy] = gone
                log.fate[copy] = Outcome.EXPIRED
                log.removed.append(gone)
            position += 1
        if position > self._fetched[partition]:
            self._fetched[partition] = self._done[partition] = position
        return position

    def _pass_over(self, partition: int, now: float) -> int:
        """Go on behind the newest record; what is passed over is dropped by rule."""
        log, records = self.log, self.records_of.records[partition]
        for copy in records[self._fetched[partition] :]:
            if log.ended[copy] != log.ended[copy]:
                log.ended[copy] = now
                log.fate[copy] = Outcome.DROPPED
                log.removed.append(now)
        self._fetched[partition] = self._done[partition] = len(records)
        return len(records)

    def _join(self, member: int, now: float) -> None:
        """A member of a late group has no offset yet: it begins at the end of the log and commits that."""
        if member not in self._to_join:
            return
        self._to_join.remove(member)
        for partition in self._members[member]:
            self._expire(partition, now)
            self._pass_over(partition, now)
        self._commit(member)

    def _rewind(self, member: int, to: list[int]) -> None:
        for partition in self._members[member]:
            self._fetched[partition] = self._done[partition] = to[partition]
            self._rewound[partition] = self._site.now

    def _commit(self, member: int) -> None:
        now, done, committed = self._site.now, self._done, self._committed
        self._last_commit[member] = now
        for partition in self._members[member]:
            if done[partition] > committed[partition]:
                committed[partition] = done[partition]
                self.log.commits.extend((now, partition, done[partition]))

    def _is_behind(self, member: int) -> bool:
        return any(self._done[owned] > self._committed[owned] for owned in self._members[member])

    def _commit_when_due(self, worker: Worker) -> None:
        """An idle member goes on polling, which commits what it has done."""
        member = worker.index
        if not self._is_behind(member):
            return
        now, seen = self._site.now, self._last_commit[member]
        due = max(seen + self._interval, now)
        if self._polls is not None:
            due = self._polls.turn(now, due)
        if self._planned[member] != (seen, due):  # else it has been idle since, and will look then anyway
            self._planned[member] = seen, due
            self._site.call_at(due, partial(self._commit_if_idle, member, seen), LOOK_AGAIN)

    def _commit_if_idle(self, member: int, seen: float) -> None:
        """Unless it has work in hand, or has committed since it was ``seen``."""
        if self._idle[member] is not None and self._last_commit[member] == seen:
            self._commit(member)

    def _close(self) -> None:
        """What nobody came to fetch before its retention was over is gone all the same."""
        if self.inlet is not None:
            return
        for partition in range(self.records_of.partitions):
            self._expire(partition, self._site.now)

    def _has_work(self) -> bool:
        if self.inlet is not None:
            return False
        records = self.records_of.records
        return any(committed < len(records[partition]) for partition, committed in enumerate(self._committed))


def _assign(partitions: int, members: int) -> list[range]:
    """Contiguous ranges of partitions, the first members with one more (Kafka's range assignor)."""
    least, more = divmod(partitions, members)
    ranges: list[range] = []
    start = 0
    for member in range(members):
        size = least + (member < more)
        ranges.append(range(start, start + size))
        start += size
    return ranges
