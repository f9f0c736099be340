"""Messages per CPU second on the workloads W1, W2X and W3, beside bare SimPy timeouts of the same run.

Run by ``make bench``. Each line begins with the workload's name and tells

- the rate in messages per CPU second (for W3 record deliveries, record x group),
- the ratio to B, the rate of bare ``yield env.timeout(1)`` loops in 16 processes, measured in the same round.

All of it goes through the public path: a scenario in YAML, the model, the full ledger with its sums checked.
``W1 and report`` adds every metric, the lag series and the message table. Values are medians over interleaved
rounds; compare ratios, never times, between machines.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import simpy

import sim
from sim.experiment.replication import run_replication
from sim.experiment.study import run_one
from sim.scenario.model import Scenario

W1 = """
name: W1
description: M/M/8 at utilization 0.8
horizon: {horizon}s
workload: {{arrivals: 6.4/s}}
effects: {{work: {{service: {{mean: 1s, distribution: exponential}}}}}}
architectures: {{single_broker: {{consumers: 8}}}}
"""
W2X = """
name: W2X
description: W1's pool with unequal speeds, failures, redelivery, crashes and outages
horizon: {horizon}s
workload: {{arrivals: 5.283/s}}
effects: {{work: {{service: {{mean: 1s, distribution: exponential}}, failure: 5%}}}}
architectures:
  single_broker:
    queue: {{visibility_timeout: 6s, max_receives: 3}}
    consumers: {{count: 8, speeds: [0.8, 0.8, 0.8, 0.8, 1.2, 1.2, 1.2, 1.2]}}
faults:
  crashes: {{kind: crash, target: consumers, mean_up: 200s, mean_down: 20s}}
  outages: {{kind: down, target: consumers, at: 2000s, duration: 30s, every: 2000s, in_hand: lose}}
"""
W3 = """
name: W3
description: 12 partitions, two groups of 6 members, at most 500 records a fetch
horizon: {horizon}s
workload: {{arrivals: 4.8/s, keys: 10k}}
effects:
  db: {{service: {{mean: 1s, distribution: exponential}}}}
  index: {{service: {{mean: 1s, distribution: exponential}}}}
architectures: {{stream: {{stream: 12, consumers: 6}}}}
"""


def bare_timeouts(events: int = 400_000, processes: int = 16) -> float:
    """B: SimPy timeouts per CPU second."""
    env = simpy.Environment()

    def loop() -> object:
        for _ in range(events // processes):
            yield env.timeout(1.0)

    for _ in range(processes):
        env.process(loop())
    return events / cpu_seconds(env.run)


def cpu_seconds(work: Callable[[], object]) -> float:
    """CPU time of a call, s."""
    start = time.process_time()
    work()
    return time.process_time() - start


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    messages = arguments.messages

    def scenario(text: str, rate: float) -> Scenario:
        return sim.loads(text.format(horizon=messages / rate))

    w1, w2x, w3 = scenario(W1, 6.4), scenario(W2X, 5.283), scenario(W3, 4.8)
    workloads: dict[str, tuple[Callable[[], object], int]] = {
        "W1": (lambda: run_replication(w1, "single_broker", 0), 1),
        "W1 and report": (lambda: run_one(w1, "single_broker", 0, keeps_messages=True), 1),
        "W2X": (lambda: run_replication(w2x, "single_broker", 0), 1),
        "W3": (lambda: run_replication(w3, "stream", 0), 2),
    }
    rates: dict[str, list[float]] = {name: [] for name in workloads}
    ratios: dict[str, list[float]] = {name: [] for name in workloads}
    bare: list[float] = []
    for _ in range(arguments.rounds):
        bare.append(bare_timeouts())
        for name, (work, deliveries) in workloads.items():
            rate = messages * deliveries / cpu_seconds(work)
            rates[name].append(rate)
            ratios[name].append(rate / bare[-1])
    print(f"B  {statistics.median(bare):,.0f} bare SimPy timeouts per CPU second")  # noqa: T201
    for name in workloads:
        rate, ratio = statistics.median(rates[name]), statistics.median(ratios[name])
        print(f"{name:<14} {rate:>9,.0f} messages per CPU second  {ratio:.2f} B")  # noqa: T201


if __name__ == "__main__":
    main()
