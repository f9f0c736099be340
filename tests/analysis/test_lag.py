"""Backlog, age and lag against slow and obvious computations."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from records import NAN, copies, record

from sim.analysis.lag import (
    age_at,
    ages,
    backlogs,
    drain_times,
    grid_step,
    in_flight,
    in_flight_at,
    lag_at,
    lag_series,
    offset_lags,
    visible,
)
from sim.analysis.levels import count_until, first_later
from sim.engine.record import FaultWindow
from sim.vocabulary import LAG_COLUMNS


@st.composite
def histories(draw):
    """Copies with a past on a coarse clock, so that instants coincide; and the state of each over time.

    Each copy is a list of (time, state) with states ``waiting``, ``held`` and ``gone``.
    """
    clock = st.integers(0, 12)
    published, message, lives = sorted(draw(st.lists(clock, min_size=1, max_size=8))), [], []
    delay = draw(st.sampled_from([0, 2]))
    for number, start in enumerate(published):
        for _ in range(draw(st.integers(0, 2))):
            now = start + draw(clock)
            accepted = now
            states = []
            gone = draw(st.booleans())
            for turn in range(draw(st.integers(0, 4))):
                now += draw(st.integers(0, 4)) if turn else delay + draw(st.integers(0, 4))
                states.append((now, "held" if turn % 2 == 0 else "waiting"))
            if gone:
                now += draw(st.integers(0, 4))
                states.append((now, "gone"))
            lives.append((accepted, states))
            message.append(number)
    return published, message, lives, delay


def _log(message, lives, delay):
    accepted = [life[0] for life in lives]
    taken, ended, returned, retaken, removed = [], [], [], [], []
    for start, states in lives:
        held = [time for time, state in states if state == "held"]
        taken.append(held[0] if held else NAN)
        retaken += held[1:]
        returned += [time for time, state in states if state == "waiting"]
        gone = bool(states) and states[-1][1] == "gone"
        ended.append(states[-1][0] if gone else NAN)
        was_waiting = states[-2][1] == "waiting" if len(states) > 1 else gone and ended[-1] >= start + delay
        if gone and was_waiting:
            removed.append(states[-1][0])
    return copies(
        accepted, taken, ended, message=np.array(message, dtype=int), delay=float(delay),
        returned=returned, retaken=retaken, removed=removed,
    )  # fmt: skip


def _state(life, delay, time):
    accepted, states = life
    past = [state for at, state in states if at <= time]
    if past:
        return past[-1]
    return "waiting" if accepted + delay <= time else "absent"


@settings(max_examples=300)
@given(histories())
def test_backlog_against_the_state_of_every_copy(history):
    """At any time the backlog is the number of copies that wait and in flight those that are held."""
    _, message, lives, delay = history
    log = _log(message, lives, delay)
    grid = np.arange(0, 60, 0.5)
    states = [[_state(life, delay, time) for life in lives] for time in grid]
    waiting = [row.count("waiting") for row in states]
    assert visible(log).at(grid).tolist() == waiting
    assert in_flight(log).at(grid).tolist() == [row.count("held") for row in states]
    assert in_flight_at(log, grid).tolist() == [row.count("held") for row in states]
    assert visible(log).maximum() == max(waiting)
    assert visible(log).mean(3, 17) == pytest.approx(np.mean(waiting[6:34]))


@given(
    st.lists(st.one_of(st.integers(0, 40), st.just(NAN)), max_size=60),
    st.lists(st.integers(-3, 3), max_size=60),
)
def test_instants_are_counted_as_if_they_were_sorted(times, shuffle):
    """However mixed instants are, those that have come by each point are counted."""
    grid = np.arange(-1, 45, 3.0)
    nearly = np.sort(np.array(times, dtype=float))
    nearly[: len(shuffle)] += np.array(shuffle, dtype=float)[: len(nearly)]
    for column in (np.array(times, dtype=float), nearly):
        expected = [sum(time <= point for time in column.tolist()) for point in grid]
        assert count_until([column, column[:5]], grid).tolist() == [
            number + sum(time <= point for time in column[:5].tolist())
            for number, point in zip(expected, grid, strict=True)
        ]


def test_many_instants_are_counted_as_if_they_were_sorted():
    """Also of thousands, nearly sorted or not at all, and whatever part of them never comes."""
    rng = np.random.default_rng(1)
    grid = np.arange(-1.0, 1100.0, 2.5)
    rising = np.arange(5000) / 5
    for spread, never in itertools.product((0.1, 3.0, 500.0), (0.0, 0.01)):
        column = np.round(rising + rng.exponential(spread, 5000), 1)
        column[rng.random(5000) < never] = NAN
        assert count_until([column], grid).tolist() == np.sum(column[:, None] <= grid, axis=0).tolist()


@settings(max_examples=300)
@given(histories())
def test_age_against_the_oldest_copy(history):
    """At any time the age is that of the oldest copy that is accepted and not yet removed."""
    published, message, lives, delay = history
    log = _log(message, lives, delay)
    grid = np.arange(0, 60, 0.5)
    for time, age in zip(grid, age_at(log, np.array(published, dtype=float), grid), strict=True):
        alive = (log.accepted <= time) & ~(log.ended <= time)
        expected = max((time - published[number] for number in log.message[alive]), default=0.0)
        assert age == expected


@given(
    st.lists(st.tuples(st.integers(0, 20), st.integers(0, 2)), min_size=1, max_size=15),
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 2), st.integers(0, 8)), max_size=10),
)
def test_lag_against_offsets(accepted, commits):
    """Lag is the number of copies accepted in a partition minus the offset last committed there."""
    times, partition = zip(*accepted, strict=True)
    commits = sorted(commits)
    log = copies(times, times, [NAN] * len(times), partition=partition, commits=commits)

    def slow(where, time):
        end = sum(one <= time and at == where for one, at in accepted)
        done = [offset for at, group, offset in commits if group == where and at <= time]
        return end - (done[-1] if done else 0)

    grid = np.arange(0, 35.0)
    assert lag_at(log, grid).tolist() == [sum(slow(where, time) for where in range(3)) for time in grid]
    found = offset_lags(record([0.0] * len(times), holders=[log]))
    assert found["lag_max", "queue"] == max(0, *(slow(where, time) for where in range(3) for time in grid))


def test_a_copy_taken_at_once_never_waits():
    """Changes at one instant are netted."""
    log = copies([1.0, 2.0], [1.0, 2.0], [3.0, 4.0])
    assert visible(log).maximum() == 0
    assert backlogs(record([1.0, 2.0], holders=[log]))["backlog_mean", "queue"] == 0


def test_backlog_mean_is_weighted_by_time():
    """One copy that waits for 4 s of an 8 s window is half a copy on average."""
    log = copies([0.0, 9.0], [6.0, 9.0], [7.0, 9.5])
    found = backlogs(record([0.0, 9.0], holders=[log], warmup=2.0, horizon=10.0))
    assert found["backlog_mean", "queue"] == 0.5


def test_age_max_of_effects_and_of_the_whole():
    """The greatest age of an effect is over the components that hold it; a live copy ages to the end."""
    shared = copies([1.0, 3.0], [1.0, 3.0], [2.0, 8.0], name="shared", effects=("db", "index"))
    own = copies([2.0, NAN], [2.0, NAN], [NAN, NAN], name="own", effects=("index",))
    found = ages(record([0.0, 2.5], effects=("db", "index"), holders=[shared, own], end=20.0))
    assert [found["age_max", scope] for scope in ("shared", "own", "db", "index", "")] == [
        5.5,
        20,
        5.5,
        20,
        20,
    ]


def test_age_max_of_nothing():
    """A component that never held a copy has no age."""
    log = copies([NAN], [NAN], [NAN])
    found = ages(record([0.0], holders=[log]))
    assert math.isnan(found["age_max", "queue"])
    assert math.isnan(found["age_max", ""])


def _outage(starts, ends, components=("queue",), *, is_scheduled=True):
    return FaultWindow(
        "outage", "down", "db.consumers", np.array(starts), np.array(ends), is_scheduled, components
    )


def _fluid(**options):
    """One message per second for 100 s; nothing is taken from 20 to 40 s, then one every half second."""
    published = np.arange(100.0)
    taken = published.copy()
    taken[20:60] = 40 + np.arange(40) / 2
    log = copies(published, taken, taken + 0.25)
    return record(published, holders=[log], **options)


def test_drain_time_by_hand():
    """20 s of outage at 1/s, drained at 2/s, are over when the message published at 59 is taken."""
    found = drain_times(_fluid(faults=[_outage([20.0], [40.0])]))
    assert found["drain_time", "outage"] == pytest.approx(19.5)


def test_drain_time_adds_components():
    """The backlogs of all components that a fault touches count together."""
    one = copies([0.0], [9.0], [9.5], name="one")
    two = copies([0.0], [7.0], [7.5], name="two")
    run = record([0.0], holders=[one, two], faults=[_outage([1.0], [5.0], ("one", "two"))], warmup=0.5)
    assert drain_times(run)["drain_time", "outage"] == 0  # two waited before and two wait at its end
    late = copies([2.0], [8.0], [8.5], name="late")
    run = record([0.0], holders=[one, late], faults=[_outage([1.0], [5.0], ("one", "late"))], warmup=0.5)
    assert drain_times(run)["drain_time", "outage"] == 3


@pytest.mark.parametrize(
    ("fault", "options"),
    [
        (_outage([20.0], [math.inf]), {}),
        (_outage([20.0], [40.0]), {"is_censored": True}),
        (_outage([20.0], [40.0]), {"warmup": 20.0}),
        (_outage([], []), {}),
    ],
)
def test_no_drain_time(fault, options):
    """Without an end, without a past, or cut off, the time to drain is not known."""
    assert math.isnan(drain_times(_fluid(faults=[fault], **options))["drain_time", "outage"])


def test_only_scheduled_faults_with_components_drain():
    """Drawn faults and those that touch no component have no drain time."""
    faults = [_outage([20.0], [40.0], is_scheduled=False), _outage([20.0], [40.0], ())]
    assert drain_times(_fluid(faults=faults)) == {}


@pytest.mark.parametrize(("horizon", "step"), [(1000, 2.0), (400, 1.0), (86400, 200.0), (4, 0.01), (60, 0.2)])
def test_grid_step(horizon, step):
    """The step is a round number near a four-hundredth of the horizon."""
    assert grid_step(horizon) == step


def test_series_reaches_the_end():
    """The grid starts at 0, has equal steps and ends at or after the end of the run."""
    log = copies([1.0], [2.0], [3.0])
    for end in (10.0, 10.1, 0.3):
        table = lag_series(record([1.0], holders=[log], horizon=end), 0.1)
        assert tuple(table.columns) == LAG_COLUMNS
        assert table["time"].iloc[0] == 0
        assert table["time"].iloc[-2] < end <= table["time"].iloc[-1]


def test_series_by_hand():
    """A copy waits, is held, and is gone; its age counts from the intended publish."""
    log = copies([1.0], [2.0], [3.0])
    table = lag_series(record([0.5], holders=[log], horizon=4.0), 1.0)
    assert table["backlog"].tolist() == [0, 1, 0, 0, 0]
    assert table["in_flight"].tolist() == [0, 0, 1, 0, 0]
    assert table["age"].tolist() == [0, 0.5, 1.5, 0, 0]
    assert table["lag"].isna().all()


def test_series_of_no_components():
    """An architecture that holds nothing has an empty series with the same columns."""
    table = lag_series(record([0.0]), 1.0)
    assert tuple(table.columns) == LAG_COLUMNS
    assert not len(table)


@given(st.integers(0, 2**32), st.integers(0, 2000), st.integers(0, 5), st.sampled_from([0.0, 0.001]))
def test_the_first_that_is_later(seed, count, points, never):
    """It is found by looking at all of them, too: nearly sorted times, some of which may be never."""
    random = np.random.default_rng(seed)
    times = np.sort(random.uniform(0, 100, count)) + random.uniform(0, 5, count)
    times[random.uniform(size=count) < never] = np.nan
    grid = np.sort(random.choice(np.append(times[np.isfinite(times)], [-1.0, 50.0, 200.0]), points))
    found = [next((place for place, time in enumerate(times) if not time <= at), count) for at in grid]
    assert first_later(times, grid).tolist() == found
