"""The comparison table as a piece of HTML that stands alone, for notebooks."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from sim.report.notes import notes
from sim.report.promises import keeps_every_promise, verdict_lines
from sim.report.rows import Cell, Row, names, rows

if TYPE_CHECKING:
    from sim.experiment.archive import StudyData

_COLOURS: dict[bool | None, str] = {True: "#00754f", False: "#b34700", None: "#777777"}
_CELL = "text-align:right;vertical-align:top;padding:3px 10px"


def table_html(data: StudyData) -> str:
    """Name, description, main rows and remarks of a study; every text is escaped."""
    baseline = data.manifest.get("baseline")
    cut_off = {entry["architecture"] for entry in data.manifest.get("censored", [])}
    headings = "".join(
        _heading(name, is_baseline=name == baseline, is_cut_off=name in cut_off) for name in names(data)
    )
    promises = "".join(_promise(verdict, line) for verdict, line in verdict_lines(data.manifest))
    kept = keeps_every_promise(data.manifest)
    body = "".join(_row(row) for row in rows(data))
    remarks = "".join(f"<li>{escape(text)}</li>" for text in notes(data))
    parts = [
        f"<h3 style='margin:0 0 4px'>{escape(data.name)}</h3>",
        f"<p style='margin:0 0 8px'>{escape(data.description)}</p>" if data.description else "",
        f"<ul style='list-style:none;padding:0;margin:0 0 8px'>{promises}</ul>" if promises else "",
        f"<p style='margin:0 0 8px'>{escape(kept)}</p>" if kept else "",
        "<table style='border-collapse:collapse;font-variant-numeric:tabular-nums'>",
        f"<thead><tr style='border-bottom:1px solid #999'><th></th>{headings}</tr></thead>",
        f"<tbody>{body}</tbody></table>",
        f"<ul style='color:#777777;font-size:90%'>{remarks}</ul>" if remarks else "",
    ]
    return f"<div>{''.join(parts)}</div>"


def _promise(verdict: str, line: str) -> str:
    colour = {"PASS": _COLOURS[True], "FAIL": _COLOURS[False]}.get(verdict, "#8a6d00")
    return f"<li><b style='color:{colour}'>{escape(verdict)}</b> {escape(line)}</li>"


def _heading(name: str, *, is_baseline: bool, is_cut_off: bool) -> str:
    words = ["baseline"] * is_baseline + ["cut off"] * is_cut_off
    below = "".join(f"<br><small style='font-weight:normal;color:#777777'>{word}</small>" for word in words)
    return f"<th style='{_CELL}'>{escape(name)}{below}</th>"


def _row(row: Row) -> str:
    cells = "".join(_cell(cell) for cell in row.cells)
    style = "text-align:left;font-weight:normal;padding:3px 10px"
    return f"<tr><th style='{style}'>{escape(row.label)}</th>{cells}</tr>"


def _cell(cell: Cell) -> str:
    below = ""
    if cell.difference:
        below = f"<br><small style='color:{_COLOURS[cell.is_better]}'>{escape(cell.difference)}</small>"
    return f"<td style='{_CELL}'>{escape(cell.text)}{below}</td>"
