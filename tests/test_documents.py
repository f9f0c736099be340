"""What the documents show must work: notebooks from a clean kernel, every block of the README."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError

import sim

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
COURSE = [
    "01_quickstart",
    "02_synchronous_and_asynchronous",
    "03_queues",
    "04_one_broker_or_two",
    "05_streams",
    "06_push_and_queue",
    "07_your_own_question",
]
ATTEMPTS = 3
LONGEST_CELL = 60
"""Seconds; the slowest takes 2 s."""
LARGEST = 300_000
"""Bytes of a notebook; code hosts show no more of larger ones than that they are large."""
MACHINE = re.compile(r"(?<![\w.:/])/(?:home|Users|root|tmp|work|opt|usr|var|mnt|private)/\S*|\b[A-Z]:\\\w\S*")
"""An absolute path."""
WIDGET = "application/vnd.jupyter.widget-view+json"


def test_the_notebooks_are_a_course() -> None:
    """Seven notebooks, in the order in which a newcomer reads them."""
    assert [path.stem for path in NOTEBOOKS] == COURSE


@pytest.mark.filterwarnings("ignore")  # those of the Jupyter machinery are not ours
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(path: Path) -> None:
    """Every cell runs from a clean kernel, and the committed outputs are what it gives, without error."""
    notebook = nbformat.read(path, as_version=4)
    kept = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    told = [_told(cell) for cell in notebook.cells]
    assert kept, "notebooks are committed with their outputs"
    assert not [output for output in kept if output.output_type == "error"]
    _execute(notebook)
    for place, (cell, old) in enumerate(zip(notebook.cells, told, strict=True)):
        assert _told(cell) == old, (
            f"the outputs of {path.name}, cell {place}, are stale: write fresh ones with `.venv/bin/python "
            f"tests/test_documents.py {path.stem}`, then read whether the text still fits them"
        )


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_fit_for_a_code_host(path: Path) -> None:
    """A notebook is small, its outputs name no folder of a machine, and no cell needs a live widget."""
    assert path.stat().st_size < LARGEST, "draw fewer or smaller pictures"
    notebook = nbformat.read(path, as_version=4)
    for place, cell in enumerate(notebook.cells):
        found = MACHINE.search(" ".join(_told(cell)))
        assert not found, f"cell {place} shows the path {found and found[0]!r}"
        kinds = {kind for output in cell.get("outputs", []) for kind in output.get("data", {})}
        assert WIDGET not in kinds, f"cell {place} shows a widget that is dead where the notebook is read"
    assert "widgets" not in notebook.metadata


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_links_of_a_notebook_lead_somewhere(path: Path) -> None:
    """A reader can open every file to which a notebook points."""
    text = "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells)
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", text):
        assert (path.parent / target).exists(), f"{target} is no file"


def _execute(notebook: nbformat.NotebookNode) -> None:
    """Run all cells; again where a message between the kernel and its client was lost, and both wait."""
    resources = {"metadata": {"path": str(ROOT / "notebooks")}}
    for left in reversed(range(ATTEMPTS)):
        try:
            NotebookClient(notebook, timeout=LONGEST_CELL, resources=resources).execute()
        except CellTimeoutError:
            if not left:
                raise
        else:
            return


def _refresh(path: Path) -> None:
    """Write a notebook with fresh outputs, without times of execution and state of widgets."""
    notebook = nbformat.read(path, as_version=4)
    _execute(notebook)
    notebook.metadata.pop("widgets", None)
    notebook.metadata["language_info"] = {"name": "python"}
    for cell in notebook.cells:
        cell.metadata = {}
        for output in cell.get("outputs", []):
            output.get("data", {}).pop(WIDGET, None)
    nbformat.write(notebook, path)


def _told(cell: nbformat.NotebookNode) -> list[str]:
    """What the outputs of a cell say: printed text, values, and the words of tables; not the pictures."""
    printed = "".join(output.get("text", "") for output in cell.get("outputs", []))  # in however many pieces
    told: list[str] = [printed]
    for output in cell.get("outputs", []):
        if output.output_type == "stream":
            continue
        data = output.get("data", {})
        told += [data.get("text/plain", ""), data.get("text/markdown", "")]
        table = re.sub(r"<style.*?</style>", "", data.get("text/html", ""), flags=re.DOTALL)
        told.append(" ".join(re.sub(r"<[^>]*>", " ", table).split()))
    return told


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


if __name__ == "__main__":
    for name in sys.argv[1:] or COURSE:
        _refresh(ROOT / "notebooks" / f"{name}.ipynb")
