"""Scenarios drawn at random, with options and faults, in all six architectures, and what draws many."""

from __future__ import annotations

import json
from random import Random

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

import sim

KINDS = ("synchronous", "single_broker", "dual_brokers", "stream", "pubsub", "sns_sqs")
FAULTS = {
    "down": ("api", "broker", "consumers"),
    "reject": ("sink", "broker"),
    "slow": ("consumers", "sink"),
    "crash": ("consumers", "api"),
    "delay": ("broker", "sink"),
    "loss": ("broker", "sink"),
}


def seconds(value):
    """A duration as the language writes it."""
    return f"{value:.4f}s"


def chance(random, probability):
    """Whether something that happens so often happens now."""
    return random.random() < probability


def span(random, low, high):
    """A duration between two bounds."""
    return seconds(random.uniform(low, high))


def for_drawn(part, examples, check):
    """Have Hypothesis draw whole numbers, the same for a part each time, and check what comes of each.

    Args:
        part: which of several lots.
        examples: how many.
        check: called with a :class:`random.Random` that begins at the drawn number.
    """

    @seed(part)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.integers(0, 2**40))
    def check_one(number):
        check(Random(number))  # noqa: S311 - no secrets

    check_one()


def draw_scenario(random, *, fault=None):
    """Draw a scenario, as the mapping that the language knows.

    Args:
        random: an object with the interface of :class:`random.Random`.
        fault: (kind, role) of the only fault; otherwise one to three are drawn.
    """
    horizon = random.uniform(25, 60)
    rate = random.uniform(245, 290) / horizon
    effects = draw_effects(random, rate)
    if fault is None:
        kinds = [random.choice(list(FAULTS)) for _ in range(random.randint(1, 3))]
        faults = [draw_fault(random, kind, random.choice(FAULTS[kind]), effects, horizon) for kind in kinds]
    else:
        faults = [draw_fault(random, *fault, effects, horizon)]
    return {
        "seed": random.randint(0, 10_000),
        "horizon": seconds(horizon),
        "drain": random.choice(["empty", seconds(4 * horizon)]),
        "workload": draw_workload(random, rate, horizon),
        "effects": effects,
        "architectures": {kind: draw_architecture(random, kind, effects) for kind in KINDS},
        "faults": {f"trouble_{number}": each for number, each in enumerate(faults)},
    }


def load(tree):
    """Have the language read what was drawn."""
    return sim.loads(json.dumps(tree))


def draw_workload(random, rate, horizon):
    """Draw arrivals, keys and a starting backlog; about ``rate * horizon`` messages."""
    process = random.choice(["poisson", "constant"])
    arrivals = {"rate": f"{rate:.4f}/s", "process": process}
    if chance(random, 0.3):
        first = random.uniform(0.2, 0.8) * horizon
        stages = [
            {"duration": seconds(first), "rate": f"{rate * 1.5:.4f}/s", "ramp_to": f"{rate / 2:.4f}/s"},
            {"duration": seconds(horizon - first), "rate": f"{rate:.4f}/s"},
        ]
        arrivals = {"stages": stages, "process": process}
    keys = random.choice(
        [1, 4, 1000, {"count": 20, "distribution": "zipf"}, {"count": 9, "distribution": "constant"}]
    )
    return {"arrivals": arrivals, "keys": keys, "backlog": random.choice([0, 0, 0, 25])}


def draw_effects(random, rate):
    """Draw two or three effects, some of them in a chain and some of them a broadcast."""
    effects = {}
    for name in ("db", "index", "mail")[: random.choice([2, 2, 3])]:
        mean = random.uniform(0.1, 1.2) / rate
        effect = {
            "service": random.choice(
                [
                    seconds(mean),
                    "0s",
                    {"mean": seconds(mean), "cv": 1.5},
                    {"mean": seconds(mean), "distribution": "exponential"},
                ]
            )
        }
        if chance(random, 0.4):
            effect["failure"] = round(random.uniform(0.01, 0.3), 3)
        if chance(random, 0.2):
            effect["poison"] = 0.02
        if chance(random, 0.2):
            effect["long"] = {"share": 0.03, "service": span(random, 1, 8)}
        alone = [each for each, body in effects.items() if "copies" not in body]
        if alone and chance(random, 0.3):
            effect["after"] = random.choice(alone)
        if chance(random, 0.15):
            effect["copies"] = random.choice([2, 3])
        effects[name] = effect
    return effects


def draw_architecture(random, kind, effects):
    """Draw the options of one architecture, and sometimes a branch of its own for one effect."""
    tree = {}
    if chance(random, 0.4):
        tree["hop"] = span(random, 0.001, 0.3)
    if kind == "synchronous":
        if chance(random, 0.4):
            tree["producer"] = {"timeout": span(random, 0.1, 5)}
        tree["consumers"] = draw_pool(random)
        return tree
    tree["producer"] = draw_producer(random)
    blocks = draw_blocks(random, kind)
    tree |= blocks
    if kind != "single_broker" and chance(random, 0.3):
        own = draw_blocks(random, kind)
        own.pop("stream", None)
        tree["per_effect"] = {random.choice(list(effects)): own}
    return tree


def draw_pool(random):
    """Draw the size and the speeds of a pool."""
    pool = {"count": random.randint(1, 5)}
    if chance(random, 0.3):
        pool["speeds"] = [1, round(random.uniform(0.4, 2.5), 2)]
    return pool


def draw_producer(random):
    """Draw how the API server publishes."""
    producer = {}
    if chance(random, 0.2):
        producer["outbox"] = {"poll": span(random, 0.2, 3)}
    if chance(random, 0.5):
        producer |= {"retry_for": span(random, 0.2, 6), "retry_delay": span(random, 0.1, 2)}
    if chance(random, 0.3):
        producer["timeout"] = span(random, 0.05, 1)
    if chance(random, 0.2):
        producer["linger"] = span(random, 0.05, 1)
    if chance(random, 0.2):
        producer["write_gap"] = span(random, 0.01, 0.5)
    producer["reply"] = random.choice(["all", "first"])
    return producer


def draw_blocks(random, kind):
    """Draw what stands behind the API server."""
    consumers = {
        **draw_pool(random),
        "idempotent": chance(random, 0.3),
        "retry_delay": span(random, 0.3, 4),
    }
    if kind == "stream":
        consumers |= {
            "batch": random.choice([1, 7, 500]),
            "on_error": random.choice(["retry", "skip", "dead_letter"]),
            "commit_interval": random.choice(["0s", "1s", "5s"]),
            "poll": draw_poll(random),
            "starts": random.choice(["0s", "0s", "0s", "7s", "30s"]),
            "reset": random.choice(["earliest", "latest"]),
        }
        retention = random.choice(["7d", "unlimited", "4s", "20s"])
        return {
            "stream": {
                "partitions": random.choice([1, 3, 6, 13]),
                "partitioner": random.choice(["modulo", "murmur2", "md5"]),
                "retention": retention,
            },
            "consumers": consumers,
        }
    topic = {"retries": random.choice([0, 1, 3]), "retry_delay": span(random, 0.2, 6)}
    if kind == "pubsub":
        consumers["on_error"] = random.choice(["nack", "skip", "retry"])
        return {
            "topic": topic | {"buffer": random.choice(["unlimited", 0, 3, 40])},
            "consumers": consumers,
        }
    consumers |= {
        "batch": random.choice([1, 1, 5]),
        "on_error": random.choice(["wait", "nack", "skip", "dead_letter", "retry"]),
    }
    timeout = random.choice([30, 5, 1, 0.4])
    consumers |= {
        "poll": draw_poll(random),
        "heartbeat": span(random, timeout / 10, 0.99 * timeout) if chance(random, 0.3) else "none",
    }
    queue = {
        "visibility_timeout": seconds(timeout),
        "max_receives": random.choice([1, 2, 3, 10, "unlimited"]),
        "dead_letter": chance(random, 0.7),
        "retention": random.choice(["4d", "unlimited", "3s", "15s"]),
        "capacity": random.choice(["unlimited", "unlimited", 5, 60]),
        "late_delete": chance(random, 0.5),
    }
    if chance(random, 0.3):
        queue["delay"] = span(random, 0.1, 5)
    blocks = {"queue": queue, "consumers": consumers}
    return blocks | {"topic": topic} if kind == "sns_sqs" else blocks


def draw_poll(random):
    """Draw how often an idle worker asks."""
    return span(random, 0.05, 4) if chance(random, 0.25) else "0s"


def draw_fault(random, kind, role, effects, horizon):
    """Draw one fault of a kind and a role: its effect, its time, and what is special about it."""
    narrowed = role != "api" and chance(random, 0.5)
    fault = {"kind": kind, "target": f"{random.choice(list(effects))}.{role}" if narrowed else role}
    if kind == "down":
        if role != "broker":
            fault["in_hand"] = random.choice(["finish", "resume", "lose"])
        if role == "consumers" and chance(random, 0.4):
            fault["count"] = random.choice([1, 2, "50%"])
    elif kind == "slow":
        fault["factor"] = round(random.uniform(0.3, 8), 2)
    elif kind == "delay":
        fault["by"] = span(random, 0.01, 3)
    elif kind == "loss":
        fault["leg"] = random.choice(["request", "reply"])
    whens = ["scheduled", "random"] if kind == "down" else ["scheduled", "random", "by chance"]
    return fault | draw_when(random, random.choice(whens), horizon, is_crash=kind == "crash")


def draw_when(random, when, horizon, *, is_crash):
    """Draw the times of a fault."""
    if when == "by chance":
        times = {"probability": round(random.uniform(0.01, 0.4), 3)}
        if is_crash:
            times = {"probability": round(random.uniform(0.005, 0.05), 3)}
            if chance(random, 0.7):
                times["duration"] = span(random, 0.1, 3)
        if not is_crash and chance(random, 0.3):
            times |= {"at": span(random, 0, horizon / 2), "duration": span(random, 1, horizon / 2)}
        return times
    if when == "random":
        return {
            "mean_up": span(random, horizon / 15, horizon / 2),
            "mean_down": random.choice(["0s", span(random, 0.2, horizon / 8)]) if is_crash else "2s",
        }
    length = random.uniform(0.5, horizon / 4)
    times = {"at": span(random, 0, 0.8 * horizon), "duration": seconds(length)}
    if chance(random, 0.3):
        times["every"] = seconds(length + random.uniform(1, horizon / 4))
    elif chance(random, 0.1):
        times["duration"] = "unlimited"
    return times
