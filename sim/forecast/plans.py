"""The pools of an architecture before anything runs: who does which effects, and what stands in front."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from sim.architectures.base import Architecture
from sim.architectures.dual_brokers import DualBrokers
from sim.architectures.pubsub import PubSub
from sim.architectures.single_broker import SingleBroker
from sim.architectures.sns_sqs import SnsSqs
from sim.architectures.stream import Stream
from sim.architectures.synchronous import Synchronous
from sim.components.consumer import ConsumerOptions, PoolOptions
from sim.components.faults import Fault
from sim.components.log import StreamOptions
from sim.components.producer import CallerOptions, ProducerOptions
from sim.components.queue import QueueOptions
from sim.components.topic import PushOptions, TopicOptions
from sim.scenario.model import Scenario
from sim.vocabulary import Role

Source = Literal["request", "queue", "stream", "push"]


@dataclass(frozen=True)
class Plan:
    """One pool and the way of its messages.

    Attributes:
        architecture: its name in the scenario.
        kind: of the architecture.
        name: of the pool, ``index_consumers``.
        holder: name of what its messages wait in, ``index_queue``.
        source: what kind of thing that is.
        effects: what its workers do, in order.
        workers: the pool's options.
        producer: the API server's.
        hop: network delay per hop, s.
        queue: settings of the queue, where there is one.
        topic: of the topic.
        stream: of the stream.
    """

    architecture: str
    kind: str
    name: str
    holder: str
    source: Source
    effects: tuple[str, ...]
    workers: PoolOptions
    producer: ProducerOptions | CallerOptions
    hop: float
    queue: QueueOptions | None = None
    topic: TopicOptions | None = None
    stream: StreamOptions | None = None

    @property
    def count(self) -> int:
        """Workers in the pool."""
        return self.workers.count

    @property
    def speeds(self) -> list[float]:
        """Speed of each worker."""
        speeds = self.workers.speeds or (1.0,)
        return [speeds[index % len(speeds)] for index in range(self.count)]

    @property
    def batch(self) -> int:
        """Messages that a worker takes at once."""
        return getattr(self.workers, "batch", 1) if self.source in ("queue", "stream") else 1

    @property
    def on_error(self) -> str:
        """What follows a failed attempt; a synchronous request is given up."""
        return getattr(self.workers, "on_error", "skip")

    @property
    def retries_in_place(self) -> bool:
        """Whether the worker tries again itself."""
        return self.on_error == "retry"

    @property
    def retry_delay(self) -> float:
        """Pause before the next attempt of ``retry`` and ``nack``, s."""
        return self.workers.retry_delay if isinstance(self.workers, ConsumerOptions) else 0.0

    @property
    def is_idempotent(self) -> bool:
        """Whether effects that were applied are skipped."""
        return isinstance(self.workers, ConsumerOptions) and self.workers.idempotent

    @property
    def receives(self) -> float:
        """How often a message is handed out at most while its attempts fail."""
        if self.on_error in ("wait", "nack"):
            if self.queue is not None:
                return self.queue.max_receives
            if self.topic is not None:
                return self.topic.retries + 1
        return math.inf if self.retries_in_place else 1

    @property
    def redelivery_delay(self) -> float:
        """From one delivery to the next: after the receive for ``wait``, after the failure otherwise."""
        if self.source == "push":
            assert self.topic is not None
            return self.topic.retry_delay + self.hop
        if self.on_error == "wait" and self.queue is not None:
            return self.queue.visibility_timeout
        return self.retry_delay

    @property
    def fate(self) -> str:
        """The outcome of a message that is given up, as a metric's name."""
        if self.on_error == "dead_letter" and self.source == "stream":
            return "dead_lettered"
        if self.queue is not None and self.on_error != "skip" and self.queue.dead_letter:
            return "dead_lettered"
        return "dropped"

    @property
    def room(self) -> float:
        """Messages that fit in, those being worked on included; infinite where there is no limit."""
        if self.source == "queue" and self.queue is not None:
            return self.queue.capacity
        if self.source == "push" and isinstance(self.topic, PushOptions):
            return self.topic.buffer + self.count
        return math.inf

    @property
    def retention(self) -> float:
        """How long a message is kept, s; infinite where nothing removes it."""
        kept = self.queue or self.stream
        return math.inf if kept is None else kept.retention

    @property
    def has_outbox(self) -> bool:
        """Whether publishes go through an outbox."""
        return isinstance(self.producer, ProducerOptions) and self.producer.outbox is not None

    def is_hit(self, fault: Fault) -> bool:
        """Whether a fault concerns this pool, its sink, or the way to it."""
        if fault.only is not None and self.architecture not in fault.only:
            return False
        if fault.role == Role.API:
            return True
        if fault.role == Role.BROKER and self.kind != "dual_brokers":
            return self.source != "request"  # one publish for all effects
        return fault.effect is None or fault.effect in self.effects


def plans(scenario: Scenario, name: str) -> list[Plan]:
    """The pools of one architecture, in the order of their effects."""
    design: Architecture = scenario.architectures[name]
    names, hop = tuple(scenario.effects), design.hop
    if isinstance(design, Synchronous):
        workers, producer = design.consumers, design.producer
        return [Plan(name, design.kind, "consumers", "consumers", "request", names, workers, producer, hop)]
    if isinstance(design, SingleBroker):
        workers, producer = design.consumers, design.producer
        queue = design.queue
        return [Plan(name, design.kind, "consumers", "queue", "queue", names, workers, producer, hop, queue)]
    assert isinstance(design, DualBrokers | SnsSqs | PubSub | Stream)
    return [_branch(name, design, effect) for effect in names]


def _branch(name: str, design: DualBrokers | SnsSqs | PubSub | Stream, effect: str) -> Plan:
    pool, own, hop = f"{effect}_consumers", (effect,), design.hop
    if isinstance(design, Stream):
        workers = design.per_effect[effect].consumers
        return Plan(
            name,
            design.kind,
            pool,
            f"{effect}_stream",
            "stream",
            own,
            workers,
            design.producer,
            hop,
            stream=design.stream,
        )
    if isinstance(design, PubSub):
        push = design.per_effect[effect]
        holder = f"{effect}_topic"
        return Plan(
            name,
            design.kind,
            pool,
            holder,
            "push",
            own,
            push.consumers,
            design.producer,
            hop,
            topic=push.topic,
        )
    branch = design.per_effect[effect]
    topic = design.per_effect[effect].topic if isinstance(design, SnsSqs) else None
    return Plan(
        name,
        design.kind,
        pool,
        f"{effect}_queue",
        "queue",
        own,
        branch.consumers,
        design.producer,
        hop,
        branch.queue,
        topic,
    )
