"""The status of jobs: what the API server answers at any time, and when a caller who asks knows it."""

import json
import math
import sys
from pathlib import Path
from random import Random
from unittest import mock

import numpy as np
import pytest
from records import NAN, copies, record

import sim
from sim.analysis.measure import measure
from sim.analysis.status import settled_at, status_at, status_lookups, status_series, statuses
from sim.engine.ledger import Ledger
from sim.experiment import replication
from sim.scenario import parts
from sim.vocabulary import Outcome, Reply, Status

sys.path.append(str(Path(__file__).parents[1] / "properties"))

from drawn import draw_scenario, load

WORDS = [Status.PENDING, Status.RUNNING, Status.SUCCEEDED, Status.FAILED]


def asked(every="2s", kind="single_broker", *, horizon="100s", rate="1/s", **tree):
    """Run one architecture whose callers ask for the status of their jobs."""
    arrivals = {"rate": rate, "process": "constant"}
    tree = {
        "horizon": horizon,
        "replications": 1,
        "workload": {"arrivals": arrivals, "client": {"poll_status": every}},
        "effects": {"db": "500ms"},
        "architectures": {kind: {}},
        **tree,
    }
    return sim.run(sim.loads(json.dumps(tree)))


def sampled(scenario, name, times):
    """The record of a run, and what :meth:`Ledger.status` said of every message at some times."""
    heard = []
    real = parts.Site

    def site(*args, **options):
        built = real(*args, **options)

        def look():
            count = len(built.messages)
            heard.append([WORDS.index(Ledger.status(built.ledger, k, built.now)) for k in range(count)])

        for time in times:
            built.call_at(time, look)
        return built

    with mock.patch.object(parts, "Site", site):
        return replication.run_replication(scenario, name, 0, "processes"), heard


@pytest.mark.parametrize("number", range(12))
def test_the_record_tells_the_status_that_the_ledger_told_while_the_run_went_on(number):
    """Of every message, in every architecture of drawn scenarios, at thirty times.

    Where a group finds at its next fetch that a record has expired, the record knows it earlier.
    """
    scenario = load(draw_scenario(Random(1000 + number)))  # noqa: S311 - no secrets
    rng = np.random.default_rng(number)
    for name in scenario.architectures:
        times = np.sort(rng.uniform(0, 1.5 * scenario.horizon, 30)).tolist()
        run, heard = sampled(scenario, name, times)
        known_late = np.zeros(len(run.published), dtype=bool)
        for holder in run.copies:
            if holder.commits is not None:
                known_late[holder.message[holder.fate == Outcome.EXPIRED]] = True
        for time, told in zip(times, heard, strict=False):
            assert statuses(run, time)[~known_late].tolist() == np.array(told)[~known_late].tolist()
        assert len(heard) >= 10


@pytest.mark.parametrize("number", range(6))
def test_a_status_is_settled_at_the_first_final_word(number):
    """Just before it no message is final; then it succeeded, or failed, at least for that moment."""
    scenario = load(draw_scenario(Random(2000 + number)))  # noqa: S311 - no secrets
    for name in scenario.architectures:
        run = replication.run_replication(scenario, name, 0)
        settled = settled_at(run)
        final = [WORDS.index(word) for word in (Status.SUCCEEDED, Status.FAILED)]
        for message in np.flatnonzero(np.isfinite(settled))[::25]:
            time = settled[message]
            assert statuses(run, time)[message] in final
            assert statuses(run, np.nextafter(time, 0))[message] not in final
        assert not np.isin(statuses(run, run.end)[np.isnan(settled)], final).any()
        assert np.isfinite(settled[run.message_outcome == 1]).all()


def test_jobs_are_counted_by_status():
    """Accepted at 0 and 1 s, taken at 2 s; one is applied at 3 s, one dead-lettered at 5 s; a third comes."""
    log = copies([0, 1, 9], [2, 2, NAN], [3, 5, NAN], fate=[Outcome.APPLIED, Outcome.DEAD_LETTERED, 255])
    run = record([0, 1, 9], applied={"db": [[3], [], []]}, holders=[log], horizon=10, end=10)
    counts = {time: list(status_at(run, time).values()) for time in (0.5, 1.5, 2.5, 3, 4, 5, 9.5)}
    assert counts == {
        0.5: [1, 0, 0, 0],
        1.5: [2, 0, 0, 0],
        2.5: [0, 2, 0, 0],
        3: [0, 1, 1, 0],
        4: [0, 1, 1, 0],
        5: [0, 0, 1, 1],
        9.5: [1, 0, 1, 1],
    }
    assert settled_at(run)[:2].tolist() == [3, 5]
    assert math.isnan(settled_at(run)[2])
    series = status_series(run, 0.5).set_index("time")
    for time, expected in counts.items():
        assert series.loc[time, ["pending", "running", "succeeded", "failed"]].tolist() == expected


@pytest.mark.parametrize(
    ("settled", "known", "lookups"),
    [(3.0, 4.5, 2), (4.5, 4.5, 2), (0.5, 0.5, 0), (0.2, 0.5, 0), (0.6, 2.5, 1)],
)
def test_a_caller_knows_at_its_first_look_at_a_final_status(settled, known, lookups):
    """Published at 0 s, replied to at 0.5 s, asking every 2 s; the reply itself carries the status."""
    log = copies([0], [0], [settled])
    run = record(
        [0], applied={"db": [[settled]]}, holders=[log], replies=[(Reply.OK, 0.5)], poll_status=2.0, end=100
    )
    assert status_lookups(run) == {("known_mean", ""): known, ("status_polls", ""): lookups}


def test_what_is_never_final_is_asked_for_to_the_end_and_never_known():
    """Twice a second for the 99.5 s that are left."""
    log = copies([0], [0], [NAN])
    run = record([0], holders=[log], replies=[(Reply.OK, 0.5)], poll_status=0.5, end=100, is_censored=True)
    found = status_lookups(run)
    assert math.isnan(found["known_mean", ""])
    assert found["status_polls", ""] == 199


def test_nobody_who_got_no_reply_asks():
    """Without an id there is nothing to ask for."""
    log = copies([0], [0], [3])
    run = record([0], applied={"db": [[3]]}, holders=[log], poll_status=0.5)
    assert all(math.isnan(value) for value in status_lookups(run).values())


def test_asking_costs_half_the_interval_on_average_and_feeds_nothing_back():
    """Work of exponential length m: a caller who asks every T knows T / (1 - exp(-T / m)) after its reply.

    That is the mean of a geometric number of lookups; within four standard deviations of 4,000 messages.
    """
    effects = {"db": {"service": {"mean": "5s", "distribution": "exponential"}}}
    tree = {"effects": effects, "architectures": {"single_broker": {"consumers": 1000}}, "horizon": "4000s"}
    results = asked(**tree)
    quiet = asked(every="none", **tree)
    mean = results.value("latency_mean", "single_broker")
    assert mean == quiet.value("latency_mean", "single_broker")
    known = 2 / (1 - math.exp(-2 / 5))
    assert results.value("known_mean", "single_broker") == pytest.approx(known, abs=4 * 5.1 / 4000**0.5)
    assert results.value("status_polls", "single_broker") == pytest.approx(
        results.value("known_mean", "single_broker") / 2
    )


def test_an_answer_that_comes_with_the_work_needs_no_lookup():
    """The synchronous caller knows with the reply, and so does one whose request was refused."""
    results = asked(kind="synchronous")
    assert results.value("known_mean", "synchronous") == results.value("response_time_mean", "synchronous")
    assert results.value("status_polls", "synchronous") == 0
    faults = {"out": {"kind": "reject", "target": "broker", "at": "0s", "duration": "unlimited"}}
    refused = asked(faults=faults)
    assert refused.value("known_mean", "single_broker") == 0
    assert refused.value("status_polls", "single_broker") == 0


def test_a_study_has_the_jobs_over_time_where_callers_ask(tmp_path):
    """In a frame and in a file of its own; elsewhere there is neither, and no row in the summary."""
    results = asked(
        faults={"slow": {"kind": "slow", "target": "sink", "factor": 3, "at": "0s", "duration": "50s"}}
    )
    frame = results.status
    total = frame[["pending", "running", "succeeded", "failed"]].sum(axis=1)
    assert total.iloc[-1] == frame["succeeded"].iloc[-1] == 100
    assert frame["running"].max() == 1
    assert frame["pending"].max() > 10
    folder = results.save(tmp_path / "asked")
    assert sim.Results.read(folder).status.equals(frame)
    quiet = asked(every="none")
    assert quiet.status is None
    assert not {"known_mean", "status_polls"} & set(quiet.summary["metric"])
    folder = quiet.save(tmp_path / "asked")
    assert not (folder / "status.parquet").exists()
    assert sim.Results.read(folder).status is None


def test_every_record_has_the_metrics():
    """NaN where nobody asks."""
    found = measure(record([0.0], applied={"db": [[1.0]]}))
    assert math.isnan(found["known_mean", ""])
    assert math.isnan(found["status_polls", ""])
