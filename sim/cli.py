"""The command line: what a user types, and what the shell gets back.

Exit codes are those of ``vocabulary.ExitCode``. Whatever a user can cause ends in a sentence, not in a
traceback. Heavy imports stand inside the commands that need them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sim.vocabulary import Engine, ExitCode, ScenarioError

if TYPE_CHECKING:
    from sim.experiment.estimate import Estimate
    from sim.experiment.parallel import Apply
    from sim.report.results import Results

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
Cluster = Annotated[
    str | None,
    typer.Option(
        metavar="tcp://HOST:PORT", help="The scheduler of a Dask cluster, which makes the runs instead."
    ),
]
EngineName = Annotated[
    Engine,
    typer.Option(
        help="Simulate by processes alone, or work out in blocks what can be; the ledger is the same."
    ),
]


@app.command()
def run(  # noqa: PLR0913 - one argument per option
    paths: Annotated[
        list[Path],
        typer.Argument(help="A scenario, several of them, or a folder of scenarios.", metavar="FILE…"),
    ],
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where the files go. Default: results/<name>; of several: results."),
    ] = None,
    replications: Replications = None,
    seed: Seed = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Processes. Default: by the size of the study.")
    ] = None,
    cluster: Cluster = None,
    engine: EngineName = Engine.AUTO,
    overrides: Overrides = None,
    metrics: Annotated[
        str | None,
        typer.Option(metavar="A,B,…", help="Rows of the table, e.g. complete,index.latency_p99."),
    ] = None,
    keep: Annotated[
        str, typer.Option(metavar="first|all", help="Of which replications every message is kept.")
    ] = "first",
    no_messages: Annotated[
        bool,
        typer.Option("--no-messages", help="Keep no message: little memory, percentiles within 0.05 %."),
    ] = False,
    memory: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE", help="What the run may use, e.g. 4GB. Default: a quarter of the machine's."
        ),
    ] = None,
    junit: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Verdicts as JUnit XML, for CI systems.")
    ] = None,
    counter: Annotated[
        bool,
        typer.Option("--counter", help="Run the counter-case, which shows that the expectations can fail."),
    ] = False,
) -> None:
    """Run scenarios: verdicts and table here, files and pictures in a folder."""
    with _errors():
        from sim.engine.quantities import parse_size
        from sim.report.batch import run_all, scenario_files
        from sim.report.junit import write_junit
        from sim.report.promises import exit_code, worst_code
        from sim.report.rows import check_names
        from sim.report.screen import console
        from sim.report.terminal import show, show_all

        wanted = None if metrics is None else metrics.split(",")
        with _bad_input():
            check_names(wanted or ())
            if keep not in ("first", "all"):
                raise ValueError(f"--keep takes first or all, not {keep!r}")
            if no_messages and keep == "all":
                raise ValueError("--keep all and --no-messages exclude each other")
            allowed = None if memory is None else parse_size(memory)
        how = {"engine": engine, "keep": "none" if no_messages else keep, "memory": allowed}
        numbers = {
            "overrides": overrides or (),
            "replications": replications,
            "seed": seed,
            "counter": counter,
        }
        files, screen = scenario_files(paths), console()
        if len(files) > 1 or paths[0].is_dir():
            with _place(cluster, jobs) as apply:
                folder = out or Path("results")
                told = run_all(files, folder, jobs=jobs, apply=apply, options=numbers, how=how)
                ended = show_all(told, screen)
            manifests = [each.manifest for each in ended if each.manifest]
            refused = [(str(each.path), each.told) for each in ended if each.told]
            code = worst_code([each.code for each in ended])
        else:
            with _place(cluster, jobs) as apply:
                results, folder = _run_one(files[0], out, numbers, {"jobs": jobs, "apply": apply, **how})
            with _bad_input():
                show(results, screen, wanted)
            screen.print(f"files and pictures in {folder}", highlight=False)
            manifests, refused, code = [results.manifest], [], exit_code(results.manifest)
        if junit is not None:
            write_junit(manifests, junit, refused)
        raise typer.Exit(code)


def _run_one(
    file: Path, out: Path | None, numbers: dict[str, Any], how: dict[str, Any]
) -> tuple[Results, Path]:
    """Run one scenario with a progress bar and save what it leaves."""
    from sim.report.progress import progress
    from sim.report.run import run as run_scenario
    from sim.scenario.load import load

    scenario = load(file, **numbers)
    folder = Path("results") / scenario.slug if out is None else out

    def on_estimate(expected: Estimate) -> None:
        if expected.is_worth_telling:
            typer.echo(str(expected), err=True)

    with progress(scenario) as on_done:
        results = run_scenario(
            scenario, on_estimate=on_estimate, on_done=on_done, scratch=folder.resolve().parent, **how
        )
    return results, results.save(folder)


def _place(cluster: str | None, jobs: int | None) -> AbstractContextManager[Apply | None]:
    """What makes the runs, where it is not this machine."""
    if cluster is None:
        return nullcontext()
    from sim.experiment.cluster import check_address, on_cluster

    with _bad_input():
        if jobs is not None:
            raise ValueError("--jobs and --cluster exclude each other")
        check_address(cluster)
    return on_cluster(cluster)


@app.command()
def sweep(  # noqa: PLR0913 - one argument per option
    file: File,
    vary: Annotated[
        list[str] | None,
        typer.Option(
            "--vary",
            metavar="PATH=VALUES",
            help="Instead of the file's sweep: a list (8,12,16) or a range (100/s..1000/s:10). Repeatable.",
        ),
    ] = None,
    overrides: Overrides = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where the files go. Default: results/<name>_sweep.")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Processes. Default: by the size of the sweep.")
    ] = None,
    cluster: Cluster = None,
    engine: EngineName = Engine.AUTO,
    replications: Replications = None,
    seed: Seed = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Run every point anew, also those that were done before.")
    ] = False,
) -> None:
    """Run a scenario at every point of its sweep; begun again, it goes on where it stopped."""
    with _errors():
        from sim.experiment.point_store import stored
        from sim.report.progress import sweep_progress
        from sim.report.screen import console
        from sim.report.sweep import SweepResults
        from sim.report.sweep_table import show
        from sim.scenario.load import load
        from sim.scenario.points import grid_of

        scenario = load(file, overrides=overrides or (), replications=replications, seed=seed)
        grid = grid_of(scenario, vary)
        folder = Path("results") / f"{scenario.slug}_sweep" if out is None else out
        with _place(cluster, jobs) as apply, sweep_progress(scenario.name, len(grid.points)) as on_done:
            try:
                results = SweepResults.of(
                    grid, folder, jobs=jobs, apply=apply, fresh=fresh, on_done=on_done, engine=engine
                )
            except KeyboardInterrupt:
                kept = sum(stored(folder, point.key) is not None for point in grid.points)
                typer.echo(f"{kept} of {len(grid.points)} points are kept: begin again to go on", err=True)
                raise
        results.save(folder)
        screen = console()
        show(results.data, screen)
        screen.print(f"files and pictures in {folder}", highlight=False)


@app.command()
def check(file: File, overrides: Overrides = None) -> None:
    """Say whether a scenario is valid, what it would run, and what theory expects of it."""
    with _errors():
        from sim.forecast.forecast import forecast, unstable
        from sim.report.forecast_table import forecast_report
        from sim.report.screen import console
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
            + (f", up to {scenario.precision.max_replications}" if scenario.precision else "")
        )
        for expectation in scenario.expect:
            typer.echo(f"  expected: {expectation.text}")
        if scenario.sweep:
            from sim.scenario.points import grid_of

            grid = grid_of(scenario)
            varied = " × ".join(f"{factor.path} ({len(factor.levels)} values)" for factor in grid.factors)
            typer.echo(f"  sweep: {len(grid.points)} points, {varied}")
        faults = ", ".join(f"{name} ({fault.kind} {fault.target})" for name, fault in scenario.faults.items())
        typer.echo(f"  faults: {faults or 'none'}")
        report = forecast_report(scenario, forecast(scenario), unstable(scenario))
        console().print(report, highlight=False)


@app.command()
def draw(
    file: File,
    architecture: Annotated[
        str | None, typer.Option(metavar="NAME,…", help="Which architectures. Default: all.")
    ] = None,
    formats: Annotated[
        str, typer.Option("--format", metavar="svg,png,mermaid", help="Of which kinds the files are.")
    ] = "svg,png,mermaid",
    out: Annotated[
        str | None,
        typer.Option(
            metavar="DIR",
            help="Where the files go; - prints Mermaid text here. Default: results/<name>_diagrams.",
        ),
    ] = None,
    overrides: Overrides = None,
) -> None:
    """Draw the architectures of a scenario as they are built, and what its faults hit."""
    with _errors():
        from sim.report.diagram.mermaid import mermaid
        from sim.report.draw import FORMATS, chosen, save
        from sim.scenario.load import load

        wanted = formats.split(",")
        scenario = load(file, overrides=overrides or ())
        with _bad_input():
            for name in wanted:
                if name not in FORMATS:
                    raise ValueError(f"--format takes {', '.join(FORMATS)}, not {name!r}")
            if out == "-" and wanted != ["mermaid"]:
                raise ValueError("--out - prints text: it goes with --format mermaid")
            names = chosen(scenario, None if architecture is None else architecture.split(","))
        if out == "-":
            typer.echo(mermaid(scenario, names), nl=False)
            return
        folder = Path("results") / f"{scenario.slug}_diagrams" if out is None else Path(out)
        for path in save(scenario, folder, names, wanted):
            typer.echo(path)


@app.command()
def selfcheck(
    quick: Annotated[bool, typer.Option("--quick", help="A subset, in less than a minute.")] = False,
    slow: Annotated[bool, typer.Option("--slow", help="Also what takes many minutes.")] = False,
    case: Annotated[
        str | None, typer.Option(metavar="V01,V10,…", help="Only these cases. Default: all.")
    ] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Processes. Default: by the size.")] = None,
    engine: EngineName = Engine.AUTO,
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
            told = run_checks(only, jobs=jobs, quick=quick, slow=slow, engine=engine)
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
