"""The gallery shows what the scenarios of this commit say, in few bytes, and the README shows the gallery."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from sim.report.gallery import CLAIMS, STAMP, STUDIES, stamp
from sim.vocabulary import Verdict

ROOT = Path(__file__).parents[1]
GALLERY = ROOT / "results" / "gallery"
README = (ROOT / "README.md").read_text("utf-8")


@pytest.fixture(scope="module")
def noted() -> dict:
    """What was noted when the gallery was made."""
    return json.loads((GALLERY / STAMP).read_text("utf-8"))


def test_the_gallery_is_up_to_date(noted: dict) -> None:
    """Scenarios and first runs are those from which the pictures were made: run ``make gallery``."""
    assert stamp(ROOT / "scenarios") == noted["made_from"], "the gallery is stale: run make gallery"


def test_every_picture_is_there_and_small() -> None:
    """Each study has its pictures and its summary, each claim its picture, under 3 MB in all."""
    for name, pictures in STUDIES.items():
        folder = GALLERY / Path(name).name
        assert {path.name for path in folder.iterdir()} == {
            "summary.csv",
            *(f"{each}.png" for each in pictures),
        }
    assert {path.stem for path in (GALLERY / "claims").iterdir()} == set(CLAIMS)
    assert sum(path.stat().st_size for path in GALLERY.rglob("*") if path.is_file()) < 3_000_000


def test_the_readme_lists_every_claim_with_its_verdict(noted: dict) -> None:
    """A row per claim: scenario, verdict and picture; all of them PASS."""
    for name, verdicts in noted["verdicts"].items():
        assert set(verdicts) == {Verdict.PASS}
        number = name[:3].upper()
        (row,) = re.findall(rf"^\| {number} .*$", README, re.MULTILINE)
        assert f"(scenarios/claims/{name}.yaml)" in row
        assert f"(results/gallery/claims/{name}.png)" in row
        assert "| PASS |" in row


def test_the_pictures_of_the_readme_exist() -> None:
    """No picture that the README shows is missing."""
    shown = re.findall(r"\]\((results/[^)]+|scenarios/[^)]+|notebooks/[^)]+)\)", README)
    assert len(shown) > 20
    assert not [path for path in shown if not (ROOT / path).exists()]
