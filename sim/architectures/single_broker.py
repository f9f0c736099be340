"""Approach 1: one queue, and consumers that do every effect of a message in order."""

from __future__ import annotations

from typing import Literal

from sim.architectures.base import Architecture, start_producer
from sim.components.consumer import Pool, QueueConsumers
from sim.components.heartbeat import open_queue
from sim.components.link import Link
from sim.components.producer import ProducerOptions
from sim.components.queue import QueueOptions
from sim.components.site import Site


class SingleBroker(Architecture):
    """One queue, one pool that does all effects."""

    kind: Literal["single_broker"] = "single_broker"
    producer: ProducerOptions = ProducerOptions()
    queue: QueueOptions = QueueOptions()
    consumers: QueueConsumers = QueueConsumers()

    def build(self, site: Site) -> None:
        """Build api → queue → consumers, who do every effect."""
        numbers = tuple(effect.number for effect in site.effects)
        queue = open_queue(site, "queue", numbers, self.queue, self.consumers)
        Pool(
            site,
            "consumers",
            site.effects,
            queue,
            self.consumers,
            hop=self.hop,
            batch=self.consumers.batch,
            retries_in_place=self.consumers.on_error == "retry",
        )
        link = Link(site, site.effects, queue, self.hop)
        start_producer(site, self.producer, [link], {})
