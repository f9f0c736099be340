"""What ``sim check`` prints: the questions of a stranger, answered before anything runs."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

import sim
from sim.cli import app
from sim.forecast.forecast import forecast, unstable
from sim.report.forecast_table import forecast_report

SCENARIOS = Path(__file__).parents[2] / "scenarios"
FILES = [*sorted((SCENARIOS / "golden").glob("*.yaml")), SCENARIOS / "four_approaches.yaml"]
APPROACHES = """\
name: approaches
horizon: 1000s
replications: 1
workload: {arrivals: {rate: 10/s, process: constant}}
effects: {db: 40ms, index: 40ms}
architectures: {single_broker: {consumers: 2}, dual_brokers: , stream: , pubsub: , sns_sqs: }
faults:
  trouble: {kind: reject, target: index.sink, at: 400s, duration: 120s}
"""
ORDERS = """\
name: orders
replications: 30
workload:
  arrivals:
    stages:
      - {duration: 30m, rate: 150/s}
      - {duration: 15m, rate: 150/s, ramp_to: 600/s}
      - {duration: 75m, rate: 300/s}
effects:
  db: {service: {p50: 8ms, p99: 60ms}}
  index: {service: {p50: 20ms, p99: 250ms}, failure: 0.5%}
defaults: {consumers: 24, producer: {retry_for: 3s}}
architectures:
  kafka: {kind: stream, stream: {partitions: 24}}
  kafka_outbox: {extends: kafka, producer: {outbox: true}}
  sns_sqs: {queue: {visibility_timeout: 60s, max_receives: 5}}
faults:
  search_down: {kind: reject, target: index.sink, at: 60m, duration: 10m}
  broker_out: {kind: reject, target: index.broker, at: 90m, duration: 60s}
"""
DRAIN = """\
name: drain
horizon: 3h
workload: {arrivals: 144/s}
effects: {index: {service: {histogram: {25ms: 38%, 50ms: 71%, 100ms: 93%, 250ms: 99%, 1s: 100%}}}}
architectures:
  kafka: {kind: stream, stream: {partitions: 48}, consumers: 11}
faults:
  outage: {kind: down, target: index.consumers, at: 40m, duration: 12m}
"""
HOT = """\
horizon: 1h
workload: {arrivals: 100/s, keys: {count: 1000, distribution: zipf}}
effects: {index: {service: {mean: 95ms, distribution: exponential}}}
architectures:
  stream: {stream: 10, consumers: 12}
  single_broker: {consumers: 10}
  pubsub: {consumers: 10, topic: {retries: 0, buffer: 20}}
"""


def shown(text: str, width: int = 120) -> str:
    """The report as printed, its blanks reduced to one."""
    scenario = sim.loads(text)
    console = Console(width=width, file=io.StringIO(), color_system=None)
    console.print(forecast_report(scenario, forecast(scenario), unstable(scenario)), highlight=False)
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    return re.sub(r"\s+", " ", " ".join(lines))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_check_tells_the_theory(path: Path) -> None:
    """Every scenario that is shipped gets loads, and a paragraph for each of its faults."""
    done = CliRunner().invoke(app, ["check", str(path)])
    assert done.exit_code == 0, done.output
    assert "is valid" in done.output
    assert "Load: what arrives at each pool" in done.output
    for name, fault in sim.load(path).faults.items():
        assert f"Failure {name}: {fault.kind} {fault.target}" in done.output


def test_approaches() -> None:
    """The question of the first example is answered before it runs."""
    text = shown(APPROACHES)
    assert "single_broker 600 dead-lettered, 600 half done, 600 late, 2,100 repeated effects" in text
    assert "stream 1,200 waiting at its end, caught up 1m 20s later, oldest 2m 00s" in text
    assert "pubsub 600 dropped, 600 half done, 600 late λ max(0, D − n g)" in text


def test_orders() -> None:
    """A rush, a rejecting index and a broker that refuses: the same arithmetic with changing rates."""
    text = shown(ORDERS)
    assert "sns_sqs 108,000 dead-lettered, 108,000 half done, 72,000 late" in text
    assert "kafka, sns_sqs 17,100 rejected" in text
    assert "kafka_outbox oldest 1m 01s" in text
    assert "272/s (600/s)" in text
    assert (
        "warning: kafka: index_consumers falls behind at the peak: 600/s arrive, 581/s can be done." in text
    )
    assert "No closed form for latency: arrivals change over time (stages)" in text


def test_drain() -> None:
    """Eleven consumers do not help where 48 partitions leave one of them with five."""
    text = shown(DRAIN)
    assert "103,680 waiting at its end, caught up 37m 36s later, oldest 12m 00s" in text
    assert "after outage, caught up in 12m 00s with 15 consumers, 16 as partitions are dealt out" in text


def test_hot_keys_and_overload_are_warned_of() -> None:
    """A hot partition, idle consumers, a bounded buffer and hopeless loads are told in plain words."""
    text = shown(HOT)
    assert "uneven: keeps up with 52.4/s, not with the 105/s of all its workers" in text
    assert "2 consumers without a partition" in text
    assert "2.1% no room" in text
    assert "warning: stream: index_consumers can never keep up: 100/s arrive, at most 52.44/s" in text


def test_rough_studies_are_warned_of() -> None:
    """Before running: so few messages at such a load say little."""
    text = shown(
        "horizon: 10m\nreplications: 3\nworkload: {arrivals: 9.5/s}\narchitectures: {single_broker: }\n"
        "effects: {a: {service: {mean: 100ms, distribution: exponential}}}\n"
    )
    assert re.search(r"warning: single_broker consumers: .* to ±61% only; ±5% takes 2,586,327 messages", text)


@pytest.mark.parametrize("text", [APPROACHES, ORDERS, DRAIN, HOT])
def test_fits_a_narrow_terminal(text: str) -> None:
    """Eighty columns are enough, whatever has to be wrapped."""
    assert "Load" in shown(text, width=80)
