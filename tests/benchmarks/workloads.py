"""The workloads that are measured, as scenarios: what a user would write, kept in full.

W1 is a queue with eight workers, W2X adds all that goes wrong, W3 is a stream with two groups whose members
fetch few records at a time or many, W4 a topic with two stages of queues. A member that finds nothing waits
for the next record (small fetches, measured: 2 records) or looks again after 20 s (medium: 9) or 380 s
(large: 78, as if it slept for 20 s between any two fetches). The horizon follows from the number of messages.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import sim
from sim.scenario.model import Scenario

ROOT = Path(__file__).parents[2]
STUDY = ROOT / "scenarios" / "four_approaches.yaml"

_W1 = """
description: M/M/8 at utilization 0.8
workload: {arrivals: 6.4/s}
effects: {work: {service: {mean: 1s, distribution: exponential}}}
architectures: {single_broker: {consumers: 8}}
"""
_W2X = """
description: W1's pool with unequal speeds, failures, redelivery, crashes and outages
workload: {arrivals: 5.283/s}
effects: {work: {service: {mean: 1s, distribution: exponential}, failure: 5%}}
architectures:
  single_broker:
    queue: {visibility_timeout: 6s, max_receives: 3}
    consumers: {count: 8, speeds: [0.8, 0.8, 0.8, 0.8, 1.2, 1.2, 1.2, 1.2]}
faults:
  crashes: {kind: crash, target: consumers, mean_up: 200s, mean_down: 20s}
  outages: {kind: down, target: consumers, at: 2000s, duration: 30s, every: 2000s, in_hand: lose}
"""
_WORK = "{work: {service: {mean: 1s, distribution: exponential}, failure: 5%}}"
_HALF = "{service: {mean: 500ms, distribution: exponential}, failure: 2.5%}"
_W3 = """
description: 12 partitions, two groups of 6 members, at most 500 records a fetch
workload: {arrivals: 4.8/s, keys: 10k}
effects:
  db: {service: {mean: 1s, distribution: exponential}}
  index: {service: {mean: 1s, distribution: exponential}}
architectures: {stream: {stream: 12, consumers: 6}}
"""
_MEDIUM = _W3.replace("consumers: 6", "consumers: {count: 6, poll: 20s}")
_LARGE = _W3.replace("consumers: 6", "consumers: {count: 6, poll: 380s}")
_CRASHES = "faults: {crashes: {kind: crash, target: consumers, mean_up: 2000s, mean_down: 20s}}\n"
_ENDING = _W3.replace("consumers: 6", "consumers: {count: 6, poll: 800s, batch: 100}")
_STORM = _CRASHES.replace("2000s", "200s")
_UP = "each member up 2,000 s on average, and down 20 s"
_AT_MOST = "each member up 200 s on average; at 3/s, at most 100 records a fetch: some batches must end"
_W4 = """
description: a topic, three queues, and a second stage of three that wait for the first
workload: {arrivals: 6.4/s}
effects:
  a: {service: {mean: 1s, distribution: exponential}}
  b: {service: {mean: 1s, distribution: exponential}}
  c: {service: {mean: 1s, distribution: exponential}}
  d: {service: {mean: 1s, distribution: exponential}, after: a}
  e: {service: {mean: 1s, distribution: exponential}, after: b}
  f: {service: {mean: 1s, distribution: exponential}, after: c}
architectures: {sns_sqs: {consumers: 8}}
"""


@dataclass(frozen=True)
class Workload:
    """One line of the benchmark.

    Attributes:
        text: the scenario without its horizon.
        rate: of its arrivals, 1/s.
        architecture: which is run.
        units: how much is counted for each message.
        unit: what is counted.
        note: how it differs from its definition.
    """

    text: str
    rate: float
    architecture: str
    units: int = 1
    unit: str = "messages"
    note: str = ""

    def scenario(self, messages: int, *overrides: str) -> Scenario:
        """With so many messages to be expected."""
        rate = f"workload.arrivals.rate={self.rate}/s"
        return sim.loads(f"horizon: {messages / self.rate}s\n{self.text}", [rate, *overrides])


WORKLOADS = {
    "W1": Workload(_W1, 6.4, "single_broker"),
    "W2X": Workload(_W2X, 5.283, "single_broker"),
    "W2X two effects": Workload(
        _W2X.replace(_WORK, f"{{a: {_HALF}, b: {_HALF}}}"),
        5.283,
        "single_broker",
        note="each has half of the work and half of the failures",
    ),
    "W3 small": Workload(_W3, 4.8, "stream", 2, "record deliveries"),
    "W3 medium": Workload(_MEDIUM, 4.8, "stream", 2, "record deliveries"),
    "W3 large": Workload(_LARGE, 4.8, "stream", 2, "record deliveries"),
    "W3 small crashes": Workload(_W3 + _CRASHES, 4.8, "stream", 2, "record deliveries", _UP),
    "W3 large crashes": Workload(_LARGE + _CRASHES, 4.8, "stream", 2, "record deliveries", _UP),
    "W3 storm": Workload(_ENDING + _STORM, 3.0, "stream", 2, "record deliveries", _AT_MOST),
    "W4": Workload(_W4, 6.4, "sns_sqs", 6, "hops", "the second stage is three queues, not a common one"),
}
STUDY_NAME = "four_approaches"
STUDY_EVERY = 3
"""The whole study takes half a minute, so that only every third round runs it."""
FULL = 100_000
"""Messages at which the study has all of its replications."""


def chosen(only: str | None) -> list[str]:
    """Names of workloads, in their order; ``W3`` stands for all that begin so.

    Raises:
        ValueError: there is none of this name.
    """
    names = [*WORKLOADS, STUDY_NAME]
    if only is None:
        return names
    wanted = only.split(",")
    for each in wanted:
        if not any(_is_called(name, each) for name in names):
            raise ValueError(f"no workload is called {each!r}; there are {', '.join(names)}")
    return [name for name in names if any(_is_called(name, each) for each in wanted)]


def _is_called(name: str, word: str) -> bool:
    return name == word or name.startswith(f"{word} ")
