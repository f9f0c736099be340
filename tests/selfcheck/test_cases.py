"""Nothing of ``verification_cases.json`` is forgotten, and its scenarios are what they say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sim.scenario.load import load
from sim.selfcheck.cases import DATA, verification_cases
from sim.selfcheck.experiment import metric_of
from sim.selfcheck.golden import golden_cases
from sim.selfcheck.plan import TOLD, WAITING, cases, experiments, quick_cases

FILES = sorted((DATA / "selfcheck").rglob("*.yaml"))
GOLDEN = Path(__file__).parents[2] / "scenarios" / "golden"


def observed() -> set[tuple[str, str]]:
    """(case, metric) of everything that some experiment observes."""
    return {
        (case, metric_of(key))
        for case, found in experiments().items()
        for experiment in found
        for key in experiment.observe
    }


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_scenario_loads_and_asks_something(file: Path) -> None:
    """Each file is a scenario that ``sim run`` would take."""
    assert load(file).description


def test_every_scenario_belongs_to_a_case() -> None:
    """A file is used by an experiment, by the theory side, or extended by another one."""
    used = {experiment.file for found in experiments().values() for experiment in found}
    used |= {told.file for told in TOLD.values()}
    shipped = {str(file.relative_to(DATA / "selfcheck").with_suffix("")) for file in FILES}
    assert used == shipped


def test_the_golden_scenarios_are_the_ones_that_are_shown() -> None:
    """The four files of the matrix are the same bytes as in ``scenarios/golden``."""
    for file in GOLDEN.glob("*.yaml"):
        assert (DATA / "selfcheck" / "golden" / file.name).read_bytes() == file.read_bytes()


def test_every_metric_is_observed_told_or_waits_for_a_named_feature() -> None:
    """The three ways add up to the file, and no metric goes two of them."""
    everything = {(case.id, metric.name) for case in cases().values() for metric in case.metrics}
    ways = [observed(), set(TOLD), set(WAITING)]
    assert set.union(*ways) == everything
    assert sum(map(len, ways)) == len(everything)
    assert all(WAITING.values())


def test_the_file_is_read_whole() -> None:
    """32 cases, and every metric in the order of the file."""
    told = json.loads((DATA / "verification_cases.json").read_text())["cases"]
    assert len(told) == 32
    assert [(each["id"], len(each["metrics"])) for each in told] == [
        (case.id, len(case.metrics)) for case in verification_cases()
    ]
    assert sum(len(case.metrics) for case in golden_cases()) > 60


def test_formulas_are_told_and_the_rest_is_observed() -> None:
    """``kind: formula`` is for the theory side, and only that."""
    formulas = {
        (case.id, metric.name)
        for case in cases().values()
        for metric in case.metrics
        if metric.kind == "formula"
    }
    assert formulas == set(TOLD)


def test_slow_metrics_are_slow_experiments() -> None:
    """``run: slow`` is left to ``--slow``, and nothing else is."""
    slow = {(case.id, metric.name) for case in cases().values() for metric in case.metrics if metric.is_slow}
    left = {
        (case, metric_of(key))
        for case, found in experiments().items()
        for experiment in found
        if experiment.is_slow
        for key in experiment.observe
    }
    assert left == slow


def test_where_the_expected_value_is_another_the_scale_is_told() -> None:
    """A formula is evaluated anew only where the reader is told how the rates differ."""
    for found in experiments().values():
        for experiment in found:
            assert bool(experiment.expected) == bool(experiment.scaled)
            assert set(experiment.expected) <= set(map(metric_of, experiment.observe))


def test_the_quick_subset_is_part_of_the_cases() -> None:
    """In the order of the file, without what is slow."""
    assert quick_cases() == [name for name in cases() if name in quick_cases()]
    assert not any(each.is_quick and each.is_slow for found in experiments().values() for each in found)
