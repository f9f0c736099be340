"""Shorthands, inheritance between files and architectures, defaults, and what ``none`` does."""

from __future__ import annotations

from pathlib import Path

import pytest
from small import SMALL, small, told

import sim
from sim.engine.distributions import Histogram, Mixture, Spread

BASE = """\
horizon: 1h
seed: 5
name: base
workload: {arrivals: {rate: 10/s, scale: 2}, keys: 5k}
effects: {db: {service: {mean: 40ms, cv: 1}, failure: 1%}, index: 40ms}
defaults: {consumers: 4}
architectures:
  single_broker: {producer: {retry_for: 3s}, consumers: {speeds: [1, 2]}}
  kafka: {kind: stream, stream: 12}
faults: {trouble: {kind: reject, target: index.sink, at: 10m, duration: 2m}}
"""


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A folder with a scenario to start from."""
    (tmp_path / "base.yaml").write_text(BASE)
    return tmp_path


def _variant(folder: Path, text: str) -> sim.Scenario:
    return sim.loads("extends: base.yaml\n" + text, folder=folder, name="variant")


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ("workload.arrivals=20/s", "workload.arrivals={rate: 20/s}"),
        ("workload.keys=7", "workload.keys={count: 7}"),
        ("effects.db=5ms", "effects.db={service: 5ms}"),
        ("architectures.stream.consumers=8", "architectures.stream.consumers={count: 8}"),
        ("architectures.stream.stream=8", "architectures.stream.stream={partitions: 8}"),
        ("defaults.consumers=8", "defaults={consumers: {count: 8}}"),
        (
            "architectures.stream.per_effect={db: {consumers: 8}}",
            "architectures.stream.per_effect.db.consumers.count=8",
        ),
        ("architectures.stream.producer.outbox=true", "architectures.stream.producer.outbox={poll: 1s}"),
    ],
)
def test_a_scalar_sets_the_main_key(short: str, long: str) -> None:
    """A scalar in place of a block means the block with that main key."""
    assert small(short) == small(long) != small()


def test_files_merge_deeply(base: Path) -> None:
    """A variant changes what it names and inherits the rest, but not the name."""
    variant = _variant(base, "workload: {arrivals: {rate: 30/s}}\nfaults: {trouble: {duration: 5m}}\n")
    origin = sim.load(base / "base.yaml")
    assert variant.workload.arrivals.rate == 30
    assert variant.workload.arrivals.scale == 2
    assert (variant.faults["trouble"].at, variant.faults["trouble"].duration) == (600, 300)
    assert (variant.name, origin.name, variant.seed) == ("variant", "base", 5)
    assert variant.architectures == origin.architectures


def test_variants_of_variants(base: Path) -> None:
    """A chain of files is followed to its beginning."""
    (base / "middle.yaml").write_text("extends: base.yaml\nseed: 6\nreplications: 3\n")
    last = sim.loads("extends: middle.yaml\nreplications: 4\n", folder=base)
    assert (last.seed, last.replications, last.horizon) == (6, 4, 3600)


def test_shorthands_expand_before_files_merge(base: Path) -> None:
    """A scalar over a block changes its main key and keeps the others."""
    variant = _variant(
        base, "workload: {arrivals: 30/s}\neffects: {db: 5ms}\narchitectures: {kafka: {stream: 3}}\n"
    )
    assert variant.workload.arrivals.scale == 2
    assert variant.effects["db"].failure == 0.01
    assert variant.architectures["kafka"].stream.partitions == 3


def test_none_clears(base: Path) -> None:
    """``none`` takes away what would be inherited: a fault, an architecture, an option, a default."""
    variant = _variant(
        base,
        "faults: {trouble: none}\narchitectures: {kafka: none, single_broker: {producer: none}}\n"
        "defaults: none\neffects: {db: {failure: none}}\n",
    )
    assert not variant.faults
    assert list(variant.architectures) == ["single_broker"]
    assert variant.architectures["single_broker"].producer.retry_for == 0
    assert variant.architectures["single_broker"].consumers.count == 1
    assert variant.effects["db"].failure == 0


def test_lists_replace(base: Path) -> None:
    """A list is not merged with the inherited one."""
    variant = _variant(base, "architectures: {single_broker: {consumers: {speeds: [3]}}}\n")
    assert variant.architectures["single_broker"].consumers.speeds == (3,)


def test_the_same_form_of_a_quantity_merges(base: Path) -> None:
    """Another mean keeps the inherited cv, in an extending file as after ``--set``."""
    service = _variant(base, "effects: {db: {service: {mean: 1s}}}").effects["db"].service
    assert isinstance(service, Spread)
    assert (service.mean, service.cv) == (1, 1)


@pytest.mark.parametrize(
    ("form", "kind"),
    [
        ("{histogram: {1s: 100%}}", Histogram),
        ("{mixture: [{weight: 1, mean: 1s}]}", Mixture),
        ("{p50: 1s, p99: 1s}", Spread),
    ],
)
def test_another_form_of_a_quantity_replaces(base: Path, form: str, kind: type) -> None:
    """A random quantity that names its form keeps nothing of the inherited one."""
    assert isinstance(_variant(base, f"effects: {{db: {{service: {form}}}}}").effects["db"].service, kind)


def test_another_form_of_arrivals_replaces(base: Path) -> None:
    """Stages replace a rate and keep what applies to both."""
    variant = _variant(base, "horizon: none\nworkload: {arrivals: {stages: [{duration: 5m, rate: 1/s}]}}\n")
    assert (variant.workload.arrivals.rate, variant.workload.arrivals.scale, variant.horizon) == (
        None,
        2,
        300,
    )


def test_architectures_extend_architectures() -> None:
    """Own keys beat extended ones, which beat defaults; order in the file does not matter."""
    scenario = sim.loads(
        "horizon: 1h\nworkload: {arrivals: 1/s}\neffects: {db: 1ms}\n"
        "defaults: {hop: 9ms, consumers: {count: 1, batch: 7, idempotent: true}}\n"
        "architectures:\n"
        "  last: {extends: middle, consumers: 3}\n"
        "  middle: {extends: first, consumers: {count: 2, batch: 5}}\n"
        "  first: {kind: stream, stream: 9}\n"
    )
    last = scenario.architectures["last"]
    assert (last.kind, last.stream.partitions) == ("stream", 9)
    assert last.hop == pytest.approx(0.009)
    assert (last.consumers.count, last.consumers.batch, last.consumers.idempotent) == (3, 5, True)
    assert scenario.baseline == "last"


def test_an_extended_architecture_may_have_a_kinds_name() -> None:
    """What is named like a kind can be extended without a kind of its own."""
    scenario = sim.loads(SMALL.replace("sns_sqs: ", "mine: {extends: stream, hop: 1ms}"))
    assert (scenario.architectures["mine"].kind, scenario.architectures["mine"].hop) == ("stream", 0.001)


def test_defaults_reach_the_kinds_that_have_them() -> None:
    """A default that a kind does not have is passed over for that kind."""
    scenario = small("defaults={queue: {capacity: 5}, consumers: {commit_interval: 1s}}")
    assert scenario.architectures["sns_sqs"].queue.capacity == 5
    assert scenario.architectures["stream"].consumers.commit_interval == 1


def test_every_effect_gets_a_full_branch() -> None:
    """A branch is the architecture's block with what the effect has of its own."""
    scenario = small(
        "architectures.sns_sqs={consumers: {count: 5, batch: 2}, "
        "per_effect: {index: {consumers: {count: 8}}}}"
    )
    branches = scenario.architectures["sns_sqs"].per_effect
    assert list(branches) == ["db", "index"]
    assert [branch.consumers.count for branch in branches.values()] == [5, 8]
    assert [branch.consumers.batch for branch in branches.values()] == [2, 2]


def test_aliases_work() -> None:
    """A block that stands twice is written once."""
    text = SMALL.replace(
        "{stream: , sns_sqs: }", "{stream: {consumers: &two {count: 2}}, pubsub: {consumers: *two}}"
    )
    assert [each.consumers.count for each in sim.loads(text).architectures.values()] == [2, 2]


def test_extensions_are_ignored() -> None:
    """Top-level keys that begin with ``x-`` say nothing to the loader, elsewhere they are unknown."""
    assert sim.loads(SMALL + "x-owner: {team: [a, b]}\n").model_dump() == sim.loads(SMALL).model_dump()
    assert "unknown key 'x-owner'" in told(SMALL, "workload.x-owner=me")[0]


def test_a_circle_of_files_is_told(tmp_path: Path) -> None:
    """Two files that extend each other are refused at the place that closes the circle."""
    (tmp_path / "a.yaml").write_text("extends: b.yaml\n")
    (tmp_path / "b.yaml").write_text("name: b\nextends: a.yaml\n")
    with pytest.raises(sim.ScenarioError) as caught:
        sim.load(tmp_path / "a.yaml")
    (problem,) = caught.value.problems
    assert (Path(problem.file).name, problem.line, problem.column) == ("b.yaml", 2, 10)


def test_problems_of_an_extended_file_are_told_there(base: Path) -> None:
    """What is wrong in the base is reported with the base's name and line."""
    (base / "base.yaml").write_text(BASE.replace("seed: 5", "seed: x"))
    with pytest.raises(sim.ScenarioError) as caught:
        _variant(base, "replications: 2\n")
    (problem,) = caught.value.problems
    assert (Path(problem.file).name, problem.line, problem.column) == ("base.yaml", 2, 7)
