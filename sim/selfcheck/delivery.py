"""Cases of delivery, retries and half-done messages: V15, V19 to V22, V24 to V27."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false

from __future__ import annotations

import math

import numpy as np

from sim.selfcheck.experiment import Experiment
from sim.selfcheck.seen import Observer, Seen, Table, deliveries, metric, per_message, per_run, share
from sim.selfcheck.tolerance import PerRun


def _is_repeated(table: Table) -> np.ndarray:
    return deliveries(table) > 1


def _batch_size(table: Table) -> float:
    """Messages whose callers were answered at the same instant belong to one batch."""
    return len(table) / table["reply_time"].nunique()


def _share_in_dead_letter_queue(seen: Seen) -> PerRun:
    lettered = seen.metric("dead_lettered", "queue", "ignored")
    return PerRun(lettered / seen.metric("offered", "", "ignored"))


def _not_applied(architecture: str) -> Observer:
    """Messages of which the effect never happened, whatever became of them."""
    return lambda seen: PerRun(
        seen.metric("offered", "", architecture) - seen.metric("applied", "work", architecture)
    )


def _executions_of_a(table: Table) -> np.ndarray:
    return table["applications"].to_numpy(dtype=float)


def _longest(table: Table) -> float:
    return float((table["first_applied"] - table["published"]).max())


EXPERIMENTS: dict[str, tuple[Experiment, ...]] = {
    "V15": (
        Experiment(
            "v15_dead_letters",
            {
                "dlq_share": share("dead_lettered", "work"),
                "success_share": share("applied", "work"),
                "mean_deliveries": per_message(deliveries),
                "consumer_utilisation_at_8_per_s_0.1_s": metric("utilization", "consumers", times=2),
            },
            keeps_messages=True,
            is_quick=True,
        ),
    ),
    "V19": (
        Experiment(
            "v19_polling",
            {
                "mean_extra_latency_s": metric("latency_mean", "work"),
                "p99_extra_latency_s": metric("latency_p99", "work"),
            },
            is_quick=True,
        ),
        Experiment(
            "v19_longest", {"max_extra_latency_s": per_run(_longest)}, is_quick=True, keeps_messages=True
        ),
    ),
    "V20": (
        Experiment(
            "v20_outbox_hops", {"mean_added_latency_same_timer_s": metric("latency_mean")}, is_quick=True
        ),
    ),
    "V21": (
        Experiment(
            "v21_linger",
            {
                "mean_batch_size": per_run(_batch_size),
                "mean_linger_delay_s": metric("response_time_mean"),
            },
            keeps_messages=True,
            is_quick=True,
        ),
    ),
    "V22": (
        Experiment(
            "v22_visibility",
            {
                "share_delivered_more_than_once (honoured)": per_message(
                    _is_repeated, architecture="honoured", is_share=True
                ),
                "share_delivered_more_than_once (ignored)": per_message(
                    _is_repeated, architecture="ignored", is_share=True
                ),
                "mean_deliveries_late_delete_honoured": per_run(
                    lambda table: float(deliveries(table).mean()), architecture="honoured"
                ),
                "mean_deliveries_late_delete_ignored": per_run(
                    lambda table: float(deliveries(table).mean()), architecture="ignored"
                ),
                "dlq_share_late_delete_ignored": share("dead_lettered", "queue", "ignored"),
            },
            keeps_messages=True,
            is_quick=True,
        ),
        Experiment(
            "v22_visibility_constant",
            {"dlq_share_constant_40s_service_late_delete_ignored": _share_in_dead_letter_queue},
            is_quick=True,
        ),
        Experiment(
            "v22_visibility_lognormal",
            {
                "lognormal_mean20_cv1_share_over_30s": per_message(
                    _is_repeated, architecture="honoured", is_share=True
                )
            },
            keeps_messages=True,
        ),
    ),
    "V24": (
        Experiment(
            "v24_lost_replies",
            {
                "mean_copies_stored": per_message(deliveries),
                "duplicates_per_1000": per_message(lambda table: deliveries(table) - 1, scale=1000),
            },
            keeps_messages=True,
            is_quick=True,
        ),
    ),
    "V25": (
        Experiment(
            "v25_dual_write",
            {
                "both": share("complete"),
                "only_A": share("applied", "a", minus="complete"),
                "only_B": share("applied", "b", minus="complete"),
                "neither": share("rejected"),
                "partial": share("partial"),
            },
            is_quick=True,
        ),
        Experiment("v25_skipped", {"partial_if_B_skipped_after_A_fails": share("partial")}, is_quick=True),
        Experiment(
            "v25_three_attempts", {"partial_per_million_3_attempts_independent": share("partial", scale=1e6)}
        ),
        Experiment(
            "v25_correlated",
            {"partial_share_correlated_outage_with_retries": share("partial")},
            is_quick=True,
        ),
        Experiment(
            "v25_crash",
            {"partial_from_crash_between_writes": share("partial")},
            expected={"partial_from_crash_between_writes": -math.expm1(-0.05 / 36)},
            scaled="crashes x 100",
        ),
        Experiment("v25_outbox", {"partial_with_transactional_outbox": metric("partial")}, is_quick=True),
    ),
    "V26": (
        Experiment(
            "v26_a_then_b",
            {
                "both_1_attempt": share("complete"),
                "only_A_1_attempt": share("applied", "a", minus="complete"),
                "none_1_attempt": share("failed"),
            },
            is_quick=True,
        ),
        Experiment(
            "v26_three_attempts",
            {
                "both_3_attempts": share("complete"),
                "only_A_3_attempts": share("applied", "a", minus="complete"),
                "A_executions_per_message": per_message(_executions_of_a, effect="a"),
            },
            keeps_messages=True,
            is_quick=True,
        ),
        Experiment("v26_three_attempts_long", {"none_3_attempts": share("failed")}),
    ),
    "V27": (
        Experiment(
            "v27_push_outage",
            {
                "lost": metric("dropped", "work", "pubsub"),
                "late_but_delivered": metric("late", "work", "pubsub"),
                "mean_delay_of_late_s": metric("late_mean", "work", "pubsub"),
                "lost_with_queue_between": _not_applied("sns_sqs"),
            },
            is_quick=True,
        ),
        Experiment(
            "v27_push_short_outage",
            {"lost_if_outage_60_s": _not_applied("pubsub")},
            is_quick=True,
        ),
    ),
}
