"""Every closed form against the verification cases that were computed and simulated elsewhere."""

from __future__ import annotations

import json
import math
from importlib.resources import files

import numpy as np
import pytest

from sim.analysis import delivery, partitions, queueing, recovery
from sim.components import log

CASES = {
    case["id"]: case
    for case in json.loads(files("sim.data").joinpath("verification_cases.json").read_text("utf-8"))["cases"]
}
TESTS = json.loads(files("sim.data").joinpath("verification_cases.json").read_text("utf-8"))[
    "statistics_self_tests"
]
NOT_COMPUTED = {
    ("V30", "recovers_at_20_per_s"),  # what a run shows
    ("V30", "recovers_at_40_per_s"),
    ("V25", "partial_with_transactional_outbox"),  # nothing to compute: one write is left
    ("V27", "lost_with_queue_between"),
}
LN = {"mean": 20.0, "cv": 1.0}
ZIPF = partitions.key_shares(1000, "zipf")
HOT = partitions.partition_shares(ZIPF, 10)
Q = math.exp(-30 / 20)
F = 1 - delivery.both_writes(0.02, 0.05)
A_THEN_B = delivery.attempts([0.02, 0.05], [0, 0], 3)
ONCE = delivery.attempts([0.02, 0.05], [0, 0], 1)
K20, K10 = queueing.bounded(15, 10, 1, 20), queueing.bounded(5, 1, 4, 10)
WAITS = queueing.priority_waits([2, 6], 10)

COMPUTED: dict[tuple[str, str], float] = {
    ("V01", "utilisation"): 8 / 10,
    ("V01", "mean_wait_s"): queueing.mean_wait(8, 10),
    ("V01", "mean_latency_s"): queueing.mean_latency(8, 10),
    ("V01", "mean_in_system"): 8 * queueing.mean_latency(8, 10),
    ("V01", "mean_lag_waiting_messages"): 8 * queueing.mean_wait(8, 10),
    ("V01", "latency_p50_s"): queueing.latency_quantile(0.5, 8, 10),
    ("V01", "latency_p95_s"): queueing.latency_quantile(0.95, 8, 10),
    ("V01", "latency_p99_s"): queueing.latency_quantile(0.99, 8, 10),
    ("V01", "share_that_waits"): queueing.erlang_c(1, 0.8),
    ("V01b", "mean_wait_s"): queueing.mean_wait(5, 10),
    ("V01b", "mean_latency_s"): queueing.mean_latency(5, 10),
    ("V01b", "latency_p99_s"): queueing.latency_quantile(0.99, 5, 10),
    ("V02", "probability_of_waiting"): queueing.erlang_c(10, 8),
    ("V02", "mean_wait_s"): queueing.mean_wait(8, 1, 10),
    ("V02", "mean_latency_s"): queueing.mean_latency(8, 1, 10),
    ("V02", "wait_p99_s"): queueing.wait_quantile(0.99, 8, 1, 10),
    ("V02", "mean_lag_waiting_messages"): 8 * queueing.mean_wait(8, 1, 10),
    ("V03", "mean_wait_s"): queueing.pollaczek_khinchine(8, 0.1, 0.01),
    ("V03", "mean_latency_s"): queueing.pollaczek_khinchine(8, 0.1, 0.01) + 0.1,
    ("V04", "mean_wait_s"): queueing.pollaczek_khinchine(8, 0.1, 0.9 * 0.05**2 + 0.1 * 0.55**2),
    ("V04", "mean_latency_s"): queueing.pollaczek_khinchine(8, 0.1, 0.0325) + 0.1,
    ("V05", "drop_share"): K20.refused,
    ("V05", "throughput_per_s"): K20.throughput,
    ("V05", "mean_latency_of_accepted_s"): K20.latency,
    ("V05", "drop_share_limit_large_buffer"): queueing.bounded(15, 10, 1, 3000).refused,
    ("V06", "throttled_share"): queueing.erlang_b(10, 9),
    ("V06", "carried_load"): 9 * (1 - queueing.erlang_b(10, 9)),
    ("V07", "reject_share"): K10.refused,
    ("V07", "throughput_per_s"): K10.throughput,
    ("V07", "mean_latency_of_accepted_s"): K10.latency,
    ("V08", "mean_end_to_end_s"): queueing.tandem(6, [10, 8]),
    ("V08", "mean_in_system"): 6 * queueing.tandem(6, [10, 8]),
    ("V09", "effective_arrival_rate_per_s"): 6 * delivery.mean_deliveries(0.2, math.inf),
    ("V09", "utilisation"): 6 * delivery.mean_deliveries(0.2, math.inf) / 10,
    ("V09", "mean_latency_s"): queueing.feedback_latency(6, 10, 0.2),
    ("V09", "mean_deliveries"): delivery.mean_deliveries(0.2, math.inf),
    ("V10", "mean_latency_each_effect_s"): queueing.mean_latency(8, 10),
    ("V10", "mean_time_both_done_s"): queueing.fork_join(8, 10),
    ("V10", "wrong_if_arrivals_not_shared_s"): queueing.all_done(2, queueing.mean_latency(8, 10)),
    ("V11", "mean_time_all_done_s"): queueing.all_done(5, 0.2),
    ("V12", "mean_latency_partitioned_s"): queueing.mean_latency(48 / 6, 10),
    ("V12", "mean_latency_shared_queue_s"): queueing.mean_latency(48, 10, 6),
    ("V12", "ratio"): queueing.mean_latency(8, 10) / queueing.mean_latency(48, 10, 6),
    ("V13", "idle_consumers"): partitions.idle_consumers(6, 10),
    ("V13", "capacity_per_s"): partitions.uneven_limit(10, 6, 10),
    ("V13", "max_stable_rate_10_partitions_4_consumers_per_s"): partitions.uneven_limit(10, 10, 4),
    ("V14", "top_key_share"): float(ZIPF[0]),
    ("V14", "hot_partition_share"): max(HOT),
    ("V14", "max_stable_total_rate_per_s"): partitions.hot_partition_limit(15, max(HOT)),
    ("V14", "lag_growth_hot_partition_at_100_per_s"): 100 * max(HOT) - 15,
    ("V14", "hot_partition_mean_latency_at_60_per_s"): queueing.mean_latency(60 * max(HOT), 15),
    ("V14", "mean_latency_all_messages_at_60_per_s"): sum(
        share * queueing.mean_latency(60 * share, 15) for share in HOT
    ),
    ("V14", "mean_latency_if_uniform_at_60_per_s"): queueing.mean_latency(6, 15),
    ("V14", "expected_hot_share_if_random_hash"): partitions.hot_share_if_hashed(float(ZIPF[0]), 10),
    ("V15", "dlq_share"): delivery.dead_letter_share(0.2, 3),
    ("V15", "success_share"): 1 - delivery.dead_letter_share(0.2, 3),
    ("V15", "mean_deliveries"): delivery.mean_deliveries(0.2, 3),
    ("V15", "consumer_utilisation_at_8_per_s_0.1_s"): 8 * delivery.mean_deliveries(0.2, 3) * 0.1,
    ("V16", "backlog_at_restore"): recovery.backlog_at_restore(80, 60),
    ("V16", "drain_time_s"): recovery.drain_time(recovery.backlog_at_restore(80, 60), 100, 80),
    ("V16", "peak_time_lag_s"): recovery.backlog_at_restore(80, 60) / 80,
    ("V16", "messages_delayed"): recovery.messages_delayed(80, 60, 0.8),
    ("V16", "mean_wait_of_delayed_s"): recovery.mean_wait_of_delayed(60),
    ("V16", "drain_time_600s_outage_s"): recovery.drain_time(80 * 600, 100, 80),
    ("V16", "consumers_to_clear_48000_in_600_s"): recovery.consumers_for_recovery(80, 48_000, 600, 10),
    ("V17", "availability"): queueing.availability(10, 1),
    ("V17", "mean_latency_s"): queueing.breakdowns(5, 0.1, 0.02, 10, 1),
    ("V17", "mean_latency_slow_variant_s"): queueing.breakdowns(5, 0.1, 0.02, 100, 10),
    ("V17", "mean_latency_without_failures_s"): queueing.mean_latency(5, 10),
    ("V18", "lost_if_reset_earliest"): recovery.expired(100, 50_400, 43_200),
    ("V18", "lost_if_reset_latest"): recovery.expired(100, 50_400, 0),
    ("V18", "catch_up_time_earliest_s"): recovery.catch_up_time(100, 50_400, 43_200, 150),
    ("V19", "mean_extra_latency_s"): delivery.poll_delay(2),
    ("V19", "p99_extra_latency_s"): 0.99 * 2,
    ("V19", "max_extra_latency_s"): 2.0,
    ("V20", "mean_added_latency_same_timer_s"): delivery.poll_delay(1, 5),
    ("V20", "mean_added_latency_independent_timers_s"): delivery.poll_delay(1, 5, same_timer=False),
    ("V21", "mean_batch_size"): delivery.linger_batch(100, 0.02),
    ("V21", "mean_linger_delay_s"): delivery.linger_delay(100, 0.02),
    ("V22", "share_delivered_more_than_once"): Q,
    ("V22", "mean_deliveries_late_delete_honoured"): delivery.redeliveries(Q, 3, late_delete=True),
    ("V22", "mean_deliveries_late_delete_ignored"): delivery.redeliveries(Q, 3, late_delete=False),
    ("V22", "dlq_share_late_delete_ignored"): delivery.dead_letter_share(Q, 3),
    ("V22", "dlq_share_constant_40s_service_late_delete_ignored"): delivery.dead_letter_share(1, 3),
    ("V22", "lognormal_mean20_cv1_share_over_30s"): delivery.lognormal_tail(30, **LN),
    ("V22", "visibility_for_1pct_duplicates_lognormal_s"): delivery.lognormal_quantile(0.99, **LN),
    ("V23", "reprocessed_per_crash_fluid"): delivery.repeated_per_crash(200, 5, 0),
    ("V23", "reprocessed_per_crash_exact"): delivery.repeated_per_crash(200, 5, 1 / 3600),
    ("V23", "duplicate_share_long_run"): delivery.repeated_per_crash(200, 5, 0) / (200 * 3600),
    ("V23", "reprocessed_per_crash_commit_after_batch"): delivery.repeated_per_batch_crash(500),
    ("V23", "lost_per_crash_commit_before_batch"): delivery.lost_per_batch_crash(500),
    ("V24", "mean_copies_stored"): delivery.copies_stored(0.02, 0.01),
    ("V24", "duplicates_per_1000"): 1000 * (delivery.copies_stored(0.02, 0.01) - 1),
    ("V25", "both"): delivery.both_writes(0.02, 0.03),
    ("V25", "only_A"): delivery.both_writes(0.02, 0.97),
    ("V25", "only_B"): delivery.both_writes(0.98, 0.03),
    ("V25", "neither"): delivery.both_writes(0.98, 0.97),
    ("V25", "partial"): delivery.partial_writes(0.02, 0.03),
    ("V25", "partial_if_B_skipped_after_A_fails"): delivery.both_writes(0.02, 0.97),
    ("V25", "partial_per_million_3_attempts_independent"): 1e6 * delivery.partial_writes(0.02**3, 0.03**3),
    ("V25", "partial_share_correlated_outage_with_retries"): recovery.given_up(1, 60, 3) / 600,
    ("V25", "partial_from_crash_between_writes"): delivery.crash_between(1 / 3600, 0.05),
    ("V26", "both_1_attempt"): ONCE.applied[1],
    ("V26", "only_A_1_attempt"): ONCE.applied[0] - ONCE.applied[1],
    ("V26", "none_1_attempt"): 1 - ONCE.applied[0],
    ("V26", "both_3_attempts"): A_THEN_B.applied[1],
    ("V26", "only_A_3_attempts"): A_THEN_B.applied[0] - A_THEN_B.applied[1],
    ("V26", "none_3_attempts"): 1 - A_THEN_B.applied[0],
    ("V26", "A_executions_per_message"): A_THEN_B.applied[0] + A_THEN_B.repeats[0],
    ("V27", "lost"): recovery.given_up(10, 120, 3 * 20),
    ("V27", "late_but_delivered"): recovery.late(10, 120, 3 * 20),
    ("V27", "mean_delay_of_late_s"): (20 + 40 + 60) / 3,
    ("V27", "lost_if_outage_60_s"): recovery.given_up(10, 60, 3 * 20),
    ("V28", "mean_wait_high_s"): WAITS[0],
    ("V28", "mean_wait_low_s"): WAITS[1],
    ("V28", "conservation_sum"): 0.2 * WAITS[0] + 0.6 * WAITS[1],
    ("V29", "acceptable_backlog_per_instance"): recovery.acceptable_backlog(10, 0.1),
    ("V29", "current_backlog_per_instance"): 1500 / 10,
    ("V29", "desired_instances"): recovery.desired_consumers(1500, recovery.acceptable_backlog(10, 0.1)),
    ("V30", "guaranteed_recovery_below_rate_per_s"): recovery.safe_rate(100, 3),
    ("V31", "backlog_capacity_1000"): recovery.backlog_at_restore(2000, 3600, 1000),
    ("V31", "drains_capacity_1000"): float(
        math.isfinite(recovery.drain_time(recovery.backlog_at_restore(2000, 3600, 1000), 1000, 1000))
    ),
    ("V31", "backlog_capacity_1500"): recovery.backlog_at_restore(2000, 3600, 1500),
    ("V31", "drain_time_capacity_1500_s"): recovery.drain_time(1_800_000, 1500, 1000),
}


@pytest.mark.parametrize("key", COMPUTED, ids=" ".join)
def test_closed_form(key: tuple[str, str]) -> None:
    """A formula gives the number that the verification table holds, to its last printed digit."""
    case, metric = key
    entry = next(each for each in CASES[case]["metrics"] if each["metric"] == metric)
    assert COMPUTED[key] == pytest.approx(float(entry["expected"]), rel=2e-7, abs=1e-10)


def test_no_case_is_left_out() -> None:
    """Every expected value of the table is computed here, or it is none that can be."""
    known = {(name, each["metric"]) for name, case in CASES.items() for each in case["metrics"]}
    assert known == set(COMPUTED) | NOT_COMPUTED


@pytest.mark.parametrize("rho", ["0.5", "0.7", "0.8", "0.9", "0.95"])
def test_run_length(rho: str) -> None:
    """Messages for a precision are those of the table, and the two directions are inverse."""
    for name, count in TESTS["run_length_messages_for_mean_wait"][rho].items():
        relative = int(name.removeprefix("n")) / 100
        found = queueing.messages_for_precision(float(rho), relative)
        assert found == pytest.approx(count, abs=1)
        assert queueing.precision_of(float(rho), found) == pytest.approx(relative)


def test_drain_deviation() -> None:
    """The spread of a drain time is that of the table."""
    for metric in CASES["V16"]["metrics"]:
        if "sd_one_run" in metric:
            backlog = 80 * (600 if "600" in metric["metric"] else 60)
            assert recovery.drain_deviation(backlog, 100, 80) == pytest.approx(metric["sd_one_run"])


def test_golden_arithmetic() -> None:
    """The numbers of the golden outcome matrix come from four short formulas."""
    assert recovery.given_up(10, 120, 2 * 30) == 600
    assert recovery.given_up(10, 60, 3) == 570
    assert recovery.repeats(10, 120, 30, 3) == 2100
    assert recovery.drain_time(1200, 25, 10) == 80


@pytest.mark.parametrize("outage", [10.0, 30.0, 45.0, 60.0, 75.0, 300.0])
def test_repeats_add_up_message_by_message(outage: float) -> None:
    """Repeated effects are what counting the failed deliveries of evenly spaced messages gives."""
    left = (np.arange(100_000) + 0.5) / 100_000 * outage
    failed = np.minimum(np.floor(left / 30) + 1, 3)
    counted = np.where(failed == 3, 2, failed).mean() * outage * 10
    assert recovery.repeats(10, outage, 30, 3) == pytest.approx(counted, rel=1e-3)


@pytest.mark.parametrize("idempotent", [False, True])
@pytest.mark.parametrize("receives", [1, 2, 3, 6])
def test_attempts_against_throwing_dice(receives: int, idempotent: bool) -> None:
    """Attempts, applications and dead letters of a shared worker are those of 200,000 messages thrown."""
    failures, poisons, messages = [0.3, 0.2, 0.4], [0.05, 0.0, 0.1], 200_000
    rng = np.random.default_rng(7)
    poisoned = rng.random((messages, 3)) < poisons
    applications, tries = np.zeros((messages, 3)), np.zeros((messages, 3))
    deliveries, is_done = np.zeros(messages), np.zeros(messages, dtype=bool)
    for _ in range(receives):
        comes = ~is_done
        deliveries += comes
        for effect in range(3):
            skips = idempotent & (applications[:, effect] > 0)
            tries[comes & ~skips, effect] += 1
            works = (rng.random(messages) >= failures[effect]) & ~poisoned[:, effect]
            applications[comes & ~skips & works, effect] += 1
            comes &= skips | works
        is_done |= comes
    found = delivery.attempts(failures, poisons, receives, idempotent=idempotent)
    once = (applications > 0).mean(axis=0)
    assert found.deliveries == pytest.approx(deliveries.mean(), rel=0.01)
    assert found.tries == pytest.approx(tries.mean(axis=0), rel=0.01)
    assert found.applied == pytest.approx(once, abs=0.005)
    assert found.given_up == pytest.approx(1 - is_done.mean(), abs=0.005)
    assert found.repeats == pytest.approx(applications.mean(axis=0) - once, abs=0.005)


def test_poison_without_a_limit_never_ends() -> None:
    """A poison message that nothing takes out of the queue is delivered for ever."""
    assert math.isinf(delivery.attempts([0.1, 0.0], [0.0, 0.01], math.inf).deliveries)


@pytest.mark.parametrize(("partitions_", "members"), [(1, 1), (6, 4), (10, 4), (6, 10), (48, 11), (7, 7)])
def test_assignment_is_that_of_the_model(partitions_: int, members: int) -> None:
    """Theory deals out the partitions exactly as the consumer group does."""
    assert partitions.ranges(partitions_, members) == log._assign(partitions_, members)


def test_latency_tail_against_simulated_queue() -> None:
    """The tail of the time in M/M/c is that of messages put through three servers in order."""
    rng = np.random.default_rng(3)
    arrivals, service = np.cumsum(rng.exponential(1 / 2.4, 400_000)), rng.exponential(1.0, 400_000)
    free, times = [0.0, 0.0, 0.0], np.empty(len(arrivals))
    for number, (arrival, work) in enumerate(zip(arrivals.tolist(), service.tolist(), strict=True)):
        server = min(range(3), key=free.__getitem__)
        free[server] = max(free[server], arrival) + work
        times[number] = free[server] - arrival
    for time in (0.5, 2.0, 5.0):
        assert queueing.latency_tail(time, 2.4, 1.0, 3) == pytest.approx((times > time).mean(), rel=0.05)


@pytest.mark.parametrize("servers", [1, 2, 5])
def test_latency_quantile_inverts_the_tail(servers: int) -> None:
    """The quantile is where the tail has fallen to what is left, also where the two rates coincide."""
    for rate in (0.3 * servers, servers - 1.0, 0.9 * servers):
        if rate > 0:
            time = queueing.latency_quantile(0.95, rate, 1.0, servers)
            assert queueing.latency_tail(time, rate, 1.0, servers) == pytest.approx(0.05)


def test_too_much_load_has_no_steady_state() -> None:
    """Where messages come faster than they go, waits are infinite and nothing drains."""
    assert math.isinf(queueing.mean_wait(10, 10))
    assert math.isinf(queueing.latency_quantile(0.5, 12, 10))
    assert math.isinf(queueing.pollaczek_khinchine(11, 0.1, 0.02))
    assert math.isinf(queueing.fork_join(10, 10))
    assert math.isinf(queueing.priority_waits([2, 9], 10)[1])
    assert math.isinf(recovery.drain_time(5, 10, 10))
    assert queueing.latency_tail(1e9, 12, 10) == queueing.erlang_c(1, 1.2) == 1


def test_allen_cunneen_holds_where_it_is_exact() -> None:
    """The approximation is the exact value for exponential service and for one server."""
    assert queueing.allen_cunneen(8, 1, 2, 10) == pytest.approx(queueing.mean_wait(8, 1, 10))
    assert queueing.allen_cunneen(8, 0.1, 0.0325, 1) == pytest.approx(0.65)


def test_gamma_tail_against_its_exponential() -> None:
    """With a coefficient of variation of 1 a gamma time is exponential."""
    for time in (0.5, 1.0, 3.0):
        assert delivery.gamma_tail(time, 1.0, 1.0) == pytest.approx(math.exp(-time), abs=0.01)
