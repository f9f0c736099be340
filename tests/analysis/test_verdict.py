"""Laws of judging: what the replications must say before a promise counts as kept, broken or open."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from sim.analysis.verdict import Evidence, judge, worst
from sim.vocabulary import Expectation, Subject

SURE = Evidence(replications=20)
RANDOM = Evidence(replications=20, random_parts=("arrivals are random",))
INEQUALITIES = ("<", "<=", ">", ">=")


def expected(
    op: str,
    bound: float | None,
    left: tuple[str, str, str] = ("a", "", "latency_mean"),
    right: tuple[str, str, str] | None = None,
    **options: float | bool,
) -> Expectation:
    """A promise; subjects are (architecture, scope, metric)."""
    other = None if right is None else Subject(*right)
    return Expectation("text", Subject(*left), op, bound, right=other, **options)  # type: ignore[arg-type]


def verdict_of(
    op: str, bound: float, values: list[float], evidence: Evidence = SURE, metric: str = "latency_mean"
) -> tuple[str, str]:
    """The verdict on one metric of one architecture, and why."""
    found = judge(
        expected(op, bound, ("a", "", metric)), {("a", metric, ""): np.array(values)}, {"a": evidence}
    )
    assert len(found["architectures"]) == 1
    assert found["architectures"][0]["verdict"] == found["verdict"]
    return found["verdict"], found["architectures"][0]["why"]


def student(values: list[float]) -> tuple[float, float]:
    """The 95 % interval of the mean, by scipy."""
    found = stats.t.interval(0.95, len(values) - 1, loc=np.mean(values), scale=stats.sem(values))
    return float(found[0]), float(found[1])


SAMPLE = [4.0, 5.0, 7.0, 8.0]  # mean 6


@pytest.mark.parametrize("op", INEQUALITIES)
def test_an_inequality_is_judged_by_the_whole_interval(op: str) -> None:
    """Just outside the interval the answer is PASS or FAIL, just inside it straddles; scipy is the oracle."""
    low, high = student(SAMPLE)
    above, below = ("PASS", "FAIL") if op in ("<", "<=") else ("FAIL", "PASS")
    assert verdict_of(op, high + 1e-6, SAMPLE)[0] == above
    assert verdict_of(op, low - 1e-6, SAMPLE)[0] == below
    for bound in (high - 1e-6, 6.0, low + 1e-6):
        assert verdict_of(op, bound, SAMPLE) == ("INCONCLUSIVE", "the interval straddles the bound")


@pytest.mark.parametrize(
    ("op", "equal", "greater", "less"),
    [
        ("<", "FAIL", "FAIL", "PASS"),
        ("<=", "PASS", "FAIL", "PASS"),
        (">", "FAIL", "PASS", "FAIL"),
        (">=", "PASS", "PASS", "FAIL"),
        ("==", "PASS", "FAIL", "FAIL"),
        ("!=", "FAIL", "PASS", "PASS"),
        ("~", "PASS", "FAIL", "FAIL"),
    ],
)
def test_where_nothing_varies_a_comparison_means_what_it_says(
    op: str, equal: str, greater: str, less: str
) -> None:
    """With the same value in every replication the interval is a point: plain arithmetic."""
    assert verdict_of(op, 6.0, [6.0] * 5)[0] == equal
    assert verdict_of(op, 6.0, [7.0] * 5)[0] == greater
    assert verdict_of(op, 6.0, [5.0] * 5)[0] == less


def test_equality_must_hold_in_every_replication() -> None:
    """One replication of twenty that differs breaks ==; != is broken by one that does not differ."""
    assert verdict_of("==", 0, [0.0] * 19 + [1.0], metric="partial") == (
        "FAIL",
        "broken in 1 of 20 replications",
    )
    assert verdict_of("!=", 0, [3.0] * 19 + [0.0], metric="partial")[0] == "FAIL"
    assert verdict_of("!=", 0, [3.0, 4.0, 1.0], metric="partial")[0] == "PASS"


def test_rounding_is_no_difference() -> None:
    """0.1 + 0.2 is 0.3 for every comparison, and < never holds where >= holds too."""
    values = [0.1 + 0.2] * 3
    kept = {op: verdict_of(op, 0.3, values)[0] for op in ("==", "<=", ">=", "!=", "<", ">")}
    assert kept == {"==": "PASS", "<=": "PASS", ">=": "PASS", "!=": "FAIL", "<": "FAIL", ">": "FAIL"}
    lower = [0.3 - 1e-16] * 3
    assert verdict_of("<", 0.3, lower)[0] == "FAIL"
    assert verdict_of(">=", 0.3, lower)[0] == "PASS"


def test_about_means_five_per_cent_of_the_bound() -> None:
    """``~`` holds if the interval lies within ± 5 %, fails outside of it, and is open across its edge."""
    around = [99.0, 100.0, 101.0, 100.0]
    low, high = student(around)
    assert low > 95
    assert verdict_of("~", 100, around)[0] == "PASS"
    assert verdict_of("~", high / 0.95 - 1e-6, around)[0] == "INCONCLUSIVE"
    assert verdict_of("~", high / 0.95 + 1e-6, around)[0] == "FAIL"
    assert verdict_of("~", low / 1.05 - 1e-6, around)[0] == "FAIL"
    assert verdict_of("~", 105, around) == ("INCONCLUSIVE", "the interval straddles the tolerance")


@pytest.mark.parametrize(("tolerance", "answer"), [(3.0, "PASS"), (0.5, "INCONCLUSIVE")])
def test_a_tolerance_can_be_a_number(tolerance: float, answer: str) -> None:
    """± 3 counts in the unit of the metric, not in shares."""
    promise = expected("~", 600, ("a", "", "partial"), tolerance=tolerance, tolerance_is_share=False)
    values = {("a", "partial", ""): np.array([599.0, 601.0, 600.0, 600.0])}
    assert judge(promise, values, {"a": SURE})["verdict"] == answer


def test_a_share_is_of_what_was_offered_in_the_same_replication() -> None:
    """1 % of 1,000 is 10 and of 3,000 is 30: at the bound whatever the arrivals; the share is told."""
    values = {
        ("a", "rejected", ""): np.array([10.0, 30.0, 20.0]),
        ("a", "offered", ""): np.array([1000.0, 3000.0, 2000.0]),
    }
    answers = {
        op: judge(expected(op, 0.01, ("a", "", "rejected"), is_share=True), values, {"a": SURE})
        for op in ("==", "<=", "<")
    }
    assert {op: found["verdict"] for op, found in answers.items()} == {
        "==": "PASS",
        "<=": "PASS",
        "<": "FAIL",
    }
    told = answers["<="]["architectures"][0]
    assert told["share"] == pytest.approx(0.01)
    assert told["bound"] == pytest.approx(20)


def test_a_share_of_pairs_is_of_the_pairs_offered() -> None:
    """An effect's own offered counts; a component, which has none, takes that of the messages."""
    values = {
        ("a", "offered", ""): np.array([1000.0, 1000.0]),
        ("a", "offered", "db"): np.array([500.0, 500.0]),
        ("a", "lost", "db"): np.array([5.0, 5.0]),
        ("a", "lost", "queue"): np.array([10.0, 10.0]),
    }
    for scope in ("db", "queue"):
        promise = expected("==", 0.01, ("a", scope, "lost"), is_share=True)
        assert judge(promise, values, {"a": SURE})["verdict"] == "PASS", scope


def test_two_metrics_are_compared_by_replication() -> None:
    """Values that vary a hundred times as much as they differ are told apart, because both vary together."""
    common = np.array([10.0, 200.0, 90.0, 400.0, 35.0])
    more = np.array([1.0, 1.1, 0.9, 1.0, 1.0])
    values = {("a", "latency_mean", ""): common, ("b", "latency_mean", ""): common + more}
    both = {"a": RANDOM, "b": RANDOM}
    other = ("b", "", "latency_mean")
    assert judge(expected("<", None, right=other), values, both)["verdict"] == "PASS"
    assert judge(expected(">=", None, right=other), values, both)["verdict"] == "FAIL"
    assert judge(expected("<", None, right=other, factor=0.99), values, both)["verdict"] == "INCONCLUSIVE"
    shuffled = values | {("b", "latency_mean", ""): values["b", "latency_mean", ""][::-1]}
    assert judge(expected("<", None, right=other), shuffled, both)["verdict"] == "INCONCLUSIVE"


def test_a_factor_multiplies_the_other_metric() -> None:
    """A == b * 0.5 in every replication."""
    values = {("a", "partial", ""): np.array([1.0, 2.0]), ("b", "partial", ""): np.array([2.0, 4.0])}
    promise = expected("==", None, ("a", "", "partial"), ("b", "", "partial"), factor=0.5)
    assert judge(promise, values, {"a": SURE, "b": SURE})["verdict"] == "PASS"


def test_all_judges_every_architecture_that_has_the_metric() -> None:
    """One that breaks it breaks it for all; one that lacks the part is not asked."""
    values = {
        ("a", "backlog_max", "queue"): np.array([1.0, 1.0]),
        ("b", "backlog_max", "queue"): np.array([9.0, 9.0]),
    }
    evidence = dict.fromkeys("abc", SURE)
    for bound, answer in ((10, "PASS"), (5, "FAIL")):
        found = judge(expected("<", bound, ("all", "queue", "backlog_max")), values, evidence)
        assert [each["name"] for each in found["architectures"]] == ["a", "b"]
        assert found["verdict"] == answer


def test_the_worst_verdict_counts() -> None:
    """FAIL before INCONCLUSIVE before PASS; nothing judged is not a promise kept."""
    assert worst(["PASS", "INCONCLUSIVE", "FAIL"]) == "FAIL"
    assert worst(["PASS", "INCONCLUSIVE"]) == "INCONCLUSIVE"
    assert worst(["PASS", "PASS"]) == "PASS"
    assert worst([]) == "INCONCLUSIVE"


@pytest.mark.parametrize("op", [*INEQUALITIES, "==", "~"])
def test_a_replication_without_a_value_is_no_evidence(op: str) -> None:
    """NaN in one of three replications leaves the answer open; in all of them too."""
    assert verdict_of(op, 6.0, [6.0, math.nan, 6.0])[1] == "no value in 1 of 3 replications"
    assert verdict_of(op, 6.0, [math.nan] * 3) == ("INCONCLUSIVE", "there is no value to judge")
    assert verdict_of("==", 6.0, [7.0, math.nan, 6.0])[0] == "FAIL"  # seen broken, whatever is missing


REASONS = [
    (Evidence(20, unfired=("outage",)), "fault outage never fired"),
    (Evidence(20, unfired=("outage", "deploy")), "faults outage and deploy never fired"),
    (Evidence(20, censored=3), "3 of 20 replications were cut off"),
    (Evidence(20, unsettled="no steady state was seen"), "no steady state was seen"),
    (Evidence(1, random_parts=("arrivals are random",)), "one replication of a random run"),
    (Evidence(1, keys_matter=True), "keys are drawn"),
    (Evidence(20, uncounted=("deploy",)), "deploy: over before the warm-up ends"),
    (Evidence(20, imprecise=(("latency_mean", ""),)), "max_replications before the precision"),
]


@pytest.mark.parametrize(("evidence", "reason"), REASONS)
@pytest.mark.parametrize("op", INEQUALITIES)
@pytest.mark.parametrize("bound", [5.0, 7.0])
def test_doubt_is_inconclusive_whatever_the_numbers_say(
    op: str, bound: float, evidence: Evidence, reason: str
) -> None:
    """Neither what would have been kept nor what would have been broken is believed."""
    verdict, why = verdict_of(op, bound, [6.0] * evidence.replications, evidence)
    assert verdict == "INCONCLUSIVE"
    assert reason in why


@pytest.mark.parametrize(("evidence", "reason"), REASONS)
@pytest.mark.parametrize("is_doubted", [0, 1])
def test_a_comparison_is_doubted_for_either_side(evidence: Evidence, reason: str, is_doubted: int) -> None:
    """What makes one architecture's runs unbelievable makes a comparison with them so."""
    values = {
        ("a", "latency_mean", ""): np.full(evidence.replications, 1.0),
        ("b", "latency_mean", ""): np.full(evidence.replications, 2.0),
    }
    known = {"a": Evidence(evidence.replications), "b": Evidence(evidence.replications)}
    promise = expected("<", None, right=("b", "", "latency_mean"))
    assert judge(promise, values, known)["verdict"] == "PASS"
    known["ab"[is_doubted]] = evidence
    found = judge(promise, values, known)["architectures"][0]
    assert found["verdict"] == "INCONCLUSIVE"
    assert reason in found["why"]


def test_only_the_metrics_compared_must_be_precise() -> None:
    """That b's latency is imprecise says nothing of a promise about b's throughput."""
    values = {
        ("a", "latency_mean", ""): np.full(20, 1.0),
        ("b", "response_time_mean", ""): np.full(20, 2.0),
    }
    promise = expected("<", None, right=("b", "", "response_time_mean"))
    known = {"a": SURE, "b": Evidence(20, imprecise=(("latency_mean", ""),))}
    assert judge(promise, values, known)["verdict"] == "PASS"
    known["b"] = Evidence(20, imprecise=(("response_time_mean", ""),))
    assert judge(promise, values, known)["verdict"] == "INCONCLUSIVE"


def test_precision_is_no_matter_where_each_replication_is_judged() -> None:
    """== asks every replication, not the mean: a cap on replications leaves its answer."""
    known = Evidence(20, imprecise=(("partial", ""),))
    assert verdict_of("==", 0, [0.0] * 20, known, "partial")[0] == "PASS"


def test_what_a_cut_off_run_knows_it_knows() -> None:
    """Throughput in the window before the horizon does not depend on how the run ends; latency does."""
    cut = Evidence(20, censored=20)
    assert verdict_of(">", 5, [6.0] * 20, cut, "throughput")[0] == "PASS"
    assert verdict_of("==", 6, [6.0] * 20, cut, "pending")[0] == "PASS"
    assert verdict_of("<", 7, [6.0] * 20, cut, "latency_p99")[0] == "INCONCLUSIVE"
    values = {("a", "throughput", ""): np.full(20, 1.0), ("a", "latency_p99", ""): np.full(20, 2.0)}
    promise = expected("<", None, ("a", "", "throughput"), ("a", "", "latency_p99"))
    assert judge(promise, values, {"a": cut})["verdict"] == "INCONCLUSIVE"


def test_one_replication_is_enough_where_nothing_is_random() -> None:
    """A run without chance says in one replication what it says in all."""
    assert verdict_of("<", 7, [6.0], Evidence(1))[0] == "PASS"
    assert verdict_of("<", 5, [6.0], Evidence(1))[0] == "FAIL"
    assert verdict_of("~", 6.1, [6.0], Evidence(1))[0] == "PASS"


def test_one_random_replication_can_break_a_promise_about_each_of_them() -> None:
    """Partial == 0 is refuted by a single partial message; that it holds is not shown by one run."""
    known = Evidence(1, random_parts=("arrivals are random",))
    assert verdict_of("==", 0, [4.0], known, "partial")[0] == "FAIL"
    assert verdict_of("==", 0, [0.0], known, "partial")[0] == "INCONCLUSIVE"


def test_zero_events_are_not_zero_risk() -> None:
    """0 of 30 random replications leave room for 1 - 0.05^(1/30) = 9.5 %; no chance, no risk."""

    def risk(values: list[float], known: Evidence) -> float | None:
        promise = expected("==", 0, ("a", "", "lost"))
        found = judge(promise, {("a", "lost", ""): np.array(values)}, {"a": known})
        return found["architectures"][0]["risk"]

    random = Evidence(30, random_parts=("arrivals are random",))
    assert risk([0.0] * 30, random) == pytest.approx(1 - 0.05 ** (1 / 30))
    assert risk([0.0] * 30, random) == pytest.approx(0.095, abs=5e-4)
    assert risk([0.0] * 29 + [1.0], random) is None
    assert risk([0.0] * 30, Evidence(30)) is None


def test_the_interval_told_is_student_s() -> None:
    """value, low and high are the mean and scipy's 95 % interval, and JSON has no NaN."""
    found = judge(expected("<", 6), {("a", "latency_mean", ""): np.array(SAMPLE)}, {"a": SURE})
    told = found["architectures"][0]
    assert (told["low"], told["high"]) == pytest.approx(student(SAMPLE))
    assert told["value"] == pytest.approx(6.0)
    alone = judge(expected("<", 6), {("a", "latency_mean", ""): np.array([math.nan])}, {"a": SURE})
    assert alone["architectures"][0]["value"] is None


NUMBERS = st.floats(-1e6, 1e6).map(lambda number: round(number, 3))
SAMPLES = st.lists(NUMBERS, min_size=1, max_size=8)
OPPOSITE = {"PASS": "FAIL", "FAIL": "PASS", "INCONCLUSIVE": "INCONCLUSIVE"}


@given(SAMPLES, NUMBERS)
def test_opposites_contradict_each_other(values: list[float], bound: float) -> None:
    """< passes exactly where >= fails, and > where <= fails, at the bound too."""
    for op, opposite in (("<", ">="), (">", "<=")):
        assert verdict_of(opposite, bound, values)[0] == OPPOSITE[verdict_of(op, bound, values)[0]]


@given(SAMPLES, NUMBERS, NUMBERS)
def test_a_looser_bound_is_never_harder_to_keep(values: list[float], one: float, other: float) -> None:
    """Tightening a bound never turns FAIL into anything better, loosening it never turns PASS into worse."""
    order = ["FAIL", "INCONCLUSIVE", "PASS"]
    tight, loose = sorted((one, other))
    for op in ("<", "<="):
        assert order.index(verdict_of(op, tight, values)[0]) <= order.index(verdict_of(op, loose, values)[0])
    for op in (">", ">="):
        assert order.index(verdict_of(op, tight, values)[0]) >= order.index(verdict_of(op, loose, values)[0])


@given(SAMPLES, NUMBERS)
def test_what_holds_strictly_holds_loosely(values: list[float], bound: float) -> None:
    """PASS of < is PASS of <=; FAIL of <= is FAIL of <."""
    strict, loose = verdict_of("<", bound, values)[0], verdict_of("<=", bound, values)[0]
    assert strict != "PASS" or loose == "PASS"
    assert loose != "FAIL" or strict == "FAIL"


@given(SAMPLES, st.floats(1, 1e6), st.floats(0, 1), st.floats(0, 1))
def test_a_wider_tolerance_is_never_harder_to_keep(
    values: list[float], bound: float, one: float, other: float
) -> None:
    """PASS of ~ stays PASS, FAIL of the wider is FAIL of the narrower."""

    def answer(tolerance: float) -> int:
        promise = expected("~", bound, tolerance=tolerance)
        found = judge(promise, {("a", "latency_mean", ""): np.array(values)}, {"a": SURE})
        return ["FAIL", "INCONCLUSIVE", "PASS"].index(found["verdict"])

    narrow, wide = sorted((one, other))
    assert answer(narrow) <= answer(wide)


@given(st.lists(NUMBERS, min_size=2, max_size=8), NUMBERS)
def test_pass_and_fail_agree_with_scipy(values: list[float], bound: float) -> None:
    """Away from the edges, the answer is where scipy's interval lies."""
    assume(np.ptp(values) > 0)
    low, high = student(values)
    edge = 1e-6 * max(abs(low), abs(high), abs(bound), 1.0)
    assume(abs(low - bound) > edge and abs(high - bound) > edge)
    answer = "PASS" if high < bound else "FAIL" if low > bound else "INCONCLUSIVE"
    assert verdict_of("<", bound, values)[0] == answer


@pytest.mark.parametrize(
    ("metric", "evidence", "verdict"),
    [
        ("order_violations", Evidence(1, keys_drawn=True), "INCONCLUSIVE"),
        ("order_violations", Evidence(1), "PASS"),
        ("complete", Evidence(1, keys_drawn=True, keys_matter=True), "PASS"),
        ("complete", Evidence(1, keys_drawn=True, keys_matter=True, can_expire=True), "INCONCLUSIVE"),
        ("complete", Evidence(1, keys_drawn=True, can_expire=True), "PASS"),
    ],
)
def test_one_replication_with_drawn_keys_tells_only_what_keys_do_not_decide(
    metric: str, evidence: Evidence, verdict: str
) -> None:
    """Keys decide what is overtaken, in any architecture, and what expires in a hot partition."""
    assert verdict_of("<", 7.0, [6.0], evidence, metric)[0] == verdict


@pytest.mark.parametrize("metric", ["age_max", "drain_time", "throughput"])
def test_maxima_and_drains_see_what_happened_in_the_warm_up(metric: str) -> None:
    """A fault within the warm-up meets no message that counts, but time does not forget it."""
    assert verdict_of("<", 7.0, [6.0] * 20, Evidence(20, uncounted=("deploy",)), metric)[0] == "PASS"
