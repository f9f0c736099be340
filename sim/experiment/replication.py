"""One run: a scenario, one of its architectures, one replication, and the record it leaves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.accelerator import run as accelerator
from sim.components.consumer import Pool
from sim.components.site import Site
from sim.engine.columns import distinct, narrow
from sim.engine.ledger import CopyLog
from sim.engine.record import Copies, Pairs, Record
from sim.engine.streams import Streams
from sim.scenario.model import Scenario
from sim.scenario.parts import build, trace_columns
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


def _checked(scenario: Scenario, name: str, replication: int, site: Site) -> Record:
    record = _record(scenario, name, replication, site)
    record.check()
    return record


def _record(scenario: Scenario, name: str, replication: int, site: Site) -> Record:
    ledger = site.ledger
    pairs, copies = ledger.close(pair for underway in site.underway for pair in underway())
    is_pending = any(bool(np.any(pair.outcome == Outcome.PENDING)) for pair in pairs)
    is_censored = is_pending or site.has_busy_workers()
    reply_time = ledger.shared.of(ledger.reply_time)
    end = site.limit if is_censored else _last_event(scenario.horizon, reply_time, pairs, copies)
    holders = {item.name: item.effects for item in copies}
    return Record(
        architecture=name,
        replication=replication,
        published=ledger.shared.of(ledger.published),
        key=ledger.shared.of(narrow(site.messages.key)),
        reply=ledger.shared.of(ledger.reply),
        reply_time=reply_time,
        pairs=pairs,
        copies=copies,
        pools=tuple(pool.use() for pool in site.pools),
        faults=site.faults.windows(holders, end, has_broker=site.has_broker),
        warmup=site.window[0],
        horizon=scenario.horizon,
        end=end,
        is_censored=is_censored,
        poll_status=scenario.workload.client.poll_status,
    )


def _last_event(
    horizon: float, reply_time: NDArray[Any], pairs: tuple[Pairs, ...], copies: tuple[Copies, ...]
) -> float:
    """When the last thing happened, at least the horizon."""
    columns = [reply_time, *(pair.first_applied for pair in pairs)]
    columns += [column for item in copies for column in (item.ended, item.returned, item.retaken)]
    columns += [item.checkpoints.time for item in copies if item.checkpoints is not None]
    last = [float(np.fmax.reduce(column, initial=horizon)) for column in distinct(columns)]
    return max(last, default=horizon)
