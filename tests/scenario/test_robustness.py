"""Whatever stands in a file, the loader answers with a scenario or a ScenarioError."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import sim

FOLDER = Path(__file__).parent / "valid"
LINES = (FOLDER / "everything.yaml").read_text("utf-8").splitlines()
JUNK = (
    "none",
    "true",
    "{}",
    "[]",
    "[a]",
    "{a: 1}",
    "null",
    "~",
    "-1",
    "0",
    "1e999",
    "9" * 400,
    ".inf",
    "yes",
    "&a",
    "*a",
    "!!set",
    "%",
    "? x",
    "- ",
    ": ",
    "'",
    '"',
    "{",
    "]",
    "|",
    "<<: 1",
    "\t",
    "\x00",
    "\ud7ff",
    "é",
    "#",
    "---",
    "...",
    "@",
    "`",
    "kind",
    "extends: everything.yaml",
    "{kind: {a: 1}}",
    "!!binary x",
    "&a &b",
    "1:2:3",
    "2026-01-01",
)


def _told(load: Callable[[], sim.Scenario]) -> list[sim.Problem] | None:
    """The problems with which something is refused; None if it is taken."""
    try:
        load()
    except sim.ScenarioError as error:
        return error.problems
    return None


@st.composite
def mutations(draw: st.DrawFn) -> str:
    """The text of a valid file with some small accidents."""
    lines = list(LINES)
    for _ in range(draw(st.integers(1, 4))):
        row = draw(st.integers(0, len(lines) - 1))
        junk = draw(st.sampled_from(JUNK) | st.text(max_size=6))
        accident = draw(st.sampled_from(("delete", "word", "insert", "line", "indent", "cut")))
        words = lines[row].split(" ")
        if accident == "delete" and len(lines) > 1:
            del lines[row]
        elif accident == "word":
            words[draw(st.integers(0, len(words) - 1))] = junk
            lines[row] = " ".join(words)
        elif accident == "insert":
            place = draw(st.integers(0, len(lines[row])))
            lines[row] = lines[row][:place] + junk + lines[row][place:]
        elif accident == "line":
            lines.insert(row, junk)
        elif accident == "indent":
            lines[row] = " " * draw(st.integers(0, 8)) + lines[row].lstrip()
        elif accident == "cut":
            lines[row] = lines[row][: draw(st.integers(0, len(lines[row])))]
    return "\n".join(lines)


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(mutations())
@example("\n".join(LINES).replace("kind: stream", "kind: {a: 1}"))
@example("\n".join(LINES).replace("kind: crash", "kind: [a]"))
@example("\n".join(LINES).replace("cv: 0.5", f"cv: {'9' * 90}"))
@example("[" * 3000)
@example("a: " + "{a: " * 400)
def test_accidents_end_in_words(text: str) -> None:
    """A file with accidents loads or is refused with problems that have a place in it."""
    told = _told(lambda: sim.loads(text, folder=FOLDER))
    assert all(problem.line >= 1 and problem.column >= 1 and problem.message for problem in told or [])
    assert told != []


@settings(max_examples=200, deadline=None)
@given(
    st.text(max_size=60),
    st.sampled_from(("seed", "effects.db", "workload.arrivals", "architectures", "faults.one.kind")),
)
def test_overrides_end_in_words(value: str, path: str) -> None:
    """Any text after ``--set`` is taken or refused in words."""
    assert _told(lambda: sim.load(FOLDER / "shorthands.yaml", [f"{path}={value}", value])) != []
