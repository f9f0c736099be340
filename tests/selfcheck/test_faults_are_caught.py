"""Negative controls: a simulator with a deliberate fault does not get past the cases.

Each fault is put into the engine, one case is run through the same path as in ``sim selfcheck``, and a metric
must come out outside of its interval; without the fault it comes out inside. To be fast, steady-state runs
are shorter here, so that they may be too vague to PASS: then only the interval counts, never a wider one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from sim.components.consumer import Pool
from sim.components.link import Link
from sim.components.log import Group
from sim.components.producer import Producer
from sim.components.queue import Queue
from sim.components.timelines import FaultPlan, Outage
from sim.components.topic import Subscriber, Subscription
from sim.engine.distributions import Spread
from sim.engine.ledger import Ledger
from sim.engine.streams import AttachedDraws, Streams
from sim.scenario.load import load
from sim.selfcheck import check
from sim.selfcheck.cases import DATA
from sim.selfcheck.check import Check, check_case
from sim.selfcheck.plan import experiments
from sim.selfcheck.tolerance import PASS
from sim.vocabulary import Engine, Outcome

Patch = pytest.MonkeyPatch


@dataclass(frozen=True)
class Control:
    """A fault, and what must notice it.

    Attributes:
        put: puts the fault in.
        case: that notices.
        file: the experiment that is run.
        metrics: that must come out wrong.
        shorter: overrides of the scenario, to be fast.
    """

    put: Callable[[Patch], None]
    case: str
    file: str
    metrics: tuple[str, ...]
    shorter: tuple[str, ...] = ()


def run(control: Control) -> dict[str, Check]:
    """One experiment of a case, in this process."""
    with pytest.MonkeyPatch.context() as patch:
        chosen = tuple(each for each in experiments()[control.case] if each.file == control.file)
        assert len(chosen) == 1
        patch.setattr(check, "experiments", lambda: {control.case: chosen})
        patch.setattr(
            check, "scenario", lambda file: load(DATA / "selfcheck" / f"{file}.yaml", control.shorter)
        )
        return {found.metric: found for found in check_case(control.case, jobs=1, engine=Engine.PROCESSES)}


def nothing(patch: Patch) -> None:
    """No fault."""
    del patch


@cache
def healthy(case: str, file: str, shorter: tuple[str, ...]) -> dict[str, Check]:
    """The same without a fault."""
    return run(Control(nothing, case, file, (), shorter))


def agrees(found: Check, *, is_short: bool) -> bool:
    """Whether an observation agrees with what is expected, in its own interval."""
    if not is_short:
        return found.verdict == PASS
    inside = found.low <= found.expected <= found.high
    return inside != found.is_control


def after_init(patch: Patch, component: Any, change: Callable[[Any], None]) -> None:
    """Change every component of a class once it stands."""
    init = component.__init__

    def faulty(self: Any, *args: Any, **options: Any) -> None:
        init(self, *args, **options)
        change(self)

    patch.setattr(component, "__init__", faulty)


def one_receive_more(patch: Patch) -> None:
    """A message is dead-lettered after one receive too many."""
    after_init(patch, Queue, lambda queue: setattr(queue, "_max_receives", queue._max_receives + 1))


def one_receive_less(patch: Patch) -> None:
    """A message is dead-lettered one receive too early."""
    after_init(patch, Queue, lambda queue: setattr(queue, "_max_receives", queue._max_receives - 1))


def visibility_never_ends(patch: Patch) -> None:
    """The timer that makes a received message visible again never fires."""
    after_init(patch, Queue, lambda queue: setattr(queue._in_flight, "delay", 1e12))


def late_delete_is_ignored(patch: Patch) -> None:
    """A delete after the visibility timeout never counts."""
    after_init(patch, Queue, lambda queue: setattr(queue, "_late_delete", False))


def dead_letters_are_booked_as_done(patch: Patch) -> None:
    """What is dead-lettered is counted with what was acknowledged."""
    after_init(patch, Queue, lambda queue: setattr(queue, "_exhausted", Outcome.APPLIED))


def capacity_is_ignored(patch: Patch) -> None:
    """A full queue takes in more."""
    after_init(patch, Queue, lambda queue: setattr(queue, "_capacity", math.inf))


def last_in_first_out(patch: Patch) -> None:
    """A queue hands out what came last."""

    def take(queue: Any, worker: Any, limit: int, now: float) -> Any:
        del limit
        return (queue._receive(worker, queue._visible.pop(), now),) if queue._visible else None

    patch.setattr(Queue, "take", take)


def retention_is_ignored(patch: Patch) -> None:
    """Records never expire."""

    def position(group: Any, partition: int, now: float) -> int:
        del now
        return group._fetched[partition]

    patch.setattr(Group, "_expire", position)


def commits_before_the_work(patch: Patch) -> None:
    """Offsets are committed when records are fetched: at most once."""
    take, done = Group.take, Group.done

    def early(group: Any, worker: Any, limit: int, now: float) -> Any:
        items = take(group, worker, limit, now)
        for partition in group._members[worker.index]:
            group._done[partition] = group._fetched[partition]
        group._commit(worker.index)
        return items

    def without_progress(group: Any, copy: int, now: float, *fate: Outcome) -> None:
        before = list(group._done)
        done(group, copy, now, *fate)
        group._done[:] = before

    patch.setattr(Group, "take", early)
    patch.setattr(Group, "done", without_progress)


def one_push_more(patch: Patch) -> None:
    """A topic tries once more than it was told."""
    after_init(patch, Subscription, lambda each: setattr(each, "_retries", each._retries + 1))


def one_place_more(patch: Patch) -> None:
    """A subscriber holds one message more than it has room for."""
    after_init(patch, Subscriber, lambda each: setattr(each, "_buffer", each._buffer + 1))


def outages_last_longer(patch: Patch) -> None:
    """Consumers come back 5 s late."""
    outages = FaultPlan.outages

    def longer(plan: Any, *args: Any, **options: Any) -> Any:
        return [
            [Outage(each.start, each.end + 5, each.in_hand, each.takes_memory) for each in worker]
            for worker in outages(plan, *args, **options)
        ]

    patch.setattr(FaultPlan, "outages", longer)


def draws_are_not_redrawn(patch: Patch) -> None:
    """A second attempt meets the draws of the first."""
    value = AttachedDraws.value

    def first(draws: Any, message: int, attempt: int = 0) -> float:
        del attempt
        return value(draws, message, 0)

    patch.setattr(AttachedDraws, "value", first)


def brokers_share_their_luck(patch: Patch) -> None:
    """Faults of different names are drawn from the same numbers."""
    attached = Streams.attached
    patch.setattr(
        Streams,
        "attached",
        lambda streams, sample, purpose, *entity: attached(
            streams, sample, purpose, *(() if purpose == "fault" else entity)
        ),
    )


def work_is_slower(patch: Patch) -> None:
    """Service times are 5 % too long."""
    sample = Spread.sample
    patch.setattr(Spread, "sample", lambda spread, rng, count: sample(spread, rng, count) * 1.05)


def lognormal_by_raw_moments(patch: Patch) -> None:
    """Mean and cv are taken for the parameters of the normal distribution behind the lognormal."""
    patch.setattr(
        Spread,
        "sample",
        lambda spread, rng, count: rng.lognormal(math.log(spread.mean_value), spread.cv, count),
    )


def arrivals_are_not_shared(patch: Patch) -> None:
    """Each effect has arrivals of its own: the same latencies, but not of the same messages."""
    close = Ledger.close

    def unpaired(ledger: Any, *args: Any) -> Any:
        pairs, copies = close(ledger, *args)
        latency = pairs[1].first_applied - ledger.published
        other = ledger.published + np.roll(latency, len(latency) // 2)
        return (pairs[0], replace(pairs[1], first_applied=other), *pairs[2:]), copies

    patch.setattr(Ledger, "close", unpaired)


def stored_copies_vanish(patch: Patch) -> None:
    """A publish whose acknowledgement is lost is lost itself."""

    def forget(link: Any, message: int, attempt: int, arrival: float) -> Any:
        del message, attempt
        yield link._site.at(arrival)

    patch.setattr(Link, "_arrive_unheard", forget)


def completions_bypass_the_outbox(patch: Patch) -> None:
    """Workers report to the broker directly, although there is an outbox."""
    after_init(patch, Producer, lambda producer: producer._reporting.clear())


def downtime_is_work(patch: Patch) -> None:
    """The seconds in which a worker is away count as busy."""
    spend = Pool._spend

    def counted(pool: Any, worker: Any, duration: float, *, is_busy: bool = True) -> Any:
        start = pool.site.now
        crashed = yield from spend(pool, worker, duration, is_busy=is_busy)
        pool.count_busy(start + duration, pool.site.now)
        return crashed

    patch.setattr(Pool, "_spend", counted)


SHARE = "throttled_share (exponential)"
HALF = ("horizon=1000s",)
CONTROLS = [
    Control(
        one_receive_more, "V15", "v15_dead_letters", ("dlq_share", "success_share", "mean_deliveries"), HALF
    ),
    Control(
        one_receive_less, "V15", "v15_dead_letters", ("dlq_share", "success_share", "mean_deliveries"), HALF
    ),
    Control(draws_are_not_redrawn, "V15", "v15_dead_letters", ("dlq_share", "mean_deliveries"), HALF),
    Control(dead_letters_are_booked_as_done, "V15", "v15_dead_letters", ("dlq_share",), HALF),
    Control(visibility_never_ends, "F2", "golden/f2_sink_rejects", ("dual_brokers.late",)),
    Control(one_push_more, "F2", "golden/f2_sink_rejects", ("pubsub.partial", "pubsub.late")),
    Control(outages_last_longer, "F1", "golden/f1_consumer_down", ("stream.drain_s", "pubsub.partial")),
    Control(
        late_delete_is_ignored,
        "V22",
        "v22_visibility",
        ("mean_deliveries_late_delete_honoured",),
        ("horizon=300s",),
    ),
    Control(
        lognormal_by_raw_moments,
        "V22",
        "v22_visibility_lognormal",
        ("lognormal_mean20_cv1_share_over_30s",),
        ("horizon=300s",),
    ),
    Control(retention_is_ignored, "V18", "v18_retention", ("lost_if_reset_earliest",), ("replications=1",)),
    Control(
        commits_before_the_work,
        "V23",
        "v23_commit_per_batch",
        ("reprocessed_per_crash_commit_after_batch",),
        ("workload.backlog=5k", "drain=100s"),
    ),
    Control(
        arrivals_are_not_shared,
        "V10",
        "v10_fork_join",
        ("mean_time_both_done_s", "wrong_if_arrivals_not_shared_s"),
        ("horizon=2600s",),
    ),
    Control(work_is_slower, "V11", "v11_fan_out", ("mean_time_all_done_s",)),
    Control(last_in_first_out, "V01b", "v01b_mm1_light", ("latency_p99_s",), ("horizon=1000s",)),
    Control(one_place_more, "V06", "v06_push_no_buffer", (SHARE,), ("horizon=450s",)),
    Control(capacity_is_ignored, "V07", "v07_bounded_queue", ("reject_share",), ("horizon=450s", "drain=0s")),
    Control(brokers_share_their_luck, "V25", "v25_dual_write", ("neither", "partial"), ("horizon=300s",)),
    Control(stored_copies_vanish, "V24", "v24_lost_replies", ("mean_copies_stored",), ("horizon=200s",)),
    Control(completions_bypass_the_outbox, "V20", "v20_outbox_hops", ("mean_added_latency_same_timer_s",)),
    Control(downtime_is_work, "V17", "v17_breakdowns_overload", ("availability",)),
]


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.put.__name__)
def test_a_fault_is_caught(control: Control, monkeypatch: Patch) -> None:
    """The named metrics come out right without the fault, and wrong with it."""
    is_short = bool(control.shorter)
    right = healthy(control.case, control.file, control.shorter)
    for name in control.metrics:
        assert agrees(right[name], is_short=is_short), right[name]
    control.put(monkeypatch)
    wrong = run(control)
    for name in control.metrics:
        assert not agrees(wrong[name], is_short=is_short), wrong[name]


def test_there_are_enough_controls() -> None:
    """At least ten different faults, each described."""
    assert len({control.put for control in CONTROLS}) >= 10
    assert all(control.put.__doc__ for control in CONTROLS)
