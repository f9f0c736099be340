"""A finished study on the terminal: verdicts first, then the table, then what one must know to believe it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from sim.report.notes import notes
from sim.report.promises import keeps_every_promise, verdict_lines
from sim.report.theory import theory_lines
from sim.vocabulary import Verdict

if TYPE_CHECKING:
    from rich.console import Console

    from sim.report.batch import Ended
    from sim.report.results import Results

STYLES = {Verdict.PASS: "bold green", Verdict.FAIL: "bold red", Verdict.INCONCLUSIVE: "bold yellow"}


def show(results: Results, screen: Console, metrics: Sequence[str] | None = None) -> None:
    """Print a study.

    Raises:
        ValueError: a metric is not known.
    """
    screen.print(results.headline(), highlight=False)
    lines = verdict_lines(results.manifest)
    if lines:
        screen.print()
    for verdict, line in lines:
        screen.print(verdict_text(verdict, line))
    kept = keeps_every_promise(results.manifest)
    if kept:
        screen.print(kept, highlight=False)
    screen.print(results.table(metrics))
    for line in theory_lines(results.manifest.get("theory", [])):
        screen.print(line, style="cyan", highlight=False)
    for note in notes(results.data):
        screen.print(note, style="yellow", highlight=False)


def show_all(ended: Iterable[Ended], screen: Console) -> list[Ended]:
    """Print one line per scenario as it ends, and what they come to; returns all of them."""
    seen: list[Ended] = []
    for each in ended:
        seen.append(each)
        if each.told:
            screen.print(Text(each.told, style="bold red"))
            continue
        name = each.manifest["name"]
        line = Text.assemble(f"{name:<24}  ", (each.figure, ""))
        screen.print(verdict_text(each.verdict, "").append_text(line) if each.verdict else line)
    passed = sum(each.verdict == Verdict.PASS for each in seen)
    judged = sum(bool(each.verdict or each.told) for each in seen)
    screen.print(
        f"{passed} of {judged} PASS" if judged else f"{len(seen)} scenarios, nothing expected",
        highlight=False,
    )
    return seen


def verdict_text(verdict: str, line: str) -> Text:
    """A verdict in its colour, and what it is about."""
    return Text.assemble((f"{verdict:<12}  ", STYLES[Verdict(verdict)]), line)
