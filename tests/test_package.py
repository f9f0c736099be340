"""The package as others see it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import sim

ROOT = Path(__file__).parents[1]


def test_every_public_name_can_be_had() -> None:
    """The table of contents is what there is."""
    assert sorted(sim.__all__) == sorted(dir(sim))
    for name in sim.__all__:
        assert getattr(sim, name) is not None


def test_import_costs_nothing() -> None:
    """``import sim`` loads neither SimPy nor pandas."""
    code = "import sys, sim; assert not {'simpy', 'pandas', 'numpy', 'pydantic'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_verification_cases_are_shipped() -> None:
    """The closed-form cases lie in the package."""
    cases = json.loads((Path(sim.__file__).parent / "data" / "verification_cases.json").read_text())
    assert len(cases["cases"]) >= 32


def test_pins_name_no_index() -> None:
    """Every pin is a plain ``name==version``."""
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        name, _, number = line.partition("==")
        assert name
        assert number
        assert "/" not in line
        assert "@" not in line
