"""One run: a scenario, one of its architectures, one replication, and the record it leaves."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.accelerator import run as accelerator
from sim.accelerator import slicing
from sim.accelerator.choice import Plan
from sim.components.consumer import Pool
from sim.components.site import Site
from sim.engine.columns import distinct, narrow
from sim.engine.ledger import CopyLog, Ledger
from sim.engine.record import Copies, FaultWindow, Pairs, Record
from sim.engine.slices import Slice
from sim.engine.streams import Streams
from sim.scenario.model import Scenario
from sim.scenario.parts import build, empty_site, trace_columns
from sim.vocabulary import Engine, Outcome


@dataclass(frozen=True)
class Ways:
    """Which way the parts of a run took.

    Attributes:
        paths: ``blocks`` or ``processes``, by the name of a holder of copies or of a pool.
        reasons: of the pools whose processes ran, why.
    """

    paths: dict[str, str]
    reasons: dict[str, str]


def run_replication(
    scenario: Scenario, name: str, replication: int, engine: Engine | str = Engine.AUTO
) -> Record:
    """Simulate one architecture once; the sums of the ledger are asserted.

    Args:
        scenario: the question.
        name: of the architecture.
        replication: counted from 0; the same number meets the same arrivals, draws and failures in every
            architecture.
        engine: how; the record is the same.
    """
    return simulate(scenario, name, replication, engine)[0]


def simulate(
    scenario: Scenario, name: str, replication: int, engine: Engine | str = Engine.AUTO
) -> tuple[Record, Ways]:
    """The same, and which way its parts took."""
    assert not isinstance(scenario.warmup, str), "the study finds out how long the warm-up is"
    streams = Streams(scenario.seed, replication)
    messages = scenario.workload.draw(streams, scenario.horizon, trace_columns(scenario))
    why = "asked for"
    if Engine(engine) is not Engine.PROCESSES:
        site = build(scenario, name, streams, messages)
        try:
            reasons = accelerator.run(site, scenario.horizon)
            return _checked(scenario, name, replication, site), _ways(site, reasons)
        except accelerator.Inexact as found:
            why = str(found)
    site = build(scenario, name, streams, messages)
    site.run_to_the_end(scenario.horizon)
    reasons = {pool.name: why for pool in site.pools}
    return _checked(scenario, name, replication, site), _ways(site, reasons)


def _ways(site: Site, reasons: dict[str, str]) -> Ways:
    """A holder takes the way of the pool that it feeds; what copies only pass takes that of all pools."""
    ways = {pool.name: "processes" if reasons[pool.name] else "blocks" for pool in site.pools}
    holders = {log.name: "processes" if any(reasons.values()) else "blocks" for log in site.ledger.logs}
    for pool in site.pools:
        held = [log.name for log in site.ledger.logs if not log.is_transit and _feeds(log, pool)]
        holders |= dict.fromkeys(held, ways[pool.name])
    return Ways(holders | ways, {name: reason for name, reason in reasons.items() if reason})


def _feeds(log: CopyLog, pool: Pool[Any]) -> bool:
    return log.effects == tuple(effect.number for effect in pool.effects)


def simulate_in_slices(
    scenario: Scenario, name: str, replication: int, engine: Engine | str = Engine.AUTO
) -> tuple[Iterator[Slice], Ways]:
    """Simulate once and tell it slice by slice, without ever holding all messages where that is possible.

    What cannot be worked out part by part (:mod:`sim.accelerator.slicing`) is one slice, the whole record.

    Raises:
        Inexact: while slices are told: this run must be told anew, by its processes.
    """
    assert not isinstance(scenario.warmup, str), "the study finds out how long the warm-up is"
    if Engine(engine) is not Engine.PROCESSES:
        site = empty_site(scenario, name, replication)
        plan = slicing.sliceable(site, scenario.horizon)
        if plan is not None:
            return _slices(scenario, name, replication, site, plan), _ways(site, plan.reasons)
    record, ways = simulate(scenario, name, replication, engine)
    return iter([Slice(record, 0, math.inf)]), ways


def is_sliceable(scenario: Scenario, name: str) -> bool:
    """Whether an architecture can be run without ever holding all messages."""
    return slicing.sliceable(empty_site(scenario, name), scenario.horizon) is not None


def _slices(scenario: Scenario, name: str, replication: int, site: Site, plan: Plan) -> Iterator[Slice]:
    workload = scenario.workload
    parts = workload.draw_in_parts(site.streams, scenario.horizon, slicing.PART)
    first, end, is_censored = 0, scenario.horizon, False
    for page in slicing.pages(site, plan, parts, workload.backlog):
        record = _record(scenario, name, replication, site, page.ledger, page.key, since=end)
        end, is_censored = max(end, record.end), is_censored or record.is_censored
        if math.isinf(page.watermark) and is_censored:
            end = site.limit
        told = replace(
            record,
            end=end,
            is_censored=is_censored,
            faults=_windows(site, record.copies, site.limit if math.isfinite(page.watermark) else end),
        )
        told.check()
        yield Slice(told, first, page.watermark)
        first += len(record.published)


def _checked(scenario: Scenario, name: str, replication: int, site: Site) -> Record:
    record = _record(scenario, name, replication, site, site.ledger, site.messages.key)
    record.check()
    return record


def _record(
    scenario: Scenario,
    name: str,
    replication: int,
    site: Site,
    ledger: Ledger,
    key: NDArray[Any],
    *,
    since: float | None = None,
) -> Record:
    """What a ledger tells; ``since`` is when the run ended as far as is known, or its horizon."""
    pairs, copies = ledger.close(pair for underway in site.underway for pair in underway())
    is_pending = any(bool(np.any(pair.outcome == Outcome.PENDING)) for pair in pairs)
    is_censored = is_pending or site.has_busy_workers()
    reply_time = ledger.shared.of(ledger.reply_time)
    known = scenario.horizon if since is None else since
    end = site.limit if is_censored else _last_event(known, reply_time, pairs, copies)
    return Record(
        architecture=name,
        replication=replication,
        published=ledger.shared.of(ledger.published),
        key=ledger.shared.of(narrow(key)),
        reply=ledger.shared.of(ledger.reply),
        reply_time=reply_time,
        pairs=pairs,
        copies=copies,
        pools=tuple(pool.use() for pool in site.pools),
        faults=_windows(site, copies, end),
        warmup=site.window[0],
        horizon=scenario.horizon,
        end=end,
        is_censored=is_censored,
        poll_status=scenario.workload.client.poll_status,
    )


def _windows(site: Site, copies: tuple[Copies, ...], end: float) -> tuple[FaultWindow, ...]:
    holders = {item.name: item.effects for item in copies}
    return site.faults.windows(holders, end, has_broker=site.has_broker)


def _last_event(
    horizon: float, reply_time: NDArray[Any], pairs: tuple[Pairs, ...], copies: tuple[Copies, ...]
) -> float:
    """When the last thing happened, at least the horizon."""
    columns = [reply_time, *(pair.first_applied for pair in pairs)]
    columns += [column for item in copies for column in (item.ended, item.returned, item.retaken)]
    columns += [item.checkpoints.time for item in copies if item.checkpoints is not None]
    last = [float(np.fmax.reduce(column, initial=horizon)) for column in distinct(columns)]
    return max(last, default=horizon)
