"""A partitioned log and its groups: order, ranges, offsets, repetition after a crash."""

import numpy as np
import pytest
from stories import run

from sim.analysis.lag import in_flight
from sim.analysis.measure import measure

KEYED = {"workload": {"keys": {"count": 60}}}
DOWN = {"kind": "down", "target": "consumers"}


def test_a_record_goes_to_partition_key_mod_partitions_and_partitions_keep_their_order():
    """Within a partition, the order of publishing is the order of work."""
    told = run("stream", [0.01 * k for k in range(40)], top=KEYED, stream={"partitions": 4}, consumers=2)
    partition = told.holder("db_stream").partition
    assert list(partition) == list(told.key % 4)
    for number in range(4):
        mine = [message for message in told.order() if partition[message] == number]
        assert mine == sorted(mine)


def test_members_own_contiguous_ranges_and_those_beyond_the_partitions_are_idle():
    """Five records of one partition are worked off by one member, however many there are."""
    told = run("stream", [0] * 5, stream={"partitions": 1}, consumers=3)
    assert told.first_applied() == [1, 2, 3, 4, 5]


def test_seven_partitions_for_three_members_are_three_two_and_two():
    """The first members get one more."""
    from sim.components.log import _assign

    assert [list(owned) for owned in _assign(7, 3)] == [[0, 1, 2], [3, 4], [5, 6]]


def test_a_group_commits_when_its_interval_has_passed_or_at_every_fetch():
    """Records of 1 s: every 3 s of work, or after each fetch of one record."""
    by_interval = run("stream", [0] * 6, stream=1, consumers={"batch": 1, "commit_interval": "3s"})
    assert by_interval.holder("db_stream").commits.tolist() == [[3, 0, 3], [6, 0, 6]]
    always = run("stream", [0] * 3, stream=1, consumers={"batch": 1, "commit_interval": "0s"})
    assert always.holder("db_stream").commits.tolist() == [[1, 0, 1], [2, 0, 2], [3, 0, 3]]


def test_a_crash_repeats_exactly_the_uncommitted_records():
    """Two of six were committed at 2 s; the crash at 3.5 s repeats the third, and the fourth begins anew."""
    crash = {"crash": {"kind": "crash", "target": "consumers", "at": "3.5s", "duration": "1s"}}
    consumers = {"batch": 1, "commit_interval": "2s"}
    told = run("stream", [0] * 6, stream=1, consumers=consumers, faults=crash)
    assert told.order() == [0, 1, 2, 2, 3, 4, 5]
    assert told.applications() == [1, 1, 2, 1, 1, 1]
    assert told.first_applied() == [1, 2, 3, 6.5, 7.5, 8.5]


@pytest.mark.parametrize(
    ("in_hand", "commits"),
    [
        ("lose", [[10, 0, 1]]),  # 3 s + 2 s + 5 s
        ("finish", [[3, 0, 1], [10, 0, 2]]),
        ("resume", [[5, 0, 1], [10, 0, 2]]),
    ],
)
def test_a_member_that_starts_again_counts_its_commit_interval_from_then(in_hand, commits):
    """Away from 3 s to 5 s, every 5 s a commit: a new process counts from 5 s, a suspended one goes on."""
    fault = {"kind": "down", "target": "consumers", "at": "3s", "duration": "2s", "in_hand": in_hand}
    times = [0, *([6] if in_hand != "lose" else [])]
    told = run(
        "stream",
        times,
        stream=1,
        effects={"db": "1s"},
        consumers={"commit_interval": "5s"},
        faults={"away": fault},
    )
    assert told.holder("db_stream").commits.tolist() == commits


def test_a_member_that_stops_in_good_order_commits_and_repeats_nothing():
    """It finishes the record in hand, commits, and goes on where it stopped."""
    told = run("stream", [0] * 4, stream=1, faults={"stop": {**DOWN, "at": "1.5s", "duration": "3s"}})
    assert told.first_applied() == [1, 2, 5.5, 6.5]
    assert told.applications() == [1, 1, 1, 1]
    assert told.holder("db_stream").commits[0].tolist() == [2, 0, 2]


def test_retention_removes_records_that_nobody_has_read():
    """Records older than 5 s are gone when the member is back at 10 s."""
    faults = {"away": {**DOWN, "at": "0s", "duration": "10s"}}
    told = run("stream", [0, 4, 6, 9], stream={"partitions": 1, "retention": "5s"}, faults=faults)
    assert told.outcomes() == ["expired", "expired", "applied", "applied"]
    assert list(told.holder("db_stream").ended[:2]) == [5, 9]


def test_two_groups_read_independently():
    """One group's outage does not delay the other."""
    effects = {"db": "1s", "index": "1s"}
    faults = {"away": {"kind": "down", "target": "index.consumers", "at": "0s", "duration": "20s"}}
    told = run("stream", [0, 0], effects=effects, stream=1, faults=faults)
    assert told.first_applied("db") == [1, 2]
    assert told.first_applied("index") == [21, 22]


@pytest.mark.parametrize(("on_error", "fate"), [("skip", "dropped"), ("dead_letter", "dead_lettered")])
def test_skip_and_dead_letter_pass_over_a_record(on_error, fate):
    """One attempt, and the partition moves on."""
    rejects = {"trouble": {"kind": "reject", "target": "sink", "at": "0s", "duration": "500ms"}}
    told = run("stream", [0, 1], stream=1, consumers={"on_error": on_error}, faults=rejects)
    assert told.outcomes() == [fate, "applied"]
    assert told.first_applied() == [None, 2]


def test_a_retry_in_place_blocks_the_partition():
    """Nothing behind a record is begun before it is done."""
    rejects = {"trouble": {"kind": "reject", "target": "sink", "at": "0s", "duration": "4.5s"}}
    told = run("stream", [0, 0], stream=1, faults=rejects)
    assert told.attempts(message=0) == [0, 1, 2, 3, 4, 5]
    assert told.first_applied() == [6, 7]


def test_a_crash_with_an_instant_restart_strikes_once(monkeypatch):
    """The crash at 0.5 s repeats record 0 from then on; the same instant does not strike again."""
    from sim.components.effect import Effect

    begin, calls = Effect.begin, []

    def begin_and_count(effect, message, now):
        calls.append(now)
        assert len(calls) < 100, f"the record is begun for ever at {now} s"
        return begin(effect, message, now)

    monkeypatch.setattr(Effect, "begin", begin_and_count)
    crash = {"crash": {"kind": "crash", "target": "consumers", "at": "0.5s"}}
    assert run("stream", stream=1, faults=crash).first_applied() == [1.5]


def steady(consumers, faults=None, *, work="0s", partitions=1):
    """A hundred records a second for 100 s, kept for 12 s."""
    top = {"workload": {"arrivals": {"rate": "100/s", "process": "constant"}}}
    stream = {"partitions": partitions, "retention": "12s"}
    return run(
        "stream", None, effects={"db": work}, stream=stream, consumers=consumers, faults=faults, top=top
    )


@pytest.mark.parametrize(
    ("reset", "expired", "dropped"), [("earliest", 200, 0), ("latest", 200, 1200)], ids=["earliest", "latest"]
)
def test_a_group_that_was_away_longer_than_the_retention_loses_what_its_reset_says(reset, expired, dropped):
    """Case V18, a second for an hour: rate x (D - R) = 200 with ``earliest``, rate x D with ``latest``.

    Down for D = 14 s, with a retention of R = 12 s.
    """
    away = {"away": {**DOWN, "at": "20s", "duration": "14s"}}
    for partitions in (1, 5):
        told = steady({"reset": reset}, away, partitions=partitions)
        assert told.outcomes().count("expired") == expired
        assert told.outcomes().count("dropped") == dropped
        assert told.outcomes().count("applied") == 10_000 - expired - dropped
        lost = told.published[told.effect().applications == 0]
        assert lost.min() == pytest.approx(20, abs=0.01)
        assert lost.max() == pytest.approx(22 if reset == "earliest" else 34, abs=0.01)


def test_catching_up_takes_what_is_left_over_the_spare_capacity():
    """Case V18: 12 s of records at 100/s against a capacity of 150/s: 1,200 / 50 = 24 s."""
    away = {"away": {**DOWN, "at": "20s", "duration": "14s"}}
    told = steady({}, away, work="6.66666667ms")
    assert measure(told.record)["drain_time", "away"] == pytest.approx(24, rel=0.01)


def test_a_reset_to_the_end_spares_a_group_whose_offset_is_still_there():
    """Down for 11 s with a retention of 12 s: ``latest`` loses nothing."""
    away = {"away": {**DOWN, "at": "20s", "duration": "11s"}}
    assert set(steady({"reset": "latest"}, away).outcomes()) == {"applied"}


@pytest.mark.parametrize(
    ("reset", "fates"),
    [
        ("earliest", ["expired", "applied", "applied", "applied"]),
        ("latest", ["expired", "dropped", "dropped", "applied"]),
    ],
)
def test_a_group_that_joins_late_replays_what_is_left_or_passes_over_it(reset, fates):
    """Index joins at 15 s and the log keeps 12 s; db has been there all the time."""
    index = {"consumers": {"starts": "15s", "reset": reset}}
    effects = {"db": "1s", "index": "1s"}
    stream = {"partitions": 2, "retention": "12s"}
    top = {"workload": {"keys": 1}}
    told = run("stream", [0, 5, 14, 16], effects=effects, stream=stream, per_effect={"index": index}, top=top)
    assert told.outcomes("index") == fates
    assert told.first_applied("db") == [1, 6, 15, 17]
    applied = [None, 16, 17, 18] if reset == "earliest" else [None, None, None, 17]
    assert told.first_applied("index") == applied
    commits = told.holder("index_stream").commits.tolist()
    assert commits[0] == ([20, 0, 4] if reset == "earliest" else [15, 0, 3])


def test_a_late_group_keeps_the_order_of_each_key_and_so_does_a_replay():
    """What is applied again after a crash, or late by a group that joins late, violates no order."""
    crash = {"crash": {"kind": "crash", "target": "consumers", "at": "5s", "every": "7s", "duration": "1s"}}
    effects = {"db": "100ms", "index": "100ms"}
    told = run(
        "stream",
        [0.2 * k for k in range(200)],
        effects=effects,
        faults=crash,
        consumers={"count": 3, "commit_interval": "2s"},
        per_effect={"index": {"consumers": {"starts": "10s"}}},
        top={"workload": {"keys": 12}},
    )
    found = measure(told.record)
    assert found["duplicate_effects", "db"] > 0
    assert found["duplicate_effects", "index"] > 0
    assert found["order_violations", ""] == 0
    assert set(told.outcomes("db")) == set(told.outcomes("index")) == {"applied"}


def test_two_groups_stand_at_different_offsets():
    """At 10 s db has committed ten records and index, twice as slow, five; a third group has not begun."""
    effects = {"db": "1s", "index": "2s", "mail": "1s"}
    per_effect = {"mail": {"consumers": {"starts": "50s"}}}
    consumers = {"batch": 1, "commit_interval": "0s"}
    told = run("stream", [0] * 20, effects=effects, stream=1, consumers=consumers, per_effect=per_effect)
    at_ten = {}
    for name in effects:
        commits = told.holder(f"{name}_stream").commits
        at_ten[name] = commits[commits[:, 0] <= 10, 2].max(initial=0)
    assert at_ten == {"db": 10, "index": 5, "mail": 0}
    assert set(told.outcomes("mail")) == {"applied"}


@pytest.mark.parametrize("count", [1, 2, 3, 6, 7, 10])
def test_members_beyond_the_partitions_are_idle_and_add_no_capacity(count):
    """Sixty records of 1 s: done when the busiest member is, and six members are as fast as ten."""
    told = run("stream", [0] * 60, stream=6, consumers=count, top={"workload": {"keys": 60}})
    sizes = np.bincount(told.holder("db_stream").partition, minlength=6)
    shares = np.array_split(sizes, count)  # contiguous, the first ones with one more
    assert max(told.first_applied()) == max(share.sum() for share in shares)
    assert told.pools[0].busy == 60
    assert in_flight(told.holder("db_stream")).maximum() == min(count, 6)


def test_concurrency_of_a_group_never_exceeds_its_members():
    """A burst of two hundred records meets four members: at no time are five records in work."""
    told = run("stream", [0.001 * k for k in range(200)], consumers=4, effects={"db": "150ms"})
    assert in_flight(told.holder("db_stream")).maximum() == 4
