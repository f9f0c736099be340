"""``--set`` changes what it names, keeps what stands beside it, and never makes up what is not there."""

from __future__ import annotations

from pathlib import Path

import pytest
from small import SMALL, small

import sim

OUTAGE = "faults: {outage: {kind: reject, target: sink, at: 1m, duration: 1m}}\n"


def _problem(text: str, override: str) -> tuple[int, str]:
    with pytest.raises(sim.ScenarioError) as caught:
        sim.loads(text, [override])
    (problem,) = caught.value.problems
    return problem.column, problem.message


def test_scalar_for_a_block_keeps_its_other_keys() -> None:
    """The shorthand sets the main key and nothing else."""
    consumers = small("architectures.stream.consumers.batch=7", "architectures.stream.consumers=8")
    stream = consumers.architectures["stream"].consumers
    assert (stream.count, stream.batch) == (8, 7)


def test_mappings_merge() -> None:
    """A mapping adds to the one that is there, as in a file that extends another."""
    producer = small("defaults.producer={retry_for: 3s}", "defaults.producer={outbox: true}")
    options = producer.architectures["stream"].producer
    assert options.retry_for == 3
    assert options.outbox is not None


def test_one_parameter_of_a_quantity() -> None:
    """A path into a random quantity leaves its other parameters alone."""
    scenario = small("effects.db={service: {mean: 40ms, cv: 2}}", "effects.db.service.mean=80ms")
    service = scenario.effects["db"].service
    assert (service.mean, service.cv) == (0.08, 2)


def test_block_behind_true() -> None:
    """What ``true`` stands for has keys of its own."""
    scenario = small(
        "architectures.stream.producer.outbox=true", "architectures.stream.producer.outbox.poll=2s"
    )
    assert scenario.architectures["stream"].producer.outbox.poll == 2


def test_data_files_start_at_the_folder(tmp_path: Path) -> None:
    """A file that is set at the end of a path is looked for where the scenario's other files are."""
    (tmp_path / "new.csv").write_text("time\n0\n1\n2\n", "utf-8")
    text = (
        "workload: {arrivals: {trace: {file: old.csv, time: time}}}\n"
        "effects: {db: 1ms}\narchitectures: {stream: }\n"
    )
    scenario = sim.loads(text, ["workload.arrivals.trace.file=new.csv"], folder=tmp_path)
    assert scenario.horizon == 3


@pytest.mark.parametrize(
    ("override", "column", "start"),
    [
        ("effects.indx.service=5ms", 9, "no effect is called 'indx': did you mean 'index'?"),
        ("faults.outrage.duration=5m", 8, "no fault is called 'outrage': did you mean 'outage'?"),
        ("seed.=3", 6, "write path=value"),
        ("seed", 5, "write path=value"),
        ('architectures.stream."consumers=3', 22, "write path=value"),
        ("extends=other.yaml", 1, "extends belongs in a file"),
        ("workload.arrivals={rate: 5}", 26, "a rate needs a unit"),
        ("seed={", 7, "not valid YAML"),
    ],
)
def test_problems_have_their_place_in_the_text(override: str, column: int, start: str) -> None:
    """A wrong path or value is told with its column in the override."""
    found, message = _problem(SMALL + OUTAGE, override)
    assert message.startswith(start)
    assert found == column
