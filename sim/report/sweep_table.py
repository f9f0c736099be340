"""A sweep on the terminal and in notebooks: one row per point, verdicts beside the numbers behind them."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
from rich import box
from rich.table import Table
from rich.text import Text

from sim.analysis.outcomes import LEAST_MESSAGES
from sim.report import numbers
from sim.report.promises import value_told
from sim.report.sweep_answers import answers
from sim.report.sweep_values import DEFAULT, SweepValues
from sim.report.terminal import STYLES
from sim.vocabulary import METRICS, Verdict

if TYPE_CHECKING:
    from rich.console import Console

    from sim.experiment.sweep import SweepData

_PROMISES = 4
"""Expectations with a column of their own."""
_TOLD = 4
"""Points that a remark names."""
_FEW = 2
"""Architectures with columns of their own."""
_COLOURS = {"PASS": "#00754f", "FAIL": "#b34700", "INCONCLUSIVE": "#8a6d00"}
_CELL = "text-align:right;vertical-align:top;padding:3px 10px"


@dataclass(frozen=True)
class Column:
    """A column of the table.

    Attributes:
        heading: above it.
        cells: text at every point.
        verdicts: at every point, to be shown before the text; empty where it is no verdict.
    """

    heading: str
    cells: Sequence[str]
    verdicts: Sequence[str] = ()


def columns(data: SweepData) -> list[Column]:
    """Factors, expectations with what was seen, closed forms, then the numbers that matter."""
    values = SweepValues(data)
    found = [
        Column(values.short(factor), [point.levels[place].text for point in data.grid.points])
        for place, factor in enumerate(values.factors)
    ]
    promises = [each.text for each in data.grid.scenario.expect]
    if len(promises) > 1:
        found.append(Column("all", [""] * len(data.results), values.verdicts()))
    found += [
        Column(promise, [_seen(result, promise) for result in data.results], values.verdicts(promise))
        for promise in promises[:_PROMISES]
    ]
    found += _closed_forms(values)
    return found + _numbers(values)


def sweep_table(data: SweepData) -> Table:
    """The table for a terminal."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, header_style="bold")
    found = columns(data)
    for column in found:
        table.add_column(Text(column.heading, overflow="fold"), justify="right", vertical="bottom")
    for row in range(len(data.results)):
        table.add_row(*(_text(column, row) for column in found))
    return table


def show(data: SweepData, screen: Console) -> None:
    """Print a sweep: what was run, the table, the answers."""
    screen.print(headline(data), highlight=False)
    screen.print(sweep_table(data))
    for line in answers(data):
        screen.print(line, highlight=False)
    for line in remarks(data):
        screen.print(line, style="yellow", highlight=False)


def headline(data: SweepData) -> str:
    """One line: how many points, how often, how many of them were there already."""
    scenario = data.grid.scenario
    designs = _counted(len(scenario.architectures), "architecture")
    parts = [
        _counted(len(data.results), "point"),
        f"{designs} × {_counted(scenario.replications, 'replication')} each",
        f"{data.manifest['wall_time_s']:.0f} s",
    ]
    if data.again:
        parts.insert(1, f"{data.again} of them done before")
    return f"{scenario.name}   {', '.join(parts)}"


def remarks(data: SweepData) -> list[str]:
    """What a reader must know before trusting the table."""
    found: list[str] = []
    for point, result in zip(data.grid.points, data.results, strict=True):
        if result["refused"]:
            found.append(f"{', '.join(point.texts)}: {result['refused']}.")
        elif result["censored"]:
            found.append(f"{', '.join(point.texts)}: cut off in {', '.join(result['censored'])}.")
    few = [
        ", ".join(point.texts)
        for point, offered in zip(data.grid.points, _least_offered(data), strict=True)
        if offered < LEAST_MESSAGES["latency_p99"]
    ]
    if few:
        listed = f"{'; '.join(few[:_TOLD])}{' and more' if len(few) > _TOLD else ''}"
        found.append(
            f"No 99th percentile is told of fewer than {LEAST_MESSAGES['latency_p99']:,} messages in a "
            f"replication, as at {listed}."
        )
    hidden = len(data.grid.scenario.expect) - _PROMISES
    if hidden > 0:
        found.append(f"{hidden} more expectations are in verdicts.csv.")
    if data.grid.scenario.replications == 1:
        found.append("One replication: no intervals, and differences may be chance.")
    return found


def table_html(data: SweepData) -> str:
    """The table and the answers as a piece of HTML that stands alone; every text is escaped."""
    found = columns(data)
    heads = "".join(f"<th style='{_CELL}'>{escape(column.heading)}</th>" for column in found)
    rows = "".join(
        f"<tr>{''.join(_html_cell(column, row) for column in found)}</tr>" for row in range(len(data.results))
    )
    told = "".join(f"<li>{escape(line)}</li>" for line in answers(data))
    quiet = "".join(f"<li>{escape(line)}</li>" for line in remarks(data))
    parts = [
        f"<h3 style='margin:0 0 4px'>{escape(data.grid.scenario.name)}</h3>",
        f"<p style='margin:0 0 8px'>{escape(data.grid.scenario.description)}</p>",
        "<table style='border-collapse:collapse;font-variant-numeric:tabular-nums'>",
        f"<thead><tr style='border-bottom:1px solid #999'>{heads}</tr></thead><tbody>{rows}</tbody></table>",
        f"<ul style='list-style:none;padding:0'>{told}</ul>" if told else "",
        f"<ul style='color:#777777;font-size:90%'>{quiet}</ul>" if quiet else "",
    ]
    return f"<div>{''.join(parts)}</div>"


def _least_offered(data: SweepData) -> list[float]:
    """Messages of a replication at every point; of several architectures the fewest."""
    values = SweepValues(data)
    offered = np.array([values.series(name, "offered")[:, 0] for name in values.names])
    return np.where(np.isnan(offered), np.inf, offered).min(axis=0).tolist()


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'s' if number != 1 else ''}"


def _seen(result: Mapping[str, Any], promise: str) -> str:
    """The number behind a verdict: of the one architecture, or of the one that decides."""
    verdict = next(each for each in result["verdicts"] if each["expectation"] == promise)
    entries = verdict["architectures"]
    deciding = [each for each in entries if each["verdict"] == verdict["verdict"]]
    if not deciding:
        return ""
    if len(entries) == 1:
        return value_told({**entries[0], "risk": None}, promise, with_interval=True)
    if len(deciding) == len(entries) and len({each["value"] for each in deciding}) == 1:
        return value_told({**deciding[0], "risk": None}, promise)
    pick = max if "<" in promise or "==" in promise else min
    known = [each for each in deciding if each["value"] is not None]
    chosen = pick(known, key=lambda each: each["value"]) if known else deciding[0]
    return f"{chosen['name']} {value_told({**chosen, 'risk': None}, promise)}"


def _closed_forms(values: SweepValues) -> list[Column]:
    """What theory says beside what is promised of a single architecture."""
    found: list[Column] = []
    for measure in values.expected()[:_PROMISES]:
        asked = values.names if measure.architecture == "all" else [measure.architecture]
        known = values.theory(asked[0], measure)
        if len(asked) == 1 and not measure.is_share and not np.all(np.isnan(known)):
            cells = [numbers.value(measure.metric, float(each)) for each in known]
            found.append(Column(f"closed form of {measure.name}", cells))
    return found


def _numbers(values: SweepValues) -> list[Column]:
    """Latency, and goodput where the load is varied: of each of few architectures, or the worst of many."""
    names = values.names
    found: list[Column] = []
    if values.is_load:
        rates = [numbers.value("throughput", float(each)) for each in values.offered_rate(names[0])]
        found += [Column("offered", rates), *_per_architecture(values, "throughput", "goodput")]
    if len(names) > 1 or DEFAULT not in [(each.metric, each.scope) for each in values.expected()]:
        found += _per_architecture(values, "latency_p99", "p99 latency")
    return found


def _per_architecture(values: SweepValues, metric: str, label: str) -> list[Column]:
    names = values.names
    if len(names) <= _FEW:
        return [
            Column(
                label if len(names) == 1 else f"{label} {name}",
                [numbers.value(metric, float(mean)) for mean in values.series(name, metric)[:, 0]],
            )
            for name in names
        ]
    means = np.array([values.series(name, metric)[:, 0] for name in names])
    is_upper = METRICS[metric].lower_is_better
    ranked = np.where(np.isnan(means), -np.inf if is_upper else np.inf, means)
    worst = ranked.argmax(axis=0) if is_upper else ranked.argmin(axis=0)
    cells = [
        f"{names[row]} {numbers.value(metric, float(means[row, point]))}" for point, row in enumerate(worst)
    ]
    return [Column(f"{'greatest' if is_upper else 'least'} {label}", cells)]


def _text(column: Column, row: int) -> Text:
    text = Text()
    if column.verdicts and column.verdicts[row]:
        text.append(column.verdicts[row], style=STYLES[Verdict(column.verdicts[row])])
        text.append(" " if column.cells[row] else "")
    return text.append(column.cells[row])


def _html_cell(column: Column, row: int) -> str:
    verdict = column.verdicts[row] if column.verdicts else ""
    mark = f"<b style='color:{_COLOURS[verdict]}'>{verdict}</b> " if verdict else ""
    return f"<td style='{_CELL}'>{mark}{escape(column.cells[row])}</td>"
