"""Push pub/sub: a topic pushes every message to a service per effect, at once and without being asked."""

from __future__ import annotations

from typing import ClassVar, Literal

from sim.architectures.base import Architecture, start_fan_out
from sim.components.consumer import Pool, PushConsumers
from sim.components.effect import Effect
from sim.components.producer import ProducerOptions
from sim.components.site import Site
from sim.components.topic import PushOptions, Subscriber
from sim.engine.quantities import Block


class PushBranch(Block):
    """One effect's subscription and service."""

    topic: PushOptions = PushOptions()
    consumers: PushConsumers = PushConsumers()

    def build(self, site: Site, effect: Effect, hop: float) -> Subscriber:
        """Build subscription → memory of the service → its workers."""
        subscriber = Subscriber(
            site, f"{effect.name}_topic", (effect.number,), self.topic, self.consumers, hop
        )
        subscriber.pool = Pool(
            site,
            f"{effect.name}_consumers",
            [effect],
            subscriber,
            self.consumers,
            retries_in_place=self.consumers.on_error == "retry",
        )
        return subscriber


class PubSub(Architecture):
    """A topic pushes to a service per effect."""

    kind: Literal["pubsub"] = "pubsub"
    producer: ProducerOptions = ProducerOptions()
    topic: PushOptions = PushOptions()
    consumers: PushConsumers = PushConsumers()
    per_effect: dict[str, PushBranch] = {}

    branch_blocks: ClassVar[tuple[str, ...]] = ("topic", "consumers")

    def build(self, site: Site) -> None:
        """Build api → topic → db_consumers, index_consumers, …."""
        subscribers = {
            effect: self.per_effect[effect.name].build(site, effect, self.hop) for effect in site.effects
        }
        start_fan_out(site, self.producer, subscribers, self.hop)
