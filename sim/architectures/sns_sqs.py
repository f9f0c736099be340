"""SNS+SQS: a topic pushes every message into a queue per effect, from which that effect's consumers pull."""

from __future__ import annotations

from typing import ClassVar, Literal

from sim.architectures.base import Architecture, start_fan_out
from sim.architectures.dual_brokers import QueueBranch
from sim.components.consumer import QueueConsumers
from sim.components.effect import Effect
from sim.components.producer import ProducerOptions
from sim.components.queue import QueueOptions
from sim.components.site import Site
from sim.components.topic import QueueSubscription, TopicOptions


class SubscribedBranch(QueueBranch):
    """One effect's subscription, queue and pool."""

    topic: TopicOptions = TopicOptions()

    def subscribe(self, site: Site, effect: Effect, hop: float) -> QueueSubscription:
        """Build subscription → queue → consumers of one effect."""
        queue = self.build(site, effect, hop)
        return QueueSubscription(site, self.topic, hop, effect, queue)


class SnsSqs(Architecture):
    """A topic pushes into a queue per effect, each with a pool of its own."""

    kind: Literal["sns_sqs"] = "sns_sqs"
    producer: ProducerOptions = ProducerOptions()
    topic: TopicOptions = TopicOptions()
    queue: QueueOptions = QueueOptions()
    consumers: QueueConsumers = QueueConsumers()
    per_effect: dict[str, SubscribedBranch] = {}

    branch_blocks: ClassVar[tuple[str, ...]] = ("topic", "queue", "consumers")

    def build(self, site: Site) -> None:
        """Build api → topic → db_queue → db_consumers; … → index_queue → index_consumers."""
        subscriptions = {
            effect: self.per_effect[effect.name].subscribe(site, effect, self.hop) for effect in site.effects
        }
        start_fan_out(site, self.producer, subscriptions, self.hop)
