"""Approach 3: write once, read by many. One partitioned log and a consumer group per effect.

An effect that waits for another reads a log of its own, to which the other's workers write.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from sim.architectures.base import Architecture, start_producer
from sim.components.consumer import Pool, StreamConsumers
from sim.components.effect import Effect
from sim.components.link import Link
from sim.components.log import Group, Log, StreamOptions
from sim.components.producer import ProducerOptions
from sim.components.site import Site
from sim.engine.quantities import Block


class GroupBranch(Block):
    """One effect's consumer group."""

    consumers: StreamConsumers = StreamConsumers()

    def build(self, site: Site, effect: Effect, log: Log, hop: float) -> None:
        """Build log → consumer group of one effect."""
        group = Group(site, f"{effect.name}_stream", (effect.number,), log, self.consumers)
        Pool(
            site,
            f"{effect.name}_consumers",
            [effect],
            group,
            self.consumers,
            hop=hop,
            batch=self.consumers.batch,
            retries_in_place=self.consumers.on_error == "retry",
        )


class Stream(Architecture):
    """One partitioned log, a consumer group per effect."""

    kind: Literal["stream"] = "stream"
    producer: ProducerOptions = ProducerOptions()
    stream: StreamOptions = StreamOptions()
    consumers: StreamConsumers = StreamConsumers()
    per_effect: dict[str, GroupBranch] = {}

    branch_blocks: ClassVar[tuple[str, ...]] = ("consumers",)

    def build(self, site: Site) -> None:
        """Build api → stream → db_consumers, index_consumers, …."""
        first = site.first_effects()
        stream = Log(site, "stream", self.stream, tuple(effect.name for effect in first))
        completions: dict[Effect, Link] = {}
        for effect in site.effects:
            log = stream
            if effect not in first:
                log = Log(site, f"{effect.name}_stream", self.stream, (effect.name,))
                completions[effect] = Link(site, [effect], log, self.hop)
            self.per_effect[effect.name].build(site, effect, log, self.hop)
        link = Link(site, first, stream, self.hop)
        start_producer(site, self.producer, [link], completions)
