"""Small runs on virtual time, and the story of a single message in them."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import numpy as np

import sim
from sim.components.effect import Effect
from sim.engine.record import Record
from sim.experiment.replication import run_replication
from sim.vocabulary import MessageOutcome, Outcome, Reply


@dataclass
class Run:
    """A record, and what its workers did: (time, what, message), in order."""

    record: Record
    seen: list

    @property
    def begun(self):
        """The attempts."""
        return self._those("begins")

    @property
    def applied(self):
        """The effects that happened."""
        return self._those("applied")

    def _those(self, verb):
        split = [(time, *what.split(), message) for time, what, message in self.seen]
        return [(time, name, message) for time, name, what, message in split if what == verb]

    def __getattr__(self, name):
        """Whatever the record knows."""
        return getattr(self.record, name)

    def effect(self, name="db"):
        """The pairs of an effect."""
        return next(pairs for pairs in self.record.pairs if pairs.effect == name)

    def holder(self, name):
        """The copies of a queue, group or subscription."""
        return next(copies for copies in self.record.copies if copies.name == name)

    def first_applied(self, effect="db"):
        """When the effect first happened, per message; None for never."""
        return [None if np.isnan(time) else tidy(time) for time in self.effect(effect).first_applied]

    def outcomes(self, effect="db"):
        """What became of each pair of an effect."""
        return [Outcome(code).label for code in self.effect(effect).outcome]

    def message_outcomes(self):
        """What became of each message."""
        return [MessageOutcome(code).label for code in self.message_outcome]

    def replies(self):
        """What each caller was told, and when."""
        return [
            "none" if not code else f"{tidy(time):g} {Reply(code).label}"
            for code, time in zip(self.reply, self.reply_time, strict=True)
        ]

    def attempts(self, effect="db", message=0):
        """When the attempts at an effect of a message began."""
        return [tidy(time) for time, name, number in self.begun if (name, number) == (effect, message)]

    def order(self, effect="db"):
        """The messages in the order in which an effect happened, repetitions included."""
        return [message for _, name, message in self.applied if name == effect]

    def applications(self, effect="db"):
        """How often the effect happened, per message."""
        counts = Counter(self.order(effect))
        return [counts[message] for message in range(len(self.published))]

    def story(self, message=0):
        """All that happened to a message; what a holder did is told if the message is the only one."""
        events = [(self.published[message], 0, "published")]
        for rank, (time, what, number) in enumerate(self.seen):
            if number == message:
                events.append((time, 4 + rank / len(self.seen), what))
        for copies in self.copies:
            for copy in np.flatnonzero(copies.message == message):
                events += [
                    (copies.accepted[copy], 1, f"{copies.name} accepts"),
                    (copies.taken[copy], 3, f"{copies.name} delivers"),
                ]
                if copies.fate[copy] not in (255, Outcome.APPLIED):
                    events.append((copies.ended[copy], 6, Outcome(copies.fate[copy]).label))
            if len(self.published) == 1:
                events += [(time, 2, "visible again") for time in copies.returned]
                events += [(time, 3, f"{copies.name} delivers") for time in copies.retaken]
        if self.reply[message]:
            events.append((self.reply_time[message], 7, f"reply {Reply(self.reply[message]).label}"))
        return [f"{tidy(time):g} {what}" for time, _, what in sorted(events) if not np.isnan(time)]


def tidy(time):
    """A time without the last digits of floating-point arithmetic."""
    return round(float(time), 9)


def run(kind, times=(0,), *, effects=None, faults=None, horizon="100s", columns=None, top=None, **blocks):
    """Run one architecture on messages that are published at given times.

    Args:
        kind: of the architecture.
        times: when each message is published, beginning with 0; None leaves the arrivals to ``top``.
        effects: as in a scenario; 1 s for ``db`` where nothing is said.
        faults: as in a scenario.
        horizon: when arrivals stop.
        columns: further columns of the trace, and under ``key`` nothing special.
        top: further top-level keys of the scenario.
        blocks: of the architecture.
    """
    tree = {"horizon": horizon, "workload": {}, "effects": effects or {"db": "1s"}, **(top or {})}
    tree |= {"architectures": {kind: blocks}, "faults": faults or {}}
    with tempfile.TemporaryDirectory() as folder:
        if times is not None:
            rows = [",".join(["time", *(columns or {})])]
            for number, time in enumerate(times):
                rows.append(
                    ",".join(str(v) for v in (time, *(col[number] for col in (columns or {}).values())))
                )
            Path(folder, "trace.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
            tree["workload"] = {
                "arrivals": {"trace": {"file": "trace.csv", "time": "time"}},
                **tree["workload"],
            }
        scenario = sim.loads(json.dumps(tree), folder=folder)
        return observe(scenario, kind)


class Watched(list):
    """The attempts of an effect, which tells of every one that begins."""

    def __setitem__(self, message, count):
        self.tell(message)
        super().__setitem__(message, count)


def observe(scenario, name, replication=0):
    """Run an architecture of a scenario, looking on while effects begin and happen."""
    seen = []
    start, apply = Effect.start, Effect.apply

    def start_and_watch(effect):
        start(effect)
        effect.attempts = Watched(effect.attempts)
        effect.attempts.tell = lambda message: seen.append(
            (effect._site.now, f"{effect.name} begins", message)
        )

    def apply_and_tell(effect, message, now, late):
        seen.append((now, f"{effect.name} applied", message))
        apply(effect, message, now, late)

    with (
        mock.patch.object(Effect, "start", start_and_watch),
        mock.patch.object(Effect, "apply", apply_and_tell),
    ):
        return Run(run_replication(scenario, name, replication, "processes"), seen)
