"""Steady-state studies: where the warm-up ends, for whom, and when there is none to speak of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sim
from sim.analysis.warmup import mean_series, mser5
from sim.experiment.replication import run_replication

TEXT = """
name: settled
study: steady_state
replications: 6
horizon: 6m
workload: {arrivals: 8/s, backlog: 80}
effects: {db: {service: {mean: 0.1s, distribution: exponential}}}
architectures:
  one: {kind: single_broker}
  two: {kind: single_broker, consumers: 2}
  many: {kind: stream, consumers: 4, stream: {partitions: 4}}
"""


def study(text: str = TEXT, *overrides: str, jobs: int = 1) -> sim.Results:
    """A study from text."""
    return sim.run(sim.loads(text, overrides), jobs=jobs)


def test_the_largest_cut_is_taken_off_every_architecture() -> None:
    """Alone each architecture has its own cut; together all of them have the greatest of those."""
    together = study()
    rule = together.manifest["warmup_rule"]
    alone = {
        name: study(TEXT.split("architectures:", maxsplit=1)[0] + f"architectures:\n{body}\n").manifest[
            "warmup"
        ]
        for name, body in zip(rule["cuts"], TEXT.split("architectures:\n")[1].splitlines(), strict=True)
    }
    assert rule["cuts"] == alone
    assert len(set(alone.values())) > 1
    assert together.manifest["warmup"] == rule["seconds"] == max(alone.values()) == alone["one"]
    assert rule["rule"] == "MSER-5"
    assert rule["unsettled"] == []
    offered = {together.value("offered", name) for name in alone}
    assert len(offered) == 1


def test_the_cut_is_the_publish_time_of_the_first_message_that_is_kept() -> None:
    """MSER-5 of the latencies in publish order, averaged over the five pilot runs, read as a time."""
    scenario = sim.loads(TEXT)
    whole = scenario.model_copy(update={"warmup": 0.0})
    records = [run_replication(whole, "one", number) for number in range(5)]
    latencies = [record.pairs[0].first_applied - record.published for record in records]
    averages, places = mean_series(latencies)
    assert places.tolist() == list(range(min(len(each) for each in latencies)))
    cut = mser5(averages)
    assert cut.count > 0
    manifest = study().manifest
    assert manifest["warmup_rule"]["cuts"]["one"] == records[0].published[cut.count]


def test_a_study_that_found_its_warmup_is_the_study_that_is_given_it() -> None:
    """The pilot leaves nothing behind: with the same warm-up stated, the same numbers."""
    found = study()
    given = study(TEXT, f"warmup={found.manifest['warmup']!r}s")
    assert given.manifest["warmup_rule"] == {
        "seconds": found.manifest["warmup"],
        "rule": "given",
        "cuts": {},
        "unsettled": [],
    }
    assert found.summary.equals(given.summary)
    assert found.comparison.equals(given.comparison)
    assert found.manifest["fingerprints"] == given.manifest["fingerprints"]


def test_serial_and_parallel_studies_leave_the_same_bytes(tmp_path: Path) -> None:
    """The pilot may run in several processes too."""
    for jobs in (1, 2):
        study(jobs=jobs).save(tmp_path / str(jobs))
    for name in ("summary.csv", "comparison.csv", "messages.parquet", "lag.parquet"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes(), name


def test_the_warmup_takes_the_start_out_of_the_numbers() -> None:
    """80 messages waiting at the start raise the mean latency of M/M/1; without the warm-up it is near 0.5 s.

    The interval without a cut must lie above the one with it.
    """

    def latency(results: sim.Results) -> Any:
        table = results.summary
        return table[
            (table.architecture == "one") & (table.metric == "latency_mean") & (table.scope == "")
        ].iloc[0]

    long = TEXT.replace("6m", "20m").replace("replications: 6", "replications: 10").split("  two:")[0]
    settled, biased = latency(study(long)), latency(study(long, "warmup=0s"))
    assert settled["ci_low"] <= 0.5 <= settled["ci_high"]
    assert biased["mean"] > settled["mean"]
    assert biased["ci_low"] > 0.5


def test_a_run_without_chance_has_no_warmup() -> None:
    """Constant arrivals and constant service: nothing to cut, whatever rounding says."""
    results = study(
        "study: steady_state\nreplications: 2\nhorizon: 10m\n"
        "workload: {arrivals: {rate: 10/s, process: constant}}\neffects: {db: 40ms}\n"
        "architectures: {single_broker: }\nexpect: [single_broker.latency_p99 == 40ms]\n"
    )
    assert results.manifest["warmup"] == 0
    assert results.manifest["warmup_rule"]["unsettled"] == []
    assert results.manifest["verdicts"][0]["verdict"] == "PASS"


def test_messages_that_never_end_do_not_shift_the_cut() -> None:
    """Where a first stretch of messages comes to nothing, the cut still falls on the time it was found at."""
    scenario = sim.loads(
        TEXT.split("  two:", maxsplit=1)[0]
        .replace("replications: 6", "replications: 1")
        .replace("exponential}}", "exponential}, poison: 30%}")
        .replace("{kind: single_broker}", "{kind: single_broker, queue: {max_receives: 1}}")
    )
    record = run_replication(scenario.model_copy(update={"warmup": 0.0}), "one", 0)
    latency = record.pairs[0].first_applied - record.published
    kept = np.flatnonzero(~np.isnan(latency))
    cut = mser5(latency[kept])
    assert cut.count > 0
    results = sim.run(scenario, jobs=1)
    assert results.manifest["warmup_rule"]["cuts"]["one"] == record.published[kept[cut.count]]


def test_what_never_settles_is_inconclusive_and_named() -> None:
    """A worker that can do little more than comes in works off its first backlog to the end of the run."""
    text = TEXT.replace("backlog: 80", "backlog: 400").replace("mean: 0.1s", "mean: 0.121s")
    text = text.replace("  one:", "  ample: {kind: single_broker, consumers: 9}\n  one:")
    text += (
        "expect: [one.latency_mean < 1s, ample.latency_mean < 1s, ample.latency_mean < one.latency_mean]\n"
    )
    results = study(text)
    assert results.manifest["warmup_rule"]["unsettled"] == ["one"]
    verdicts = [each["verdict"] for each in results.manifest["verdicts"]]
    assert verdicts == ["INCONCLUSIVE", "PASS", "INCONCLUSIVE"]
    assert "no steady state" in results.manifest["verdicts"][0]["architectures"][0]["why"]
    assert any(note.startswith("one: no steady state") for note in results.notes())


def test_what_grows_for_ever_is_refused(tmp_path: Path) -> None:
    """Ten messages a second against a worker that can do eight: no steady state, said with its growth."""
    path = tmp_path / "busy.yaml"
    path.write_text(TEXT.replace("8/s, backlog: 80", "10/s").replace("mean: 0.1s", "mean: 0.125s"))
    with pytest.raises(sim.ScenarioError) as caught:
        sim.run(path)
    (problem,) = caught.value.problems
    assert (problem.file, problem.line, problem.column) == (str(path), 3, 8)
    assert "10/s arrive, at most 8/s can be done, so the backlog grows by 2/s" in problem.message
    assert "retention removes messages after 20 days" in problem.message


def test_auto_is_what_a_steady_state_study_has_unless_told() -> None:
    """Left out, the warm-up is found; an incident starts at 0 s; a stated one is kept."""
    assert sim.loads(TEXT).warmup == "auto"
    assert sim.loads(TEXT.replace("study: steady_state\n", "")).warmup == 0
    assert sim.loads(TEXT + "warmup: 40s\n").warmup == 40


@pytest.mark.parametrize(
    ("change", "place", "words"),
    [
        (("study: steady_state", "study: incident\nwarmup: auto"), (4, 9), "start of an incident"),
        (("study: steady_state", "warmup: auto"), (3, 9), "start of an incident"),
        (("replications: 6", "warmup: 6m"), (4, 9), "must end before the horizon"),
    ],
)
def test_a_warmup_that_cannot_be_is_refused_at_its_place(
    change: tuple[str, str], place: tuple[int, int], words: str
) -> None:
    """MSER-5 is never used on an incident, and something must be left to count."""
    with pytest.raises(sim.ScenarioError, match=words) as caught:
        sim.loads(TEXT.replace(*change))
    assert [(each.line, each.column) for each in caught.value.problems] == [place]


def test_a_steady_state_has_no_single_incident() -> None:
    """A fault that comes once is refused; one that comes again and again belongs to the steady state."""
    once = TEXT + "faults: {outage: {kind: down, target: consumers, at: 60s, duration: 5s}}\n"
    with pytest.raises(sim.ScenarioError, match="use study: incident"):
        sim.loads(once)
    sim.loads(once.replace("at: 60s, duration: 5s", "mean_up: 60s, mean_down: 5s"))
