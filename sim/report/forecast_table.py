"""What ``sim check`` says before anything runs: load, latency, the toll of failures, rules of thumb."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from sim.report import numbers

if TYPE_CHECKING:
    from rich.console import RenderableType

    from sim.forecast.closed_form import Forecast
    from sim.forecast.stability import Instability
    from sim.scenario.model import Scenario

_HIGH_LOAD = 0.9
_ROUGH = 0.10
_WORDS = {
    "partial": "half done",
    "failed": "not done at all",
    "rejected": "rejected",
    "dead_lettered": "dead-lettered",
    "dropped": "dropped",
    "lost": "lost",
    "expired": "expired",
    "late": "late",
    "duplicate_effects": "repeated effects",
}


class Lookup:
    """Forecasts by (architecture, scope, quantity).

    Args:
        forecasts: of a scenario.
    """

    def __init__(self, forecasts: Iterable[Forecast]) -> None:
        self.rows = list(forecasts)
        self._by_key: dict[tuple[str, str, str], Forecast] = {}
        for row in self.rows:
            self._by_key.setdefault((row.architecture, row.scope, row.quantity), row)

    def get(self, architecture: str, scope: str, quantity: str) -> Forecast | None:
        """The first forecast of a quantity."""
        return self._by_key.get((architecture, scope, quantity))

    def value(self, architecture: str, scope: str, quantity: str) -> float:
        """Its value, NaN where there is none."""
        found = self.get(architecture, scope, quantity)
        return math.nan if found is None else found.value

    def pools(self) -> list[tuple[str, str]]:
        """Every architecture and pool, in the order of the scenario."""
        return [(row.architecture, row.scope) for row in self.rows if row.quantity == "arrival_rate"]


def forecast_report(
    scenario: Scenario, forecasts: Iterable[Forecast], instabilities: Iterable[Instability]
) -> RenderableType:
    """All that theory says, as a stranger would want to read it.

    Args:
        scenario: the question.
        forecasts: of :func:`sim.forecast.forecast.forecast`.
        instabilities: of :func:`sim.forecast.forecast.unstable`.
    """
    found = Lookup(forecasts)
    parts = [
        *_titled("Load: what arrives at each pool, and what it can do", _load_table(found)),
        *_latency(found),
    ]
    for name, fault in scenario.faults.items():
        parts += _failure(found, name, _headline(name, fault))
    parts += [*_steady_losses(found), *_advice(found), Text(f"\n{_LEGEND}", style="dim")]
    return Group(*parts, *_warnings(found, instabilities))


_LEGEND = (
    "λ arrivals and μ capacity per second, load = λ/μ, E[S] mean work, D length of the outage, k receives, "
    "v visibility timeout, n retries, g their delay, p share of failing attempts, N messages, ≈ approximation"
)


def _titled(title: str, table: Table) -> list[RenderableType]:
    return [Text(f"\n{title}", style="bold"), table]


def _table(*columns: str, right: tuple[str, ...] = (), keeps: tuple[str, ...] = ()) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1), pad_edge=False, header_style="dim")
    for column in columns:
        justify, is_name = "right" if column in right else "left", column in keeps
        table.add_column(column, justify=justify, overflow="fold", no_wrap=is_name)
    return table


def _rate(value: float) -> str:
    return "∞" if math.isinf(value) else f"{numbers.value('throughput', value)}"


def _load_table(found: Lookup) -> Table:
    """Arrivals against capacity, pool by pool."""
    changing = any(_changes(found, *pool) for pool in found.pools())
    arrivals = "arrivals (peak)" if changing else "arrivals"
    right = (arrivals, "can do", "load", "mean wait")
    table = _table("architecture", "pool", *right, "model", right=right, keeps=("architecture", "pool"))
    for architecture, pool in found.pools():
        rate, peak = (found.value(architecture, pool, name) for name in ("arrival_rate", "peak_rate"))
        capacity = found.value(architecture, pool, "capacity")
        rho, peak_rho = (each / capacity if capacity else math.inf for each in (rate, peak))
        is_stable = found.value(architecture, pool, "is_stable") == 1
        style = "red" if not is_stable else ("yellow" if max(rho, peak_rho) >= _HIGH_LOAD else "")
        text, load = _rate(rate), _percent(rho)
        if _changes(found, architecture, pool):
            text, load = f"{text} ({_rate(peak)})", f"{load} ({_percent(peak_rho)})"
        wait = found.get(architecture, pool, "mean_wait")
        waits = numbers.NOTHING if is_stable else "grows"
        if wait is not None:
            waits = "<1 ms" if 0 < wait.value < 0.001 else numbers.duration(wait.value)
        model = "" if wait is None else f"{'' if wait.kind == 'exact' else '≈ '}{wait.model}"
        table.add_row(architecture, pool, text, _rate(capacity), Text(load, style=style), waits, model)
    return table


def _changes(found: Lookup, architecture: str, pool: str) -> bool:
    rate, peak = (found.value(architecture, pool, name) for name in ("arrival_rate", "peak_rate"))
    return peak > rate * 1.001


def _percent(share: float) -> str:
    return "∞" if math.isinf(share) else f"{share:.0%}"


def _latency(found: Lookup) -> list[RenderableType]:
    """Latencies that have a closed form, and why the others have none."""
    right = ("mean", "p99")
    table = _table("architecture", "effect", *right, "model", "formula", right=right)
    unknown: dict[str, list[str]] = {}
    for row in found.rows:
        if row.quantity != "latency_mean":
            continue
        scope = row.scope or "all effects"
        if not row.is_known:
            unknown.setdefault(row.why, []).append(f"{row.architecture} {scope}")
            continue
        p99 = found.value(row.architecture, row.scope, "latency_p99")
        table.add_row(
            row.architecture,
            scope,
            numbers.duration(row.value),
            numbers.NOTHING if math.isnan(p99) else numbers.duration(p99),
            f"{row.model}, {row.kind}",
            row.formula,
        )
    parts = _titled("Latency, from publish to effect", table) if table.row_count else []
    total = sum(row.quantity == "latency_mean" for row in found.rows)
    for why, where in unknown.items():
        told = "" if len(where) == total else f" – {', '.join(_short(where))}"
        parts.append(Text.assemble(("\nNo closed form for latency: ", "bold"), f"{why}{told}"))
    return parts


def _short(where: list[str]) -> list[str]:
    """``stream db, stream index`` as ``stream``."""
    found: dict[str, list[str]] = {}
    for each in where:
        found.setdefault(each.split()[0], []).append(each)
    return [name if len(each) > 1 else each[0] for name, each in found.items()]


def _headline(name: str, fault: object) -> str:
    kind, target = getattr(fault, "kind", ""), getattr(fault, "target", "")
    at, duration, every = (getattr(fault, key, None) for key in ("at", "mean_duration", "every"))
    up, down, chance = (getattr(fault, key, None) for key in ("mean_up", "mean_down", "probability"))
    when: list[str] = []
    if at is not None:
        when.append(f"{numbers.duration(duration or 0)} from {numbers.duration(at)} on")
    if every is not None:
        when.append(f"every {numbers.duration(every)}")
    if up is not None and down is not None:
        when.append(f"at random, {numbers.duration(down)} in {numbers.duration(up + down)}")
    if chance is not None:
        when.append(f"with probability {numbers.percent(chance)}")
    return f"{name}: {kind} {target}, {', '.join(when)}" if when else f"{name}: {kind} {target}"


def _failure(found: Lookup, fault: str, headline: str) -> list[RenderableType]:
    """What one fault will do, architectures with the same fate in one row."""
    by_fate: dict[tuple[str, str], list[str]] = {}
    for architecture in dict.fromkeys(row.architecture for row in found.rows):
        rows = [row for row in found.rows if row.architecture == architecture and row.scope == fault]
        text, formula = _fate(rows)
        by_fate.setdefault((text, formula), []).append(architecture)
    table = _table("architecture", "expected", "closed form")
    for (text, formula), names in by_fate.items():
        table.add_row(", ".join(names), text, formula)
    return _titled(f"Failure {headline}", table)


def _fate(rows: list[Forecast]) -> tuple[str, str]:
    if not rows:
        return "does not concern it", ""
    if not any(row.is_known for row in rows):
        return rows[0].why, "none"
    parts: list[str] = []
    for row in rows:
        if row.quantity in _WORDS and row.value >= 0.05:
            parts.append(f"{numbers.count(round(row.value, 1))} {_WORDS[row.quantity]}")
        elif row.quantity == "backlog_at_restore":
            parts.append(f"{numbers.count(round(row.value))} waiting at its end")
        elif row.quantity == "drain_time" and row.value > 0:
            parts.append(
                f"caught up {numbers.duration(row.value)} later"
                if math.isfinite(row.value)
                else "never caught up"
            )
        elif row.quantity == "age_max":
            parts.append(f"oldest {numbers.duration(row.value)}")
    formulas = dict.fromkeys(row.formula for row in rows if row.formula)
    return ", ".join(parts) or "no message is lost", "; ".join(list(formulas)[:2])


def _steady_losses(found: Lookup) -> list[RenderableType]:
    """What failing attempts and full buffers cost at any time."""
    table = _table(
        "architecture",
        "pool",
        "deliveries each",
        "given up",
        "closed form",
        right=("deliveries each", "given up"),
    )
    for architecture, pool in found.pools():
        deliveries = found.value(architecture, pool, "mean_deliveries")
        given_up = found.get(architecture, pool, "dead_letter_share")
        refused = found.get(architecture, pool, "refused_share")
        if refused is not None:
            table.add_row(architecture, pool, "", f"{numbers.percent(refused.value)} no room", refused.model)
        if deliveries > 1 or given_up is not None:
            share = 0.0 if given_up is None else given_up.value
            told = "without end" if math.isinf(deliveries) else f"{deliveries:.4g}"
            table.add_row(
                architecture,
                pool,
                told,
                numbers.percent(share) if share else "0%",
                "(1 − p^k) / (1 − p); p^k" if given_up else "(1 − p^k) / (1 − p)",
            )
    return _titled("Attempts that fail, at any time", table) if table.row_count else []


def _advice(found: Lookup) -> list[RenderableType]:
    """Rules of thumb, one line each; the same for several architectures on one line."""
    lines: dict[str, list[str]] = {}
    for architecture, pool in found.pools():
        for text in _advice_of(found, architecture, pool):
            lines.setdefault(text, []).append(f"{architecture} {pool}")
    if not lines:
        return []
    table = _table("pool", "advice")
    for text, where in lines.items():
        table.add_row(", ".join(where), text)
    return _titled("Rules of thumb", table)


def _advice_of(found: Lookup, architecture: str, pool: str) -> list[str]:
    def value(quantity: str) -> float:
        return found.value(architecture, pool, quantity)

    lines: list[str] = []
    hot, capacity, nominal = value("hot_partition_share"), value("capacity"), value("nominal_capacity")
    if not math.isnan(hot) and capacity < nominal * 0.95:
        lines.append(
            f"uneven: keeps up with {_rate(capacity)}, not with the {_rate(nominal)} of all its workers; "
            f"the hottest partition gets {numbers.percent(hot)} (μ / share)"
        )
    if value("idle_consumers") > 0:
        lines.append(f"{_consumers(value('idle_consumers'))} without a partition, idle (C − P)")
    lines += _recovery_lines(found, architecture, pool)
    safe, rate = value("safe_retry_rate"), value("arrival_rate")
    if not math.isnan(safe):
        row = found.get(architecture, pool, "safe_retry_rate")
        assert row is not None
        verdict = "it does" if rate < safe else f"at {_rate(rate)} a storm of retries may not heal"
        lines.append(f"keeps up with {row.why} below {_rate(safe)} (μ / (1 + r)): {verdict}")
    visibility = value("visibility_for_1pct_duplicates")
    if not math.isnan(visibility):
        lines.append(f"1% of the work outlasts a visibility timeout of {numbers.duration(visibility)}")
    return lines


def _recovery_lines(found: Lookup, architecture: str, pool: str) -> list[str]:
    rows = [row for row in found.rows if (row.architecture, row.scope) == (architecture, pool)]
    lines: list[str] = []
    for position, row in enumerate(rows):
        if row.quantity == "consumers_for_recovery":
            fault, within = row.why.split(";")[0], rows[position - 1].value
            text = f"{fault}, caught up in {numbers.duration(within)} with {_consumers(row.value)}"
            following = rows[position + 1] if position + 1 < len(rows) else None
            if following is not None and following.quantity.endswith("as_assigned"):
                if not following.is_known:
                    text += ", but not with these partitions and keys"
                elif following.value > row.value:
                    text += f", {following.value:.0f} as partitions are dealt out"
            lines.append(f"{text} (⌈(λ + B/RTO) / μ⌉)")
        if row.quantity == "desired_consumers":
            acceptable, current, fault = rows[position - 2].value, rows[position - 1].value, row.why
            lines.append(
                f"{fault}, for a latency of {numbers.duration(rows[position - 3].value)}: "
                f"{numbers.count(round(acceptable))} waiting per consumer are fine, "
                f"{numbers.count(round(current))} are there: an autoscaler wants {_consumers(row.value)}"
            )
    return lines


def _consumers(count: float) -> str:
    return f"{count:.0f} consumer{'' if count == 1 else 's'}"


def _warnings(found: Lookup, instabilities: Iterable[Instability]) -> list[Text]:
    """What a reader must know before running: no steady state, hopeless precision, overload at the peak."""
    lines = [each.sentence + "." for each in instabilities]
    rough: dict[tuple[str, str], list[str]] = {}
    for architecture, pool in found.pools():
        rate, peak = (found.value(architecture, pool, name) for name in ("arrival_rate", "peak_rate"))
        capacity = found.value(architecture, pool, "capacity")
        if rate < capacity <= peak:
            lines.append(
                f"{architecture}: {pool} falls behind at the peak: {_rate(peak)} arrive, "
                f"{_rate(capacity)} can be done."
            )
        precision = found.value(architecture, pool, "precision_of_wait")
        if precision > _ROUGH:
            needed = found.value(architecture, pool, "messages_for_5pct")
            told = f"{precision:.0%}", f"{needed:,.0f}"
            rough.setdefault(told, []).append(f"{architecture} {pool}")
    for (precision, needed), where in rough.items():
        lines.append(
            f"{', '.join(where)}: this load and these replications tell the mean wait to ±{precision} only; "
            f"±5% takes {needed} messages."
        )
    return [Text(f"warning: {line}", style="yellow") for line in lines]
