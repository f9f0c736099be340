"""The language of ``expect:``: what each form means, and where each mistake is told."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import sim
from sim.scenario.expect import OPERATORS
from sim.scenario.load import from_dict
from sim.vocabulary import METRICS, Expectation, Subject

TEXT = """\
horizon: 1h
replications: 2
workload: {arrivals: 10/s}
effects: {db: 40ms, index: 40ms}
architectures:
  kafka: {kind: stream}
  sns_sqs:
  synchronous:
faults:
  early: {kind: down, target: index.consumers, at: 10m, duration: 30m}
  late: {kind: reject, target: sink, at: 20m, duration: 1m}
  random: {kind: down, target: consumers, mean_up: 1h, mean_down: 5s}
expect:
"""


def read(*items: str) -> tuple[Expectation, ...]:
    """The expectations of a scenario with these items, each written between quotes."""
    quoted = "".join(f"  - '{item}'\n" for item in items)
    return sim.loads(TEXT + quoted).expect


def one(item: str) -> Expectation:
    """The only expectation."""
    (found,) = read(item)
    assert found.text == item
    return found


def refused(line: str) -> tuple[int, int, str]:
    """Line, column and message with which a line of the list is refused."""
    with pytest.raises(sim.ScenarioError) as caught:
        sim.loads(TEXT + line + "\n")
    (problem,) = caught.value.problems
    return problem.line, problem.column, problem.message


@pytest.mark.parametrize(
    ("text", "subject"),
    [
        ("partial", Subject("all", "", "partial")),
        ("all.partial", Subject("all", "", "partial")),
        ("kafka.partial", Subject("kafka", "", "partial")),
        ("index.applied", Subject("all", "index", "applied")),
        ("all.index.applied", Subject("all", "index", "applied")),
        ("kafka.index.applied", Subject("kafka", "index", "applied")),
        ("kafka.index_stream.backlog_max", Subject("kafka", "index_stream", "backlog_max")),
        ("index_queue.expired", Subject("all", "index_queue", "expired")),
        ("sns_sqs.db_queue.dead_lettered", Subject("sns_sqs", "db_queue", "dead_lettered")),
    ],
)
def test_a_subject_is_architecture_part_and_metric(text: str, subject: Subject) -> None:
    """Both the architecture and the part may be left out; without the former all are meant."""
    assert one(f"{text} == 0").left == subject


@pytest.mark.parametrize("op", OPERATORS)
@pytest.mark.parametrize("space", ["", " ", "   "])
def test_every_operator_is_taken_with_and_without_spaces(op: str, space: str) -> None:
    """== != < <= > >= ~, none mistaken for its first character."""
    found = one(f"kafka.partial{space}{op}{space}600")
    assert (found.op, found.bound, found.right, found.is_share) == (op, 600.0, None, False)


@pytest.mark.parametrize(
    ("text", "bound", "is_share"),
    [
        ("partial < 600", 600.0, False),
        ("partial < 50k", 50_000.0, False),
        ("partial < 0.5", 0.5, False),
        ("partial < 1e3", 1000.0, False),
        ("partial < 0.1%", 0.001, True),
        ("partial < 2 %", 0.02, True),
        ("partial < 50k * 0.5", 25_000.0, False),
        ("partial < 10% * 0.5", 0.05, True),
        ("index.duplicate_effects < 1%", 0.01, True),
        ("latency_p99 < 250ms", 0.25, False),
        ("latency_p99 < 1h30m", 5400.0, False),
        ("latency_p99 < 2 minutes", 120.0, False),
        ("latency_p99 < 2s * 1.5", 3.0, False),
        ("latency_p99 >= 0", 0.0, False),
        ("throughput > 200/s", 200.0, False),
        ("throughput > 12k/min", 200.0, False),
        ("kafka.index_consumers.utilization < 80%", 0.8, False),
        ("kafka.index_consumers.utilization < 0.8", 0.8, False),
        ("kafka.index_stream.lag_max < 5k", 5000.0, False),
    ],
)
def test_values_have_the_units_of_their_metrics(text: str, bound: float, is_share: bool) -> None:
    """Seconds, messages, 1/s or a share; a percentage of a count is a share of what was offered."""
    found = one(text)
    assert found.bound == pytest.approx(bound)
    assert found.is_share == is_share


@pytest.mark.parametrize(
    ("text", "tolerance", "is_share"),
    [
        ("partial ~ 600", 0.05, True),
        ("partial ~ 600 ± 2%", 0.02, True),
        ("partial ~ 600 ±2%", 0.02, True),
        ("partial ~ 600 +- 2%", 0.02, True),
        ("partial ~ 600 +/- 2%", 0.02, True),
        ("partial ~ 600 +-3", 3.0, False),
        ("latency_mean ~ 500ms ± 20ms", 0.02, False),
        ("throughput ~ 10/s +- 1/s", 1.0, False),
        ("kafka.latency_mean ~ sns_sqs.latency_mean * 2 ± 10%", 0.1, True),
    ],
)
def test_about_takes_a_tolerance(text: str, tolerance: float, is_share: bool) -> None:
    """Behind ± or +-, a share of the bound or a number in the metric's unit; 5 % unless told."""
    found = one(text)
    assert found.op == "~"
    assert found.tolerance == pytest.approx(tolerance)
    assert found.tolerance_is_share == is_share


@pytest.mark.parametrize(("text", "factor"), [("", 1.0), (" * 0.5", 0.5), ("*2", 2.0), (" * .5", 0.5)])
def test_the_other_side_can_be_a_metric_with_a_factor(text: str, factor: float) -> None:
    """Of another architecture, or another metric with the same unit."""
    found = one(f"kafka.index.latency_p99 < sns_sqs.db.latency_p50{text}")
    assert found.right == Subject("sns_sqs", "db", "latency_p50")
    assert found.factor == factor
    assert found.bound is None


def test_drain_time_without_a_name_is_of_the_last_scheduled_fault() -> None:
    """The one that starts last, although another ends later; random ones are not scheduled."""
    assert one("all.drain_time < 5m").left.scope == "late"
    assert one("kafka.early.drain_time < 5m").left.scope == "early"
    assert one("kafka.drain_time < sns_sqs.early.drain_time").left.scope == "late"


def test_text_order_and_number_are_kept() -> None:
    """As many expectations as items, in their order; without any there is none."""
    items = ("all.partial == 0", "kafka.rejected < 1%", "all.partial == 0")
    assert tuple(each.text for each in read(*items)) == items
    assert sim.loads(TEXT.replace("expect:\n", "")).expect == ()


LINE = TEXT.count("\n") + 1


@pytest.mark.parametrize(
    ("line", "column", "words"),
    [
        ("  - all.partal == 0", 9, "did you mean 'partial'?"),
        ("  - 'all.partal == 0'", 10, "did you mean 'partial'?"),
        ('  - "all.partal == 0"', 10, "did you mean 'partial'?"),
        ("  -    kafka.indx.latency_p99 < 2s", 14, "did you mean 'index'?"),
        ("  - kafk.partial == 0", 5, "did you mean 'kafka'?"),
        ("  - kafk.index.applied == 0", 5, "did you mean 'kafka'?"),
        ("  - kafka.db.index.applied == 0", 5, "too many parts"),
        ("  - kafka.kafk.backlog_max < 4", 11, "it has db_stream, index_stream"),
        ("  - kafka.a.partial < 4", 11, "partial of kafka has no 'a'"),
        ("  - kafka.utilization < 80%", 11, "write kafka.db_consumers.utilization"),
        ("  - sns_sqs.lag_max < 5", 13, "it is told of a consumer group"),
        ("  - kafka.rndom.drain_time < 5m", 11, "it has early, late"),
        ("  - kafka.partial < sns_sqs.indx.partial * 2", 29, "has no 'indx'"),
        ("  - kafka.late < sns_sqs.dbb.late * 0.5", 26, "did you mean 'db'?"),
        ("  - kafka.latency_p99 < 2", 25, "write 2s, 2ms or 2m"),
        ("  - kafka.latency_p99 < 2 * 3", 25, "write 2s, 2ms or 2m"),
        ("  - kafka.latency_p99 < 2%", 25, "is not a duration"),
        ("  - kafka.throughput < 2", 24, "a rate needs a unit"),
        ("  - kafka.partial < 2s", 21, "is not a count"),
        ("  - kafka.partial < -2", 21, "is not a count"),
        ("  - kafka.partial < 200%", 21, "is not a share"),
        ("  - kafka.partial < 1e999", 21, "no number can be that large"),
        ("  - kafka.throughput < 1e999/s", 24, "no number can be that large"),
        ("  - kafka.partial < 2 * 1e999", 25, "a factor is a plain number"),
        ("  - kafka.partial < 2 * x", 25, "a factor is a plain number"),
        ("  - kafka.partial < 2 * 3 * 4", 25, "a factor is a plain number"),
        ("  - kafka.partial <", 20, "nothing to compare with"),
        ("  - '< 3'", 5, "nothing stands before the comparison"),
        ("  - kafka.partial", 5, "no comparison in 'kafka.partial'"),
        ("  - kafka.partial = 0", 19, "write =="),
        ("  - kafka.partial => 0", 19, "write >="),
        ("  - kafka.partial ≤ 0", 19, "write <="),
        ("  - kafka.partial < 5 ± 1", 23, "a tolerance goes with ~"),
        ("  - kafka.partial ~ 5 ±", 24, "a tolerance needs a value"),
        ("  - kafka.partial ~ 5 ± x", 25, "is not a count"),
        ("  - kafka.latency_p99 ~ 5s ± 1", 30, "a duration needs a unit"),
        ("  - kafka.partial < sns_sqs.latency_p99", 21, "they cannot be compared"),
        ("  - kafka.partial < partial", 21, "needs the name of one architecture: kafka.partial"),
        ("  - kafka.index_stream.backlog_max < 5%", 38, "is no count of messages"),
        ("  - 7", 5, "an expectation is text, not 7"),
        ("  - [kafka.partial == 0]", 5, "an expectation is text, not a list"),
        ("  - true", 5, "an expectation is text"),
    ],
)
def test_a_mistake_is_told_at_its_place(line: str, column: int, words: str) -> None:
    """file:line:column of the very word, quotes or not, and what would be right."""
    at, place, message = refused(line)
    assert words in message
    assert (at, place) == (LINE, column)


def test_mistakes_in_folded_text_are_told_where_the_text_begins() -> None:
    """Columns within a block of text mean nothing: the place is that of the item."""
    assert refused("  - >-\n    all.partal\n    == 0")[:2] == (LINE, 5)


def test_several_mistakes_are_told_at_once() -> None:
    """One pass, every problem."""
    with pytest.raises(sim.ScenarioError) as caught:
        sim.loads(TEXT + "  - all.partal == 0\n  - all.rejected = 0\n")
    assert [problem.line for problem in caught.value.problems] == [LINE, LINE + 1]


def told(item: str) -> list[sim.Problem]:
    """The problems of a text in the list; anything but a ScenarioError is raised."""
    try:
        scenario = from_dict(
            {
                "horizon": "10s",
                "workload": {"arrivals": "1/s"},
                "effects": {"db": "40ms"},
                "architectures": {"stream": {}},
                "expect": [item],
            }
        )
    except sim.ScenarioError as error:
        return error.problems
    assert scenario.expect[0].text == item
    return []


PIECES = st.sampled_from(
    [
        *OPERATORS,
        *METRICS,
        "all",
        "stream",
        "db",
        ".",
        "*",
        "±",
        "+-",
        "0",
        "5%",
        "2s",
        "1e999",
        " ",
        "-",
        "'",
    ]
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(max_size=40) | st.lists(PIECES, max_size=9).map("".join))
@example("stream.partial == 0 * 0")
@example("all.partial ~ ± ±")
@example("all.partial < \u0661")
@example("all.partial < 0 * 1_0")
@example("partial" * 9000)
def test_any_text_ends_in_words(text: str) -> None:
    """Whatever stands in ``expect:`` is taken or refused with a place and a sentence."""
    assert all(each.line >= 1 and each.column >= 1 and each.message for each in told(text))


@given(
    st.sampled_from(sorted(METRICS)),
    st.sampled_from(OPERATORS),
    st.floats(0, 1e12, allow_subnormal=False),
    st.sampled_from(["", " "]),
)
def test_what_is_written_is_what_is_read(metric: str, op: str, number: float, space: str) -> None:
    """Any number with the metric's unit comes back as it was written."""
    from sim.scenario.expect import _parse

    unit = {"s": "s", "1/s": "/s", "messages": "", "pairs": "", "lookups": "", "1": "%"}[METRICS[metric].unit]
    shown = min(number, 100.0) if unit == "%" else number
    found = _parse(f"a.part.{metric}{space}{op}{space}{shown:f}{unit}", ["a"])
    assert (found.left, found.op) == (Subject("a", "part", metric), op)
    assert found.bound == pytest.approx(float(f"{shown:f}") / (100 if unit == "%" else 1))
