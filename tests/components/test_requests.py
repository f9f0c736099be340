"""The synchronous architecture: the caller waits for all the work."""

from stories import run

TWO = {"db": "1s", "index": "2s"}


def test_the_response_takes_the_wait_for_a_handler_and_all_effects():
    """One handler: the second caller waits 3 s for the first."""
    told = run("synchronous", [0, 0], effects=TWO)
    assert told.replies() == ["3 ok", "6 ok"]
    assert told.story(1) == [
        "0 published",
        "0 consumers accepts",
        "3 consumers delivers",
        "3 db begins",
        "4 db applied",
        "4 index begins",
        "6 index applied",
        "6 reply ok",
    ]


def test_the_first_failure_ends_the_request():
    """What comes after it is never tried, what came before it stays done."""
    rejects = {"trouble": {"kind": "reject", "target": "db.sink", "at": "0s", "duration": "1s"}}
    told = run("synchronous", effects=TWO, faults=rejects)
    assert told.replies() == ["0 error"]
    assert (told.attempts("db"), told.attempts("index")) == ([0], [])
    rejects["trouble"] |= {"target": "index.sink", "duration": "5s"}
    told = run("synchronous", effects=TWO, faults=rejects)
    assert told.replies() == ["1 error"]
    assert told.message_outcomes() == ["partial"]


def test_a_caller_that_gives_up_gets_an_error_while_the_work_goes_on():
    """The reply is an error at the timeout; the effects happen all the same."""
    told = run("synchronous", effects=TWO, producer={"timeout": "1.5s"})
    assert told.replies() == ["1.5 error"]
    assert told.message_outcomes() == ["complete"]


def test_a_service_that_is_down_refuses_the_call():
    """The handler calls db, and then nobody answers for index."""
    away = {"away": {"kind": "down", "target": "index.consumers", "at": "0s", "duration": "5s"}}
    told = run("synchronous", [0, 10], effects=TWO, faults=away)
    assert told.replies() == ["1 error", "13 ok"]


def test_a_caller_of_a_dead_handler_hears_nothing():
    """A crash loses the request in hand."""
    crash = {"crash": {"kind": "crash", "target": "consumers", "at": "0.5s", "duration": "1s"}}
    told = run("synchronous", effects=TWO, faults=crash)
    assert told.replies() == ["none"]
    assert told.message_outcomes() == ["failed"]


def test_a_count_that_covers_the_whole_service_is_the_whole_service():
    """``count: 100%`` of the index service refuses its calls, as no count does; db is done."""
    fault = {"kind": "down", "target": "index.consumers", "at": "0s", "duration": "9s"}
    for more in ({}, {"count": "100%"}):
        told = run("synchronous", effects=TWO, faults={"down": fault | more})
        assert told.message_outcomes() == ["partial"]


def test_a_slow_service_slows_its_own_calls_only():
    """Factor 5 on the index service: db takes 1 s as ever, index 10 s."""
    slow = {"kind": "slow", "target": "index.consumers", "at": "0s", "duration": "9s", "factor": 5}
    told = run("synchronous", effects=TWO, faults={"slow": slow})
    assert (told.first_applied("db"), told.first_applied("index")) == ([1], [11])
