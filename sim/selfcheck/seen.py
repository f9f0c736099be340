"""What a study shows: how metrics of a case are read from its samples, messages, lag and faults.

Only what every user gets is read (:class:`~sim.experiment.archive.StudyData` and the runs that
:func:`~sim.experiment.study.run_study` reports), never the insides of the model.
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.experiment.archive import StudyData
from sim.experiment.study import Run
from sim.selfcheck.tolerance import Observation, PerMessage, PerRun

Table = Any
"""A pandas table, one row per message; its stubs are too loose to be of use here."""
Observer = Callable[["Seen"], Observation]


@dataclass(frozen=True)
class Seen:
    """A study that was run.

    Attributes:
        data: what it left.
        runs: one per architecture and replication, in this order.
    """

    data: StudyData
    runs: list[Run]

    def metric(self, name: str, scope: str = "", architecture: str | None = None) -> NDArray[Any]:
        """A metric of ``summary.csv``, one value per replication."""
        samples: Any = self.data.samples
        assert samples is not None
        architecture = architecture or str(self.data.manifest["baseline"])
        chosen = (samples["metric"] == name) & (samples["scope"] == scope)
        rows = samples[chosen & (samples["architecture"] == architecture)]
        assert len(rows), f"no metric {name} of {scope!r} in {architecture}"
        return rows.sort_values("replication")["value"].to_numpy(dtype=float)

    def messages(self, effect: str = "work", architecture: str | None = None) -> list[Table]:
        """The messages published in [warm-up, horizon), a table per replication, one row per message."""
        table: Any = self.data.messages
        manifest = self.data.manifest
        architecture = architecture or str(manifest["baseline"])
        published = table["published"].to_numpy()
        chosen = (published >= manifest["warmup"]) & (published < manifest["horizon"])
        chosen &= (table["architecture"] == architecture).to_numpy()
        chosen &= (table["effect"] == effect).to_numpy()
        rows = table[chosen]
        cuts = np.flatnonzero(np.diff(rows["replication"].to_numpy())) + 1
        return [rows.iloc[start:end] for start, end in zip([0, *cuts], [*cuts, len(rows)], strict=True)]

    def backlog(self, component: str, architecture: str) -> tuple[NDArray[Any], NDArray[Any]]:
        """Times and backlog of a component in the first replication."""
        lag: Any = self.data.lag
        rows = lag[
            (lag["architecture"] == architecture)
            & (lag["component"] == component)
            & (lag["replication"] == 0)
        ]
        return rows["time"].to_numpy(dtype=float), rows["backlog"].to_numpy(dtype=float)

    def window(self, fault: str) -> tuple[float, float]:
        """Start and end of the first time that a scheduled fault is active."""
        found = next(entry for entry in self.data.manifest["faults"] if entry["name"] == fault)
        start, end = found["windows"][0]
        return float(start), float(end)

    def occurrences(self, fault: str) -> NDArray[Any]:
        """How often a random fault began, per replication."""
        counts = [len(each.starts) for run in self.runs for each in run.faults if each.name == fault]
        return np.array(counts, dtype=float)


def metric(name: str, scope: str = "", architecture: str | None = None, *, times: float = 1.0) -> Observer:
    """A metric of ``summary.csv``, times a factor."""
    return lambda seen: PerRun(seen.metric(name, scope, architecture) * times)


def per_run(of: Callable[[Table], float], effect: str = "work", architecture: str | None = None) -> Observer:
    """What is computed of the messages of each replication."""
    return lambda seen: PerRun(np.array([of(table) for table in seen.messages(effect, architecture)]))


def per_message(
    of: Callable[[Table], NDArray[Any]],
    effect: str = "work",
    architecture: str | None = None,
    *,
    is_share: bool = False,
    scale: float = 1.0,
) -> Observer:
    """A mean over the messages of all replications; of a share, ``of`` says which messages count."""

    def observe(seen: Seen) -> PerMessage:
        values = np.concatenate([of(table) for table in seen.messages(effect, architecture)])
        sd = None if is_share else float(values.std(ddof=1))
        return PerMessage(float(values.mean()), len(values), sd, scale)

    return observe


def share(
    name: str,
    scope: str = "",
    architecture: str | None = None,
    *,
    minus: str | None = None,
    scale: float = 1.0,
) -> Observer:
    """A counted metric as a share of what was offered in all replications.

    Args:
        name: of the metric.
        scope: of the metric.
        architecture: None is the baseline.
        minus: a metric of whole messages that is taken off.
        scale: 1e6 for what is told per million.
    """

    def observe(seen: Seen) -> PerMessage:
        offered = float(seen.metric("offered", "", architecture).sum())
        counted = float(seen.metric(name, scope, architecture).sum())
        if minus is not None:
            counted -= float(seen.metric(minus, "", architecture).sum())
        return PerMessage(counted / offered, int(offered), scale=scale)

    return observe


def ratio(name: str, scope: str = "", architecture: str | None = None) -> Observer:
    """A counted metric over what was offered, per replication."""
    return lambda seen: PerRun(
        seen.metric(name, scope, architecture) / seen.metric("offered", "", architecture)
    )


def waits(table: Table) -> NDArray[Any]:
    """From the publish to the first delivery of each message, s."""
    return (table["first_delivered"] - table["published"]).to_numpy()


def mean_wait(table: Table) -> float:
    """The mean of those, s."""
    return float(waits(table).mean())


def share_that_waits(table: Table) -> float:
    """The share of messages that were not delivered at once."""
    return float((waits(table) > 0).mean())


def deliveries(table: Table) -> NDArray[Any]:
    """How often each message was delivered."""
    return table["deliveries"].to_numpy(dtype=float)
