"""What a study will take, before it is run: messages, time and memory.

Rough on purpose: it shall say hours or seconds, gigabytes or megabytes. A run holds all of its messages until
it is over, or a part of them where it is told in slices: without messages, or where they go to a file as they
come because they would not fit (:func:`fitting`).
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from sim.accelerator.slicing import PART
from sim.experiment.effort import estimated_seconds, expected_messages, planned_runs
from sim.experiment.replication import is_sliceable
from sim.scenario.model import Scenario
from sim.vocabulary import Engine

BYTES_PER_PAIR = {
    "synchronous": 250,
    "single_broker": 310,
    "dual_brokers": 330,
    "stream": 300,
    "pubsub": 250,
    "sns_sqs": 360,
}
"""Memory per message and effect of a run that its processes make: growth of the peak resident size over
studies without messages, of 600,000 and 1,000,000 pairs. Measured: 230, 290, 325, 275, 230, 350."""
BYTES_PER_PAIR_IN_BLOCKS = 100
"""The same where all pools are worked out in blocks, lag series and metrics included. Measured with 1,000,000
to 2,000,000 pairs: a queue 97, with failures and crashes 99, a stream 121, of which kept messages need more
anyway, a topic with queues 100."""
BYTES_PER_KEPT_PAIR = 220
"""Memory per message and effect while the messages of a run are stacked and written. Measured with 1,000,000
to 10,000,000 pairs of one to four architectures: 198 to 216."""
_BASE = 250e6
"""Bytes of a process that has run next to nothing and drawn its pictures; measured 248 and 261 MB."""
_WORTH_TELLING = 5.0
"""Seconds."""
_SHARE = 0.25
"""Of the machine's memory, where nothing else is said."""


@dataclass(frozen=True)
class Estimate:
    """What a study is expected to take.

    Attributes:
        messages: of one run.
        effects: how many each message has.
        runs: how many there are, at least.
        seconds: wall time.
        memory: bytes, at the peak, over all processes.
        processes: that run at the same time.
        keep: ``first``, ``all`` or ``none``: of which replications the messages are kept.
        spills: whether runs are measured slice by slice and kept messages go to files as they come.
        engine: how runs are made.
        holding: the architectures whose runs hold all of their messages.
    """

    messages: float
    effects: int
    runs: int
    seconds: float
    memory: float
    processes: int
    keep: str
    spills: bool
    engine: Engine
    holding: tuple[str, ...]

    @property
    def is_worth_telling(self) -> bool:
        """Whether somebody would wonder how long it takes."""
        return self.spills or self.seconds > _WORTH_TELLING

    def __str__(self) -> str:
        return (
            f"about {self.messages:,.0f} messages × {_counted(self.effects, 'effect')} × "
            f"{_counted(self.runs, 'run')}: {_duration(self.seconds)}, {_size(self.memory)} of memory"
            + (", messages go to a file as they come" if self.spills else "")
        )


def estimate(
    scenario: Scenario,
    jobs: int | None = None,
    keep: str = "first",
    engine: Engine | str = Engine.AUTO,
    *,
    spills: bool = False,
) -> Estimate:
    """Estimate a study.

    Args:
        scenario: the question; with a precision, at least its first replications are run.
        jobs: processes; as many as the machine has, and as there are runs, where it is left out.
        keep: of which replications the messages are kept.
        engine: how runs are made; processes hold all of their messages.
        spills: whether kept messages go to files as they come.
    """
    engine = Engine(engine)
    messages = expected_messages(scenario)
    pairs = messages * len(scenario.effects)
    runs = planned_runs(scenario)
    processes = max(min(os.cpu_count() or 1 if jobs is None else jobs, runs), 1)
    in_blocks = [
        name
        for name in scenario.architectures
        if engine is not Engine.PROCESSES and is_sliceable(scenario, name)
    ]
    seconds = estimated_seconds(scenario, in_blocks) / processes
    is_told_in_slices = spills or keep == "none"
    holding = [name for name in scenario.architectures if not (is_told_in_slices and name in in_blocks)]
    page = min(messages, 2 * PART) * len(scenario.effects)  # one is turned while the next is begun
    each = [
        (pairs if name in holding else page)
        * (
            (BYTES_PER_PAIR_IN_BLOCKS if name in in_blocks else BYTES_PER_PAIR[design.kind])
            + (BYTES_PER_KEPT_PAIR if spills else 0)
        )
        for name, design in scenario.architectures.items()
    ]
    largest = sorted(each, reverse=True)
    at_once = sum(largest[number // scenario.replications] for number in range(processes))
    kept = 0 if spills else {"none": 0, "first": len(scenario.architectures), "all": runs}[keep]
    memory = processes * _BASE + at_once + kept * pairs * BYTES_PER_KEPT_PAIR
    return Estimate(
        messages,
        len(scenario.effects),
        runs,
        seconds,
        memory,
        processes,
        keep,
        spills,
        engine,
        tuple(holding),
    )


def fitting(
    scenario: Scenario, expected: Estimate, memory: float, jobs: int | None = None, *, can_spill: bool = True
) -> Estimate:
    """How a study can be run in so much memory: as it is, or with its messages in files as they come.

    Args:
        scenario: the question.
        expected: what it takes as it is.
        memory: bytes that it may use.
        jobs: processes, as for :func:`estimate`.
        can_spill: whether messages can go to files.

    Raises:
        MemoryError: it cannot; the text says how much it would need, and what to change.
    """
    if expected.memory > memory and expected.keep != "none" and can_spill:
        spilling = estimate(scenario, jobs, expected.keep, expected.engine, spills=True)
        if spilling.memory <= memory:
            return spilling
        expected = min(expected, spilling, key=lambda each: each.memory)
    refuse_what_does_not_fit(scenario, expected, memory)
    return expected


def bytes_of_a_whole_run(scenario: Scenario, name: str) -> float:
    """Memory of a run of an architecture that holds all of its messages."""
    pairs = expected_messages(scenario) * len(scenario.effects)
    return _BASE + pairs * BYTES_PER_PAIR[scenario.architectures[name].kind]


def refuse_by_processes(scenario: Scenario, name: str, why: str, memory: float) -> None:
    """Refuse a run that blocks have to leave to its processes, if those would need more than it may use.

    Args:
        scenario: the question.
        name: of the architecture.
        why: blocks cannot tell what happens.
        memory: bytes that one run may use.

    Raises:
        MemoryError: with what to change.
    """
    needed = bytes_of_a_whole_run(scenario, name)
    if needed > memory:
        raise MemoryError(
            f"{name} of {scenario.name} cannot be worked out part by part ({why}), and its processes "
            f"would hold about {_size(needed)}, more than the {_size(memory)} that it may use: shorten the "
            f"horizon, or allow it with --memory {_size(1.1 * needed).replace(' ', '')}"
        )


def usable_memory() -> float:
    """Bytes that a study may use where nothing else is said: a quarter of what the machine has.

    Infinite where the machine does not tell.
    """
    try:
        return _SHARE * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # no such name, no such system
        return float("inf")


def refuse_what_does_not_fit(scenario: Scenario, expected: Estimate, memory: float | None = None) -> None:
    """Refuse a study that would need more memory than it may use.

    Args:
        scenario: the question.
        expected: what it will take.
        memory: bytes that it may use; :func:`usable_memory` where it is left out.

    Raises:
        MemoryError: it would need more; the text says how much, and what to change.
    """
    allowed = usable_memory() if memory is None else memory
    if expected.memory <= allowed:
        return
    ways = ["shorten the horizon"]
    if expected.processes > 1:
        ways.append("run fewer at a time with --jobs 1")
    if expected.keep == "all":
        ways.append("leave out --keep all")
    if expected.keep != "none" and not expected.spills:
        ways.append("keep no messages with --no-messages")
    if expected.engine is Engine.PROCESSES:
        ways.append("leave out --engine processes, which hold all messages")
    elif expected.holding and (expected.spills or expected.keep == "none"):
        ways.append(f"leave out {' and '.join(expected.holding)}, which cannot be run part by part")
    ways.append(f"allow it with --memory {_size(1.1 * expected.memory).replace(' ', '')}")
    raise MemoryError(
        f"{scenario.name} would need about {_size(expected.memory)} of memory ({expected}), more than the "
        f"{_size(allowed)} that it may use: {', '.join(ways[:-1])}, or {ways[-1]}"
    )


def _counted(number: int, word: str) -> str:
    return f"{number:,} {word}" + ("" if number == 1 else "s")


def _size(size: float) -> str:
    for unit, bound in (("GB", 1e9), ("MB", 1e6)):
        if size >= bound:
            return f"{size / bound:.3g} {unit}"
    return f"{size / 1e3:.0f} kB"


def _duration(seconds: float) -> str:
    for unit, length in (("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"
