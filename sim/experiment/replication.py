"""One run: a scenario, one of its architectures, one replication, and the record it leaves."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.components.site import Site
from sim.engine.columns import distinct, narrow
from sim.engine.record import Copies, Pairs, Record
from sim.engine.streams import Streams
from sim.scenario.model import Scenario
from sim.scenario.parts import build, trace_columns
from sim.vocabulary import Outcome


def run_replication(scenario: Scenario, name: str, replication: int) -> Record:
    """Simulate one architecture once; the sums of the ledger are asserted.

    Args:
        scenario: the question.
        name: of the architecture.
        replication: counted from 0; the same number meets the same arrivals, draws and failures in every
            architecture.
    """
    assert not isinstance(scenario.warmup, str), "the study finds out how long the warm-up is"
    streams = Streams(scenario.seed, replication)
    messages = scenario.workload.draw(streams, scenario.horizon, trace_columns(scenario))
    site = build(scenario, name, streams, messages)
    site.run_to_the_end(scenario.horizon)
    record = _record(scenario, name, replication, site)
    record.check()
    return record


def _record(scenario: Scenario, name: str, replication: int, site: Site) -> Record:
    ledger = site.ledger
    pairs, copies = ledger.close(pair for underway in site.underway for pair in underway())
    is_pending = any(bool(np.any(pair.outcome == Outcome.PENDING)) for pair in pairs)
    is_censored = is_pending or site.has_busy_workers()
    reply_time = ledger.shared.of(ledger.reply_time)
    end = site.now if is_censored else _last_event(scenario.horizon, reply_time, pairs, copies)
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
