"""``sim check`` and ``sim schema`` as a shell sees them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from sim.scenario.schema import json_schema

HERE = Path(__file__).parent
INVALID = HERE.parent / "invalid"


def _sim(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sim", *arguments], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("name", ["several", "yaml_syntax", "file_missing"])
def test_check_refuses_with_places(name: str) -> None:
    """A broken file ends with code 2 and lines that an editor can jump to, not with a traceback."""
    path = INVALID / f"{name}.yaml"
    expected = [
        f"{path}:{line.removeprefix('# expect: ').replace(' ', ': ', 1)}"
        for line in path.read_text("utf-8").splitlines()
        if line.startswith("# expect: ")
    ]
    done = _sim("check", str(path))
    assert done.returncode == 2
    assert done.stderr.splitlines() == expected
    assert not done.stdout


def test_check_takes_a_valid_file() -> None:
    """A valid file ends with code 0 and a summary."""
    done = _sim("check", str(HERE / "valid" / "everything.yaml"))
    assert (done.returncode, done.stderr) == (0, "")
    assert "is valid: Everything at once" in done.stdout


def test_check_takes_overrides() -> None:
    """An override can break a valid file, and is named."""
    done = _sim("check", str(HERE / "valid" / "rates.yaml"), "--set", "effects.db=40")
    assert done.returncode == 2
    assert done.stderr.startswith("--set effects.db=40:1:12: a duration needs a unit")


def test_schema_prints_the_schema() -> None:
    """What is printed is the schema."""
    assert json.loads(_sim("schema").stdout) == json_schema()
