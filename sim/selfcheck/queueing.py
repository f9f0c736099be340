"""Queueing cases V01 to V12: waits, losses, tandems, feedback, fan-out and partitions in steady state."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false

from __future__ import annotations

import numpy as np

from sim.selfcheck.experiment import Experiment
from sim.selfcheck.seen import (
    Observer,
    Seen,
    Table,
    deliveries,
    mean_wait,
    metric,
    per_message,
    per_run,
    ratio,
    share_that_waits,
    waits,
)
from sim.selfcheck.tolerance import PerRun

LATENCY = metric("latency_mean", "work")


def in_system(*holders: tuple[str, str]) -> Observer:
    """Messages that wait or are worked on, averaged over time, of (queue, pool of one worker) pairs."""

    def observe(seen: Seen) -> PerRun:
        return PerRun(
            np.sum(
                [seen.metric("backlog_mean", q) + seen.metric("utilization", p) for q, p in holders], axis=0
            )
        )

    return observe


def wait_p99(table: Table) -> float:
    """The 99th percentile of the waits, s."""
    return float(np.quantile(waits(table), 0.99))


def _deliveries_per_second(seen: Seen) -> PerRun:
    """Deliveries of the messages published in the window, over its length."""
    length = seen.data.manifest["horizon"] - seen.data.manifest["warmup"]
    return PerRun(np.array([deliveries(table).sum() / length for table in seen.messages()]))


def _partitioning_ratio(seen: Seen) -> PerRun:
    latency = {name: seen.metric("latency_mean", "work", name) for name in ("stream", "single_broker")}
    return PerRun(latency["stream"] / latency["single_broker"])


_MM1: dict[str, Observer] = {
    "utilisation": metric("utilization", "consumers"),
    "mean_wait_s": per_run(mean_wait),
    "mean_latency_s": LATENCY,
    "mean_in_system": in_system(("queue", "consumers")),
    "mean_lag_waiting_messages": metric("backlog_mean", "queue"),
    "latency_p50_s": metric("latency_p50", "work"),
    "latency_p95_s": metric("latency_p95", "work"),
    "latency_p99_s": metric("latency_p99", "work"),
    "share_that_waits": per_run(share_that_waits),
}
_WAIT_AND_LATENCY: dict[str, Observer] = {"mean_wait_s": per_run(mean_wait), "mean_latency_s": LATENCY}
_THROTTLED = ratio("dropped", "work")
_CARRIED = metric("utilization", "work_consumers", times=10)

EXPERIMENTS: dict[str, tuple[Experiment, ...]] = {
    "V01": (Experiment("v01_mm1", _MM1, keeps_messages=True),),
    "V01b": (
        Experiment(
            "v01b_mm1_light",
            {**_WAIT_AND_LATENCY, "latency_p99_s": metric("latency_p99", "work")},
            keeps_messages=True,
            is_quick=True,
        ),
    ),
    "V02": (
        Experiment(
            "v02_mmc",
            {
                "probability_of_waiting": per_run(share_that_waits),
                **_WAIT_AND_LATENCY,
                "wait_p99_s": per_run(wait_p99),
                "mean_lag_waiting_messages": metric("backlog_mean", "queue"),
            },
            keeps_messages=True,
        ),
    ),
    "V03": (Experiment("v03_md1", _WAIT_AND_LATENCY, keeps_messages=True),),
    "V04": (Experiment("v04_mg1", _WAIT_AND_LATENCY, keeps_messages=True),),
    "V05": (
        Experiment(
            "v05_push_overload",
            {
                "drop_share": ratio("dropped", "work"),
                "throughput_per_s": metric("throughput", "work"),
                "mean_latency_of_accepted_s": LATENCY,
            },
        ),
        Experiment("v05_push_large_buffer", {"drop_share_limit_large_buffer": ratio("dropped", "work")}),
    ),
    "V06": (
        Experiment(
            "v06_push_no_buffer",
            {"throttled_share (exponential)": _THROTTLED, "carried_load (exponential)": _CARRIED},
        ),
        Experiment(
            "v06_push_no_buffer_constant",
            {"throttled_share (constant)": _THROTTLED, "carried_load (constant)": _CARRIED},
        ),
    ),
    "V07": (
        Experiment(
            "v07_bounded_queue",
            {
                "reject_share": ratio("rejected"),
                "throughput_per_s": metric("throughput", "work"),
                "mean_latency_of_accepted_s": LATENCY,
            },
            is_quick=True,
        ),
    ),
    "V08": (
        Experiment(
            "v08_tandem",
            {
                "mean_end_to_end_s": metric("latency_mean"),
                "mean_in_system": in_system(
                    ("relay_queue", "relay_consumers"), ("work_queue", "work_consumers")
                ),
            },
        ),
    ),
    "V09": (
        Experiment(
            "v09_nack_requeue",
            {
                "effective_arrival_rate_per_s": _deliveries_per_second,
                "utilisation": metric("utilization", "consumers"),
                "mean_latency_s": LATENCY,
                "mean_deliveries": per_message(deliveries),
            },
            keeps_messages=True,
        ),
    ),
    "V10": (
        Experiment(
            "v10_fork_join",
            {
                "mean_latency_each_effect_s (db)": metric("latency_mean", "db"),
                "mean_latency_each_effect_s (index)": metric("latency_mean", "index"),
                "mean_time_both_done_s": metric("latency_mean"),
                "wrong_if_arrivals_not_shared_s": metric("latency_mean"),
            },
        ),
    ),
    "V11": (Experiment("v11_fan_out", {"mean_time_all_done_s": metric("latency_mean")}, is_quick=True),),
    "V12": (
        Experiment(
            "v12_partitions",
            {
                "mean_latency_partitioned_s": metric("latency_mean", "work", "stream"),
                "mean_latency_shared_queue_s": metric("latency_mean", "work", "single_broker"),
                "ratio": _partitioning_ratio,
            },
        ),
    ),
}
