"""Cases of streams, outages and recovery: V14, V16 to V18, V23, V31."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false

from __future__ import annotations

import math

import numpy as np

from sim.selfcheck.experiment import Experiment
from sim.selfcheck.queueing import LATENCY
from sim.selfcheck.seen import Observer, Seen, Table, mean_wait, metric, per_message, per_run
from sim.selfcheck.tolerance import PerRun

_PARTITIONS = 10
_SPIKE_ENDS = 4200.0  # s, of v31_spike


def _is_hot(table: Table) -> np.ndarray:
    return (table["key"] % _PARTITIONS == 0).to_numpy()


def _hot_latency(table: Table) -> float:
    hot = table[_is_hot(table)]
    return float((hot["first_applied"] - hot["published"]).mean())


def _hot_growth(seen: Seen) -> PerRun:
    """How fast the hot partition's records published and not yet done become more, per second."""
    low, high = seen.data.manifest["warmup"], seen.data.manifest["horizon"]
    window = np.array([low, high])

    def growth(table: Table) -> float:
        done = np.sort(table["first_applied"].dropna().to_numpy())
        published = table["published"].to_numpy()
        behind = np.searchsorted(published, window) - np.searchsorted(done, window)
        return float(behind[1] - behind[0]) / (high - low)

    everything: Table = seen.data.messages
    hot = everything[_is_hot(everything)]
    return PerRun(np.array([growth(table) for _, table in hot.groupby("replication")]))


def _delayed(of: str) -> Observer:
    """Messages published from the start of the outage until the backlog is gone: how many, or their wait."""

    def observe(seen: Seen) -> PerRun:
        start, end = seen.window("outage")
        values: list[float] = []
        for table, drain in zip(seen.messages(), seen.metric("drain_time", "outage"), strict=True):
            published = table["published"].to_numpy()
            delayed = table[(published >= start) & (published < end + drain)]
            values.append(float(len(delayed)) if of == "count" else mean_wait(delayed))
        return PerRun(np.array(values))

    return observe


def _repeats_per_crash(seen: Seen) -> PerRun:
    return PerRun(seen.metric("duplicate_effects", "work") / seen.occurrences("crashes"))


def _repeated(seen: Seen) -> np.ndarray:
    """Messages that were done more than once, each counted once, per replication.

    A crash before the first commit after another repeats once more what that one had repeated already, which
    the formulas of the case do not count: theirs is what was new since the last commit or recovery.
    """
    return np.array([float((table["applications"] > 1).sum()) for table in seen.messages()])


def _repeated_per_crash(seen: Seen) -> PerRun:
    return PerRun(_repeated(seen) / seen.occurrences("crashes"))


def _repeated_share(seen: Seen) -> PerRun:
    return PerRun(_repeated(seen) / seen.metric("offered"))


def _drains_by_the_horizon(seen: Seen) -> PerRun:
    """Whether the backlog after the spike is ever what it was before, while messages still arrive."""
    time, backlog = seen.backlog("queue", "capacity_1000")
    after = (time >= _SPIKE_ENDS) & (time <= seen.data.manifest["horizon"])
    return PerRun(np.array([float(backlog[after].min() <= backlog[time <= 600].max())]))


def _drains_at(seen: Seen) -> PerRun:
    time, backlog = seen.backlog("queue", "capacity_1500")
    return PerRun(np.array([time[(time >= _SPIKE_ENDS) & (backlog == 0)].min() - _SPIKE_ENDS]))


def _expired_or_passed_over(seen: Seen) -> PerRun:
    """What a group that goes on at the end of the log never reads: gone, or still there and skipped."""
    return PerRun(seen.metric("expired", "work") + seen.metric("dropped", "work"))


def _lost_progress(rate: float, interval: float, mean_up: float) -> float:
    """Records repeated per crash: r (1/g - T / (exp(g T) - 1)), of case V23."""
    return rate * (mean_up - interval / math.expm1(interval / mean_up))


EXPERIMENTS: dict[str, tuple[Experiment, ...]] = {
    "V14": (
        Experiment(
            "v14_hot_partition",
            {
                "top_key_share": per_message(lambda table: (table["key"] == 0).to_numpy(), is_share=True),
                "hot_partition_share": per_message(_is_hot, is_share=True),
                "hot_partition_mean_latency_at_60_per_s": per_run(_hot_latency),
                "mean_latency_all_messages_at_60_per_s": LATENCY,
            },
            keeps_messages=True,
        ),
        Experiment(
            "v14_hot_partition_overload",
            {"lag_growth_hot_partition_at_100_per_s": _hot_growth},
            keeps_messages=True,
        ),
        Experiment("v14_uniform_keys", {"mean_latency_if_uniform_at_60_per_s": LATENCY}),
    ),
    "V16": (
        Experiment(
            "v16_outage",
            {
                "backlog_at_restore": metric("backlog_max", "queue"),
                "drain_time_s": metric("drain_time", "outage"),
                "peak_time_lag_s": metric("age_max", "queue"),
                "messages_delayed": _delayed("count"),
                "mean_wait_of_delayed_s": _delayed("wait"),
            },
            keeps_messages=True,
        ),
        Experiment("v16_long_outage", {"drain_time_600s_outage_s": metric("drain_time", "outage")}),
    ),
    "V17": (
        Experiment("v17_breakdowns_overload", {"availability": metric("utilization", "consumers")}),
        Experiment("v17_breakdowns", {"mean_latency_s": LATENCY}),
        Experiment("v17_slow_breakdowns", {"mean_latency_slow_variant_s": LATENCY}, is_slow=True),
        Experiment("v01b_mm1_light", {"mean_latency_without_failures_s": LATENCY}),
    ),
    "V18": (
        Experiment(
            "v18_retention",
            {
                "lost_if_reset_earliest": metric("expired", "work"),
                "catch_up_time_earliest_s": metric("drain_time", "outage"),
            },
            expected={"lost_if_reset_earliest": 1.0 * (50400 - 43200)},
            scaled="rates / 100",
        ),
        Experiment(
            "v18_reset_latest",
            {"lost_if_reset_latest": _expired_or_passed_over},
            expected={"lost_if_reset_latest": 1.0 * 50400},
            scaled="rates / 100",
        ),
    ),
    "V23": (
        Experiment(
            "v23_rare_crashes",
            {"reprocessed_per_crash_fluid": _repeated_per_crash, "duplicate_share_long_run": _repeated_share},
            keeps_messages=True,
            is_slow=True,
            expected={
                "reprocessed_per_crash_fluid": 1 * 5 / 2,
                "duplicate_share_long_run": (1 * 5 / 2) / (1 * 300),
            },
            scaled="1/s, a crash per 300 s",
        ),
        Experiment(
            "v23_commit_interval",
            {"reprocessed_per_crash_exact": _repeated_per_crash},
            keeps_messages=True,
            is_slow=True,
            expected={"reprocessed_per_crash_exact": _lost_progress(4, 5, 20)},
            scaled="4/s, a crash per 20 s",
        ),
        Experiment(
            "v23_commit_per_batch",
            {"reprocessed_per_crash_commit_after_batch": _repeats_per_crash},
            expected={"reprocessed_per_crash_commit_after_batch": (10 - 1) / 2},
            scaled="batches of 10",
        ),
    ),
    "V31": (
        Experiment(
            "v31_spike",
            {
                "backlog_capacity_1000": metric("backlog_max", "queue", "capacity_1000"),
                "drains_capacity_1000": _drains_by_the_horizon,
                "backlog_capacity_1500": metric("backlog_max", "queue", "capacity_1500"),
                "drain_time_capacity_1500_s": _drains_at,
            },
            is_quick=True,
            expected={
                "backlog_capacity_1000": (20 - 10) * 3600,
                "backlog_capacity_1500": (20 - 15) * 3600,
            },
            scaled="rates / 100",
        ),
    ),
}
