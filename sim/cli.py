"""The command line: ``sim run``, ``sim check``, ``sim selfcheck``, ``sim schema``.

Exit codes are those of ``vocabulary.ExitCode``. Whatever a user can cause ends in a sentence, not in a
traceback. Heavy imports stand inside the commands that need them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from sim.vocabulary import ExitCode, ScenarioError

app = typer.Typer(
    name="sim",
    help="Compare messaging architectures: the same workload, the same failures, every message counted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

File = Annotated[Path, typer.Argument(help="A scenario, one YAML file.", metavar="FILE")]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="PATH=VALUE",
        help="Change one value of the scenario, e.g. architectures.stream.consumers.count=8. Repeatable.",
    ),
]
Replications = Annotated[int | None, typer.Option(min=1, help="Instead of the scenario's.")]
Seed = Annotated[int | None, typer.Option(min=0, help="Instead of the scenario's.")]


@app.command()
def run(
    file: File,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where the files go. Default: results/<name>.")
    ] = None,
    replications: Replications = None,
    seed: Seed = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Processes. Default: by the size of the study.")
    ] = None,
    overrides: Overrides = None,
    metrics: Annotated[
        str | None,
        typer.Option(metavar="A,B,…", help="Rows of the table, e.g. complete,index.latency_p99."),
    ] = None,
    keep: Annotated[
        str, typer.Option(metavar="first|all", help="Of which replications every message is kept.")
    ] = "first",
) -> None:
    """Run a scenario: table here, files and pictures in a folder."""
    with _errors():
        from rich.console import Console

        from sim.report.progress import progress
        from sim.report.rows import check_names
        from sim.report.run import run as run_scenario
        from sim.scenario.load import load

        wanted = None if metrics is None else metrics.split(",")
        with _bad_input():
            check_names(wanted or ())
            if keep not in ("first", "all"):
                raise ValueError(f"--keep takes first or all, not {keep!r}")
        scenario = load(file, overrides=overrides or (), replications=replications, seed=seed)
        with progress(scenario) as on_done:
            results = run_scenario(scenario, jobs=jobs, keep=keep, on_done=on_done)
        folder = results.save(Path("results") / scenario.slug if out is None else out)
        console = Console()
        if not console.is_terminal:  # a file or a pipe has no width: take what a design document takes
            console = Console(width=120)
        console.print(results.headline(), highlight=False)
        with _bad_input():
            console.print(results.table(wanted))
        for note in results.notes():
            console.print(note, style="yellow", highlight=False)
        console.print(f"files and pictures in {folder}", highlight=False)


@app.command()
def check(file: File, overrides: Overrides = None) -> None:
    """Say whether a scenario is valid, and what it would run."""
    with _errors():
        from sim.scenario.load import load

        scenario = load(file, overrides=overrides or ())
        arrivals = scenario.workload.arrivals.expected(scenario.horizon)
        names = ", ".join(scenario.architectures)
        typer.echo(f"{file} is valid: {scenario.name}")
        typer.echo(f"  {scenario.description}" if scenario.description else "  (no description)")
        typer.echo(f"  architectures: {names}; baseline {scenario.baseline}")
        typer.echo(
            f"  about {arrivals + scenario.workload.backlog:,.0f} messages × {len(scenario.effects)} effects "
            f"× {len(scenario.architectures)} architectures × {scenario.replications} replications"
        )
        faults = ", ".join(f"{name} ({fault.kind} {fault.target})" for name, fault in scenario.faults.items())
        typer.echo(f"  faults: {faults or 'none'}")


@app.command()
def selfcheck(
    quick: Annotated[bool, typer.Option("--quick", help="A subset, in less than a minute.")] = False,
    slow: Annotated[bool, typer.Option("--slow", help="Also what takes many minutes.")] = False,
    case: Annotated[
        str | None, typer.Option(metavar="V01,V10,…", help="Only these cases. Default: all.")
    ] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Processes. Default: by the size.")] = None,
) -> None:
    """Check the simulator against closed forms: expected, observed, verdict."""
    with _errors():
        import textwrap
        import time
        from shutil import get_terminal_size

        from sim.report import checks
        from sim.selfcheck.check import Check, counts
        from sim.selfcheck.check import selfcheck as run_checks
        from sim.selfcheck.plan import quick_cases

        started = time.perf_counter()
        width = get_terminal_size((120, 24)).columns
        only = None if case is None else case.split(",")
        found: list[Check] = []
        with _bad_input():
            if quick and slow:
                raise ValueError("--quick and --slow exclude each other")
            told = run_checks(only, jobs=jobs, quick=quick, slow=slow)
            if quick:
                subset = f"quick subset, at the same tolerances: {', '.join(quick_cases())}"
                typer.echo(textwrap.fill(subset, width))
            typer.echo("\n".join(checks.heading(width)))
            for check in told:
                found.append(check)
                typer.echo("\n".join(checks.lines(check, width)))
        typer.echo(checks.summary(found, time.perf_counter() - started))
        if counts(found)["FAIL"]:
            raise typer.Exit(ExitCode.FAIL)


@app.command()
def schema() -> None:
    """Print the JSON Schema of scenario files, for editors."""
    from sim.scenario.schema import json_schema

    typer.echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))


def main() -> None:
    """Run the command line."""
    app()


@contextmanager
def _bad_input() -> Generator[None]:
    """A ValueError in here is about what the user typed."""
    try:
        yield
    except ValueError as error:
        typer.echo(f"sim: {error}", err=True)
        raise typer.Exit(ExitCode.BAD_INPUT) from None


@contextmanager
def _errors() -> Generator[None]:
    """Turn what a user or the machine can cause into a sentence and an exit code."""
    try:
        yield
    except ScenarioError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(ExitCode.BAD_INPUT) from None
    except (OSError, MemoryError) as error:
        typer.echo(f"sim: {error or type(error).__name__}", err=True)
        raise typer.Exit(ExitCode.ENVIRONMENT) from None
    except KeyboardInterrupt:
        typer.echo("interrupted", err=True)
        raise typer.Exit(ExitCode.INTERRUPTED) from None


if __name__ == "__main__":
    sys.exit(main())
