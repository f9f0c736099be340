"""Approach 2: a queue and a pool per effect; the API server writes to one after the other."""

from __future__ import annotations

from typing import ClassVar, Literal

from sim.architectures.base import Architecture, start_producer
from sim.components.consumer import Pool, QueueConsumers
from sim.components.effect import Effect
from sim.components.heartbeat import open_queue
from sim.components.link import Link
from sim.components.producer import ProducerOptions
from sim.components.queue import Queue, QueueOptions
from sim.components.site import Site
from sim.engine.quantities import Block


class QueueBranch(Block):
    """One effect's queue and pool."""

    queue: QueueOptions = QueueOptions()
    consumers: QueueConsumers = QueueConsumers()

    def build(self, site: Site, effect: Effect, hop: float) -> Queue:
        """Build queue → consumers of one effect."""
        queue = open_queue(site, f"{effect.name}_queue", (effect.number,), self.queue, self.consumers)
        Pool(
            site,
            f"{effect.name}_consumers",
            [effect],
            queue,
            self.consumers,
            hop=hop,
            batch=self.consumers.batch,
            retries_in_place=self.consumers.on_error == "retry",
        )
        return queue


class DualBrokers(Architecture):
    """The API server writes to a queue per effect, each with a pool of its own."""

    kind: Literal["dual_brokers"] = "dual_brokers"
    producer: ProducerOptions = ProducerOptions()
    queue: QueueOptions = QueueOptions()
    consumers: QueueConsumers = QueueConsumers()
    per_effect: dict[str, QueueBranch] = {}

    branch_blocks: ClassVar[tuple[str, ...]] = ("queue", "consumers")

    def build(self, site: Site) -> None:
        """Build api → db_queue → db_consumers; api → index_queue → index_consumers; …."""
        links: dict[Effect, Link] = {}
        for effect in site.effects:
            queue = self.per_effect[effect.name].build(site, effect, self.hop)
            links[effect] = Link(site, [effect], queue, self.hop)
        first = site.first_effects()
        start_producer(site, self.producer, [links[effect] for effect in first], links)
