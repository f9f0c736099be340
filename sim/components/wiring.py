"""What has been wired: the parts that really stand at a site, and what goes from one to the next.

Every component enters itself here when it is built, with the very options it was given and the faults that
it asked for, so that a drawing of an architecture shows the built system and not somebody's intentions.
Nothing here is touched while a run goes on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from sim.engine.quantities import Block

Kind = Literal["callers", "api", "outbox", "topic", "queue", "log", "memory", "pool", "sink"]
"""What a node is."""
Flow = Literal["request", "insert", "publish", "push", "pull", "fetch", "take", "apply", "report"]
"""How messages go along an edge."""

CALLERS = "callers"
"""The node of those who send the messages."""
API = "api"
"""The node of the API server that publishes."""


@dataclass(frozen=True, slots=True)
class Node:
    """A part of the built system.

    Attributes:
        name: unique at its site; that of its copies or its pool in the results, where it has any.
        kind: what it is.
        effects: names of the effects for which it is there, in the order of the scenario.
        options: its settings, as it got them.
        faults: names of the faults that can hit it.
    """

    name: str
    kind: Kind
    effects: tuple[str, ...]
    options: Block | None = None
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Edge:
    """A way that messages take.

    Attributes:
        source: name of the node that they come from.
        target: name of the node that they go to.
        flow: how they go.
        options: settings of the way itself, such as the retries of a push.
        faults: names of the faults that hit what goes along here.
        refusals: those of them in which the target refuses.
        shares: for each member of a consumer group the partitions that it owns.
    """

    source: str
    target: str
    flow: Flow
    options: Block | None = None
    faults: tuple[str, ...] = ()
    refusals: tuple[str, ...] = ()
    shares: tuple[range, ...] = ()


class Wiring:
    """All parts of one built system, in the order in which they were built."""

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}
        self.edges: list[Edge] = []

    def add(self, node: Node) -> str:
        """Enter a part; its name."""
        assert node.name not in self.nodes, node.name
        self.nodes[node.name] = node
        return node.name

    def connect(self, edge: Edge) -> None:
        """Enter a way between two parts; they may be entered later."""
        self.edges.append(edge)

    def of_kind(self, kind: Kind) -> list[Node]:
        """The parts of a kind."""
        return [node for node in self.nodes.values() if node.kind == kind]

    def hitting(self, name: str) -> tuple[str, ...]:
        """Names of the faults in which a part fails: its own, and those in which it refuses what comes."""
        refused = [fault for edge in self.edges if edge.target == name for fault in edge.refusals]
        return tuple(dict.fromkeys((*self.nodes[name].faults, *refused)))


class Intake(Protocol):
    """What takes publishes: a queue, a log, a topic, a subscription.

    Attributes:
        node: name of the part that they reach.
    """

    node: str

    def accept(self, message: int, now: float) -> bool:
        """Store a message; False when it is full."""
        ...
