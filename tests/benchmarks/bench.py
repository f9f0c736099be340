"""Messages per CPU second of this simulator and of others, beside bare SimPy timeouts of the same run.

Run by ``make bench``. Each line begins with the name of a workload (``workloads.py``) or of a peer
(``peers.py``):

- messages per CPU second: of W3 record deliveries (record x group), of W4 hops (deliveries of a queue),
- the ratio to B, the rate of bare ``yield env.timeout(1)`` loops in 16 processes, measured just before,
- bytes of the ledger per message and effect, peak resident memory of the process,
- for peers, which run W1: how many times faster this simulator is.

All of it goes through the public path: a scenario in YAML, the model, the full ledger with its sums checked,
the lag series of all components. Values are medians over interleaved rounds, each measurement in a process
of its own. Compare ratios, never times, between machines.
"""

from __future__ import annotations

import argparse
import inspect
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from statistics import median

from peers import PEERS, PUBLISHED
from sampling import Sample
from workloads import STUDY_EVERY, STUDY_NAME, WORKLOADS, chosen

from sim.experiment.replication import run_replication

_BACKLOG = 1_000_000
_STANDING = {"W1": 8.0, "W3 small": 6.0}
"""Arrivals as fast as they can be worked off, 1/s: a backlog stays what it is."""


def main() -> None:
    """Measure and print."""
    arguments = _arguments()
    messages, engine, rounds = arguments.messages, arguments.engine, arguments.rounds

    def measure(name: str) -> Sample:
        return run_sample(name, messages, "" if name in PEERS else engine)

    names = chosen(arguments.only)
    peers = [name for name in PEERS if "W1" in names and _is_here(name)]
    samples: dict[str, list[Sample]] = {name: [] for name in [*names, *peers]}
    for number in range(rounds):
        for name, found in samples.items():
            if name != STUDY_NAME or number % STUDY_EVERY == 0:
                found.append(measure(name))
    everything = [each for found in samples.values() for each in found]
    print(f"{'B':<18} {median(each.bare for each in everything):>10,.0f} bare SimPy timeouts per CPU second")
    for name in names:
        print(workload_line(name, samples[name]))
    if "W1" in names:
        ours = samples["W1"]
        for line in peer_lines({name: samples[name] for name in peers}, ours):
            print(line)
    for line in linear_lines(arguments.linear, engine, rounds, run_sample):
        print(line, flush=True)


def workload_line(name: str, samples: list[Sample]) -> str:
    """What is told of a workload."""
    workload = WORKLOADS.get(name)
    unit = workload.unit if workload else "messages"
    line = _rate(name, samples, unit)
    each = [sample.bytes_each for sample in samples if sample.bytes_each is not None]
    told = f"{median(each):.0f} bytes per message and effect" if each else "a whole study"
    note = f"  ({workload.note})" if workload and workload.note else ""
    return f"{line}  {told}  peak {max(sample.peak for sample in samples):.0f} MB{note}"


def peer_lines(peers: dict[str, list[Sample]], ours: list[Sample]) -> Iterator[str]:
    """How much faster we are than each, by the ratios to B; published rates by the rates themselves."""
    for name in PEERS:
        if name not in peers:
            yield f'{name:<18} not installed: pip install -e ".[bench]"'
            continue
        times = _ratio(ours) / _ratio(peers[name])
        yield f"{_rate(name, peers[name], 'messages')}  ours is × {times:.1f} faster"
    for name, (rate, why) in PUBLISHED.items():
        times = median(sample.rate for sample in ours) / rate
        yield (
            f"{name:<18} {rate:>10,} messages per CPU second, not installable here; published rate ({why})  "
            f"ours is × {times:.1f} faster"
        )


def linear_lines(
    counts: list[int], engine: str, rounds: int, measure: Callable[..., Sample]
) -> Iterator[str]:
    """Whether the rate stays what it is with many messages, and with many that wait: medians.

    Args:
        counts: of messages; the rates at all others are told as shares of that at the first.
        engine: see :func:`run_sample`.
        rounds: in each of which all are measured in turn.
        measure: see :func:`run_sample`.
    """
    samples: dict[tuple[str, bool, int], list[Sample]] = {}
    for _ in range(rounds):
        for name, standing in _STANDING.items():
            # so many arrivals as the backlog lasts for, in which it neither grows nor shrinks
            full = [f"workload.backlog={_BACKLOG}", f"workload.arrivals.rate={standing}/s"]
            for is_full in (False, True):
                for count in counts:
                    found = measure(name, count, engine, *(full if is_full else []))
                    samples.setdefault((name, is_full, count), []).append(found)
    for (name, is_full, count), found in samples.items():
        rate = _rate(name, found, WORKLOADS[name].unit)
        what = f"{count:,} messages" + (f" behind a standing backlog of {_BACKLOG:,}" if is_full else "")
        share = ""
        if count != counts[0]:
            first = samples[name, is_full, counts[0]]
            share = f", {_median_rate(found) / _median_rate(first):.0%} of the rate at {counts[0]:,}"
        yield f"linear {rate}  peak {max(sample.peak for sample in found):,.0f} MB  {what}{share}"


def run_sample(name: str, messages: int, engine: str = "", *overrides: str) -> Sample:
    """Measure in a process of its own."""
    script = Path(__file__).with_name("sampling.py")
    words = [sys.executable, str(script), name, str(messages), engine, *overrides]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
    return Sample(**json.loads(done.stdout))


def _rate(name: str, samples: list[Sample], unit: str) -> str:
    rate = _median_rate(samples)
    return f"{name:<18} {rate:>10,.0f} {unit} per CPU second  {_ratio(samples):.2f} B"


def _ratio(samples: list[Sample]) -> float:
    return median(sample.ratio for sample in samples)


def _median_rate(samples: list[Sample]) -> float:
    return median(sample.rate for sample in samples)


def _is_here(peer: str) -> bool:
    return "SimPy" in peer or find_spec(peer.lower()) is not None


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--messages", type=int, default=200_000, help="of each run (default: 200000)")
    parser.add_argument("--rounds", type=int, default=9, help="of which medians are told (default: 9)")
    parser.add_argument("--only", metavar="W1,W3", help="these workloads; peers run beside W1")
    parser.add_argument("--engine", default="", help="blocks or processes (default: what runs choose)")
    parser.add_argument(
        "--linear",
        nargs="?",
        metavar="1000000,10000000",
        const="1000000,10000000",
        default="",
        help="also W1 and W3 with so many messages, and behind a standing backlog; a minute each round",
    )
    found = parser.parse_args()
    try:
        chosen(found.only)
        found.linear = [int(count) for count in found.linear.split(",") if count]
    except ValueError as error:
        parser.error(str(error))
    if found.engine and "engine" not in inspect.signature(run_replication).parameters:
        parser.error("--engine: there is only one engine yet")
    return found


if __name__ == "__main__":
    main()
