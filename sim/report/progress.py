"""A progress bar over architectures and replications, with the time left."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from sim.experiment.study import Run
from sim.scenario.model import Scenario


@contextmanager
def progress(scenario: Scenario) -> Generator[Callable[[Run], None]]:
    """Show how far a study is while the block runs; nothing where the error stream is no terminal.

    Yields:
        What must be told of each run as it ends.
    """
    console = Console(stderr=True)
    total = len(scenario.architectures) * scenario.replications
    columns = (
        TextColumn("{task.description:<32}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(scenario.name, total=total)

        def on_done(run: Run) -> None:
            runs = max(total, int(bar.tasks[task].completed) + 1)  # precision may ask for more
            bar.update(
                task,
                total=runs,
                advance=1,
                description=f"{run.architecture} · replication {run.replication + 1}",
            )

        yield on_done


@contextmanager
def sweep_progress(name: str, total: int) -> Generator[Callable[[int], None]]:
    """Show how far a sweep is while the block runs; nothing where the error stream is no terminal.

    Yields:
        What must be told how many points are done.
    """
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description:<32}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(f"{name} · points", total=total)
        yield lambda done: bar.update(task, completed=done)
