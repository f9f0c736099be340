"""Synchronous: the caller waits while the API server does all the work, one effect after the other."""

from __future__ import annotations

from typing import Literal

from sim.architectures.base import Architecture
from sim.components.consumer import PoolOptions
from sim.components.producer import CallerOptions
from sim.components.requests import Requests
from sim.components.site import Site


class Synchronous(Architecture):
    """The caller waits while the API server does all the work."""

    kind: Literal["synchronous"] = "synchronous"
    producer: CallerOptions = CallerOptions()
    consumers: PoolOptions = PoolOptions()

    def build(self, site: Site) -> None:
        """Build caller → request handlers, who do every effect."""
        Requests(site, self.producer, self.consumers, self.hop)
