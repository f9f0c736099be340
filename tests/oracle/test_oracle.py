"""The oracle is judged first: by the golden matrix and by stories short enough for a sheet of paper."""

import functools
import math
from collections import Counter

import oracle
import pytest
from oracle import Options, Window

BROKERS = ("single_broker", "dual_brokers", "stream", "pubsub", "sns_sqs")
EFFECTS = ("db", "index")
GOLDEN_ARRIVALS = [0.05 + 0.1 * k for k in range(10_000)]
F1 = Window("down", "consumers", 400, 520, "index")
F2 = Window("reject", "sink", 400, 520, "index")
F3 = Window("reject", "broker", 400, 460, "index")
ALIKE = {"abs": 3}


@functools.cache
def golden(kind, fault, **options):
    """Run one cell of the matrix of `method.md` 1.7."""
    options = {"workers": 2 if kind == "single_broker" else 1, "publish_retry_delay": 1.0} | options
    options = Options(**{"publish_retry_for": 3.0} | options)
    return oracle.simulate(
        kind, GOLDEN_ARRIVALS, EFFECTS, options, (fault,), service=lambda *_: 0.04, limit=11_000
    )


def story(kind, arrivals, faults=(), *, seconds=1.0, effects=("db",), fails=None, limit=math.inf, **options):
    """Run a few messages; `seconds` is the service time, or a function that gives it."""
    service = seconds if callable(seconds) else lambda *_: seconds
    return oracle.simulate(
        kind, arrivals, effects, Options(**options), faults, service=service, fails=fails, limit=limit
    )


def pairs(result, effect):
    """The pairs of one effect, in the order of the messages."""
    return [pair for (_, name), pair in sorted(result.pairs.items()) if name == effect]


def outcomes(result, effect):
    """How often each outcome, of one effect."""
    return Counter(pair.outcome for pair in pairs(result, effect))


def lateness(result, effect):
    """How many were late, and how late on average."""
    delays = [
        pair.first_applied - published
        for pair, published in zip(pairs(result, effect), GOLDEN_ARRIVALS, strict=True)
        if pair.late
    ]
    return len(delays), sum(delays) / len(delays) if delays else math.nan


def repeats(result, effect):
    """Applications beyond the first."""
    return sum(max(0, pair.applications - 1) for pair in pairs(result, effect))


def waits(result, effect):
    """From publish to first delivery."""
    return [
        pair.first_delivered - published
        for pair, published in zip(pairs(result, effect), GOLDEN_ARRIVALS, strict=True)
    ]


def drained(result, effect):
    """When the first message after the outage found a free worker, counted from the end of the outage."""
    after = zip(waits(result, effect), GOLDEN_ARRIVALS, strict=True)
    return next(published - 520 for wait, published in after if published > 520 and wait < 0.01)


# Golden outcome matrix


@pytest.mark.parametrize("fault", [F1, F2])
def test_synchronous_half_done(fault):
    """An index that is down or rejects leaves every call of its 120 s half done, db applied."""
    result = golden("synchronous", fault)
    assert Counter(result.outcome) == {
        "complete": pytest.approx(8_800, **ALIKE),
        "partial": pytest.approx(1_200, **ALIKE),
    }
    assert outcomes(result, "db") == {"applied": 10_000}
    assert Counter(result.reply)["error"] == Counter(result.outcome)["partial"]


@pytest.mark.parametrize("kind", ["single_broker", "dual_brokers", "stream", "sns_sqs"])
def test_f1_holders_wait(kind):
    """F1: what keeps messages loses none when a process is down, and repeats none."""
    result = golden(kind, F1)
    assert set(result.outcome) == {"complete"}
    assert repeats(result, "db") == repeats(result, "index") == 0
    assert max(waits(result, "index")) == pytest.approx(120, rel=0.02)
    assert lateness(result, "index")[0] == 0


@pytest.mark.parametrize("kind", ["single_broker", "dual_brokers", "stream", "sns_sqs"])
def test_f1_drain(kind):
    """F1: 1,200 messages behind 25/s with 10/s to come take 80 s."""
    assert drained(golden(kind, F1), "index") == pytest.approx(80, rel=0.02)


@pytest.mark.parametrize("kind", ["dual_brokers", "stream", "pubsub", "sns_sqs"])
def test_f1_spares_db(kind):
    """F1: where each effect has its own pool, db does not notice."""
    result = golden(kind, F1)
    assert outcomes(result, "db") == {"applied": 10_000}
    assert max(waits(result, "db")) < 0.01


def test_f1_single_broker_db_waits_too():
    """F1: one pool for both effects makes db wait as long as index."""
    assert max(waits(golden("single_broker", F1), "db")) == pytest.approx(120, rel=0.02)


def test_f1_pubsub():
    """F1: four pushes in 60 s lose the first half of 120 s and make the second half late."""
    result = golden("pubsub", F1)
    assert Counter(result.outcome)["partial"] == pytest.approx(600, **ALIKE)
    assert outcomes(result, "index")["dropped"] == pytest.approx(600, **ALIKE)
    count, mean = lateness(result, "index")
    assert count == pytest.approx(600, **ALIKE)
    assert mean == pytest.approx(46.1, rel=0.02)


def test_f2_single_broker():
    """F2: three receives in 60 s, then the dead-letter queue; db happens again at every receive."""
    result = golden("single_broker", F2)
    assert Counter(result.outcome)["partial"] == pytest.approx(600, **ALIKE)
    assert result.dead_letters == {"queue": pytest.approx(600, **ALIKE)}
    count, mean = lateness(result, "index")
    assert count == pytest.approx(600, **ALIKE)
    assert mean == pytest.approx(48.1, rel=0.02)
    assert repeats(result, "db") == pytest.approx(2_100, abs=6)


@pytest.mark.parametrize("without_retry", [{"max_receives": 1}, {"on_error": "skip"}])
def test_f2_single_broker_without_retry(without_retry):
    """F2: without retry every message of the 120 s is half done and nothing is repeated."""
    result = golden("single_broker", F2, **without_retry)
    assert Counter(result.outcome)["partial"] == pytest.approx(1_200, **ALIKE)
    assert repeats(result, "db") == 0


@pytest.mark.parametrize("kind", ["dual_brokers", "sns_sqs"])
def test_f2_queue_per_effect(kind):
    """F2: a queue per effect gives up as many, but repeats nothing."""
    result = golden(kind, F2)
    assert result.dead_letters == {"index_queue": pytest.approx(600, **ALIKE)}
    assert outcomes(result, "index")["dead_lettered"] == pytest.approx(600, **ALIKE)
    assert lateness(result, "index")[0] == pytest.approx(600, **ALIKE)
    assert repeats(result, "db") == repeats(result, "index") == 0


def test_f2_stream_blocks():
    """F2: retry in place blocks the partition for 120 s and loses nothing."""
    result = golden("stream", F2)
    assert set(result.outcome) == {"complete"}
    delays = [
        pair.first_applied - published
        for pair, published in zip(pairs(result, "index"), GOLDEN_ARRIVALS, strict=True)
    ]
    assert max(delays) == pytest.approx(120, rel=0.02)
    assert max(waits(result, "db")) < 0.01


def test_f2_stream_skips():
    """F2: skipping leaves all records of the 120 s half done."""
    result = golden("stream", F2, on_error="skip")
    assert Counter(result.outcome)["partial"] == pytest.approx(1_200, **ALIKE)
    assert outcomes(result, "index")["dropped"] == pytest.approx(1_200, **ALIKE)


def test_f2_pubsub():
    """F2: a push that is answered with an error counts like one that is refused."""
    result = golden("pubsub", F2)
    assert Counter(result.outcome)["partial"] == pytest.approx(600, **ALIKE)
    assert lateness(result, "index")[0] == pytest.approx(600, **ALIKE)


def test_f3_synchronous():
    """F3: who has no broker does not miss it."""
    assert set(golden("synchronous", F3).outcome) == {"complete"}


@pytest.mark.parametrize("kind", BROKERS)
def test_f3_refused(kind):
    """F3: four publish attempts in 3 s save 30 of 600; two brokers leave the rest half done."""
    result = golden(kind, F3)
    ending = "partial" if kind == "dual_brokers" else "rejected"
    assert Counter(result.outcome) == {
        "complete": pytest.approx(9_430, **ALIKE),
        ending: pytest.approx(570, **ALIKE),
    }
    assert outcomes(result, "index")["rejected"] == pytest.approx(570, **ALIKE)
    assert Counter(result.reply)["error"] == pytest.approx(570, **ALIKE)


@pytest.mark.parametrize("poll", [1.0, 7.0])
@pytest.mark.parametrize("kind", BROKERS)
def test_f3_outbox(kind, poll):
    """F3: an outbox turns refusal into a delay, the outage and at most one poll more."""
    result = golden(kind, F3, outbox_poll=poll)
    assert set(result.outcome) == {"complete"}
    assert set(result.reply) == {"ok"}
    assert result.reply_time == GOLDEN_ARRIVALS
    last, next_one = (math.ceil(400 / poll) - 1) * poll, math.ceil(460 / poll) * poll  # accepted ticks
    first = next(message for message, time in enumerate(GOLDEN_ARRIVALS) if time > last)
    assert pairs(result, "index")[first].first_delivered == next_one
    assert 60 <= waits(result, "index")[first] <= 60 + poll


# Stories about queues


def test_visibility_too_short_two_workers():
    """Work longer than the visibility is done twice when somebody else is free; the first end deletes."""
    result = story("single_broker", [1.0], seconds=40.0, workers=2)
    pair = result.pairs[0, "db"]
    assert (pair.outcome, pair.deliveries, pair.applications) == ("applied", 2, 2)
    assert pair.first_applied == 41.0
    assert not pair.late


def test_visibility_too_short_one_worker():
    """The only worker deletes at its end a copy that has become visible again."""
    result = story("single_broker", [1.0], seconds=40.0)
    pair = result.pairs[0, "db"]
    assert (pair.outcome, pair.deliveries, pair.applications) == ("applied", 1, 1)
    assert result.dead_letters == {}


def test_visibility_too_short_many_workers():
    """Received at 1, 11 and 21, buried at 31 although every handler succeeds, at 36, 46 and 56."""
    result = story("single_broker", [1.0], seconds=35.0, workers=4, visibility=10.0)
    pair = result.pairs[0, "db"]
    assert (pair.outcome, pair.deliveries, pair.applications) == ("applied", 3, 3)
    assert result.dead_letters == {"queue": 1}


@pytest.mark.parametrize(("bury", "outcome"), [(True, "dead_lettered"), (False, "dropped")])
def test_dead_letter_after_k_receives(bury, outcome):
    """A poisoned message is received exactly k times, and moved at the next attempt to receive it."""
    result = story(
        "single_broker",
        [1.0],
        effects=EFFECTS,
        fails=lambda effect, *_: effect == "index",
        max_receives=4,
        dead_letter=bury,
    )
    assert result.pairs[0, "index"].outcome == outcome
    assert result.pairs[0, "index"].deliveries == result.pairs[0, "db"].applications == 4
    assert result.outcome == ["partial"]
    assert result.dead_letters == ({"queue": 1} if bury else {})


def test_dead_letter_only_when_received():
    """While no worker could take it, a copy received often enough is still alive."""
    down = Window("down", "consumers", 5.0, 100.0)
    poisoned = {"fails": lambda *_: True, "max_receives": 1}
    assert story("single_broker", [1.0], (down,), limit=99.0, **poisoned).outcome == ["pending"]
    assert story("single_broker", [1.0], (down,), **poisoned).outcome == ["failed"]


def test_idempotent():
    """What is applied already is passed over, at once."""
    options = {"effects": EFFECTS, "fails": lambda effect, _, attempt: effect == "index" and attempt == 0}
    again = story("single_broker", [1.0], **options)
    assert [pair.applications for pair in again.pairs.values()] == [2, 1]
    assert again.pairs[0, "index"].first_applied == 1 + 30 + 2
    once = story("single_broker", [1.0], idempotent=True, **options)
    assert [pair.applications for pair in once.pairs.values()] == [1, 1]
    assert once.pairs[0, "index"].first_applied == 1 + 30 + 1


@pytest.mark.parametrize(
    ("on_error", "applied"), [("wait", 31.0 + 1), ("nack", 2.0 + 5 + 1), ("retry", 2.0 + 5 + 1)]
)
def test_on_error_again(on_error, applied):
    """After a failure at 2: again at the end of the visibility, or after the delay."""
    result = story(
        "dual_brokers", [1.0], fails=lambda _, __, attempt: attempt == 0, on_error=on_error, retry_delay=5.0
    )
    pair = result.pairs[0, "db"]
    assert (pair.first_applied, pair.late, pair.outcome) == (applied, True, "applied")
    assert pair.deliveries == (1 if on_error == "retry" else 2)


def test_nack_voids_the_clock():
    """A copy returned early is not shown a second time when its first visibility would have ended."""
    slow_second = story(
        "dual_brokers",
        [1.0],
        seconds=lambda _, __, attempt: (1.0, 25.0)[attempt],
        fails=lambda _, __, attempt: attempt == 0,
        on_error="nack",
        retry_delay=10.0,
        workers=2,
    )
    assert slow_second.pairs[0, "db"].applications == 1


def test_retention():
    """Behind a long job a message expires while it is visible; one in flight expires when it comes back."""
    result = story("dual_brokers", [1.0, 2.0], seconds=20.0, retention=10.0)
    assert [pair.outcome for pair in pairs(result, "db")] == ["applied", "expired"]
    assert pairs(result, "db")[1].deliveries == 0
    result = story("dual_brokers", [1.0], retention=10.0, fails=lambda *_: True)
    assert (pairs(result, "db")[0].outcome, pairs(result, "db")[0].deliveries) == ("expired", 1)


def test_capacity():
    """A full queue refuses; a retry of the publish may find room."""
    arrivals = [1.0, 1.1, 1.2]
    result = story("single_broker", arrivals, capacity=2)
    assert result.outcome == ["complete", "complete", "rejected"]
    assert result.reply == ["ok", "ok", "error"]
    assert result.reply_time == arrivals
    result = story("single_broker", arrivals, capacity=2, publish_retry_for=1.0, publish_retry_delay=0.5)
    assert result.reply_time[2] == pytest.approx(2.2)
    assert result.outcome[2] == "complete"


def test_longest_idle_first():
    """Of the idle workers the one that has waited longest takes the message: 0, 1, then again 0."""
    result = story("single_broker", [1.0, 1.2, 4.0, 4.1], workers=2, speeds=(1.0, 2.0))
    # worker 0: 1.0 to 2.0; worker 1: 1.2 to 1.7, so it is idle longer and takes the third
    assert [pair.first_applied for pair in pairs(result, "db")] == pytest.approx([2.0, 1.7, 4.5, 5.1])


def test_batch_visibility_starts_at_the_receive():
    """The clock of a whole batch starts when it is received, so its last ones come back too early."""
    result = story("single_broker", [1.0, 1.1, 1.2, 1.3], seconds=4.0, batch=10, visibility=10.0)
    # the first alone until 5; three received at 5, done at 9, 13 and 17; the last visible again at 15
    assert [pair.first_delivered for pair in pairs(result, "db")] == [1.0, 5.0, 5.0, 5.0]
    assert [pair.first_applied for pair in pairs(result, "db")] == [5.0, 9.0, 13.0, 17.0]
    assert [pair.deliveries for pair in pairs(result, "db")] == [1, 1, 1, 1]


# Stories about workers that stop


@pytest.mark.parametrize(("in_hand", "applied"), [("finish", 11.0), ("resume", 29.0), ("lose", 42.0)])
def test_in_hand_of_a_queue(in_hand, applied):
    """At 3 s into 10 s of work a pool stops for 18 s: finish, wait, or begin again after the visibility.

    When lost, the copy is visible again at 31, in the middle of the second message, which is done at 32.
    """
    down = Window("down", "consumers", 4.0, 22.0, in_hand=in_hand)
    result = story("single_broker", [1.0, 2.0], (down,), seconds=10.0)
    first, second = pairs(result, "db")
    assert first.first_applied == applied
    assert second.first_delivered == (29.0 if in_hand == "resume" else 22.0)
    assert first.late == (in_hand == "lose")


@pytest.mark.parametrize("kind", ["pubsub", "synchronous"])
def test_crash_loses(kind):
    """Where only the worker holds a message, a crash of it is the end of the message."""
    crash = Window("crash", "consumers", 1.5, 9.0, worker=0)
    result = story(kind, [1.0, 1.2], (crash,), workers=2)
    assert [pair.outcome for pair in pairs(result, "db")] == ["lost", "applied"]
    assert result.reply == (["none", "ok"] if kind == "synchronous" else ["ok", "ok"])


def test_partial_outage():
    """One worker of two down: the other does all the work."""
    down = Window("down", "consumers", 0.0, 50.0, workers=1)
    result = story("dual_brokers", [1.0, 1.5, 2.0], (down,), workers=2)
    assert [pair.first_applied for pair in pairs(result, "db")] == [2.0, 3.0, 4.0]


@pytest.mark.parametrize("role", ["sink", "consumers"])
def test_slow(role):
    """Slowness is judged when an attempt starts."""
    slow = Window("slow", role, 2.0, 4.0, factor=3.0)
    result = story("single_broker", [1.5, 2.6], (slow,))
    assert [pair.first_applied for pair in pairs(result, "db")] == [2.5, 5.6]


# Stories about streams


@pytest.mark.parametrize(("idempotent", "applications"), [(False, [1, 2, 2, 1]), (True, [1, 1, 1, 1])])
def test_stream_crash_before_commit(idempotent, applications):
    """A crash between processing and commit repeats what was done since the last commit, and only that.

    Fetched alone and done at 2.0; one fetched at 6.0 commits the first (5 s are over) and is done at 7.0,
    the next at 8.0. At 8.5 the fourth is in work: the second and third are done again.
    """
    crash = Window("crash", "consumers", 8.5, 20.0)
    result = story("stream", [1.0, 6.0, 6.5, 7.5], (crash,), batch=1, idempotent=idempotent)
    assert [pair.applications for pair in pairs(result, "db")] == applications
    assert pairs(result, "db")[3].first_applied == (21.0 if idempotent else 23.0)


@pytest.mark.parametrize(("crash_at", "applications"), [(4.9, 2), (5.1, 1)])
def test_stream_commit_when_idle(crash_at, applications):
    """An idle reader commits what it did as soon as the interval has passed."""
    crash = Window("crash", "consumers", crash_at, 20.0)
    result = story("stream", [0.5], (crash,))
    # fetched at 0.5 before the interval is over, done at 1.5, committed at 5
    assert result.pairs[0, "db"].applications == applications


def test_stream_graceful_stop():
    """A graceful stop finishes the record in hand, commits and repeats nothing."""
    stop = Window("down", "consumers", 2.5, 20.0)
    result = story("stream", [1.0, 1.1, 1.2], (stop,))
    assert [pair.first_applied for pair in pairs(result, "db")] == [2.0, 3.0, 21.0]
    assert [pair.applications for pair in pairs(result, "db")] == [1, 1, 1]


def test_stream_stop_shorter_than_the_work():
    """A stop that ends while the record in hand is still in work skips nothing."""
    stop = Window("down", "consumers", 2.2, 2.4)
    result = story("stream", [1.0, 1.1, 1.2, 1.3], (stop,))
    assert [pair.first_applied for pair in pairs(result, "db")] == [2.0, 3.0, 4.0, 5.0]


def test_stream_ranges():
    """Five partitions over two members: the first has 0, 1 and 2, the second 3 and 4."""
    result = oracle.simulate(
        "stream",
        [1.0, 1.01, 1.02, 1.03, 1.04],
        ("db",),
        Options(workers=2, partitions=5),
        keys=[0, 1, 2, 3, 9],
        service=lambda *_: 1.0,
    )
    times = [pair.first_applied for pair in pairs(result, "db")]
    assert times == pytest.approx([2.0, 3.0, 4.0, 2.03, 3.03])


def test_stream_retention():
    """Records that got too old before they were fetched are passed over."""
    down = Window("down", "consumers", 0.0, 100.0)
    result = story("stream", [1.0, 95.0], (down,), retention=50.0)
    assert [pair.outcome for pair in pairs(result, "db")] == ["expired", "applied"]


# Stories about producers and pushes


def test_dual_write_reply():
    """The second write begins after the last attempt of the first; the caller hears of any refusal."""
    refuse = Window("reject", "broker", 0.0, 100.0, "db")
    result = story(
        "dual_brokers",
        [1.0],
        (refuse,),
        effects=EFFECTS,
        publish_retry_for=2.0,
        publish_retry_delay=1.0,
        write_gap=0.5,
    )
    assert (result.reply, result.reply_time, result.outcome) == (["error"], [3.5], ["partial"])
    assert result.pairs[0, "index"].first_delivered == 3.5


def test_push_buffer():
    """A push finds the buffer full and comes back later; without a buffer it finds a free worker or none."""
    result = story("pubsub", [1.0, 1.1, 1.2], seconds=2.0, buffer=1, push_retry_delay=20.0)
    assert [pair.first_applied for pair in pairs(result, "db")] == pytest.approx([3.0, 5.0, 23.2])
    assert [pair.late for pair in pairs(result, "db")] == [False, False, True]
    result = story("pubsub", [1.0, 1.1], buffer=0, push_retries=0)
    assert [pair.outcome for pair in pairs(result, "db")] == ["applied", "dropped"]


def test_synchronous_all_down():
    """With nobody there a request fails at once; one that waits already goes on waiting."""
    down = Window("down", "consumers", 1.5, 9.0, in_hand="resume")
    result = story("synchronous", [1.0, 1.1, 2.0], (down,))
    assert result.reply == ["ok", "ok", "error"]
    assert result.reply_time == [9.5, 10.5, 2.0]
    assert result.outcome == ["complete", "complete", "failed"]
