"""What stands on a drawing: titles, settings, rates and faults of the parts of a built system.

Every word comes from the options with which a part was built and from the scenario's workload and faults.
Rates are means over the horizon while nothing fails; nothing here is simulated.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sim.components.consumer import (
    ConsumerOptions,
    PoolOptions,
    PushConsumers,
    QueueConsumers,
    StreamConsumers,
)
from sim.components.effect import EffectOptions
from sim.components.faults import Crash, Delay, Down, Fault, Loss, Reject, Slow
from sim.components.log import StreamOptions
from sim.components.producer import CallerOptions, Outbox, ProducerOptions
from sim.components.queue import QueueOptions
from sim.components.topic import PushOptions, TopicOptions
from sim.components.wiring import Edge, Node, Wiring
from sim.engine.distributions import Constant, TraceColumn
from sim.report import numbers
from sim.scenario.model import Scenario
from sim.vocabulary import Role

_FLOWS = {"insert": "same transaction", "report": "when done", "apply": "write"}


@dataclass(frozen=True)
class Words:
    """The text of a part.

    Attributes:
        title: its name.
        facts: its settings, a line each.
        faults: name of each fault that hits it, and when.
    """

    title: str
    facts: tuple[str, ...]
    faults: tuple[tuple[str, str], ...]

    @property
    def is_hit(self) -> bool:
        """Whether a fault hits the part."""
        return bool(self.faults)


@dataclass(frozen=True)
class EdgeWords:
    """The text of an edge.

    Attributes:
        verb: what happens along it.
        rate: messages per second.
        faults: name of each fault on the way, and when.
    """

    verb: str
    rate: str
    faults: tuple[tuple[str, str], ...]


def node_words(node: Node, wiring: Wiring, scenario: Scenario) -> Words:
    """The text of a part."""
    facts = [fact for describe in _DESCRIBE for fact in describe(node)]
    if node.kind == "callers" and scenario.workload.backlog:
        facts.append(f"{numbers.count(scenario.workload.backlog)} waiting at 0 s")
    if node.kind == "topic":
        facts += _retries(node, wiring)
    if node.kind == "pool":
        facts += _shares(node, wiring)
    faults = tuple((name, fault_time(scenario.faults[name])) for name in wiring.hitting(node.name))
    return Words(_title(node), tuple(facts), faults)


def edge_words(edge: Edge, wiring: Wiring, scenario: Scenario) -> EdgeWords:
    """The text of an edge; a message goes along each edge once while nothing fails."""
    verb = _FLOWS.get(edge.flow, edge.flow)
    target = wiring.nodes[edge.target]
    if edge.flow == "apply":
        done_by = wiring.nodes[edge.source].effects
        if len(done_by) > 1:  # a shared worker does them one after the other
            verb = f"{verb} {done_by.index(target.effects[0]) + 1}"
    faults = tuple(
        (name, fault_time(scenario.faults[name])) for name in edge.faults if name not in edge.refusals
    )
    return EdgeWords(verb, numbers.rate(mean_rate(scenario)), faults)


def mean_rate(scenario: Scenario) -> float:
    """Messages per second, averaged over the horizon."""
    return scenario.workload.arrivals.expected(scenario.horizon) / scenario.horizon


def fault_words(fault: Fault) -> str:
    """What a fault does and when: ``rejects at 6 min for 90 s``."""
    return f"{_what(fault)} {fault_time(fault)}"


def fault_time(fault: Fault) -> str:
    """When a fault hits: ``at 6 min for 90 s``."""
    words: list[str] = []
    if fault.at is not None:
        words.append(f"at {numbers.exact_duration(fault.at)}")
        if fault.duration is not None:
            about = "" if isinstance(fault.duration, int | float) else "~"
            length = fault.mean_duration
            words.append("for good" if math.isinf(length) else f"for {about}{numbers.exact_duration(length)}")
        if fault.every is not None:
            words.append(f"every {numbers.exact_duration(fault.every)}")
    if fault.mean_up is not None and fault.mean_down is not None:
        up, down = numbers.exact_duration(fault.mean_up), numbers.exact_duration(fault.mean_down)
        words.append(f"~{up} up, ~{down} down")
    if fault.probability is not None:
        attempts = "requests" if fault.role == Role.API else "attempts"
        words.append(f"in {_share(fault.probability)} of {attempts}")
    return " ".join(words) or "always"


def _what(fault: Fault) -> str:
    if isinstance(fault, Down):
        count = fault.count
        if count is None:
            return "down"
        return f"{count.number} down" if count.share is None else f"{_share(count.share)} down"
    if isinstance(fault, Slow):
        return f"{fault.factor:g}× as long"
    if isinstance(fault, Delay):
        return f"{numbers.exact_duration(fault.by)} delay"
    if isinstance(fault, Loss):
        return "loses requests" if fault.leg == "request" else "loses replies"
    assert isinstance(fault, Reject | Crash)
    return "rejects" if isinstance(fault, Reject) else "crashes"


def _title(node: Node) -> str:
    if node.kind == "api":
        return "API server"
    return node.effects[0] if node.kind == "sink" else node.name


def _api(node: Node) -> list[str]:
    options = node.options
    if node.kind == "api" and isinstance(options, PoolOptions):
        return [f"{options.count:,} handlers", *_speeds(options)]
    if isinstance(options, CallerOptions):
        return [] if options.timeout is None else [f"give up after {numbers.exact_duration(options.timeout)}"]
    if not isinstance(options, ProducerOptions):
        return []
    facts: list[str] = []
    if not options.outbox:
        if options.retry_for:
            every, span = map(numbers.exact_duration, (options.retry_delay, options.retry_for))
            facts += [f"retries for {span}", f"{every} apart"]
        if options.linger:
            facts.append(f"linger {numbers.exact_duration(options.linger)}")
        if options.write_gap:
            facts.append(f"{numbers.exact_duration(options.write_gap)} between writes")
        if options.reply == "first":
            facts.append("replies after first write")
    if options.timeout is not None:
        facts.append(f"timeout {numbers.exact_duration(options.timeout)}")
    return facts


def _broker(node: Node) -> list[str]:
    options = node.options
    if isinstance(options, Outbox):
        return [f"relay every {numbers.exact_duration(options.poll)}"]
    if isinstance(options, StreamOptions):
        few = "partition" if options.partitions == 1 else "partitions"
        return [f"{options.partitions:,} {few}", _retention(options.retention)]
    if isinstance(options, PushOptions):
        if math.isinf(options.buffer):
            return ["service's memory", "without limit"]
        return ["service's memory", f"{options.buffer:,.0f} at most"]
    return _queue(options) if isinstance(options, QueueOptions) else []


def _queue(options: QueueOptions) -> list[str]:
    visibility = numbers.exact_duration(options.visibility_timeout)
    if math.isinf(options.max_receives):
        facts = [f"visibility {visibility}", "receives unlimited"]
    else:
        receives = "1 receive" if options.max_receives == 1 else f"{options.max_receives:,.0f} receives"
        end = "DLQ" if options.dead_letter else "dropped"
        facts = [f"visibility {visibility}", f"{receives} → {end}"]
    facts.append(_retention(options.retention))
    if not math.isinf(options.capacity):
        facts.append(f"holds {options.capacity:,.0f}")
    if options.delay:
        facts.append(f"delay {numbers.exact_duration(options.delay)}")
    if not options.late_delete:
        facts.append("late deletes fail")
    return facts


def _pool(node: Node) -> list[str]:
    options = node.options
    if node.kind != "pool" or not isinstance(options, ConsumerOptions):
        return []
    workers = "1 worker" if options.count == 1 else f"{options.count:,} workers"
    facts = [workers, *_speeds(options)]
    if isinstance(options, QueueConsumers) and options.batch > 1:
        facts.append(f"batches of {options.batch:,}")
    if isinstance(options, StreamConsumers):
        facts.append(f"commit every {numbers.exact_duration(options.commit_interval)}")
    if isinstance(options, QueueConsumers | StreamConsumers | PushConsumers):
        facts.append(f"on error: {options.on_error.replace('_', '-')}")
    if options.idempotent:
        facts.append("idempotent")
    return facts


def _speeds(options: PoolOptions) -> list[str]:
    """The speeds of the workers where they are unequal."""
    given = options.speeds or (1.0,)
    speeds = [given[worker % len(given)] for worker in range(options.count)]
    if len(set(speeds)) == 1:
        return [] if speeds[0] == 1 else [f"speed {speeds[0]:g}"]
    groups = [(speed, speeds.count(speed)) for speed in dict.fromkeys(speeds)]
    if len(groups) <= 3:
        return ["speeds " + ", ".join(f"{many}×{speed:g}" for speed, many in groups)]
    return [f"speeds {min(speeds):g} to {max(speeds):g}"]


def _sink(node: Node) -> list[str]:
    options = node.options
    if not isinstance(options, EffectOptions):
        return []
    service = options.service
    if isinstance(service, TraceColumn):
        facts = ["service from the trace"]
    elif isinstance(service, Constant):
        facts = [f"service {numbers.duration(service.value)}"]
    else:
        facts = [f"service ~{numbers.duration(service.mean)}"]
    if options.long is not None:
        long = options.long.service
        length = "" if isinstance(long, TraceColumn) else f" ~{numbers.duration(long.mean)}"
        facts.append(f"{_share(options.long.share)} long{length}")
    if options.failure:
        facts.append(f"{_share(options.failure)} fail")
    if options.poison:
        facts.append(f"{_share(options.poison)} poison")
    return facts


_DESCRIBE: tuple[Callable[[Node], list[str]], ...] = (_api, _broker, _pool, _sink)


def _retries(topic: Node, wiring: Wiring) -> list[str]:
    """How a topic retries; where its subscriptions differ, each with its effect."""
    pushes = [edge for edge in wiring.edges if edge.source == topic.name]
    told: dict[str, str] = {}
    for edge in pushes:
        assert isinstance(edge.options, TopicOptions)
        retries, delay = edge.options.retries, numbers.exact_duration(edge.options.retry_delay)
        text = f"{retries} × {delay}" if retries else "none"
        told[wiring.nodes[edge.target].effects[0]] = text
    if len(set(told.values())) == 1:
        return [f"retries {next(iter(told.values()))}"]
    return ["retries", *(f"{effect} {text}" for effect, text in told.items())]


def _shares(pool: Node, wiring: Wiring) -> list[str]:
    """How a group's members share the partitions."""
    shares = next(edge.shares for edge in wiring.edges if edge.target == pool.name)
    sizes = sorted({len(share) for share in shares if len(share)})
    if not sizes:
        return []
    idle = sum(not len(share) for share in shares)
    many = "–".join(str(size) for size in sizes)
    word = "partition" if sizes[-1] == 1 else "partitions"
    each = " each" if len(shares) > 1 else ""
    return [f"{many} {word}{each}", *([f"{idle} idle"] if idle else [])]


def _retention(seconds: float) -> str:
    return "kept for ever" if math.isinf(seconds) else f"retention {numbers.exact_duration(seconds)}"


def _share(share: float) -> str:
    return f"{100 * share:.4g}%"


def pool_workers(node: Node) -> tuple[float, ...]:
    """The speed of each worker of a pool; empty for anything else."""
    options: Any = node.options
    if not isinstance(options, PoolOptions):
        return ()
    given = options.speeds or (1.0,)
    return tuple(given[worker % len(given)] for worker in range(options.count))
