"""Closed forms of scenarios: against the golden matrix, against hand arithmetic, against simulation."""

from __future__ import annotations

import json
import math
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import pytest

import sim
from sim.forecast.forecast import Forecast, beside, forecast, unstable
from sim.report.theory import theory_lines
from sim.vocabulary import METRICS

SCENARIOS = Path(__file__).parents[2] / "scenarios"
GOLDEN = SCENARIOS / "golden"
LONG, SHORT = "horizon: 2h\nwarmup: 10m", "horizon: 30m\nwarmup: 3m"
SHORTER = "horizon: 12m\nwarmup: 2m"
MM1 = "{service: {mean: 100ms, distribution: exponential}}"


def base(
    effects: str, architectures: str, *, rate: str = "8/s", more: str = "", times: str = LONG
) -> sim.Scenario:
    """A steady scenario with a warm-up."""
    text = f"{times}\nreplications: 8\nworkload: {{arrivals: {rate}}}\n"
    return sim.loads(f"{text}effects: {effects}\narchitectures: {architectures}\n{more}")


def entry(rows: list[Forecast], architecture: str, quantity: str, scope: str = "") -> Forecast:
    """The one forecast of a quantity."""
    found = [
        row for row in rows if (row.architecture, row.quantity, row.scope) == (architecture, quantity, scope)
    ]
    assert len(found) == 1, f"{len(found)} forecasts of {architecture} {quantity} {scope}"
    return found[0]


@cache
def golden(name: str) -> list[Forecast]:
    """Forecasts of a golden scenario."""
    return forecast(sim.load(GOLDEN / f"{name}.yaml"))


F1, F2, F3, F4 = "f1_consumer_down", "f2_sink_rejects", "f3_broker_refuses", "f4_producer_crash"
MATRIX = [
    (F1, "synchronous", "partial", "", 1200),
    (F1, "single_broker", "partial", "", 0),
    (F1, "dual_brokers", "partial", "", 0),
    (F1, "stream", "partial", "", 0),
    (F1, "pubsub", "partial", "", 600),
    (F1, "pubsub", "dropped", "index", 600),
    (F1, "pubsub", "late", "index", 600),
    (F1, "sns_sqs", "partial", "", 0),
    *((F1, name, "drain_time", "index_down", 80) for name in ("single_broker", "dual_brokers", "stream")),
    *((F1, name, "age_max", "index", 120) for name in ("single_broker", "stream", "sns_sqs")),
    (F1, "single_broker", "age_max", "db", 120),
    (F1, "dual_brokers", "backlog_max", "index_queue", 1200),
    (F2, "synchronous", "partial", "", 1200),
    (F2, "single_broker", "partial", "", 600),
    (F2, "single_broker", "dead_lettered", "index", 600),
    (F2, "single_broker", "dead_lettered", "queue", 600),
    (F2, "single_broker", "late", "index", 600),
    (F2, "single_broker", "duplicate_effects", "db", 2100),
    (F2, "single_broker_once", "partial", "", 1200),
    (F2, "dual_brokers", "partial", "", 600),
    (F2, "stream", "partial", "", 0),
    (F2, "stream", "age_max", "index", 120),
    (F2, "stream_skip", "dropped", "index", 1200),
    (F2, "pubsub", "partial", "", 600),
    (F2, "sns_sqs", "dead_lettered", "index", 600),
    *((F3, name, "rejected", "", 570) for name in ("single_broker", "stream", "pubsub", "sns_sqs")),
    (F3, "dual_brokers", "partial", "", 570),
    (F3, "dual_brokers", "rejected", "", 0),
    (F3, "stream_outbox", "rejected", "", 0),
    (F3, "stream_outbox", "age_max", "index", 61),
    (F4, "synchronous", "partial", "", 10),
    (F4, "dual_brokers", "partial", "", 10),
    (F4, "single_broker", "partial", "", 0),
    (F4, "dual_brokers_outbox", "partial", "", 0),
]


@pytest.mark.parametrize(("study", "architecture", "metric", "scope", "expected"), MATRIX)
def test_golden_matrix(study: str, architecture: str, metric: str, scope: str, expected: float) -> None:
    """The golden outcome matrix follows from closed forms alone."""
    assert entry(golden(study), architecture, metric, scope).value == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("study", [F1, F2, F3])
def test_golden_runs_agree(study: str) -> None:
    """Whatever theory says of a golden scenario, the run measures."""
    scenario = sim.load(GOLDEN / f"{study}.yaml")
    rows = beside(golden(study), sim.run(scenario, jobs=1).summary)
    assert [row for row in rows if row["agrees"] is False] == []
    assert sum(row["agrees"] is True for row in rows) > 30


def test_rows_beside_a_run_are_plain_json() -> None:
    """What goes into the manifest holds no NaN and no type of NumPy, and names what it is of."""
    scenario = sim.load(GOLDEN / "f4_producer_crash.yaml", replications=2)
    rows = beside(golden(F4), sim.run(scenario, jobs=1).summary)
    assert json.loads(json.dumps(rows, allow_nan=False)) == rows
    assert {row["metric"] for row in rows} <= set(METRICS)
    unknown = [row for row in rows if row["expected"] is None]
    assert {row["why"] for row in unknown} == {"a fault is active (dies_between_writes)"}
    assert any(line.startswith("no closed form for latency") for line in theory_lines(rows))


EXACT = {
    "M/M/1, M/M/10, fork-join": base(
        f"{{a: {MM1}, b: {MM1}}}", "{dual_brokers: , pubsub: {hop: 5ms}, stream: {stream: 1}}", times=SHORT
    ),
    "M/M/c": base(
        f"{{a: {MM1}}}",
        "{single_broker: {consumers: 3}, synchronous: {consumers: 4}}",
        rate="24/s",
        times=SHORTER,
    ),
    "M/G/1": base(
        "{a: {service: {mean: 40ms, cv: 0.7}, failure: 5%}, b: {service: {mean: 30ms, cv: 1.5}}}",
        "{single_broker: {consumers: {on_error: skip}, hop: 2ms}, "
        "in_place: {kind: single_broker, consumers: {on_error: retry, retry_delay: 10ms}}}",
        times=SHORT,
    ),
    "M/D/1": base("{a: 100ms}", "{single_broker: }", rate="7/s", times=SHORT),
    "partitions": base(
        f"{{a: {MM1}}}",
        "{even: {kind: stream, stream: 6, consumers: 6}, shared: {kind: stream, stream: 6, consumers: 4}}",
        rate="30/s",
        times=SHORTER,
        more="x-none: 0",
    ),
    "tandem": base(
        f"{{a: {MM1}, b: {{service: {{mean: 125ms, distribution: exponential}}, after: a}}}}",
        "{dual_brokers: , sns_sqs: }",
        rate="6/s",
        times=SHORT,
    ),
    "feedback": base(
        "{a: {service: {mean: 100ms, distribution: exponential}, failure: 20%}}",
        "{single_broker: {queue: {max_receives: 50}, consumers: {on_error: nack, retry_delay: 0s}}}",
        rate="6/s",
        times=SHORT,
    ),
    "loss": base(
        f"{{a: {MM1}}}",
        "{single_broker: {queue: {capacity: 8}, consumers: 2}, "
        "pubsub: {topic: {retries: 0, buffer: 0}, consumers: 3}}",
        rate="25/s",
        times=SHORTER,
    ),
    "breakdowns": base(
        f"{{a: {MM1}}}",
        "{single_broker: }",
        rate="5/s",
        more="faults: {f: {kind: down, target: consumers, mean_up: 10s, mean_down: 1s, in_hand: resume}}",
        times=SHORT,
    ),
}


@pytest.mark.parametrize("name", EXACT)
def test_exact_means_exact(name: str) -> None:
    """A latency that is called exact lies within 3.88 standard errors of the runs and they are precise."""
    scenario = EXACT[name]
    rows = beside(forecast(scenario), sim.run(scenario, jobs=1).summary)
    latencies = [row for row in rows if row["metric"].startswith("latency") and row["kind"] == "exact"]
    assert latencies
    for row in latencies:
        half = (row["ci_high"] - row["ci_low"]) / 2
        error = half / 2.3646  # t(0.975, 7)
        assert abs(row["simulated"] - row["expected"]) <= 5.4079 * error, row  # t(0.9995, 7)
        assert half <= 0.12 * row["expected"]
    assert [row for row in rows if row["agrees"] is False and row["metric"] != "latency_p99"] == []


@pytest.mark.parametrize(
    ("effects", "architectures", "more", "why"),
    [
        (
            "{a: 40ms}",
            "{stream: }",
            "faults: {f: {kind: slow, target: sink, factor: 2, at: 1m, duration: 9s}}",
            "a fault is active (f)",
        ),
        (
            "{a: {service: {mean: 20s, cv: 1}}}",
            "{single_broker: {consumers: 300}}",
            "",
            "the visibility timeout may end in mid-work",
        ),
        (
            "{a: 40ms}",
            "{single_broker: {producer: {outbox: true}}}",
            "",
            "the outbox publishes in batches, at every poll",
        ),
        (
            "{a: 40ms}",
            "{single_broker: {consumers: {count: 2, batch: 10}}}",
            "",
            "workers take batches of 10",
        ),
        ("{a: 200ms}", "{single_broker: }", "", "more arrives than can be done: no steady state"),
        ("{a: {service: 40ms, poison: 1%}}", "{stream: }", "", "a poison message comes back for ever"),
    ],
)
def test_why_there_is_no_closed_form(effects: str, architectures: str, more: str, why: str) -> None:
    """Where an assumption fails, the reason stands instead of a number."""
    scenario = base(effects, architectures, more=more)
    row = entry(forecast(scenario), next(iter(scenario.architectures)), "latency_mean", "a")
    assert math.isnan(row.value)
    assert row.why == why


def test_changing_arrivals_have_no_steady_state() -> None:
    """Stages with several rates are told as the reason; stages at one rate are a rate."""
    stages = "{{stages: [{{duration: 1h, rate: 8/s}}, {{duration: 1h, rate: {}/s}}]}}"
    changing, level = (
        forecast(base(f"{{a: {MM1}}}", "{single_broker: }", rate=stages.format(rate))) for rate in (5, 8)
    )
    assert entry(changing, "single_broker", "latency_mean", "a").why.endswith("(stages)")
    assert entry(changing, "single_broker", "peak_rate", "consumers").value == 8
    assert entry(changing, "single_broker", "arrival_rate", "consumers").value == pytest.approx(6.3636, 1e-4)
    assert entry(level, "single_broker", "latency_mean", "a").value == pytest.approx(0.5)


def test_hot_partition() -> None:
    """V14: Zipf keys leave one partition with a fifth of the load, which bounds the whole group."""
    scenario = base(
        "{a: {service: {mean: 66.6666667ms, distribution: exponential}}}",
        "{stream: {stream: 10, consumers: 10}}",
        rate="100/s",
        more="",
    )
    keys = scenario.workload.keys.model_copy(update={"count": 1000, "distribution": "zipf"})
    workload = scenario.workload.model_copy(update={"keys": keys})
    scenario = scenario.model_copy(update={"workload": workload})
    rows = forecast(scenario)
    value = lambda quantity: entry(rows, "stream", quantity, "a_consumers").value  # noqa: E731
    assert value("hot_partition_share") == pytest.approx(0.2007211248)
    assert value("max_stable_rate") == pytest.approx(74.73054975)
    assert value("nominal_capacity") == pytest.approx(150)
    assert value("lag_growth") == pytest.approx(5.0721124763, rel=1e-6)
    (found,) = unstable(scenario)
    assert (found.pool, found.limit) == ("a_consumers", "retention")
    assert found.time_to_limit == pytest.approx(7 * 86400 / (1 - 15 / 20.07211248))
    assert "can never keep up" in found.sentence


def test_uneven_assignment_and_idle_consumers() -> None:
    """V13: 10 partitions over 4 consumers carry 33.3/s, not 40; consumers beyond the partitions are idle."""
    scenario = base(
        f"{{a: {MM1}}}",
        "{four: {kind: stream, stream: 10, consumers: 4}, ten: {kind: stream, stream: 6, consumers: 10}}",
    )
    rows = forecast(scenario)
    assert entry(rows, "four", "max_stable_rate", "a_consumers").value == pytest.approx(33.3333, 1e-3)
    assert entry(rows, "ten", "idle_consumers", "a_consumers").value == 4
    assert entry(rows, "ten", "nominal_capacity", "a_consumers").value == pytest.approx(60)


def test_overload_is_unstable_only_where_nothing_refuses() -> None:
    """Too much load grows a queue and a stream without end; bounded rooms turn it away instead."""
    scenario = base(
        "{a: 100ms}",
        "{single_broker: , pubsub: {topic: {buffer: 10}}, sns_sqs: {queue: {capacity: 9}}, "
        "synchronous: , stream: {stream: {partitions: 1, retention: 1h}}}",
        rate="15/s",
    )
    found = {each.architecture: each for each in unstable(scenario)}
    assert set(found) == {"single_broker", "synchronous", "stream"}
    assert found["synchronous"].limit == "none"
    assert found["stream"].growth == pytest.approx(5)
    assert found["stream"].time_to_limit == pytest.approx(3600 / (1 - 10 / 15))
    rows = forecast(scenario)
    assert entry(rows, "single_broker", "is_stable", "consumers").value == 0
    assert entry(rows, "pubsub", "is_stable", "a_consumers").value == 1


def test_poison_blocks_a_stream_for_ever() -> None:
    """A poison message that its worker retries in place leaves no capacity, and that is said."""
    (found,) = unstable(base("{a: {service: 40ms, poison: 1%}}", "{stream: }"))
    assert found.capacity == 0
    assert "poison message" in found.sentence


def test_recovery_and_autoscaling() -> None:
    """V16 and V29: 16 consumers clear 48,000 messages in 600 s; AWS' example of backlog per instance."""
    scenario = base(
        "{a: 100ms}",
        "{single_broker: {consumers: 10}}",
        rate="80/s",
        more="faults: {out: {kind: down, target: consumers, at: 30m, duration: 600s}}",
    )
    rows = forecast(scenario)
    assert entry(rows, "single_broker", "backlog_at_restore", "out").value == pytest.approx(48_000)
    assert entry(rows, "single_broker", "drain_time", "out").value == pytest.approx(2400)
    assert entry(rows, "single_broker", "consumers_for_recovery", "consumers").value == 16
    rows = forecast(scenario, recovery_time=1200, acceptable_latency=10)
    assert entry(rows, "single_broker", "consumers_for_recovery", "consumers").value == 12
    acceptable = [row.value for row in rows if row.quantity == "acceptable_backlog_per_consumer"]
    assert acceptable[0] == pytest.approx(100)
    assert entry(rows, "single_broker", "current_backlog_per_consumer", "consumers").value == 4800
    assert entry(rows, "single_broker", "desired_consumers", "consumers").value == 480


def test_drain_example_needs_an_even_number_of_partitions_each() -> None:
    """48 partitions over 11 consumers leave one with 5: eleven by the rule of thumb are twelve in truth."""
    scenario = base(
        "{index: {service: {histogram: {25ms: 38%, 50ms: 71%, 100ms: 93%, 250ms: 99%, 1s: 100%}}}}",
        "{kafka: {kind: stream, stream: {partitions: 48}, consumers: 12}}",
        rate="144/s",
        more="faults: {outage: {kind: down, target: index.consumers, at: 40m, duration: 12m}}",
    )
    rows = forecast(scenario, recovery_time=1800)
    assert entry(rows, "kafka", "consumers_for_recovery", "index_consumers").value == 11
    assert entry(rows, "kafka", "consumers_for_recovery_as_assigned", "index_consumers").value == 12


def test_expectations_give_the_recovery_time() -> None:
    """Where the scenario expects a drain time, that bound is the recovery time."""
    scenario = base(
        "{a: 100ms}",
        "{single_broker: {consumers: 10}}",
        rate="80/s",
        more="faults: {out: {kind: down, target: consumers, at: 30m, duration: 600s}}",
    )
    left = SimpleNamespace(metric="drain_time", scope="out", architecture="all")
    object.__setattr__(scenario, "expect", (SimpleNamespace(left=left, op="<", bound=1200.0),))
    assert entry(forecast(scenario), "single_broker", "consumers_for_recovery", "consumers").value == 12


def test_failing_attempts_end_in_the_dead_letter_queue() -> None:
    """V15: with p 0.2 and three receives 0.8 % of the messages are dead-lettered, 1.24 deliveries each."""
    scenario = base(
        "{a: {service: 10ms, failure: 20%}}",
        "{single_broker: {consumers: 4, queue: {visibility_timeout: 1s}}, "
        "stream: {consumers: {on_error: skip}}}",
    )
    rows = forecast(scenario)
    assert entry(rows, "single_broker", "mean_deliveries", "consumers").value == pytest.approx(1.24)
    assert entry(rows, "single_broker", "dead_letter_share", "consumers").value == pytest.approx(0.008)
    assert entry(rows, "single_broker", "dead_lettered", "").value == pytest.approx(0.008 * 8 * 6600)
    assert entry(rows, "stream", "dropped", "").value == pytest.approx(0.2 * 8 * 6600)
    compared = beside(rows, sim.run(scenario, replications=4, jobs=1).summary)
    assert [row for row in compared if row["agrees"] is False] == []


def test_partial_outage_floods_only_beyond_what_is_left() -> None:
    """While 3 of 4 workers are away, what the fourth cannot do piles up; a slow sink likewise."""
    scenario = base(
        "{a: 100ms}",
        "{single_broker: {consumers: 4}}",
        rate="30/s",
        more="faults: {some: {kind: down, target: consumers, count: 3, at: 30m, duration: 60s},\n"
        "  slow: {kind: slow, target: sink, factor: 2, at: 60m, duration: 60s}}",
    )
    rows = forecast(scenario)
    assert entry(rows, "single_broker", "backlog_at_restore", "some").value == pytest.approx(1200)
    assert entry(rows, "single_broker", "drain_time", "some").value == pytest.approx(120)
    assert entry(rows, "single_broker", "backlog_at_restore", "slow").value == pytest.approx(600)
    assert entry(rows, "single_broker", "drain_time", "slow").value == pytest.approx(60)


def test_drain_ends_with_the_arrivals() -> None:
    """A backlog that is left at the horizon is drained by all of the capacity."""
    scenario = base(
        "{a: 100ms}",
        "{single_broker: }",
        rate="9/s",
        more="faults: {out: {kind: down, target: consumers, at: 119m, duration: 30s}}",
    )
    drain = entry(forecast(scenario), "single_broker", "drain_time", "out").value
    assert drain == pytest.approx((270 + 30 * 9) / 10)


def test_retention_removes_what_waits_too_long() -> None:
    """An outage longer than retention costs lambda (D - R)."""
    scenario = base(
        "{a: 100ms}",
        "{single_broker: {queue: {retention: 5m}}}",
        rate="5/s",
        more="faults: {out: {kind: down, target: consumers, at: 30m, duration: 8m}}",
    )
    assert entry(forecast(scenario), "single_broker", "expired", "a").value == pytest.approx(5 * 180)


def test_hopeless_precision_is_foreseen() -> None:
    """Near saturation the run length formula tells how rough the mean wait will be."""
    scenario = base(f"{{a: {MM1}}}", "{single_broker: }", rate="9.5/s")
    row = entry(forecast(scenario), "single_broker", "precision_of_wait", "consumers")
    assert row.value == pytest.approx(0.05 * math.sqrt(2586327 / (8 * 9.5 * 6600)), rel=1e-3)


def test_lines_for_the_terminal() -> None:
    """A latency stands in one line beside its textbook value; a value that differs comes first."""
    row = {
        "architecture": "single_broker",
        "metric": "latency_mean",
        "scope": "index",
        "expected": 0.5,
        "model": "M/M/10",
        "formula": "",
        "kind": "exact",
        "why": "",
        "simulated": 0.502,
        "ci_low": 0.49,
        "ci_high": 0.51,
        "agrees": True,
    }
    wrong = row | {"scope": "db", "simulated": 0.7, "agrees": False}
    interval, says = "[490 ms, 510 ms]", "M/M/10 says 500 ms"
    assert theory_lines([row, wrong]) == [
        f"closed form: single_broker db latency_mean 700 ms {interval}, {says}: they differ (exact)",
        f"closed form: single_broker index latency_mean 502 ms {interval}, {says}",
        "closed form: 1 of 2 values that theory knows agree with the run",
    ]
    assert theory_lines([]) == []
