"""The words of the project: outcomes, replies, faults, metrics, exit codes and errors.

Everything else is written in these terms; this module imports nothing of the project. An *effect* is a
piece of work that every message must cause (``db``, ``index``), a *pair* is (message, effect), a *copy* is
what a queue, a partition or a subscription holds for a pair or for a message.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum

SCHEMA_VERSION = 1
"""Version of the files of a run; it changes when a column changes its name or its meaning."""


class Outcome(IntEnum):
    """What became of a pair. Of several that apply, the smallest counts."""

    APPLIED = 0
    PENDING = 1
    DEAD_LETTERED = 2
    EXPIRED = 3
    DROPPED = 4
    LOST = 5
    REJECTED = 6

    @property
    def label(self) -> str:
        """The name that stands in files and tables."""
        return self.name.lower()


class MessageOutcome(IntEnum):
    """What became of a message, from the outcomes of its pairs; the first that matches."""

    PENDING = 0
    COMPLETE = 1
    PARTIAL = 2
    REJECTED = 3
    FAILED = 4

    @property
    def label(self) -> str:
        """The name that stands in files and tables."""
        return self.name.lower()


class Reply(IntEnum):
    """What the caller was told."""

    NONE = 0
    OK = 1
    ERROR = 2

    @property
    def label(self) -> str:
        """The name that stands in files and tables."""
        return self.name.lower()


class Status(StrEnum):
    """What the API server answers when somebody asks for a job by its id."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class FaultKind(StrEnum):
    """The ways in which a part can fail."""

    DOWN = "down"
    REJECT = "reject"
    SLOW = "slow"
    CRASH = "crash"
    DELAY = "delay"
    LOSS = "loss"


class Role(StrEnum):
    """The parts that a fault can hit; every architecture resolves them to components of its own."""

    API = "api"
    BROKER = "broker"
    CONSUMERS = "consumers"
    SINK = "sink"


class Clock(StrEnum):
    """What a metric averages over. The two are never mixed."""

    PER_MESSAGE = "per message"
    TIME_WEIGHTED = "time-weighted"


class Scope(StrEnum):
    """What a row of ``summary.csv`` can be about."""

    WHOLE = "whole messages"
    EFFECT = "an effect"
    HOLDER = "a component that holds copies"
    GROUP = "a consumer group"
    POOL = "a pool of workers"
    FAULT = "a scheduled fault"


@dataclass(frozen=True, slots=True)
class Metric:
    """A row of ``summary.csv``.

    Attributes:
        name: as it stands in the file.
        unit: ``messages``, ``pairs``, ``copies``, ``lookups``, ``s``, ``1/s`` or ``1`` (a share). Counts of
            messages are in pairs where the scope is an effect and in copies where it is a component.
        clock: whether it counts messages or averages over time.
        meaning: one line for a person.
        lower_is_better: for colouring differences; None where neither is better.
        scopes: what its rows can be about.
    """

    name: str
    unit: str
    clock: Clock
    meaning: str
    lower_is_better: bool | None = True
    scopes: tuple[Scope, ...] = (Scope.WHOLE,)

    @property
    def is_count(self) -> bool:
        """Whether it counts messages, so that a share of those offered can be told."""
        return self.clock is Clock.PER_MESSAGE and self.unit in ("messages", "pairs")


def _metrics() -> dict[str, Metric]:
    per_message, time_weighted = Clock.PER_MESSAGE, Clock.TIME_WEIGHTED
    whole, effect, holder = Scope.WHOLE, Scope.EFFECT, Scope.HOLDER
    pairs, anything = (whole, effect), (whole, effect, holder)
    rows = [
        Metric("offered", "messages", per_message, "messages published in the window", None, pairs),
        Metric("complete", "messages", per_message, "every effect applied", lower_is_better=False),
        Metric("partial", "messages", per_message, "some effects applied and some not"),
        Metric("failed", "messages", per_message, "accepted, and no effect applied"),
        Metric("rejected", "messages", per_message, "every publish attempt was refused", scopes=pairs),
        Metric("pending", "messages", per_message, "a live copy was left when the run ended", scopes=pairs),
        Metric("silent_partial", "messages", per_message, "partial although the caller was told all is well"),
        Metric("applied", "messages", per_message, "the effect happened at least once", False, anything),  # noqa: FBT003
        Metric(
            "dead_lettered", "messages", per_message, "its copy sits in a dead-letter queue", scopes=anything
        ),
        Metric("expired", "messages", per_message, "removed by retention", scopes=anything),
        Metric("dropped", "messages", per_message, "given up by rule", scopes=anything),
        Metric("lost", "messages", per_message, "vanished: crash, failover, network", scopes=anything),
        Metric("duplicate_effects", "pairs", per_message, "applications beyond the first", scopes=pairs),
        Metric("late", "pairs", per_message, "first applied on attempt 2 or later", scopes=pairs),
        Metric("late_mean", "s", per_message, "first applied - published, of the late pairs", scopes=pairs),
        Metric(
            "order_violations", "pairs", per_message, "applied after a later message of its key", scopes=pairs
        ),
        Metric("response_time_mean", "s", per_message, "reply to the caller - intended publish, mean"),
        Metric(
            "response_time_p99", "s", per_message, "reply to the caller - intended publish, 99th percentile"
        ),
        Metric("known_mean", "s", per_message, "final status known to the caller - intended publish, mean"),
        Metric("status_polls", "lookups", per_message, "lookups of its status per message, mean"),
        Metric("latency_mean", "s", per_message, "first applied - intended publish, mean", scopes=pairs),
        Metric("latency_p50", "s", per_message, "first applied - intended publish, median", scopes=pairs),
        Metric(
            "latency_p95", "s", per_message, "first applied - intended publish, 95th percentile", scopes=pairs
        ),
        Metric(
            "latency_p99", "s", per_message, "first applied - intended publish, 99th percentile", scopes=pairs
        ),
        Metric("backlog_max", "messages", time_weighted, "most copies waiting at one time", scopes=(holder,)),
        Metric(
            "backlog_mean", "messages", time_weighted, "copies waiting, averaged over time", scopes=(holder,)
        ),
        Metric(
            "age_max", "s", time_weighted, "greatest age of the oldest copy not yet removed", scopes=anything
        ),
        Metric(
            "lag_max",
            "messages",
            time_weighted,
            "end offset - committed offset, greatest",
            scopes=(Scope.GROUP,),
        ),
        Metric(
            "drain_time",
            "s",
            time_weighted,
            "end of a fault until the backlog is as before it",
            scopes=(Scope.FAULT,),
        ),
        Metric("throughput", "1/s", time_weighted, "completions per second in the window", False, pairs),  # noqa: FBT003
        Metric("utilization", "1", time_weighted, "busy time / (workers x window)", None, (Scope.POOL,)),
    ]
    return {metric.name: metric for metric in rows}


METRICS: dict[str, Metric] = _metrics()
"""Every metric of ``summary.csv`` by name, in the order in which a table shows them."""

STATUS_METRICS = ("known_mean", "status_polls")
"""What only callers know who ask for the status of their jobs."""

SUMMARY_COLUMNS = ("architecture", "metric", "scope", "unit", "mean", "ci_low", "ci_high", "replications")
COMPARISON_COLUMNS = (
    "baseline",
    "architecture",
    "metric",
    "scope",
    "unit",
    "difference",
    "ci_low",
    "ci_high",
    "correlation",
    "variance_ratio",
    "replications",
)
MESSAGE_COLUMNS = (
    "architecture",
    "replication",
    "message",
    "key",
    "effect",
    "published",
    "reply",
    "reply_time",
    "first_delivered",
    "first_applied",
    "deliveries",
    "applications",
    "outcome",
)
LAG_COLUMNS = ("architecture", "replication", "component", "time", "backlog", "in_flight", "age", "lag")

STATUS_COLUMNS = ("architecture", "replication", "time", "pending", "running", "succeeded", "failed")

ARCHITECTURE_KINDS = ("synchronous", "single_broker", "dual_brokers", "stream", "pubsub", "sns_sqs")


class Verdict(StrEnum):
    """Of an expectation."""

    PASS = "PASS"  # noqa: S105 - no password
    INCONCLUSIVE = "INCONCLUSIVE"
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True)
class Subject:
    """What an expectation speaks of: ``kafka.index.latency_p99``.

    Attributes:
        architecture: its name, or ``all``.
        scope: an effect, a component, a pool or a fault; empty for whole messages.
        metric: as in ``summary.csv``.
    """

    architecture: str
    scope: str
    metric: str

    def __str__(self) -> str:
        return ".".join(part for part in (self.architecture, self.scope, self.metric) if part)


@dataclass(frozen=True, slots=True)
class Expectation:
    """A promise to be judged by what the replications say: ``all.rejected < 0.1%``.

    Attributes:
        text: as it stands in the scenario.
        left: what is judged.
        op: ``==``, ``!=``, ``<``, ``<=``, ``>``, ``>=`` or ``~``.
        bound: the number to compare with, in seconds, messages, 1/s or as a share; None where it is a metric.
        is_share: whether the bound is a share of the messages offered.
        right: the metric to compare with; None where it is a number.
        factor: by which that metric is multiplied.
        tolerance: of ``~``, in the unit of the metric or as a share of what is compared with.
        tolerance_is_share: which of the two.
    """

    text: str
    left: Subject
    op: str
    bound: float | None = None
    is_share: bool = False
    right: Subject | None = None
    factor: float = 1.0
    tolerance: float = 0.05
    tolerance_is_share: bool = True


class Engine(StrEnum):
    """How a run is made; its ledger is the same."""

    AUTO = "auto"
    PROCESSES = "processes"
    BLOCKS = "blocks"


class ExitCode(IntEnum):
    """What the commands return to the shell."""

    OK = 0
    ENVIRONMENT = 1
    BAD_INPUT = 2
    INCONCLUSIVE = 98
    FAIL = 99
    INTERRUPTED = 130


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong with an input, and where.

    Attributes:
        file: as the user named it.
        line: counted from 1.
        column: counted from 1.
        message: what is wrong and what would be right.
    """

    file: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.message}"


class ScenarioError(Exception):
    """Something that the author of a scenario can put right.

    Attributes:
        problems: everything that was found in one pass, in the order of the file.
    """

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = sorted(set(problems))
        super().__init__("\n".join(str(problem) for problem in self.problems))

    def __reduce__(self) -> tuple[type[ScenarioError], tuple[list[Problem]]]:
        return (type(self), (self.problems,))
