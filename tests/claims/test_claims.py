"""Every claim of the seed document holds, and its counter-case shows that it can fail."""

from __future__ import annotations

from pathlib import Path

import pytest

import sim
from sim.vocabulary import Verdict

CLAIMS = sorted((Path(__file__).parents[2] / "scenarios" / "claims").glob("*.yaml"))


def test_there_are_twenty_one_of_them() -> None:
    """C01 to C21, each in a file of its own."""
    assert [path.stem[:3] for path in CLAIMS] == [f"c{number:02d}" for number in range(1, 22)]


@pytest.mark.parametrize("path", CLAIMS, ids=lambda path: path.stem)
def test_the_claim_holds(path: Path) -> None:
    """Every expectation of the file passes, and no closed form contradicts the run."""
    results = sim.run(sim.load(path), jobs=1)
    assert results.verdicts()
    assert not [line for verdict, line in results.verdicts() if verdict != Verdict.PASS]
    differing = [row for row in results.manifest["theory"] if row["agrees"] is False]
    assert not differing, "a closed form that is said to apply contradicts the run"


@pytest.mark.parametrize("path", CLAIMS, ids=lambda path: path.stem)
def test_the_counter_case_breaks_it(path: Path) -> None:
    """With what ``counter`` says, some expectation fails: the claim does not pass whatever one does."""
    results = sim.run(sim.load(path, counter=True), jobs=1)
    assert Verdict.FAIL in [verdict for verdict, _ in results.verdicts()]
