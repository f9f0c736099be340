"""What all architectures have in common: a kind, options, and a ``build`` that wires components."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from sim.components.effect import Effect
from sim.components.link import Link
from sim.components.producer import Producer, ProducerOptions
from sim.components.site import Site
from sim.components.topic import QueueSubscription, Subscriber, Topic
from sim.engine.quantities import Block, Duration


class Architecture(Block):
    """A design under comparison.

    A subclass has ``kind`` as a literal with a default, its blocks as fields with defaults, and ``build``.
    Where each effect has components of its own, ``per_effect`` holds one branch per effect; the loader fills
    it from the blocks beside it and from what the scenario says under ``per_effect``.
    """

    hop: Duration = 0.0
    """Network delay per hop."""

    branch_blocks: ClassVar[tuple[str, ...]] = ()
    """The blocks that each effect has of its own."""

    def build(self, site: Site) -> None:
        """Wire the components at a site."""
        raise NotImplementedError


def start_producer(
    site: Site, options: ProducerOptions, writes: Sequence[Link], completions: dict[Effect, Link]
) -> None:
    """Put the API server in front of its brokers.

    Args:
        site: where it stands.
        options: how it publishes.
        writes: the links to which it writes each message.
        completions: for each effect that follows another, the link to which the other's workers report.
    """
    reports = [
        (effect, completions[follower])
        for effect in site.effects
        for follower in site.followers(effect)
        if follower in completions
    ]
    Producer(site, options, writes, reports)


def start_fan_out(
    site: Site,
    options: ProducerOptions,
    subscriptions: Mapping[Effect, QueueSubscription | Subscriber],
    hop: float,
) -> None:
    """Put the API server in front of a topic that pushes to all effects at once.

    Args:
        site: where it stands.
        options: how it publishes.
        subscriptions: for each effect what takes a message for it.
        hop: network delay to the topic, s.
    """
    first = site.first_effects()
    topic = Topic(site, {effect: subscriptions[effect] for effect in first})
    completions = {
        effect: Link(site, [effect], subscription, hop)
        for effect, subscription in subscriptions.items()
        if effect not in first
    }
    start_producer(site, options, [Link(site, first, topic, hop)], completions)
