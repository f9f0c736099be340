"""What the documents show must work: notebooks from a clean kernel, every block of the README."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

import sim

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.filterwarnings("ignore")  # those of the Jupyter machinery are not ours
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(path: Path) -> None:
    """Every cell runs from a clean kernel, and the committed outputs hold no error."""
    notebook = nbformat.read(path, as_version=4)
    kept = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert kept, "notebooks are committed with their outputs"
    assert not [output for output in kept if output.output_type == "error"]
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(path.parent)}}).execute()
    fresh = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert [output.get("text") for output in fresh] == [output.get("text") for output in kept], (
        "outputs are stale"
    )


@pytest.mark.parametrize("text", [text for kind, text in BLOCKS if kind == "yaml"])
def test_yaml_of_the_readme_is_valid(text: str) -> None:
    """A reader can copy every scenario of the README."""
    assert sim.loads(text).architectures


@pytest.mark.parametrize("text", [text for kind, text in BLOCKS if kind == "python"])
def test_python_of_the_readme_runs(text: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A reader can paste every piece of Python of the README."""
    (tmp_path / "scenarios").symlink_to(ROOT / "scenarios")
    monkeypatch.chdir(tmp_path)
    exec(compile(text, "README.md", "exec"), {})  # noqa: S102 - our own document


def test_the_readme_has_something_to_copy() -> None:
    """The blocks are found."""
    assert {kind for kind, _ in BLOCKS} >= {"yaml", "python", "console"}


@pytest.mark.parametrize("path", sorted((ROOT / "scenarios").rglob("*.yaml")), ids=lambda path: path.stem)
def test_every_scenario_is_valid(path: Path) -> None:
    """What is shipped can be loaded, has a question and enough replications to answer it."""
    scenario = sim.load(path)
    assert scenario.description.endswith("?")
    assert scenario.architectures
