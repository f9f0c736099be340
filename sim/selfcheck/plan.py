"""How every metric of every case is observed, told, or which feature it waits for."""

from __future__ import annotations

from functools import cache

from sim.selfcheck import delivery, queueing, recovery
from sim.selfcheck.cases import Case, verification_cases
from sim.selfcheck.experiment import Experiment, Told
from sim.selfcheck.golden import golden_cases, golden_experiments

TOLD: dict[tuple[str, str], Told] = {
    ("V13", "idle_consumers"): Told("v13_assignment", "six_for_ten", "idle_consumers"),
    ("V13", "capacity_per_s"): Told("v13_assignment", "six_for_ten", "capacity"),
    ("V13", "max_stable_rate_10_partitions_4_consumers_per_s"): Told(
        "v13_assignment", "ten_for_four", "max_stable_rate"
    ),
    ("V14", "max_stable_total_rate_per_s"): Told("v14_hot_partition", "stream", "max_stable_rate"),
    ("V16", "consumers_to_clear_48000_in_600_s"): Told(
        "v16_long_outage", "single_broker", "consumers_for_recovery", recovery_time=600.0
    ),
    ("V22", "visibility_for_1pct_duplicates_lognormal_s"): Told(
        "v22_visibility_lognormal", "honoured", "visibility_for_1pct_duplicates"
    ),
    ("V29", "acceptable_backlog_per_instance"): Told(
        "v29_backlog_per_consumer",
        "single_broker",
        "acceptable_backlog_per_consumer",
        acceptable_latency=10.0,
    ),
    ("V29", "current_backlog_per_instance"): Told(
        "v29_backlog_per_consumer", "single_broker", "current_backlog_per_consumer", acceptable_latency=10.0
    ),
    ("V29", "desired_instances"): Told(
        "v29_backlog_per_consumer", "single_broker", "desired_consumers", acceptable_latency=10.0
    ),
    ("V30", "guaranteed_recovery_below_rate_per_s"): Told("v30_retry_storm", "pubsub", "safe_retry_rate"),
}
"""Metrics of kind ``formula``, by case and name."""

_PRIORITY = ("mean_wait_high_s", "mean_wait_low_s", "conservation_sum")
WAITING: dict[tuple[str, str], str] = {
    ("V14", "expected_hot_share_if_random_hash"): "hashes that differ between runs",
    ("V20", "mean_added_latency_independent_timers_s"): "a timer for each outbox relay",
    ("V23", "lost_per_crash_commit_before_batch"): "commits before the work",
    **{("V28", name): "priority" for name in _PRIORITY},
    ("V30", "recovers_at_20_per_s"): "client timeout and re-send",
    ("V30", "recovers_at_40_per_s"): "client timeout and re-send",
}
"""Metrics that wait for a feature, by case and name."""


@cache
def cases() -> dict[str, Case]:
    """All cases by their ids: the closed forms, then the golden matrix."""
    return {case.id: case for case in (*verification_cases(), *golden_cases())}


@cache
def experiments() -> dict[str, tuple[Experiment, ...]]:
    """The experiments of each case that has any."""
    return queueing.EXPERIMENTS | recovery.EXPERIMENTS | delivery.EXPERIMENTS | golden_experiments()


def quick_cases() -> list[str]:
    """The cases of which ``--quick`` runs something."""
    found = experiments()
    return [name for name in cases() if any(each.is_quick for each in found.get(name, ()))]
