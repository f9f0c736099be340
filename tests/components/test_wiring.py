"""What components say of their wiring: every law here is about the built system, not about a drawing."""

from __future__ import annotations

import pytest

import sim
from sim.scenario.parts import wiring

KINDS = ("synchronous", "single_broker", "dual_brokers", "stream", "pubsub", "sns_sqs")
TEXT = """
horizon: 100s
workload: {{arrivals: {{rate: 10/s}}}}
effects: {effects}
architectures: {{{kind}: {body}}}
faults: {faults}
"""


def built(kind, body="", effects="{db: 40ms, index: 40ms}", faults="{}"):
    """The wiring of one architecture."""
    text = TEXT.format(kind=kind, body=body or "{}", effects=effects, faults=faults)
    return wiring(sim.loads(text), kind)


def edges(wired):
    """All edges as (source, flow, target)."""
    return {(edge.source, edge.flow, edge.target) for edge in wired.edges}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("body", ["{}", "{producer: {outbox: true}}"])
@pytest.mark.parametrize("effects", ["{db: 1s}", "{db: 1s, index: {service: 1s, after: db}, mail: 1s}"])
def test_every_sink_is_reached_from_the_callers(kind, body, effects):
    """Every edge joins two parts that were built, and every part is reached from the callers."""
    wired = built(kind, "{}" if kind == "synchronous" else body, effects)
    reached = {"callers"}
    for _ in wired.nodes:
        reached |= {edge.target for edge in wired.edges if edge.source in reached}
    assert reached == set(wired.nodes)
    assert {edge.source for edge in wired.edges} <= set(wired.nodes)


def test_synchronous_has_no_broker():
    """The request handlers are the API server and do every effect."""
    assert edges(built("synchronous")) == {
        ("callers", "request", "consumers"),
        ("consumers", "apply", "db.sink"),
        ("consumers", "apply", "index.sink"),
    }


def test_two_brokers_are_written_by_one_server():
    """Each effect has a queue and a pool of its own."""
    assert edges(built("dual_brokers")) == {
        ("callers", "request", "api"),
        *(("api", "publish", f"{effect}_queue") for effect in ("db", "index")),
        *((f"{effect}_queue", "pull", f"{effect}_consumers") for effect in ("db", "index")),
        *((f"{effect}_consumers", "apply", f"{effect}.sink") for effect in ("db", "index")),
    }


def test_a_topic_pushes_into_queues_or_into_memories():
    """SNS+SQS and push pub/sub differ in what the topic pushes into, and in nothing else."""
    queues, memories = built("sns_sqs"), built("pubsub")
    for wired, kind in ((queues, "queue"), (memories, "memory")):
        pushed = [edge.target for edge in wired.edges if edge.flow == "push"]
        assert [wired.nodes[name].kind for name in pushed] == [kind, kind]
        assert ("api", "publish", "topic") in edges(wired)


def test_an_outbox_stands_between_server_and_broker():
    """With an outbox only the relay publishes; two brokers have two relays."""
    plain, boxed = built("dual_brokers"), built("dual_brokers", "{producer: {outbox: {poll: 2s}}}")
    assert [node.name for node in boxed.of_kind("outbox")] == ["db_outbox", "index_outbox"]
    assert plain.of_kind("outbox") == []
    assert {("api", "insert", "db_outbox"), ("db_outbox", "publish", "db_queue")} <= edges(boxed)
    assert ("api", "publish", "db_queue") not in edges(boxed)


@pytest.mark.parametrize(
    ("kind", "broker"),
    [("dual_brokers", "queue"), ("sns_sqs", "queue"), ("stream", "stream"), ("pubsub", "topic")],
)
def test_a_following_effect_starts_with_a_report(kind, broker):
    """With after: the first effect's workers report to the other's broker, to which nobody else publishes."""
    wired = built(kind, effects="{db: 1s, index: {service: 1s, after: db}}")
    into = {(edge.source, edge.flow) for edge in wired.edges if edge.target == f"index_{broker}"}
    assert into == {("db_consumers", "report")}
    assert not any(edge.flow == "report" for edge in built(kind).edges)


def test_a_shared_worker_needs_no_report():
    """One pool that does every effect in order starts none by a message."""
    wired = built("single_broker", effects="{db: 1s, index: {service: 1s, after: db}}")
    assert not any(edge.flow == "report" for edge in wired.edges)


def test_options_are_those_that_components_got():
    """Pools per effect and settings of brokers stand at the nodes."""
    wired = built("sns_sqs", "{queue: {visibility_timeout: 7s}, per_effect: {index: {consumers: 9}}}")
    assert wired.nodes["db_consumers"].options.count == 1
    assert wired.nodes["index_consumers"].options.count == 9
    assert wired.nodes["db_queue"].options.visibility_timeout == 7


def test_partitions_are_shared_out_in_ranges():
    """Members of a group own contiguous partitions, the first ones one more."""
    wired = built("stream", "{stream: {partitions: 12}, consumers: 5}")
    shares = next(edge.shares for edge in wired.edges if edge.target == "db_consumers")
    assert shares == (range(3), range(3, 6), range(6, 8), range(8, 10), range(10, 12))


HITS = [
    ("{kind: reject, target: index.sink, at: 1s, duration: 1s}", dict.fromkeys(KINDS, "index.sink")),
    (
        "{kind: reject, target: index.broker, at: 1s, duration: 1s}",
        {
            "single_broker": "queue",
            "dual_brokers": "index_queue",
            "stream": "stream",
            "pubsub": "topic",
            "sns_sqs": "topic",
        },
    ),
    (
        "{kind: down, target: index.broker, at: 1s, duration: 1s}",
        {
            "single_broker": "queue",
            "dual_brokers": "index_queue",
            "stream": "stream",
            "pubsub": "topic",
            "sns_sqs": "index_queue topic",
        },
    ),
    (
        "{kind: down, target: index.consumers, at: 1s, duration: 1s}",
        {
            "synchronous": "index.sink",  # the service that is called
            "single_broker": "consumers",
            **dict.fromkeys(("dual_brokers", "stream", "pubsub", "sns_sqs"), "index_consumers"),
        },
    ),
    (
        "{kind: slow, target: db.consumers, factor: 2, at: 1s, duration: 1s}",
        {
            "synchronous": "consumers",
            "single_broker": "consumers",
            **dict.fromkeys(("dual_brokers", "stream", "pubsub", "sns_sqs"), "db_consumers"),
        },
    ),
    (
        "{kind: down, target: api, at: 1s, duration: 1s}",
        {"synchronous": "consumers", **dict.fromkeys(KINDS[1:], "api")},
    ),
    # it dies between two steps of a request: only where there are two
    ("{kind: crash, target: api, probability: 1%}", {"synchronous": "consumers", "dual_brokers": "api"}),
]


@pytest.mark.parametrize(("fault", "expected"), HITS)
@pytest.mark.parametrize("kind", KINDS)
def test_faults_hit_the_parts_that_ask_for_them(fault, expected, kind):
    """A fault is told of exactly the parts whose behaviour it changes."""
    wired = built(kind, faults=f"{{trouble: {fault}}}")
    hit = sorted(name for name in wired.nodes if wired.hitting(name))
    assert " ".join(hit) == expected.get(kind, "")


def test_an_outbox_outlives_a_crash_between_two_writes():
    """What is one transaction has no middle in which the server could die."""
    fault = "{dies: {kind: crash, target: api, probability: 1%}}"
    assert built("dual_brokers", faults=fault).hitting("api") == ("dies",)
    assert built("dual_brokers", "{producer: {outbox: true}}", faults=fault).hitting("api") == ()


def test_the_network_is_no_part():
    """Losses and delays hit the way to the broker, not the broker."""
    wired = built("dual_brokers", faults="{lossy: {kind: loss, target: index.broker, probability: 1%}}")
    hit = [(edge.source, edge.target) for edge in wired.edges if edge.faults]
    assert hit == [("api", "index_queue")]
    assert not any(wired.hitting(name) for name in wired.nodes)


def test_only_is_respected():
    """A fault of one architecture hits no other."""
    text = TEXT.format(
        kind="stream",
        body="{}\n  pubsub: ",
        effects="{db: 1s}",
        faults="{x: {kind: down, target: api, at: 1s, duration: 1s, only: [stream]}}",
    ).replace("{stream: {}\n  pubsub: }", "{stream: {}, pubsub: {}}")
    scenario = sim.loads(text)
    assert wiring(scenario, "stream").hitting("api") == ("x",)
    assert wiring(scenario, "pubsub").hitting("api") == ()
