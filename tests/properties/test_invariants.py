"""Laws that no run may break, whatever is drawn: workload, options, faults; in all architectures."""

from __future__ import annotations

import functools
import json
from collections import defaultdict
from random import Random
from unittest import mock

import numpy as np
import pytest
from drawn import FAULTS, KINDS, draw_scenario, for_drawn, load
from hypothesis import note

import sim.experiment.replication as replication_module
from sim.analysis.lag import in_flight, visible
from sim.analysis.measure import measure
from sim.components.effect import Effect
from sim.components.log import Group
from sim.components.site import Site
from sim.experiment.replication import run_replication
from sim.vocabulary import MessageOutcome, Outcome

PARTS = 8
EXAMPLES = 26  # of each part
QUEUED = ("single_broker", "dual_brokers", "sns_sqs")


class Witness:
    """Sees every effect that happens and every fetch of a consumer group, as they happen."""

    def __init__(self):
        self.applied = []
        self.members = defaultdict(set)

    def watch(self, run):
        """Call a function while looking on."""
        apply, take = Effect.apply, Group.take

        def apply_and_tell(effect, message, now, late):
            self.applied.append((now, effect.name, message))
            apply(effect, message, now, late)

        def take_and_tell(group, worker, limit, now):
            items = take(group, worker, limit, now)
            for item in items or ():
                self.members[group.log.name, group._partition[group.log.message_of(item)]].add(worker.index)
            return items

        with (
            mock.patch.object(Effect, "apply", apply_and_tell),
            mock.patch.object(Group, "take", take_and_tell),
        ):
            return run()


def run_carefully(scenario, name):
    """Run without the short cuts for what cannot be disturbed."""
    careful = functools.partial(Site, is_careful=True)
    with mock.patch.object(replication_module, "Site", careful):
        return run_replication(scenario, name, 0, "processes")


def check_sums(record):
    """Outcomes sum to offered, for messages and for the pairs of each effect."""
    offered = len(record.published)
    assert sum(int(np.sum(record.message_outcome == each)) for each in MessageOutcome) == offered
    for pairs in record.pairs:
        assert sum(int(np.sum(pairs.outcome == each)) for each in Outcome) == offered
    if not record.is_censored:
        assert not np.any(record.message_outcome == MessageOutcome.PENDING)
        assert all(not np.any(pairs.outcome == Outcome.PENDING) for pairs in record.pairs)


def check_causes(record, witness):
    """Nothing is stored before its publish; no effect happens before a copy that carries it is delivered."""
    for copies in record.copies:
        held = np.isfinite(copies.accepted)
        assert np.all(copies.accepted[held] >= record.published[copies.message[held]])
        taken = np.isfinite(copies.taken)
        assert np.all(copies.taken[taken] >= copies.accepted[taken])
        both = taken & np.isfinite(copies.ended)
        assert np.all(copies.ended[both] >= copies.taken[both])
    for pairs in record.pairs:
        applied = pairs.applications > 0
        assert np.all(pairs.first_applied[applied] >= record.published[applied])
        assert np.all(pairs.first_delivered[applied] <= pairs.first_applied[applied])
        assert np.all(pairs.deliveries[applied] >= 1)
        seen = [(time, message) for time, effect, message in witness.applied if effect == pairs.effect]
        counts = np.bincount([message for _, message in seen], minlength=len(applied))
        assert np.array_equal(counts, pairs.applications)
        first = {message: time for time, message in reversed(seen)}
        assert all(pairs.first_applied[message] == time for message, time in first.items())
    replied = np.isfinite(record.reply_time)
    assert np.array_equal(replied, record.reply > 0)
    assert np.all(record.reply_time[replied] >= record.published[replied])


def check_chain(record, effects):
    """An effect that waits for another never happens before it, and never without it."""
    pairs = {each.effect: each for each in record.pairs}
    for name, effect in effects.items():
        if effect.after is not None:
            done = pairs[name].applications > 0
            assert np.all(pairs[effect.after].first_applied[done] <= pairs[name].first_applied[done])


def check_queues(record, architecture):
    """No copy is delivered more often than ``max_receives``."""
    if architecture.kind not in QUEUED:
        return
    branches = getattr(architecture, "per_effect", None) or {"": architecture}
    for effect, branch in branches.items():
        name = f"{effect}_queue" if effect else "queue"
        (copies,) = (each for each in record.copies if each.name == name)
        assert copies.deliveries.max(initial=0) <= branch.queue.max_receives
        ended = np.where(np.isfinite(copies.ended), copies.ended, np.inf)
        accepted = copies.accepted[np.isfinite(copies.accepted)]
        held = np.searchsorted(np.sort(accepted), accepted, side="right")
        held = held - np.searchsorted(np.sort(ended), accepted, side="right")
        assert held.max(initial=0) <= branch.queue.capacity


def check_groups(record, architecture, witness):
    """One member per partition, first applications in the order of the partition, commits that only grow."""
    assert all(len(members) == 1 for members in witness.members.values())
    for copies in record.copies:
        if copies.commits is None:
            continue
        for partition in np.unique(copies.partition):
            times, _, offsets = copies.commits[copies.commits[:, 1] == partition].T
            assert np.all(np.diff(times) >= 0)
            assert np.all(np.diff(offsets) > 0)
            stored = np.isfinite(copies.accepted) & (copies.partition[copies.message] == partition)
            assert offsets.max(initial=0) <= np.sum(stored)
            (pairs,) = (each for each in record.pairs if (each.effect,) == copies.effects)
            if architecture.per_effect[pairs.effect].consumers.on_error != "retry":
                continue  # what was skipped may be applied by a repetition after a crash
            mine = (copies.partition == partition) & (pairs.applications > 0)
            mine[copies.extra] = False  # of what is stored twice, either copy may come first
            applied = pairs.first_applied[mine]
            applied = applied[np.lexsort((applied, copies.accepted[: len(mine)][mine]))]
            assert np.all(np.diff(applied) >= 0)


def check_levels(record):
    """Backlog and in-flight counts never fall below zero and end with what is still live."""
    for copies in record.copies:
        live = int(np.sum(np.isfinite(copies.accepted) & np.isnan(copies.ended)))
        left = 0
        for level in (visible(copies), in_flight(copies)):
            times = np.concatenate((level.rises, level.falls))
            assert level.at(times).min(initial=0) >= 0
            left += int(len(level.rises) - len(level.falls))
        assert left == live


def check_pools(record):
    """No worker is busier than the window is long."""
    for pool in record.pools:
        assert 0 <= pool.busy <= pool.workers * (record.horizon - record.warmup) * (1 + 1e-9)


def check_metrics(record):
    """Every metric can be computed, and counts are no less than zero."""
    values = measure(record)
    assert values["offered", ""] == len(record.published)
    assert all(not value < 0 for value in values.values())


def for_drawn_scenarios(part, examples, check):
    """Draw scenarios, always the same ones for a part, and check each of them."""

    def check_one(random):
        tree = draw_scenario(random)
        note(json.dumps(tree))
        check(load(tree))

    for_drawn(part, examples, check_one)


@pytest.mark.parametrize("part", range(PARTS))
def test_every_drawn_run_keeps_the_laws(part):
    """Whatever is drawn, every run of every architecture keeps the laws, and every kind of fault is drawn."""
    met = set()

    def keeps_the_laws(scenario):
        for name, architecture in scenario.architectures.items():
            note(name)
            witness = Witness()
            record = witness.watch(lambda name=name: run_replication(scenario, name, 0, "processes"))
            assert len(record.published) >= 200
            check_sums(record)
            check_causes(record, witness)
            check_chain(record, scenario.effects)
            check_queues(record, architecture)
            check_groups(record, architecture, witness)
            check_levels(record)
            check_pools(record)
            check_metrics(record)
            met.update((fault.kind, name) for fault in scenario.faults.values())

    for_drawn_scenarios(part, EXAMPLES, keeps_the_laws)
    assert met == {(kind, name) for kind in FAULTS for name in KINDS}


@pytest.mark.parametrize("part", range(100, 104))
def test_short_cuts_and_repetition_change_nothing(part):
    """The same seed leaves the same record, again and without the short cuts for undisturbed work."""

    def changes_nothing(scenario):
        for name in scenario.architectures:
            note(name)
            fingerprint = run_replication(scenario, name, 0).fingerprint()
            assert run_replication(scenario, name, 0).fingerprint() == fingerprint
            assert run_carefully(scenario, name).fingerprint() == fingerprint

    for_drawn_scenarios(part, 10, changes_nothing)


@pytest.mark.parametrize(("kind", "role"), [(kind, role) for kind, roles in FAULTS.items() for role in roles])
def test_every_kind_of_fault_strikes_every_architecture_that_has_its_target(kind, role):
    """Somewhere the ledger differs from that of the run without the fault; without a broker it never does."""
    untouched, seen = set(KINDS), set()
    for number in range(12):
        tree = draw_scenario(Random(number), fault=(kind, role))  # noqa: S311
        troubled, quiet = load(tree), load(tree | {"faults": {}})
        for name in sorted(untouched):
            seen.add(name)
            if not is_alike(run_replication(troubled, name, 0), run_replication(quiet, name, 0)):
                untouched.remove(name)
        if len(untouched) <= (role == "broker"):
            break
    assert seen == set(KINDS)
    assert untouched == expected_to_be_untouched(kind, role)


def expected_to_be_untouched(kind, role):
    """Architectures in which nothing plays the role, or which have no moment at which the fault counts."""
    del kind
    return {"synchronous"} if role == "broker" else set()


def is_alike(one, other):
    """Whether effects, outcomes and replies of two runs are the same."""
    columns = [(one.reply, other.reply), (one.reply_time, other.reply_time)]
    for mine, theirs in zip(one.pairs, other.pairs, strict=True):
        columns += [
            (mine.outcome, theirs.outcome),
            (mine.first_applied, theirs.first_applied),
            (mine.applications, theirs.applications),
        ]
    return all(np.array_equal(mine, theirs, equal_nan=True) for mine, theirs in columns)
