"""The builders of records, shared with the tests of the analysis."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "analysis"))

from records import study as build_study


@pytest.fixture(scope="session")
def study():
    """A small study of three replications."""
    return build_study()
