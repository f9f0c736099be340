"""Run cases and judge them, one line per metric."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from sim.experiment.effort import estimated_seconds
from sim.experiment.study import Run, run_study
from sim.forecast.forecast import forecast
from sim.scenario.load import load
from sim.scenario.model import Scenario
from sim.selfcheck.cases import DATA, Case, Metric
from sim.selfcheck.experiment import Experiment, Told, metric_of
from sim.selfcheck.plan import TOLD, WAITING, cases, experiments
from sim.selfcheck.seen import Seen
from sim.selfcheck.tolerance import FAIL, NOT_RUN, PASS, Judgement, PerRun, Verdict, judge
from sim.vocabulary import Engine

_WORTH_PROCESSES = 0.3
"""Seconds of work above which a study is spread over processes; they are started once for all studies."""


@dataclass(frozen=True)
class Check:
    """One line of the self-check.

    Attributes:
        case: its id.
        metric: its name, with the variant where there are several places to look.
        expected: what it must be.
        observed: what it was; NaN where it was not run.
        low: the interval in which the expected value must lie.
        high: its upper end.
        verdict: PASS, FAIL or not run.
        why: of a FAIL or of what was not run.
        note: how the rates differ from the case's.
        precision: 95 % half-width over the expected value where the class asks for it; else NaN.
        is_control: what a wrong model gives, which must lie outside of the interval.
    """

    case: str
    metric: str
    expected: float | bool
    observed: float = math.nan
    low: float = math.nan
    high: float = math.nan
    verdict: Verdict = NOT_RUN
    why: str = ""
    note: str = ""
    precision: float = math.nan
    is_control: bool = False


def scenario(file: str) -> Scenario:
    """The scenario of a case, loaded as any other.

    Args:
        file: in ``sim/data/selfcheck``, without the ending.
    """
    return load(DATA / "selfcheck" / f"{file}.yaml")


def check_case(
    case: str,
    *,
    jobs: int | None = None,
    quick: bool = False,
    slow: bool = False,
    engine: Engine = Engine.AUTO,
) -> list[Check]:
    """Run one case.

    Args:
        case: its id.
        jobs: processes; None chooses by the size of each study, 1 stays in this one.
        quick: only the experiments of the quick subset.
        slow: also those that take minutes.
        engine: how runs are made.

    Returns:
        One check per metric, in the order of the file; several where there are variants.

    Raises:
        ValueError: no case has this id.
    """
    return list(selfcheck([case], jobs=jobs, quick=quick, slow=slow, engine=engine))


def selfcheck(
    only: Iterable[str] | None = None,
    *,
    jobs: int | None = None,
    quick: bool = False,
    slow: bool = False,
    engine: Engine = Engine.AUTO,
    on_case: Callable[[Case], None] | None = None,
) -> Iterator[Check]:
    """Run cases one after the other.

    Args:
        only: their ids; None runs all.
        jobs: processes; None chooses by the size of each study.
        quick: only the experiments of the quick subset; the rest is not run.
        slow: also what takes minutes.
        engine: how runs are made.
        on_case: told of each case before it is run.

    Raises:
        ValueError: no case has such an id.
    """
    wanted = list(cases()) if only is None else list(dict.fromkeys(only))
    for name in wanted:
        if name not in cases():
            raise ValueError(f"no case is called {name!r}; there are {', '.join(cases())}")
    for name in wanted:
        case = cases()[name]
        if on_case is not None:
            on_case(case)
        yield from _run(case, jobs, engine, quick=quick, slow=slow)


def _run(case: Case, jobs: int | None, engine: Engine, *, quick: bool, slow: bool) -> list[Check]:
    metrics = {metric.name: metric for metric in case.metrics}
    found: list[Check] = []
    for experiment in experiments().get(case.id, ()):
        left_out = _left_out(experiment, quick=quick, slow=slow)
        seen = None if left_out else _study(experiment, jobs, engine)
        for key, observe in experiment.observe.items():
            metric = metrics[metric_of(key)]
            expected = experiment.expected.get(metric.name, metric.expected)
            if seen is None:
                found.append(Check(case.id, key, expected, why=left_out, note=experiment.scaled))
            else:
                judged = judge(metric, observe(seen), expected)
                found.append(_check(case.id, key, metric, expected, judged, experiment.scaled))
    for metric in case.metrics:
        at = case.id, metric.name
        if at in WAITING:
            found.append(Check(*at, metric.expected, why=WAITING[at]))
        elif at in TOLD:
            found.append(_told(case.id, metric, TOLD[at]))
    order = list(metrics)
    return sorted(found, key=lambda check: order.index(metric_of(check.metric)))


def _left_out(experiment: Experiment, *, quick: bool, slow: bool) -> str:
    """Why an experiment is not run; empty where it is."""
    if experiment.is_slow and not slow:
        return "slow, see --slow"
    if quick and not experiment.is_quick:
        return "not in the quick subset"
    return ""


def _study(experiment: Experiment, jobs: int | None, engine: Engine) -> Seen:
    question = scenario(experiment.file)
    runs: list[Run] = []
    if jobs is None:
        jobs = (os.cpu_count() or 1) if estimated_seconds(question) >= _WORTH_PROCESSES else 1
    data = run_study(
        question,
        jobs=jobs,
        engine=engine,
        keeps_all_messages=experiment.keeps_messages,
        on_done=runs.append,
    )
    names = list(question.architectures)
    runs.sort(key=lambda run: (names.index(run.architecture), run.replication))
    return Seen(data, runs)


def _check(
    case: str, key: str, metric: Metric, expected: float | bool, judged: Judgement, note: str = ""
) -> Check:
    return Check(
        case,
        key,
        expected,
        judged.observed,
        judged.low,
        judged.high,
        judged.verdict,
        judged.why,
        note,
        judged.precision,
        is_control=metric.kind == "negative_control",
    )


def _told(case: str, metric: Metric, told: Told) -> Check:
    """Compare with what ``sim check`` computes."""
    expected = metric.expected
    lines = forecast(
        scenario(told.file), recovery_time=told.recovery_time, acceptable_latency=told.acceptable_latency
    )
    values: set[float] = {
        line.value
        for line in lines
        if line.architecture == told.architecture and line.quantity == told.quantity
    }
    if len(values) != 1:
        why = f"{len(values)} values of {told.quantity} for {told.architecture}"
        return Check(case, metric.name, expected, verdict=FAIL, why=why)
    judged = judge(metric, PerRun(np.array(list(values))))
    return _check(case, metric.name, metric, expected, judged)


def counts(checks: Iterable[Check]) -> dict[Verdict, int]:
    """How many checks ended how."""
    found: dict[Verdict, int] = {PASS: 0, FAIL: 0, NOT_RUN: 0}
    for check in checks:
        found[check.verdict] += 1
    return found
