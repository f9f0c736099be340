"""A partitioned log and its groups: order, ranges, offsets, repetition after a crash."""

import pytest
from stories import run

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
